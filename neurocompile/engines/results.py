"""What a network gives back for samples: its decoder's reading, at either stage.

In:  a FLOAT or FIXED graph, data.
Out: one result a sample, in the user's units, float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from neurocompile.data.samples import Data
from neurocompile.data.stimulus import Stimulus
from neurocompile.engines.agree import run_engine
from neurocompile.engines.batches import batches
from neurocompile.engines.decode import Recorded, last_layer, result_of
from neurocompile.engines.floating import run_float
from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph


def results(graph: Graph, data: Data, *, seed: int = 0) -> Array:
    """Run a network on data and decode its last layer.

    Args:
        graph: FIXED: the chip's integers, by the fixed engine; FLOAT: as trained, in float64.
        data: Samples or spikes.
        seed: Of random input spikes.

    Returns:
        (n, *shape of the last layer) reconstructions, rates or potentials, as the decoder says.

    Raises:
        BadInput: If the network has no decoder, or the data are not of its shape.
        DoesNotFit: If a sample leaves the chip's registers.
    """
    if graph.settings.decoder.kind == "none":
        raise BadInput("the network has no decoder: it has spikes, but no results to read.")
    stimulus = Stimulus(data, graph.settings.steps, seed)
    found = (result_of(graph, did) for did in _runs(graph, stimulus, (last_layer(graph),)))
    return np.concatenate([result for result in found if result is not None])


def _runs(graph: Graph, stimulus: Stimulus, read: tuple[str, ...]) -> Iterator[Recorded]:
    """What the layers to be read did in each batch, at either stage."""
    run: Callable[[Any], Recorded] = (
        partial(run_engine, "fixed", graph, spikes=read, membrane=read)
        if graph.fixed
        else partial(run_float, graph, steps=stimulus.steps, membranes=read)
    )
    return (batch.did for batch in batches(graph, stimulus, run))
