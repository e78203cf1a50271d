"""What is shown next to a chip's joules and never added to them.

In:  FIXED graph, Counts, an estimate.
Out: JSON-ready values: the network without spikes, the break-even rate, other devices by
     keras-spiking's rule, the proxy of Intel's N-DNS challenge, NeuroBench's metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from neurocompile.chip.record import Quantity
from neurocompile.energy.ann import Passes, baseline, break_even
from neurocompile.energy.comparators import keras_spiking, n_dns
from neurocompile.energy.counts import Counts
from neurocompile.energy.estimate import Energy
from neurocompile.energy.neurobench import VERSION, neurobench
from neurocompile.ir.graph import Graph

NONE: Mapping[str, Quantity] = MappingProxyType({})


def beside(
    graph: Graph,
    counts: Counts,
    energy: Energy,
    nominal: str,
    prices: Mapping[str, Quantity] = NONE,
    passes: Passes = "sample",
) -> dict[str, Any]:
    """The `comparison` of report.json.

    Args:
        graph: FIXED graph.
        counts: Counts of the run.
        energy: Energy of the run.
        nominal: Name of the model whose total is compared with the network without spikes.
        prices: Prices that a user set, by key of chip.change.ANN.
        passes: How often the network without spikes runs.
    """
    ann = baseline(graph, counts, prices, passes)
    model = next((one for one in energy.models if one.name == nominal), None)
    even = None
    if ann is not None and model is not None:
        even = break_even(model, counts, ann["per_sample_j"])
    return {
        "keras_spiking": keras_spiking(counts),
        "ann": ann,
        "break_even": even,
        "n_dns": n_dns(counts, graph.settings.dt),
        "neurobench": {"definitions_of": f"neurobench {VERSION}", **neurobench(graph, counts)},
    }
