"""The graph of one step while it is read: what becomes of a signal.

In:  signals, and what a layer or an operation does to them.
Out: the signal after it, with its nodes and edges in the graph; at the end the step, `Traced`.
Signals carry an example of their value, from which the nodes take their shapes. `interpret` says
which call does what; here is how it is written down.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.fx.node import map_aggregate

from neurocompile.errors import Refusals, Unsupported
from neurocompile.frontend import joins
from neurocompile.frontend.hints import instead_of_operation
from neurocompile.frontend.lines import Line
from neurocompile.frontend.maxima import is_maximum, neurons_of
from neurocompile.frontend.numbers import weights
from neurocompile.frontend.record import check_leads, check_shape
from neurocompile.frontend.recurrence import Rectified, Silent, Traced, in_order, is_silent
from neurocompile.frontend.rules import Site, node_of, refusal
from neurocompile.frontend.signals import DELAYS, Stack, TracedSignal, check_output, check_signal
from neurocompile.frontend.site import plain_name
from neurocompile.ir.checks import naming_layer
from neurocompile.ir.graph import Edge, Graph
from neurocompile.ir.nodes import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Delay,
    Identity,
    Input,
    Linear,
    Reshape,
    SumPool,
    Upsample,
)
from neurocompile.ir.pools import CARRIERS, MaxPool, cost, graded
from neurocompile.ir.settings import Assumption
from neurocompile.ir.shapes import out_shape

INPUT = "input"
KEEP_SIGN = (Add, AvgPool, Concat, Identity, Reshape, SumPool, Upsample)


class StepGraph:
    """The nodes and edges of one step, in the order in which they are read."""

    def __init__(
        self,
        number: int,
        example: Tensor,
        leads: int,
        refused: Refusals,
        max_pool: MaxPool | None,
    ):
        """Begin with the input.

        Args:
            number: Of the step, from 0; -1 for what is before the first.
            example: (N, ...) or (T, N, ...).
            leads: Axes before those of a sample: 1 or 2.
            refused: What no rule covers so far; after it a signal may be no layer's own.
            max_pool: "neurons" where a maximum pool of spikes becomes neurons; None refuses it.
        """
        self.max_pool = max_pool
        self.pools_refused = 0  # how many of `refused` are maximum pools
        self.number, self.example, self.leads, self.refused = number, example, leads, refused
        self.nodes: dict[str, Any] = {INPUT: Input(tuple(example.shape[leads:]))}
        self.edges: list[Edge] = []
        self.before: dict[str, Any] = {}  # the nodes of the step before
        self.line: Line = ("", 0)  # of the user's forward, that is being read
        self.lines: dict[str, Line] = {}
        self.dts: dict[str, float] = {}  # length of a step by neuron layer, seconds
        self.in_place: list[tuple[str, str]] = []  # what was added to in place, and where
        self.encoders: set[str] = set()  # neurons that are an encoder of Norse
        self.late: dict[str, str] = {}  # Delay by its source, which is of the step before
        self.said: dict[str, Assumption] = {}  # what maximum pools became, by node

    def next(self) -> StepGraph:
        """The step after this one, empty."""
        step = StepGraph(self.number + 1, self.example, self.leads, self.refused, self.max_pool)
        step.before = self.nodes
        return step

    def connect(self, source: str, name: str) -> None:
        """Add an edge between two nodes that are there."""
        self.edges.append((source, name))

    def present(self, arguments: Any) -> Any:
        """Arguments, in which a signal of the step before comes out of a Delay."""

        def present(value: Any) -> Any:
            if not isinstance(value, TracedSignal) or value.step != self.number - 1:
                return value
            if value.source not in self.late:
                self.late[value.source] = self.put(f"{value.source}.late", Delay(1))
            return TracedSignal(value.value, self.late[value.source], self.number)

        return map_aggregate(arguments, present)

    def silenced(self, value: Any, where: str) -> Any:
        """Zeros that a forward starts from, in its first step, as a signal."""
        if not is_silent(value):
            return value
        if self.number > 0:
            raise Unsupported(
                f"{where} joins a signal with zeros in its second step too. What comes back "
                "through a state must come from the step before, and be zeros in the first only. "
                f"{DELAYS}"
            )
        shape = tuple(value.shape[self.leads :])
        return TracedSignal(value, self.put("silent", Silent(shape)), self.number)

    def add(
        self, wanted: str, module: nn.Module | None, x: TracedSignal, out: Tensor
    ) -> TracedSignal:
        """The signal after a layer without a state; without a module it is reshaped."""
        name = self.free(wanted)
        before, after = (tuple(v.shape[self.leads :]) for v in (x.value, out))
        check_leads(name, x.value, out, self.leads)
        if is_maximum(module):
            return self._maximum(module, Site(name, before, after), x, out)
        node = Reshape(after) if module is None else node_of(module, Site(name, before, after))
        check_shape(name, node, before, after)
        return TracedSignal(out, self.put(name, node, x.source), self.number)

    def _maximum(self, module: Any, site: Site, x: TracedSignal, out: Tensor) -> TracedSignal:
        """A maximum pool of spikes: their sum, and neurons that fire at any."""
        words = self.graded(x)
        if words is not None or self.max_pool is None:
            self.pools_refused += 1
        if words is None and self.max_pool is None:
            raise refusal(module, site.name)
        total, neurons = neurons_of(module, site, words)
        check_shape(site.name, total, site.in_shape, site.out_shape)
        source = self.put(f"{site.name}.sum", total, x.source)
        self.said[site.name] = cost(site.name, site.out_shape)
        return TracedSignal(out, self.put(site.name, neurons, source), self.number)

    def graded(self, x: TracedSignal) -> str | None:
        """The layer whose values a signal carries and that are no spikes, in words; else None."""
        if len(self.refused.errors) > self.pools_refused:
            return None  # the signal may stand for that of a refused layer; a pool keeps its kind
        nodes, edges = {**self.before, **self.nodes}, [*self.edges, *self.late.items()]
        found = graded(x.source, nodes, edges, (*CARRIERS, Rectified, Silent))
        return None if found is None else f"layer '{found}' ({type(nodes[found]).__name__})"

    def recurrent(self, path: str, module: Any, x: TracedSignal) -> tuple[TracedSignal, str]:
        """What a recurrent layer's neurons are given, and the node that its spikes go to late."""
        entering, returning = joins.recurrent_weights(module, path)
        before = tuple(x.value.shape[self.leads :])
        with naming_layer(path, module):
            after = out_shape(entering, before)
            out_shape(returning, after)
        ends = (
            self.put(f"{path}.input_weights", entering, x.source),
            self.put(f"{path}.recurrent_weights", returning),
        )
        total = self.put(f"{path}.sum", Add(), *ends)
        value = x.value.new_zeros((*x.value.shape[: self.leads], *after))
        return TracedSignal(value, total, self.number), ends[1]

    def weighted(self, path: str, module: Any, x: TracedSignal) -> TracedSignal:
        """What a readout with weights of its own is given."""
        entering = Linear(weights(module.input_weights, "input_weights", layer=path))
        with naming_layer(path, module):
            after = out_shape(entering, tuple(x.value.shape[self.leads :]))
        value = x.value.new_zeros((*x.value.shape[: self.leads], *after))
        return TracedSignal(
            value, self.put(f"{path}.input_weights", entering, x.source), self.number
        )

    def rectified(self, x: Any, name: str, where: str) -> TracedSignal:
        """A relu: nothing where nothing is negative."""
        check_signal(x, self.number, where)
        if self._is_negative(x.source):
            return TracedSignal(x.value, self.put(name, Rectified(where), x.source), self.number)
        signal: TracedSignal = x
        return signal

    def scaled(self, name: str, x: TracedSignal, factor: float) -> TracedSignal:
        """A signal times a number."""
        shape = tuple(x.value.shape[self.leads :])
        channels = shape[0] if shape else 1
        node = BatchNorm(np.full(channels, factor), None)
        return TracedSignal(x.value * factor, self.put(name, node, x.source), self.number)

    def join(self, name: str, target: Any, join: joins.Join, where: str) -> TracedSignal:
        """An Add or Concat; a signal that comes twice goes through an Identity once."""
        sources: list[str] = []
        for signal in join.signals:
            if isinstance(join.node, Concat) and signal.source in self.late.values():
                # In a loop the shape of a part follows from nothing else.
                signal = self.add(f"{signal.source}.shape", None, signal, signal.value)
            again = signal.source in sources
            copy = self.put(f"{name}_again", Identity(), signal.source) if again else ""
            sources.append(copy or signal.source)
        if target in joins.IN_PLACE:
            self.in_place.append((sources[0], where))
        return TracedSignal(join.value, self.put(name, join.node, *sources), self.number)

    def put(self, wanted: str, node: Any, *sources: str) -> str:
        """Add a node by this name, or by a free one like it, after its sources; that name."""
        name = self.free(wanted)
        self.nodes[name] = node
        self.lines[name] = self.line
        self.edges += [(source, name) for source in sources]
        return name

    def free(self, wanted: str) -> str:
        """A name that is not taken, in letters that every file format can hold."""
        base = plain_name(wanted)
        name, count = base, 1
        while name in self.nodes:
            count += 1
            name = f"{base}_{count}"
        return name

    def _is_negative(self, name: str) -> bool:
        """Whether the values of a node may be below 0."""
        node = self.nodes[name]
        if getattr(node, "spiking", False) or isinstance(node, Silent | Rectified):
            return False
        if isinstance(node, BatchNorm):
            if np.any(node.weight < 0) or (node.bias is not None and np.any(node.bias < 0)):
                return True
        elif not isinstance(node, KEEP_SIGN):
            return True
        sources = [a for a, b in self.edges if b == name] or [
            a for a, b in self.late.items() if b == name
        ]
        return any(self._is_negative(source) for source in sources)

    def _check_rectified(self) -> None:
        """A relu before Norse's encoder of constant currents changes none of its spikes."""
        for name, node in [(n, v) for n, v in self.nodes.items() if isinstance(v, Rectified)]:
            users = [b for a, b in self.edges if a == name]
            harmless = [u for u in users if u in self.encoders and np.all(self.nodes[u].v_th >= 0)]
            if not users or harmless != users:
                raise Unsupported(
                    f"{node.where} may get negative values, and a chip has no such activation. "
                    "Use a spiking layer in its place: norse.torch.LIFBoxCell or "
                    "norse.torch.LIFCell. A relu of spikes is none, and is read."
                )
            (source,) = (a for a, b in self.edges if b == name)
            self.edges = [(source if a == name else a, b) for a, b in self.edges if b != name]
            del self.nodes[name]

    def traced(self, output: Any) -> Traced:
        """The graph of what leads to the output, without what only led to an unused value."""
        if isinstance(output, Stack):
            raise Unsupported(f"the network returns a stack. {instead_of_operation('stack')}")
        check_output(output)
        check_signal(output, self.number, "the output of the network")
        self._check_rectified()
        nodes, edges = in_order(self.nodes, self.edges, self.late)
        for name, where in self.in_place:
            used = [*edges, (output.source, "")]
            joins.check_in_place(name, self.nodes, used, where)
        needed: set[str] = set()
        pending = [output.source]
        while pending:
            name = pending.pop()
            needed.add(name)
            pending += [a for a, b in edges if b == name and a not in needed]
        nodes = {n: node for n, node in nodes.items() if n in needed | {INPUT}}
        kept = tuple(e for e in edges if e[0] in nodes and e[1] in nodes)
        late = frozenset(self.late.values())
        lines, said = dict(self.lines), tuple(v for n, v in self.said.items() if n in nodes)
        return Traced(Graph(nodes, kept), self.dts, output.source, late, lines, said)
