"""Choose what the integers come from: calibration data, or the weights alone.

In:  simplified FLOAT graph; training samples or None.
Out: what `quantize` and the search for the best choices need to know.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from neurocompile.data.inputs import float_input
from neurocompile.data.samples import Data
from neurocompile.data.stimulus import Stimulus
from neurocompile.ir.graph import Graph
from neurocompile.quantize.moments import Moments, Watch
from neurocompile.quantize.ranges import Ranges, bound, observe


@dataclass(frozen=True, eq=False)
class Calibrated:
    """What is known of a network before it is quantized.

    Attributes:
        ranges: Of every neuron layer.
        moments: By synapse; empty where the weights alone are known.
        stimulus: What was run; None where the weights alone are known.
    """

    ranges: Ranges
    moments: Moments = field(default_factory=dict)
    stimulus: Stimulus | None = None


def calibrate(graph: Graph, data: Data | None, steps: int, seed: int) -> Calibrated:
    """Watch a network on training samples, in float64 so that nothing depends on the machine."""
    if data is None:
        return Calibrated(bound(graph))
    values = float_input(graph, data, 0, len(data), steps, seed)
    watch = Watch(graph, len(data))
    ranges = observe(graph, values, steps, watch)
    return Calibrated(ranges, watch.moments(), Stimulus(data, steps, seed))
