"""Choose what the integers come from: calibration data, or the weights alone.

In:  simplified FLOAT graph; training samples or None.
Out: what `quantize` and the search for the best choices need to know.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from neurocompile.data.inputs import float_input
from neurocompile.data.samples import Data
from neurocompile.ir.graph import Graph
from neurocompile.quantize.moments import Moments, Watch
from neurocompile.quantize.ranges import Ranges, bound, observe


@dataclass(frozen=True, eq=False)
class Calibrated:
    """What is known of a network before it is quantized.

    Attributes:
        ranges: Of every neuron layer.
        moments: By synapse; empty where the weights alone are known.
        data, steps, seed: What was run, or None.
    """

    ranges: Ranges
    moments: Moments = field(default_factory=dict)
    data: Data | None = None
    steps: int = 0
    seed: int = 0


def calibrate(graph: Graph, data: Data | None, steps: int, seed: int) -> Calibrated:
    """Watch a network on training samples, in float64 so that nothing depends on the machine."""
    if data is None:
        return Calibrated(bound(graph))
    values = float_input(graph, data, 0, len(data), steps, seed)
    watch = Watch(graph, len(data))
    ranges = observe(graph, values, steps, watch)
    return Calibrated(ranges, watch.moments(), data, steps, seed)
