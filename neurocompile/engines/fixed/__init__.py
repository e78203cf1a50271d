"""The fixed engine: runs a FIXED graph on many samples at once, bit for bit like the chip.

In:  FIXED graph and encoded input.
Out: requested spikes and potentials, and the activity from which energy is computed.
On a CPU it runs as numba's machine code, on a GPU in torch. Both compute the same bits.
"""

from __future__ import annotations

from collections.abc import Collection

from neurocompile.data.inputs import Encoded, check_encoded
from neurocompile.engines.fixed.result import FixedRun
from neurocompile.engines.fixed.state import Carried
from neurocompile.errors import BadInput
from neurocompile.ir.graph import Graph

__all__ = ["Run", "run"]


def run(
    graph: Graph,
    encoded: Encoded,
    *,
    spikes: Collection[str] | None = None,
    membrane: Collection[str] | None = None,
    device: str = "cpu",
    state: Carried | None = None,
    carry: bool = False,
) -> FixedRun:
    """Run a batch of samples, from the initial state or from that of an earlier run.

    Uses as many cores as torch is allowed (`torch.set_num_threads`); samples are independent.

    Args:
        graph: FIXED graph.
        encoded: Input of n samples.
        spikes, membrane: Names of the populations to record; all of them if None.
        device: "cpu", or torch's name of a GPU ("cuda").
        state: `FixedRun.state` of the piece before this one; None begins anew.
        carry: Whether to keep the state at the end; with `state` it is always kept.

    Raises:
        BadInput: If the input does not fit the graph, or the state is that of another network.
        DoesNotFit: If a current reaches 3 x 2^23 before its wrap, where Lava's
            arithmetic differs from a chip's, or if a readout spikes.
    """
    check_encoded(graph, encoded)
    if device == "cpu":
        from neurocompile.engines.fixed.compiled import run_compiled

        return run_compiled(
            graph, encoded, spikes=spikes, membrane=membrane, state=state, carry=carry
        )
    if carry or state is not None:
        raise BadInput("only the CPU carries a state on. Leave device out, or start anew.")
    from neurocompile.engines.fixed.torch_path import run_torch

    return run_torch(graph, encoded, spikes=spikes, membrane=membrane, device=device)
