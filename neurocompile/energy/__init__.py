"""Counts times cited prices: joules and seconds."""

from neurocompile.energy.counts import Activity, Counts, count
from neurocompile.energy.estimate import MODEL_VERSION, Energy, estimate

__all__ = ["MODEL_VERSION", "Activity", "Counts", "Energy", "count", "estimate"]
