"""What a chip is: its record, reading target.toml, finding targets, changing prices."""
