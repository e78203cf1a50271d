"""The `lava` engine: run a FIXED graph on the real Lava processes, as the proof.

In:  a FIXED graph and its encoded input.
Out: every spike and membrane value, bit for bit as Lava computed it.
Lava runs in our own child process; importing this package imports nothing of Lava.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from neurocompile.data.inputs import Encoded
from neurocompile.engines.in_range import require_in_range
from neurocompile.engines.lava.plan import (
    RESET_FRESH,
    RESET_LIFRESET,
    LavaPlan,
    make_plan,
    reset_mode,
)
from neurocompile.engines.lava.repairs import require_lava
from neurocompile.engines.lava.supervise import EngineFailed, LavaChild, default_timeout
from neurocompile.engines.lava.widths import refuse_wide_sums
from neurocompile.engines.lava.workspace import NOT_WRITTEN, Workspace
from neurocompile.engines.recording import Recording
from neurocompile.ir.fixed import ChipNeuron, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.payloads import payload_type

__all__ = ["RESET_FRESH", "RESET_LIFRESET", "EngineFailed", "early", "reset_mode", "run"]
_started: ContextVar[LavaChild | None] = ContextVar("_started", default=None)


@contextmanager
def early() -> Iterator[None]:
    """Start the process of the first run inside now, so that it imports Lava beside other work.

    Raises:
        NotInstalled: If lava-nc 0.10.0 is not installed.
    """
    require_lava()
    with LavaChild() as child:
        token = _started.set(child)
        try:
            yield
        finally:
            _started.reset(token)


def run(
    graph: Graph,
    encoded: Encoded,
    *,
    timeout_s: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Recording:
    """Run samples on Lava's processes, in the network's own time.

    Args:
        graph: FIXED graph.
        encoded: Input of the graph.
        timeout_s: Seconds that the run may take; by default far more than it needs.
        progress: Called with the samples done and all samples.

    Returns:
        Spikes of every SpikeInput and every population, potentials of every population.

    Raises:
        NotInstalled: If lava-nc 0.10.0 is not installed.
        Unsupported, DoesNotFit, BadInput: If the graph cannot run on Lava with this input, or
            leaves a register with it.
        EngineFailed: If Lava fails or takes longer; no process or file of it is left behind.
    """
    require_lava()
    plan = make_plan(graph, encoded)
    child = _started.get() or LavaChild()
    _started.set(None)  # a process runs once
    with child:
        workspace = Workspace(child.root)
        connections = workspace.write(plan, graph, encoded)
        limit = default_timeout(plan, connections) if timeout_s is None else timeout_s
        child.run(plan, limit, progress)
        return _read(workspace, plan, graph, encoded)


def _read(workspace: Workspace, plan: LavaPlan, graph: Graph, encoded: Encoded) -> Recording:
    """The recordings, read from the workspace into memory."""
    spikes = {
        name: np.ascontiguousarray(encoded.values[name], dtype=payload_type(node))
        for name, node in graph.of(SpikeInput)
    }
    membrane = {}
    for population in plan.populations:
        name = population.name
        node: ChipNeuron = graph.nodes[name]
        shape = (plan.samples, plan.steps, *node.shape)
        spikes[name] = np.load(workspace.file("spikes", population.index)).reshape(shape)
        membrane[name] = np.load(workspace.file("membrane", population.index)).reshape(shape)
        missing = int(np.count_nonzero(spikes[name] == NOT_WRITTEN[population.graded]))
        if missing:
            raise EngineFailed(
                f"layer '{name}': Lava left {missing} spike values unwritten, which never happens "
                "in a connected network. Check that every layer is reached from one input."
            )
    recording = Recording(spikes, membrane)
    require_in_range(graph, encoded, recording)
    refuse_wide_sums(graph, spikes)
    return recording
