"""lava-dl's `.net` files, both ways: FIXED graphs."""
