"""Choose the basis of the integers: calibration data, or only the weights.

In:  simplified FLOAT graph; training samples or None.
Out: what `quantize` and the search for the best choices need.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from neurocompile.data.inputs import float_input
from neurocompile.data.samples import Data
from neurocompile.data.stimulus import Stimulus
from neurocompile.engines.batches import check_size
from neurocompile.engines.progress import Progress, silent
from neurocompile.ir.graph import Graph
from neurocompile.quantize.moments import Moments, MomentWatch
from neurocompile.quantize.ranges import Ranges, bound, observe


@dataclass(frozen=True, eq=False)
class Calibrated:
    """What is known about a network before it is quantized.

    Attributes:
        ranges: Ranges of every neuron layer.
        moments: Moments by synapse; empty if only the weights are known.
        stimulus: Calibration data that were run; None if only the weights are known.
    """

    ranges: Ranges
    moments: Moments = field(default_factory=dict)
    stimulus: Stimulus | None = None


def calibrate(
    graph: Graph, data: Data | None, steps: int, seed: int, progress: Progress = silent
) -> Calibrated:
    """Observe a network on training samples, in float64 so that nothing depends on the machine."""
    if data is None:
        return Calibrated(bound(graph))
    check_size(graph, len(data), steps)
    values = float_input(graph, data, 0, len(data), steps, seed)
    watch = MomentWatch(graph, len(data))
    ranges = observe(graph, values, steps, watch, progress)
    return Calibrated(ranges, watch.moments(), Stimulus(data, steps, seed))
