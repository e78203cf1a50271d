"""NIR files, both ways: FLOAT graphs."""
