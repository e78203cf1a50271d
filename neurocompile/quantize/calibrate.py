"""Choose the basis of the integers: calibration data, or only the weights.

In:  simplified FLOAT graph; training samples or None.
Out: what `quantize` and the search for the best choices need.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from neurocompile.data.inputs import float_input
from neurocompile.data.samples import Data
from neurocompile.data.stimulus import Stimulus
from neurocompile.engines.batches import check_size
from neurocompile.engines.decode import last_layer, result_to_compare
from neurocompile.engines.floating import FloatRecording
from neurocompile.engines.progress import Progress, silent
from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph, same
from neurocompile.quantize.moments import Moments, MomentWatch
from neurocompile.quantize.ranges import Ranges, bound, observe


@dataclass(frozen=True, eq=False)
class FloatRun:
    """Results of the float network on calibration data.

    Attributes:
        graph, stimulus: What was run.
        result: (n, ...) float64, as `result_to_compare` reads each sample.
    """

    graph: Graph
    stimulus: Stimulus
    result: Array

    def of(self, graph: Graph, stimulus: Stimulus) -> bool:
        """Whether a network would compute the same on a stimulus."""
        return stimulus is self.stimulus and same(graph, self.graph)


@dataclass(frozen=True, eq=False)
class Calibrated:
    """What is known about a network before it is quantized.

    Attributes:
        ranges: Ranges of every neuron layer.
        moments: Moments by synapse; empty if only the weights are known.
        stimulus: Calibration data that were run; None if only the weights are known.
        ran: Results on these data; None if there are none, or the network has no result to read.
    """

    ranges: Ranges
    moments: Moments = field(default_factory=dict)
    stimulus: Stimulus | None = None
    ran: FloatRun | None = None


def calibrate(
    graph: Graph, data: Data | None, steps: int, seed: int, progress: Progress = silent
) -> Calibrated:
    """Observe a network on training samples, in float64 so that nothing depends on the machine."""
    if data is None:
        return Calibrated(bound(graph))
    check_size(graph, len(data), steps)
    values = float_input(graph, data, 0, len(data), steps, seed)
    watch = _Watch(graph, len(data))
    ranges = observe(graph, values, steps, watch, progress, watch.read)
    stimulus = Stimulus(data, steps, seed)
    ran = FloatRun(graph, stimulus, np.concatenate(watch.results)) if watch.results else None
    return Calibrated(ranges, watch.moments.moments(), stimulus, ran)


class _Watch:
    """Takes the moments and the results of every batch.

    Attributes:
        read: Name of the layer whose result is read; empty if there is none.
    """

    def __init__(self, graph: Graph, samples: int) -> None:
        self.graph = graph
        self.moments = MomentWatch(graph, samples)
        self.results: list[Array] = []
        self.read: tuple[str, ...] = ()
        with suppress(BadInput):  # refused where the result is needed
            self.read = (last_layer(graph),)

    def __call__(self, values: Array, seen: FloatRecording) -> None:
        """Add a batch."""
        self.moments(values, seen)
        if self.read:
            with suppress(BadInput):
                self.results.append(result_to_compare(self.graph, seen))
