"""network.py and integers.npz of a Lava bundle: a line for each process and each connection.

In:  a FIXED graph and its plan for Lava.
Out: Python source, arrays by name, and what is known of each layer.
Registers that are one number stand in the source, others and weights in integers.npz.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from neurocompile.bundle.lava.neurons import PROCESSES, STOCK, Line, Registers
from neurocompile.bundle.names import identifiers
from neurocompile.engines.lava.plan import (
    RESET_FRESH,
    LavaPlan,
    PopulationPlan,
    SourcePlan,
    SynapsePlan,
)
from neurocompile.engines.lava.workspace import flat_arrays
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import AlwaysOn, BiasInput, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.ops import shift
from neurocompile.ir.registers import MANTISSAS

WIDE = 100  # characters of a line
PICK_COLUMNS, MULTIPLY = "0", "1"  # num_message_bits, as the engine chooses them

PAGE = Template('''\
"""The network: a line for each process and for each connection.

Written by neurocompile, to be edited. `s_` are synapses, `p_` what sends spikes. Numbers are the
integers of the chip: those that differ inside a layer stand in integers.npz, by layer and register.
After a change, `python run.py --check` names the first value that is not what it was.
"""

$imports

STEPS = $steps  # of a sample
FRESH = $fresh  # $why
LAST_DEPTH = $last_depth  # chip steps by which the last layer lags the input
INPUT = {"kind": $kind, "shape": $shape, "range": $range}
LAYERS = {  # by the names below: name in the network, shape
$layers
}


def build(run, a):
    """Make the processes; returns one of them, and those whose biases are written per sample.

    Args:
        run: What run.py gives: the input, the steps, and what records a layer.
        a: Arrays of integers.npz.
    """
$body
    return $anchor, [$written]
''')

SPARSE = '''

def sparse(a, layer, what, shape):
    """Numbers of a layer's connections as a sparse matrix."""
    parts = (a[f"{layer}.{part}"] for part in (what, "indices", "indptr"))
    return csr_matrix(tuple(parts), shape=shape)
