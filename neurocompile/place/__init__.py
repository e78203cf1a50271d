"""Place populations on cores: limits, use, routes."""

from neurocompile.place.bound import least_cores
from neurocompile.place.placed import Core, Placed, Route
from neurocompile.place.placement import place, require_fit
from neurocompile.place.utilisation import core_table, fit

__all__ = ["Core", "Placed", "Route", "core_table", "fit", "least_cores", "place", "require_fit"]
