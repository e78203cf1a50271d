"""Where the float network and the chip's integers part, and why."""
