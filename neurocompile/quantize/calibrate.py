"""Choose what the ranges come from: calibration data, or the weights alone.

In:  simplified FLOAT graph; training samples or None.
Out: ranges for `quantize`, and whether they are calibrated.
"""

from __future__ import annotations

from neurocompile.data import Data
from neurocompile.engines.inputs import float_input
from neurocompile.ir.graph import Graph
from neurocompile.quantize.ranges import Ranges, bound, observe


def calibrate(graph: Graph, data: Data | None, steps: int, seed: int) -> Ranges:
    """Ranges of every layer, in float64 so that they do not depend on the machine."""
    if data is None:
        return bound(graph)
    return observe(graph, float_input(graph, data, 0, len(data), steps, seed), steps)
