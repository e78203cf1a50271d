"""`neurocompile inspect`: the layers of a model or of an export."""
