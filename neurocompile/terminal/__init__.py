"""What the commands share on a screen: progress, numbers as people read them, tables."""
