"""`neurocompile targets`: every number of a chip with its source."""
