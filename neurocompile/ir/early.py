"""The start of a chip that runs every population from rest in its first step.

In:  a FIXED graph whose populations are all at rest in chip step 1, in which no input has arrived.
Out: the same graph in the network's own time: each population starts where the chip steps before
     its own step 1 have led.
Biases that are sent in these steps have then been sent. Nothing of them may still be on its way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from neurocompile.errors import Refusals, Unsupported
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import ChipNeuron, FixedStep, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import connections
from neurocompile.ir.ops import NumpyOps, shift
from neurocompile.ir.registers import STATE_LIMIT
from neurocompile.ir.time import chip_delay, depths


def started_at_rest(graph: Graph, depth: Mapping[str, int] | None = None) -> Graph:
    """A graph whose registers say where a start of all populations at rest leads.

    Without `depth` nothing that a bias sends may pass a delay: a network in its own time sends it
    in step 1 and not before, so it would arrive too early.

    Args:
        graph: FIXED graph. Its v_init and act_init are not read: every population is at rest.
        depth: Chip steps by which each population lags behind the input on the chip that starts
            so; None: those of `time.depths`.

    Raises:
        Unsupported: Where a population cannot start in the state that it reaches, or something is
            still on its way when the network's step 1 begins; names the layer.
    """
    chip = _FromRest(graph, depth)
    for tick in range(1, 1 + max(chip.depth.values(), default=0)):
        chip.advance(tick)
    refusals = Refusals()
    for name in chip.still_sending():
        with refusals.gather():
            raise Unsupported(
                f"layer '{name}': what biases make it send before the first input arrives is still "
                "on its way in step 1, through a delay or a loop. Use no delays and loops, or no "
                "biases."
            )
    started = {}
    for name, node in graph.of(ChipNeuron):
        with refusals.gather():
            states = dict(zip(node.state_names, chip.states[name], strict=True))
            made = node.starting_at(states)
            if made is None:
                raise Unsupported(
                    f"layer '{name}': before its first input arrives, biases lead it to a state in "
                    "which no register starts it. Use no biases."
                )
            started[name] = made
    refusals.answer()
    return graph.with_nodes(**started)


class _FromRest:
    """A chip in its first steps, without input: each population runs until its own step 1.

    Attributes:
        depth: Chip steps by which each population lags behind the input.
        states: By population, its states, in the order of `state_names`.
        due: By synapse from neurons, what arrives, by chip step.
        may_wait: Whether what is sent may pass a delay.
        waited: Populations of which something has passed one.
    """

    def __init__(self, graph: Graph, depth: Mapping[str, int] | None) -> None:
        self.graph, self.depth = graph, depths(graph) if depth is None else depth
        self.may_wait = depth is not None
        self.synapses = {
            name: synapse
            for name, synapse in graph.of(Synapse)
            if isinstance(graph.nodes[graph.before(name)[0]], ChipNeuron)
        }
        self.due: dict[str, dict[int, Array]] = {name: {} for name in self.synapses}
        self.waited: set[str] = set()
        self.maps: dict[str, dict[int, Any]] = {}
        self.p = {name: node.constants() for name, node in graph.of(ChipNeuron)}
        self.states = {
            name: tuple(
                np.broadcast_to(rest, node.shape).astype(np.int64)
                for rest in node.resting(self.p[name], np.int64(0))
            )
            for name, node in graph.of(ChipNeuron)
        }

    def advance(self, tick: int) -> None:
        """Take the populations that are still before their own step 1 through a chip step."""
        sent = {
            name: self._step(name, node, tick)
            for name, node in self.graph.of(ChipNeuron)
            if tick <= self.depth[name]
        }
        for name, synapse in self.synapses.items():
            (source,) = self.graph.before(name)
            if source in sent and np.any(sent[source]):
                self._send(name, synapse, sent[source], tick)

    def still_sending(self) -> list[str]:
        """Names of the populations of which something arrives in a target's own steps."""
        late = {self.graph.before(name)[0] for name, due in self.due.items() if due}
        return sorted(late if self.may_wait else late | self.waited)

    def _step(self, name: str, node: ChipNeuron, tick: int) -> Array:
        sums = {part: np.zeros(node.shape, np.int64) for part in node.inputs}
        for before in self.graph.before(name):
            if before in self.due:
                into = self.synapses[before].into
                sums[into] = sums[into] + self.due[before].pop(tick, np.int64(0))
        a = node.arriving([*sums.values()])
        after: FixedStep = node.step(NumpyOps(), self.states[name], a, self.p[name])
        if any(np.any(np.abs(x) >= STATE_LIMIT) for x in after.unclipped):
            raise Unsupported(
                f"layer '{name}': before its first input arrives, biases take a state of it beyond "
                "24 bits. Use smaller biases."
            )
        self.states[name] = after.state
        return np.asarray(after.out).astype(np.int64)

    def _send(self, name: str, synapse: Synapse, sent: Array, tick: int) -> None:
        if name not in self.maps:
            self.maps[name] = _by_delay(synapse)
        (source,), (target,) = self.graph.before(name), self.graph.after(name)
        shape = self.graph.nodes[target].shape
        arrives = tick + 1 + chip_delay(self.graph, self.depth, name)
        for more, weights in self.maps[name].items():
            # Lava rounds the sum of each number of steps apart.
            part = shift(weights @ sent.ravel(), synapse.weight_exp).reshape(shape)
            if not np.any(part):
                continue
            due = self.due[name]
            due[arrives + more] = due.get(arrives + more, np.int64(0)) + part
            if synapse.delay + more > 0:
                self.waited.add(source)


def _by_delay(synapse: Synapse) -> dict[int, Any]:
    """The connections of a synapse, by the further steps until what they carry arrives."""
    whole = connections(synapse)
    if synapse.late is None:
        return {0: whole}
    late = synapse.late[:, None] if synapse.late_of == "target" else synapse.late
    entries = whole.tocoo()
    waits = np.broadcast_to(late, whole.shape)[entries.row, entries.col]
    return {
        int(more): csr_array(
            (entries.data[here], (entries.row[here], entries.col[here])), shape=whole.shape
        )
        for more in np.unique(waits)
        for here in [waits == more]
    }
