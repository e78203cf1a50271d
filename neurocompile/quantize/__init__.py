"""FLOAT graph -> FIXED graph: watch ranges, choose scales, round."""
