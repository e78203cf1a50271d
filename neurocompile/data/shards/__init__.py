"""Data sets of many files, of which a few rows are in memory at a time."""
