"""report.json: made from a run, described by a schema, read back, shown to people."""
