"""What a network gives back for samples: its decoder's reading, at either stage.

In:  a FLOAT or FIXED graph, data.
Out: one result a sample, in the user's units, float64.
"""

from __future__ import annotations

import numpy as np

from neurocompile.data.inputs import encode, float_input
from neurocompile.data.samples import Data
from neurocompile.engines import fixed
from neurocompile.engines.agree import spans
from neurocompile.engines.decode import decode, last_layer, potentials
from neurocompile.engines.floating import run_float
from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import CubaLIF
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
    decoded = _fixed if graph.fixed else _float
    return np.concatenate([decoded(graph, data, *span, seed) for span in spans(len(data))])


def _fixed(graph: Graph, data: Data, first: int, last: int, seed: int) -> Array:
    read = last_layer(graph)
    node: CubaLIF = graph.nodes[read]
    encoded = encode(graph, data, first, last, graph.settings.steps, seed)
    spikes = () if node.readout else (read,)
    found = fixed.run(graph, encoded, spikes=spikes, membrane=(read,)).recording
    membrane = potentials(graph, read, found.membrane[read])
    return np.asarray(decode(graph.settings.decoder, found.spikes.get(read), membrane))


def _float(graph: Graph, data: Data, first: int, last: int, seed: int) -> Array:
    read, steps = last_layer(graph), graph.settings.steps
    values = float_input(graph, data, first, last, steps, seed)
    found = run_float(graph, values, steps, membranes=(read,))
    decoder = graph.settings.decoder
    return np.asarray(decode(decoder, found.spikes.get(read), found.membrane.get(read)))
