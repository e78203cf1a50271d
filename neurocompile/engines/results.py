"""Compute the decoded results of a network on data, at either stage.

In:  a FLOAT or FIXED graph, data.
Out: one result per sample, in the user's units, float64.
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
        graph: FIXED graph, run by the fixed engine; or FLOAT graph, run in float64.
        data: Samples or spikes.
        seed: Seed of random input spikes.

    Returns:
        (n, *shape of the last layer) reconstructions, rates or potentials, as the decoder reads.

    Raises:
        BadInput: If the network has no decoder, or the data do not have its input shape.
        DoesNotFit: If a sample exceeds the chip's registers.
    """
    for what, given, kind in (("the network", graph, Graph), ("the data", data, Data)):
        if not isinstance(given, kind):
            cure = "a graph from load" if kind is Graph else "samples from load_data, or a Data"
            raise BadInput(f"{what} is of the type {type(given).__name__}. Give {cure}.")
    if graph.settings.decoder.kind == "none":
        raise BadInput(
            "the network has no decoder: it has spikes, but no results to read. Save the model "
            "with a decoder."
        )
    stimulus = Stimulus(data, graph.settings.steps, seed)
    read = (result_of(graph, did) for did in _runs(graph, stimulus, (last_layer(graph),)))
    return np.concatenate([result for result in read if result is not None])


def _runs(graph: Graph, stimulus: Stimulus, read: tuple[str, ...]) -> Iterator[Recorded]:
    """Recordings of the layers to read, batch by batch, at either stage."""
    run: Callable[[Any], Recorded] = (
        partial(run_engine, "fixed", graph, spikes=read, membrane=read)
        if graph.fixed
        else partial(run_float, graph, steps=stimulus.steps, membranes=read)
    )
    return (batch.did for batch in batches(graph, stimulus, run))
