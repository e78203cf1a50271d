"""The command `neurocompile sweep`."""
