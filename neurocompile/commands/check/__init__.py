"""The gate of a CI service: an exported network against the baseline of an earlier one."""
