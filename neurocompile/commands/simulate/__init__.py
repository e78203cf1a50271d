"""`neurocompile simulate`: run an exported directory and compare engines."""
