"""What Lava's 32 bits hold of the sums of payloads: a synapse of it wraps beyond them in silence.

In:  a FIXED graph, and what each population sent in a run.
Out: nothing, or an Unsupported that names the synapse.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neurocompile.errors import Unsupported
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.payloads import graded, largest_row

SUM_LIMIT = 1 << 31


def refuse_wide_sums(graph: Graph, sent: Mapping[str, Array]) -> None:
    """Raise Unsupported if a sum of weights times payloads may have left 32 bits.

    Args:
        graph: FIXED graph that ran.
        sent: By population, what it sent.
    """
    for name, synapse in graph.of(Synapse):
        (source,) = graph.before(name)
        if not graded(graph.nodes[source]):
            continue
        largest = int(np.abs(sent[source].astype(np.int64)).max(initial=0))
        most = (largest_row(synapse) * largest) << max(synapse.weight_exp, 0)
        if most >= SUM_LIMIT:
            raise Unsupported(
                f"synapse '{name}': its weights times the payloads of '{source}', up to {largest}, "
                f"may add up to {most}, but Lava's sums are below {SUM_LIMIT}. Use the engines "
                "fixed and onnx, which compute in 64 bits."
            )
