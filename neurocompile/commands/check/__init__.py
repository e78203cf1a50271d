"""The gate of a CI service: an exported network compared with a baseline."""
