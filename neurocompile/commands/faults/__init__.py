"""`neurocompile faults`: what a network does on a chip with faults."""
