"""`neurocompile simulate`: run an exported directory, engine against engine."""
