"""What the commands share for output: progress, numbers formatted for people, tables."""
