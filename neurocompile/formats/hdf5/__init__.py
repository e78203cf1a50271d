"""Untrusted HDF5 files, read in a separate process."""
