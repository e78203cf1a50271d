"""The float network compared with the chip's integers: where they differ, and why."""
