"""The start of a chip that runs every population from rest in its first step.

In:  a FIXED graph whose populations are all at rest in chip step 1, in which no input has arrived.
Out: the same graph in the network's own time: each population starts where the chip steps before
     its own step 1 have led.
Biases that are sent in these steps have then been sent. Nothing of them may still be on its way.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurocompile.errors import Refusals, Unsupported
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import ChipNeuron, FixedStep, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import connections
from neurocompile.ir.ops import NumpyOps, shift
from neurocompile.ir.registers import STATE_LIMIT
from neurocompile.ir.time import chip_delay, depths


def started_at_rest(graph: Graph) -> Graph:
    """A graph whose registers say where a start of all populations at rest leads.

    Args:
        graph: FIXED graph. Its v_init and act_init are not read: every population is at rest.

    Raises:
        Unsupported: Where a population cannot start in the state that it reaches, or something is
            still on its way when the network's step 1 begins; names the layer.
    """
    chip = _FromRest(graph)
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
    """

    def __init__(self, graph: Graph) -> None:
        self.graph, self.depth = graph, depths(graph)
        self.synapses = {
            name: synapse
            for name, synapse in graph.of(Synapse)
            if isinstance(graph.nodes[graph.before(name)[0]], ChipNeuron)
        }
        self.due: dict[str, dict[int, Array]] = {name: {} for name in self.synapses}
        self.maps: dict[str, Any] = {}
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
        """Names of the populations of which something arrives after a target's own step 1."""
        return sorted({self.graph.before(name)[0] for name, due in self.due.items() if due})

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
            self.maps[name] = connections(synapse)
        (target,) = self.graph.after(name)
        shape = self.graph.nodes[target].shape
        sums = shift(self.maps[name] @ sent.ravel(), synapse.weight_exp)
        arrives = tick + 1 + chip_delay(self.graph, self.depth, name)
        late = np.zeros(sums.shape, np.int64) if synapse.late is None else synapse.late
        for more in np.unique(late).tolist():
            part = np.where(late == more, sums, 0).reshape(shape)
            if np.any(part):
                self.due[name][arrives + more] = part
