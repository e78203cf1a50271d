"""Many compilations at once: models x targets x a grid of options, on the workers of `cluster`."""