'''


@dataclass(frozen=True, eq=False)
class LavaNetwork:
    """A network as source.

    Attributes:
        source: Content of network.py.
        arrays: What integers.npz holds.
        names: The name in the source of each node.
        processes: Class of the process of each population.
        ours: Those of them that are no stock processes of Lava.
    """

    source: str
    arrays: Mapping[str, Array]
    names: Mapping[str, str]
    processes: Mapping[str, str]
    ours: tuple[str, ...]


def lava_network(graph: Graph, plan: LavaPlan, steps: int) -> LavaNetwork:
    """Write a network.

    Args:
        graph: FIXED graph.
        plan: Its plan.
        steps: Steps of a sample where nothing else says how many.
    """
    return _Writer(graph, plan, steps).network()


class _Writer:
    """Source and arrays as they grow."""

    def __init__(self, graph: Graph, plan: LavaPlan, steps: int) -> None:
        self.graph, self.plan, self.steps = graph, plan, steps
        self.names = identifiers(graph.nodes)
        self.by_index = dict(enumerate(graph.nodes))
        self.registers = flat_arrays(plan, graph)
        self.arrays: dict[str, Array] = {}
        self.processes: dict[str, str] = {}
        self.used: set[str] = set()

    def network(self) -> LavaNetwork:
        body = list(self._body())
        ((_, node),) = self.graph.of(SpikeInput, BiasInput)
        populations = self.plan.populations
        shapes = [(p.name, self.graph.nodes[p.name]) for p in populations]
        fresh = self.plan.reset == RESET_FRESH
        page = PAGE.substitute(
            imports="\n".join(self._imports()),
            steps=self.steps,
            fresh=fresh,
            why="each sample gets a network of its own"
            if fresh
            else "LIFReset clears the state in the first step of each sample",
            last_depth=self.plan.last_depth,
            kind=_quoted("spikes" if isinstance(node, SpikeInput) else "biases"),
            shape=node.shape,
            range=_allowed(node),
            layers="\n".join(
                f"    {_quoted(self.names[n])}: ({n!a}, {node.shape})," for n, node in shapes
            ),
            body="\n".join(f"    {line}".rstrip() for line in body),
            anchor=self._place(populations[0].index),
            written=", ".join(self._place(p.index) for p in populations if p.biases is not None),
        )
        page += SPARSE if "csr_matrix" in self.used else ""
        ours = tuple(sorted({*self.processes.values()} - {*STOCK}))
        return LavaNetwork(page, self.arrays, self.names, self.processes, ours)

    def _body(self) -> Iterator[str]:
        for source in self.plan.sources:
            yield from self._source(source)
        for population in self.plan.populations:
            yield from self._population(population)
        for synapse in self.plan.synapses:
            yield from self._synapse(synapse)

    def _source(self, source: SourcePlan) -> Iterator[str]:
        always = isinstance(self.graph.nodes[source.name], AlwaysOn)
        words = {
            "path": f"run.always({source.size})" if always else "run.input",
            "rows": "run.rows",
            "depth": str(source.depth),
            "size": str(source.size),
            "name": _quoted(self.names[source.name]),
        }
        what = "an axon that spikes in every step" if always else "the input"
        yield f"# {source.name!a}: {what}"
        yield from self._call(self._place(source.index), "SpikeSource", words)
        yield ""

    def _population(self, population: PopulationPlan) -> Iterator[str]:
        name = self.names[population.name]

        def held(register: str, array: Array) -> str:
            return self._held(name, register, array)

        fresh = self.plan.reset == RESET_FRESH
        registers = Registers(population, self.registers, fresh, held)
        line: Line = PROCESSES[population.kind](registers)
        place = self._place(population.index)
        shape = self.graph.nodes[population.name].shape
        yield f"# {population.name!a}: {population.kind}, {shape}"
        self.processes[population.name] = line.kind
        yield from self._call(place, line.kind, line.words)
        for at, text in line.after.items():
            yield f"{place}.{at} = {text}"
        texts = (*line.words.values(), *line.after.values())
        for word in ("ActivationMode", "np"):
            if any(text.startswith(f"{word}.") for text in texts):
                self.used.add(word)
        depth = population.depth
        yield f"run.record({_quoted(name)}, {place}, {place}.{line.potential}, depth={depth})"
        yield ""

    def _synapse(self, synapse: SynapsePlan) -> Iterator[str]:
        place, name = f"s_{self.names[synapse.name]}", self.names[synapse.name]
        picks = synapse.dense and not synapse.longest and not synapse.graded
        words = {"weights": self._matrix(synapse, "weights")}
        if synapse.longest:
            words["delays"] = (
                self._matrix(synapse, "delays") if synapse.late else str(synapse.delay)
            )
        words |= {
            "weight_exp": str(synapse.weight_exp),
            "num_weight_bits": str(synapse.bits),
            "sign_mode": "SignMode.MIXED",
            "num_message_bits": PICK_COLUMNS if picks else MULTIPLY,
            "name": _quoted(name),
        }
        self.used.add("SignMode")
        ends = (ascii(self.by_index[at]) for at in (synapse.source, synapse.target))
        yield f"# {synapse.name!a}: {' -> '.join(ends)}, {synapse.shape}"
        kind = "Dense" if synapse.dense else "Sparse"
        yield from self._call(place, f"Delay{kind}" if synapse.longest else kind, words)
        if synapse.early and not synapse.longest:
            # The spike that the axon would have sent one step before the chip starts.
            early = shift(self._sums(synapse), synapse.weight_exp)
            yield f"{place}.a_buff.init = {self._held(name, 'early', early.astype(np.int32))}"
        into = "a_in" if synapse.into is None else f"a_{synapse.into}_in"
        yield f"{self._place(synapse.source)}.s_out.connect({place}.s_in)"
        yield f"{place}.a_out.connect({self._place(synapse.target)}.{into})"
        yield ""

    def _matrix(self, synapse: SynapsePlan, what: str) -> str:
        """The text of weights or delays of each weight; they are kept."""
        name, at = self.names[synapse.name], synapse.index
        key = {("weights", True): "weight", ("weights", False): "data"}.get(
            (what, synapse.dense), "late"
        )
        array = self.registers[f"{at}/{key}"]
        if what == "delays":
            array = array + synapse.delay
        text = self._held(name, what, array)
        if synapse.dense:
            return text
        for part in ("indices", "indptr"):
            self._held(name, part, self.registers[f"{at}/{part}"])
        self.used.add("csr_matrix")
        return f"sparse(a, {_quoted(name)}, {_quoted(what)}, {tuple(synapse.shape)})"

    def _sums(self, synapse: SynapsePlan) -> Array:
        """Sum of the weights onto each target."""
        at = synapse.index
        if synapse.dense:
            return np.asarray(self.registers[f"{at}/weight"].sum(axis=1))
        parts = (self.registers[f"{at}/{part}"] for part in ("data", "indices", "indptr"))
        matrix = csr_matrix(tuple(parts), shape=tuple(synapse.shape))
        return np.asarray(matrix.sum(axis=1)).ravel()

    def _held(self, name: str, what: str, array: Array) -> str:
        """Keep an array; the text that reads it."""
        number = np.int64 if what == "delays" else np.int32  # as Lava asks for them
        self.arrays[f"{name}.{what}"] = np.ascontiguousarray(array, number)
        return f'a["{name}.{what}"]'

    def _place(self, index: int) -> str:
        return f"p_{self.names[self.by_index[index]]}"

    def _call(self, place: str, kind: str, words: Mapping[str, str]) -> Iterator[str]:
        """A process in one line, or an argument a line where that is too long."""
        self.used.add(kind)
        given = [f"{name}={text}" for name, text in words.items()]
        line = f"{place} = {kind}({', '.join(given)})"
        if len(line) <= WIDE - 4:
            yield line
            return
        yield f"{place} = {kind}("
        yield from (f"    {each}," for each in given)
        yield ")"

    def _imports(self) -> Iterator[str]:
        used = self.used
        if "np" in used:
            yield "import numpy as np"
        stock: dict[str, list[str]] = defaultdict(list)
        for kind in sorted(used & {*STOCK}):
            stock[STOCK[kind]].append(kind)
        if "SignMode" in used:
            stock["lava.utils.weightutils"].append("SignMode")
        for module in sorted(stock):
            yield f"from {module} import {', '.join(stock[module])}"
        ours = sorted({*self.processes.values()} - {*STOCK})
        if ours:
            yield f"from processes.neurons import {', '.join(ours)}"
        if "SpikeSource" in used:
            yield "from processes.source import SpikeSource"
        if "csr_matrix" in used:
            yield "from scipy.sparse import csr_matrix"


def _quoted(name: str) -> str:
    """A name of letters, digits and _ as Python writes it."""
    return f'"{name}"'


def _allowed(node: Any) -> tuple[int, int]:
    """Smallest and largest number that an input takes."""
    if isinstance(node, BiasInput):
        return MANTISSAS
    low, high = node.payload
    return int(low), int(high)
