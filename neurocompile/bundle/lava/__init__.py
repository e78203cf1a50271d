"""A network as Python for lava-nc alone: source that someone with a board edits."""
