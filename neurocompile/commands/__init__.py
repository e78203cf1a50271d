"""The command line, one module or folder a command, each with its printing."""
