"""`neurocompile export`: a trained network in, one directory out."""
