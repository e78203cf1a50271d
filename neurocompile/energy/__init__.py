"""Counts times cited prices: joules and seconds."""

from neurocompile.energy.counts import Counts, count
from neurocompile.energy.estimate import MODEL_VERSION, Energy, estimate

__all__ = ["MODEL_VERSION", "Counts", "Energy", "count", "estimate"]
