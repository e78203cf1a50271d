"""Processes that share work: workers of Dask, and tasks whose results come once."""
