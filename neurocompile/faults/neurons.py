"""Faults of neurons: some never spike, or have another threshold.

In:  a FIXED graph; which neurons are hit.
Out: the graph with other registers, and for a neuron that is dead with other weights into it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from neurocompile.faults.places import apart
from neurocompile.ir.arrays import Array
from neurocompile.ir.entries import rows_of
from neurocompile.ir.fixed import BiasInput, ChipNeuron, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Linear, Sparse, size
from neurocompile.ir.registers import REGISTERS
from neurocompile.place.placed import Placed

# Registers that hold a threshold; a lower one is stored without its sign.
THRESHOLDS = {"vth": 1, "vth_hi": 1, "vth_lo": -1, "theta_0": 1}
Change = Callable[[Array, Array, int], Array]  # (stored, luck, most that a register holds) -> new


def spiking(graph: Graph) -> dict[str, int]:
    """By population that can spike, its neurons."""
    return {name: size(node.shape) for name, node in graph.of(ChipNeuron) if not node.readout}


def thresholds(graph: Graph) -> dict[str, int]:
    """By population that can spike, a slash and a register, its neurons."""
    return {
        f"{name}/{register}": neurons
        for name, neurons in spiking(graph).items()
        for register in graph.nodes[name].registers
        if register in THRESHOLDS
    }


def on_cores(placed: Placed, cores: Array) -> dict[str, Array]:
    """By population, the neurons on some cores (n,)."""
    found = {name: np.flatnonzero(np.isin(at, cores)) for name, at in placed.core_of.items()}
    return {name: neurons for name, neurons in found.items() if neurons.size}


def silenced(graph: Graph, neurons: Mapping[str, Array]) -> Graph:
    """A FIXED graph in which some neurons do nothing: no spike leaves them, a readout stays at 0.

    Nothing arrives at them, from synapse, bias or host, and they start at 0, so that they never
    reach a threshold.

    Args:
        graph: The network.
        neurons: By population, (n,) which of its neurons, in C order.
    """
    changed: dict[str, Any] = {}
    for name, which in neurons.items():
        node: ChipNeuron = graph.nodes[name]
        lost = np.zeros(node.shape, dtype=bool)
        lost.ravel()[which] = True
        changed[name] = _at_rest(node, lost)
        for before in graph.before(name):
            changed[before] = _without(graph.nodes[before], lost)
    return graph.with_nodes(**changed)


def _at_rest(node: ChipNeuron, lost: Array) -> ChipNeuron:
    """A population in which nothing but what arrives can move the neurons that are lost."""
    registers: dict[str, Array] = {
        register: np.where(lost, 0, getattr(node, register))
        for register in ("bias_mant", "v_init", "act_init")
        if register in node.registers
    }
    if "theta_0" in node.registers:  # an ATRLIF reaches a threshold of 0 at rest
        base = node.theta_0  # type: ignore[attr-defined]
        registers["theta_0"] = np.where(lost, np.maximum(base, 1), base)
    return replace(node, **registers)  # type: ignore[type-var]


def _without(node: Synapse | BiasInput, lost: Array) -> Synapse | BiasInput:
    """What leads to a population, with nothing for the neurons that are lost (shape, bool)."""
    if isinstance(node, BiasInput):
        return replace(node, scale=np.where(lost, 0.0, node.scale))
    lost = lost.ravel()
    if isinstance(node.op, Linear) and len(node.op.weight) == lost.size:  # may delay each weight
        weight = np.where(lost[:, None], 0, node.op.weight).astype(node.op.weight.dtype)
        return replace(node, op=node.op.with_weights(weight))
    rows = rows_of(node)
    data = np.where(np.repeat(lost, np.diff(rows.indptr)), 0, rows.data).astype(rows.data.dtype)
    op = Sparse(data, rows.indices, rows.indptr, node.in_shape, node.out_shape)
    return replace(node, op=op)


def flipped_thresholds(graph: Graph, hit: Array, luck: Array) -> Graph:
    """A graph in which each threshold that is hit has one bit turned over.

    Args:
        graph: FIXED graph.
        hit: (n,) numbers of the registers, counted through `thresholds`.
        luck: (n,) in [0, 1), which bit of the register: each is as likely.
    """

    def flip(stored: Array, chance: Array, most: int) -> Array:
        return stored ^ np.left_shift(1, (chance * most.bit_length()).astype(np.int64))

    return _with_thresholds(graph, hit, luck, flip)


def drifted_thresholds(graph: Graph, hit: Array, luck: Array, factor: float) -> Graph:
    """A graph in which each threshold that is hit is off by a factor.

    Args:
        graph: FIXED graph.
        hit: (n,) numbers of the registers, counted through `thresholds`.
        luck: (n,) in [0, 1): below a half the register is divided, else multiplied.
        factor: Above 0.
    """

    def drift(stored: Array, chance: Array, most: int) -> Array:
        moved = np.where(chance < 0.5, stored / factor, stored * factor)
        return np.rint(np.minimum(moved, most)).astype(np.int64)

    return _with_thresholds(graph, hit, luck, drift)


def _with_thresholds(graph: Graph, hit: Array, luck: Array, change: Change) -> Graph:
    """A graph with other thresholds; a register that must not be 0 holds 1 instead."""
    changed: dict[str, ChipNeuron] = {}
    for place, (at, chance) in apart(thresholds(graph), hit, luck).items():
        name, register = place.rsplit("/", 1)
        node: ChipNeuron = changed.get(name, graph.nodes[name])
        sign, (low, high) = THRESHOLDS[register], node.bounds.get(register, REGISTERS[register])
        values = np.broadcast_to(getattr(node, register), node.shape).copy()
        flat = values.reshape(-1)
        most = max(abs(low), abs(high))
        flat[at] = np.clip(sign * change(sign * flat[at], chance, most), low, high)
        changed[name] = replace(node, **{register: values})  # type: ignore[type-var]
    return graph.with_nodes(**changed)
