"""`.pt` checkpoints, both ways: plain values and tensors, no pickled code."""
