"""Chip time and the network's own time: depth, and the lead-in that hides it.

Every synapse adds one chip step, so a population at depth d runs d steps before the
network's step 1 reaches it. It starts at the integer from which d input-free steps lead
exactly to its v_init.

In:  a FIXED graph.
Out: the depth of each population, and the v at which each starts in chip time.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neurocompile.errors import DoesNotFit, Refusals, Unsupported
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import POPULATIONS, AlwaysOn, BiasInput, ChipNeuron, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.ops import NumpyOps
from neurocompile.ir.registers import STATE_LIMIT, UNITY


def depths(graph: Graph) -> dict[str, int]:
    """Chip steps by which each population lags behind the input.

    A synapse with a delay of D steps of the network's own time leads from depth d to depth
    d + 1 - D or deeper: the step that it takes on the chip may be one of those D.

    Raises:
        Unsupported: If a loop has fewer steps of delay than synapses.
    """
    links = _links(graph)
    depth = {name: 0 for name, _ in graph.of(*POPULATIONS)}
    for _ in depth:
        changed = False
        for name, (source, target) in links.items():
            least = depth[source] + 1 - graph.nodes[name].delay
            if not isinstance(graph.nodes[source], AlwaysOn) and depth[target] < least:
                depth[target], changed = least, True
        if not changed:
            break
    else:
        _refuse_fast_loop(graph, links, depth)
    for name, (source, target) in links.items():
        if isinstance(graph.nodes[source], AlwaysOn):  # the host starts it when its spikes are due
            depth[source] = depth[target] - 1 + graph.nodes[name].delay
    return depth


def chip_delay(graph: Graph, depth: Mapping[str, int], synapse: str) -> int:
    """Steps that a synapse waits on the chip, in addition to the one that each takes.

    These are its own delay, and the steps that balance a path shorter than another one.
    """
    (source,), (target,) = graph.before(synapse), graph.after(synapse)
    return int(graph.nodes[synapse].delay + depth[target] - depth[source] - 1)


def longest_wait(graph: Graph, depth: Mapping[str, int], synapse: str) -> int:
    """Steps that a synapse's spikes wait on the chip until they have reached every neuron.

    The host starts a source that is always on when its spikes are due: nothing waits.
    """
    node, (source,) = graph.nodes[synapse], graph.before(synapse)
    if isinstance(graph.nodes[source], AlwaysOn):
        return 0
    return chip_delay(graph, depth, synapse) + int(node.longest_delay) - int(node.delay)


def _links(graph: Graph) -> dict[str, tuple[str, str]]:
    """Source and target population of each synapse."""
    return {n: (graph.before(n)[0], graph.after(n)[0]) for n, _ in graph.of(Synapse)}


def _refuse_fast_loop(
    graph: Graph, links: dict[str, tuple[str, str]], depth: dict[str, int]
) -> None:
    """Raise an error that names a loop with which a chip cannot keep up."""
    for name, (source, target) in links.items():
        if depth[target] < depth[source] + 1 - graph.nodes[name].delay:
            raise Unsupported(
                f"synapse '{name}' closes a loop that has more synapses than steps of delay. A "
                "chip takes one step per synapse: give the loop as many steps of delay in all."
            )


def lead_in(graph: Graph) -> dict[str, Array]:
    """The v at which each ChipNeuron starts in chip time, so that v_init is exact at its step 1.

    Returns:
        int64 arrays (*shape) by name of the population; v_init itself at depth 0.

    Raises:
        DoesNotFit: If a lead-in would spike, leave 24 bits or has no pre-image; names each layer.
    """
    depth = depths(graph)
    refusals, starts = Refusals(), {}
    for name, _ in graph.of(BiasInput):
        (target,) = graph.after(name)
        if depth[target] > 0:
            raise DoesNotFit(
                f"the host writes the bias registers of layer '{target}' from chip step 1 on, but "
                f"paths back to the layer make it start {depth[target]} steps late. Give each "
                "synapse into it one more step of delay."
            )
    for name, node in graph.of(ChipNeuron):
        with refusals.gather():
            starts[name] = _pre_image(name, node, depth[name], bool(graph.after(name)))
    refusals.answer()
    return starts


def without_lead_in(graph: Graph) -> frozenset[str]:
    """Names of the layers whose bias and depth allow no start; `lead_in` says why."""
    names = set()
    depth = depths(graph)
    for name, node in graph.of(ChipNeuron):
        try:
            _pre_image(name, node, depth[name], bool(graph.after(name)))
        except DoesNotFit:
            names.add(name)
    return frozenset(names)


def _pre_image(name: str, node: ChipNeuron, steps: int, heard: bool = True) -> Array:
    v_init = np.broadcast_to(node.v_init, node.shape).astype(np.int64)
    v = v_init
    if steps and (why := node.no_lead_in()):
        raise DoesNotFit(f"layer '{name}', {steps} steps deep in the network: {why}")
    for step in range(steps):
        earlier = node.step_back(v)
        if earlier is None:
            bias = np.broadcast_to(node.bias, node.shape)
            raise DoesNotFit(
                f"layer '{name}': a leak of {UNITY}/{UNITY} forgets its start, so v(0) = "
                f"{_worst(v_init)} with bias {_worst(bias)} cannot be reached {steps - step} steps "
                "deep in the network. Use v_leak = v_reset, or a longer tau_mem."
            )
        if np.array_equal(earlier, v):
            break  # and so it is before every earlier step
        v = earlier
        if np.any(np.abs(v) >= STATE_LIMIT):
            raise DoesNotFit(
                f"layer '{name}': starting {steps} steps early so that v(0) is exact needs "
                f"|v| = {_worst(v)}, but the register holds up to {STATE_LIMIT - 1}. "
                "Use a longer tau_mem or a smaller bias."
            )
    # What sends its potential in every step may do so early where nothing listens.
    _check_lead_in(name, node, v, steps, heard or not node.always_sends)
    return v


def _check_lead_in(name: str, node: ChipNeuron, v: Array, steps: int, silent: bool) -> None:
    """Simulate the input-free steps; they must not spike and must end at v_init."""
    p = node.constants()
    state = node.start(p, v, np.zeros(node.shape, dtype=np.int64))
    at = node.state_names.index("v")
    nothing = node.arriving([np.zeros((), dtype=np.int64)] * len(node.inputs))
    for step in range(1, steps + 1):
        after = node.step(NumpyOps(), state, nothing, p)
        rests = all(map(np.array_equal, after.state, state))
        state = after.state
        if np.any(after.out) and silent:
            raise DoesNotFit(
                f"layer '{name}': before its first input arrives, its bias and v(0) make "
                f"{np.count_nonzero(after.out)} neurons spike in chip step {step}. "
                f"{node.early_cure}"
            )
        if rests:
            break
    if np.any(state[at] != node.v_init):
        raise DoesNotFit(
            f"layer '{name}': no 24-bit start leads to v(0) = {_worst(node.v_init)} in {steps} "
            "steps. Use v_leak = v_reset, or a longer tau_mem."
        )


def _worst(values: Array) -> int:
    """The value that is farthest from 0, for a message."""
    flat = np.asarray(values).ravel()
    return int(flat[np.argmax(np.abs(flat))])
