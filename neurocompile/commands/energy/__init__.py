"""`neurocompile energy`: price an exported network anew."""
