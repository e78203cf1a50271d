"""Programs that run a FIXED network without Python, proved by vectors: `neurocompile bundle`."""
