"""Float network against the chip's integers: where they part, and what made them."""
