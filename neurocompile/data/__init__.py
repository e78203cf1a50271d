"""Samples, encoders, and what enters a network."""
