"""`neurocompile energy`: estimate the energy of an exported network again."""
