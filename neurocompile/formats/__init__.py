"""Graphs to files and back."""
