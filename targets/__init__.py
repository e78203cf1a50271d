"""One folder a chip: target.toml holds its number formats, limits and prices, each with its source.

Installed as neurocompile.targets; chip/read.py reads the files.
"""
