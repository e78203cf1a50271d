"""HDF5 files of strangers, read in a process of its own."""
