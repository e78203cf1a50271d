"""A whole network as C99: network.c and network.h, weights.c and weights.h.

In:  a FIXED graph, and how often each population was measured to send.
Out: the texts, and what the program takes: bytes of tables and state, operations per step.
The order of the populations is that of the engine: each step takes all of them once, and loops
hear what was sent in earlier steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from neurocompile.bundle.c.layers import Layer, layers_of
from neurocompile.bundle.c.names import comment, indented, literal
from neurocompile.bundle.c.neurons import (
    Constant,
    Term,
    Written,
    over_neurons,
    shifted,
    written,
)
from neurocompile.bundle.c.sums import Functions
from neurocompile.bundle.c.synapses import Program, Sums, always, sums_of
from neurocompile.bundle.c.tables import Tables
from neurocompile.bundle.c.templates import HEADER, HELPERS, SOURCE, WEIGHTS_H
from neurocompile.bundle.names import identifiers
from neurocompile.engines.fixed.plan import FixedPlan, Population, plan_of
from neurocompile.engines.fixed.result import schedule
from neurocompile.ir.fixed import AlwaysOn, BiasInput, ChipNeuron, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.registers import BIT, MANTISSAS


@dataclass(frozen=True, eq=False)
class CNetwork:
    """A network in C.

    Attributes:
        files: Text of each file, by name.
        layers: Populations of neurons, in the order of the program.
        inputs: Where the input enters.
        outputs: Populations whose spikes and potentials a step returns, in order.
        tables: The constant tables.
        packed_bytes: Bytes that the weights would take without any gap between them.
        weight_bytes: Bytes of the tables that hold weights.
        synapses: Names of the synapses that are computed in each step.
        products: Names of those that are computed as products.
        widths: By population, bits of the numbers of its step: 32 or 64.
        reads_potentials: Whether the result is in the potentials of the outputs, not their spikes.
    """

    files: dict[str, str]
    layers: tuple[Layer, ...]
    inputs: Layer
    outputs: tuple[Layer, ...]
    tables: Tables
    packed_bytes: int
    weight_bytes: int
    synapses: tuple[str, ...]
    products: tuple[str, ...]
    widths: dict[str, int]
    reads_potentials: bool

    @property
    def input_kind(self) -> str:
        """What enters in each step, in words."""
        return _kind(self.inputs.node)


def c_network(graph: Graph, rates: dict[str, float], steps: int | None = None) -> CNetwork:
    """A network as C.

    Args:
        graph: FIXED graph.
        rates: Messages per neuron and step of each population, which choose between events and
            products.
        steps: Steps of a sample, NC_STEPS of the header; None takes the settings'.

    Raises:
        DoesNotFit: If its tables are too large for a C compiler.
    """
    return _Writer(graph, plan_of(graph), rates, steps or graph.settings.steps).network()


class _Writer:
    """A network while it is written."""

    def __init__(self, graph: Graph, plan: FixedPlan, rates: dict[str, float], steps: int) -> None:
        self.graph, self.plan, self.steps = graph, plan, steps
        self.layers = layers_of(graph, plan, rates)
        self.ids = identifiers(graph.nodes)
        most = max(layer.neurons for layer in self.layers.values())
        index = np.uint16 if most < 1 << 16 else np.uint32
        self.program = Program(Tables(), Functions(), index)
        self.index = f"{np.dtype(index).name}_t"
        self.sums: dict[str, Sums] = {}
        self.fields: list[str] = []  # of the state
        self.scratch: dict[str, int] = {}  # shared arrays of the state, by declaration
        self.order = [n for group in schedule(graph) for n in group.names if n in plan.populations]

    def network(self) -> CNetwork:
        (inputs,) = (self.layers[name] for name, _ in self.graph.of(SpikeInput, BiasInput))
        own = tuple(self.layers[name] for name in self.order)
        ends = self.graph.outputs()
        outputs = tuple(layer for layer in own if layer.name in ends)
        steps, starts = [], []
        for layer in own:
            text, start = self._population(layer, self.plan.populations[layer.name])
            steps.append(text)
            starts += start
        for layer in self.layers.values():
            self._keep_sent(layer)
        tables = self.program.tables
        files = {
            "network.h": self._header(inputs, own, outputs),
            "network.c": self._source((inputs, own, outputs), steps, starts),
            "weights.h": WEIGHTS_H.substitute(tables=tables.header()),
            "weights.c": '#include "weights.h"\n\n' + "".join(tables.source()),
        }
        weights = {p.table for sums in self.sums.values() for p in sums.packed.planes}
        return CNetwork(
            files,
            own,
            inputs,
            outputs,
            tables,
            sum(sums.packed.packed_bytes for sums in self.sums.values()),
            sum(v.nbytes for name, v in tables.held.items() if name in weights),
            tuple(self.sums),
            tuple(name for name, sums in self.sums.items() if sums.product),
            {n: 64 if p.variant.wide else 32 for n, p in self.plan.populations.items()},
            _reads_potentials(self.graph, outputs),
        )

    def _population(self, layer: Layer, ready: Population) -> tuple[str, list[str]]:
        """The function of a population, and the statements that start it."""
        links = []
        constants: list[list[Constant]] = [[] for _ in range(ready.inputs)]
        for link in ready.links:
            synapse, id = self.graph.nodes[link.name], self.ids[link.name]
            if isinstance(self.graph.nodes[link.source], AlwaysOn):
                constants[link.into].append(Constant(id, always(synapse, layer), link.delay))
                continue
            source = self.layers[link.source]
            self.sums[link.name] = sums_of(self.program, link, id, synapse, source, layer)
            self.program.tables.check(f"synapse '{link.name}'")
            links.append(self.sums[link.name])
        total = f"{np.dtype(ready.sum_number).name}_t"
        several = len(links) > 1
        blocks = [f"{total} *const total_{k} = s->{self._scratch(f'{total} total', layer, k)};"
                  for k in range(ready.inputs) if several]  # fmt: skip
        blocks += [f"memset(total_{k}, 0, {layer.neurons}U * sizeof total_{k}[0]);"
                   for k in range(ready.inputs) if several]  # fmt: skip
        terms: list[list[Term]] = [[] for _ in range(ready.inputs)]
        for sums in links:
            arrives, lines = self._arriving(sums, layer)
            if several:
                add = shifted(f"({total})arrived[j]", arrives.exponent, total)
                lines.append(f"const {sums.number} *const arrived = {arrives.array};")
                lines += over_neurons(layer, [f"total_{sums.link.into}[j] += {add};"],
                                      by_channel=False)  # fmt: skip
            else:
                terms[sums.link.into].append(Term("arrived", arrives.exponent))
            blocks += ["{", *indented(lines), "}"]
            if not several:
                blocks.append(f"const {sums.number} *const arrived = {arrives.array};")
        if several:
            into = {sums.link.into for sums in links}
            terms = [[Term(f"total_{k}")] if k in into else [] for k in range(ready.inputs)]
        made = written(self.program.tables, layer, ready, terms, constants)
        self.fields += [f"int32_t {n}_{layer.id}[{layer.neurons}];" for n in made.states]
        return self._function(layer, ready, [*blocks, *made.step]), self._begun(layer, made)

    def _function(self, layer: Layer, ready: Population, lines: list[str]) -> str:
        text = "\n".join(line if line.startswith("#") else f"    {line}" for line in lines)
        fed = re.search(r"\binput\b", text)
        return (
            f"/* {comment(layer.name)}: {comment(type(layer.node).__name__)}, {layer.neurons} "
            f"neurons */\nstatic uint32_t step_{layer.id}(nc_state *s, const nc_input *input)\n"
            "{\n    uint32_t bad = 0U;\n"
            + ("" if fed else "    (void)input;\n")
            + f"{text}\n    return bad;\n}}\n"
        )

    def _begun(self, layer: Layer, made: Written) -> list[str]:
        return [f"/* {comment(layer.name)} */", *made.start] if made.start else []

    def _arriving(self, sums: Sums, layer: Layer) -> tuple[Term, list[str]]:
        """Where the sums of a synapse arrive in a step, and the statements that compute them."""
        source, link = self.layers[sums.link.source], sums.link
        lines = [f"const {source.sends} *const sent = {source.sent(link.delay)};"]
        late = link.late
        if late is not None and late.sources is not None:
            moved = self._scratch(f"{source.sends} moved", source)
            at = f"nc_back(s->at_{source.id}, {link.delay}U + {sums.late}[i], {source.slots}U)"
            lines = [
                f"{source.sends} *const sent = s->{moved};",
                f"for (uint32_t i = 0; i < {source.neurons}U; i++) {{",
                f"    sent[i] = s->sent_{source.id}[{at}][i];",
                "}",
            ]
        if not sums.product:
            self._scratch(f"{self.index} events", source)
        n, now, slots = f"{layer.neurons}U", f"s->lateat_{sums.id}", f"{sums.slots}U"
        if sums.slots:
            self.fields.append(f"{sums.number} late_{sums.id}[{sums.slots * layer.neurons}];")
            self.fields.append(f"uint8_t lateat_{sums.id};")
            arrives = Term(f"&s->late_{sums.id}[{now} * {n}]", sums.exponent)
        if late is not None and late.weights is not None:
            lines += [
                f"{sums.number} *const sums = s->late_{sums.id};",
                f"{now} = (uint8_t)(({now} + 1U < {slots}) ? {now} + 1U : 0U);",
                f"memset(&sums[nc_back({now}, 1U, {slots}) * {n}], 0, {n} * sizeof sums[0]);",
                *sums.body,
            ]
            return arrives, lines
        part = self._scratch(f"{sums.number} part", layer)
        lines.append(f"{sums.number} *const sums = s->{part};")
        if not sums.product:
            lines.append(f"memset(sums, 0, {n} * sizeof sums[0]);")
        lines += sums.body
        if not sums.slots:
            return Term(f"s->{part}", sums.exponent), lines
        put = f"s->late_{sums.id}[nc_slot({now} + {sums.late}[j], {slots}) * {n} + j] = sums[j];"
        lines.append(f"{now} = (uint8_t)(({now} + 1U < {slots}) ? {now} + 1U : 0U);")
        return arrives, [*lines, *over_neurons(layer, [put], by_channel=False)]

    def _scratch(self, what: str, layer: Layer, count: int = 0) -> str:
        """Name of an array of the state that layers share, large enough for this one."""
        number, use = what.split()
        name = use if use == "events" else f"{use}_{number}_{count}"
        declared = f"{number} {name}"
        self.scratch[declared] = max(self.scratch.get(declared, 1), layer.neurons)
        return name

    def _keep_sent(self, layer: Layer) -> None:
        if isinstance(layer.node, AlwaysOn | BiasInput):
            return
        if layer.slots > 1:
            self.fields.append(f"{layer.sends} sent_{layer.id}[{layer.slots}][{layer.neurons}];")
            self.fields.append(f"uint8_t at_{layer.id};")
        elif isinstance(layer.node, ChipNeuron):
            self.fields.append(f"{layer.sends} sent_{layer.id}[{layer.neurons}];")

    def _header(self, inputs: Layer, own: tuple[Layer, ...], outputs: tuple[Layer, ...]) -> str:
        scratch = [f"{declared}[{n}];" for declared, n in self.scratch.items()]
        low, high = inputs.node.payload if isinstance(inputs.node, SpikeInput) else MANTISSAS
        return HEADER.substitute(
            input=inputs.sends,
            index=self.index,
            inputs=inputs.neurons,
            low=low,
            high=high,
            kind=_kind(inputs.node),
            outputs=sum(layer.neurons for layer in outputs),
            where=", ".join(f"{layer.neurons} of {comment(layer.name)}" for layer in outputs),
            layers=len(own),
            names=", ".join(comment(layer.name) for layer in own),
            steps=self.steps,
            fields="\n".join(indented([*self.fields, *scratch])),
        )

    def _source(
        self,
        kinds: tuple[Layer, tuple[Layer, ...], tuple[Layer, ...]],
        steps: list[str],
        starts: list[str],
    ) -> str:
        inputs, own, outputs = kinds
        turn = [
            f"s->at_{r.id} = (uint8_t)((s->at_{r.id} + 1U < {r.slots}U) ? s->at_{r.id} + 1U : 0U);"
            for r in self.layers.values()
            if r.slots > 1 and isinstance(r.node, SpikeInput | ChipNeuron)
        ]
        if isinstance(inputs.node, SpikeInput) and inputs.slots > 1:
            turn.append(f"memcpy({inputs.sent()}, input, {inputs.neurons}U * sizeof input[0]);")
        calls = [
            line
            for k, layer in enumerate(own)
            for line in (
                f"bad = step_{layer.id}(s, input);",
                "if (bad != 0U) {",
                f"    return nc_fault(s, bad, {k}U);",
                "}",
            )
        ]
        functions, body = self.program.functions.source(), "\n".join(steps)
        helpers = [text for name, text in HELPERS.items() if f"{name}(" in functions + body]
        return SOURCE.substitute(
            helpers="".join(helpers),
            functions=functions,
            steps=body,
            starts="\n".join(indented(starts)),
            turn="\n".join(indented(turn)),
            calls="\n".join(indented(calls)),
            copies="\n".join(indented(_copies(outputs), 2)),
            names=",\n    ".join(literal(layer.name) for layer in own),
            sizes=", ".join(f"{layer.neurons}U" for layer in own),
            spikes="\n".join(_cases(own, lambda layer: layer.sent())),
            potentials="\n".join(_cases(own, lambda layer: f"s->v_{layer.id}")),
            digests="\n".join(_digests(self.program.tables)),
        )


def _reads_potentials(graph: Graph, outputs: tuple[Layer, ...]) -> bool:
    kind = graph.settings.decoder.kind
    if kind == "none":
        return any(layer.node.readout for layer in outputs)
    return kind != "rate"


def _kind(node: SpikeInput | BiasInput) -> str:
    if isinstance(node, BiasInput):
        return "mantissas of biases, which the host computes"
    return "spikes, 0 or 1" if node.payload == BIT else "payloads, 0 where nothing is sent"


def _place(layer: Layer, neuron: str) -> str:
    """The place of a neuron in the order of the program."""
    if layer.channels == 1:
        return neuron
    return f"{neuron} % {layer.places}U * {layer.channels}U + {neuron} / {layer.places}U"


def _cases(layers: tuple[Layer, ...], array: Callable[[Layer], str]) -> Iterator[str]:
    for k, layer in enumerate(layers):
        yield f"    case {k}U:"
        yield f"        return (int32_t){array(layer)}[{_place(layer, 'neuron')}];"


def _copies(outputs: tuple[Layer, ...]) -> Iterator[str]:
    begin = 0
    for layer in outputs:
        place = _place(layer, "j")
        yield f"for (uint32_t j = 0; j < {layer.neurons}U; j++) {{"
        yield f"    output->spikes[{begin}U + j] = (int32_t){layer.sent()}[{place}];"
        yield f"    output->potentials[{begin}U + j] = s->v_{layer.id}[{place}];"
        yield "}"
        begin += layer.neurons


def _digests(tables: Tables) -> Iterator[str]:
    for name, values in tables.held.items():
        bits = values.itemsize * 8
        yield f"for (uint32_t i = 0; i < {values.size}U; i++) {{"
        yield f"    found = crc(found, (uint{bits}_t){name}[i], {values.itemsize}U);"
        yield "}"
