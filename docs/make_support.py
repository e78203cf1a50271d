"""Write docs/support.md: what is read, what becomes of it, and which target or file holds it.

In:  the rules of the front ends and formats; the tiny networks of `support_networks.py`.
Out: docs/support.md. What a rule knows is asked of the rule; what a stage, target or file can
hold is tried. Nothing that can change in the package is repeated here.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path
from typing import Any

import nir
import norse.torch as norse
import numpy as np
import torch.nn.functional as F
from support_family import family
from support_networks import Row, rows
from support_peers import LIBRARIES as PEERS
from support_peers import layer_of, sites, slayer_blocks, why_no_block
from torch import nn

from neurocompile.chip.read import chip_names, load_chip
from neurocompile.compiler import compile_graph
from neurocompile.errors import NeurocompileError
from neurocompile.formats.checkpoint.plain import KINDS
from neurocompile.formats.load_onnx import from_onnx
from neurocompile.formats.netx import entries as netx_entries
from neurocompile.formats.netx.write import NetworkNet, network_net
from neurocompile.formats.nir.read import from_nir
from neurocompile.formats.nir.write import to_nir
from neurocompile.formats.onnx.write import to_onnx
from neurocompile.formats.onnx_plain.neurons import EXAMPLES
from neurocompile.formats.onnx_plain.read import RULES
from neurocompile.frontend import functions, hints, joins
from neurocompile.frontend.maxima import CALLS, POOLS
from neurocompile.frontend.rules import RECURRENT, node_of, refusal
from neurocompile.frontend.stateful import calling_rule, expansion_of
from neurocompile.frontend.tracer import CONTAINERS
from neurocompile.ir.graph import Graph, same
from neurocompile.nn import adapting, delays, layers, sigma_delta
from neurocompile.place.target import Target

PAGE = Path(__file__).parent / "support.md"
LIBRARIES = {
    **{nn: "torch.nn", norse: "norse.torch"},
    **dict.fromkeys((layers, adapting, delays, sigma_delta), "neurocompile.nn"),
}


class Notes:
    """Sentences under a table, each once, by number."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def no(self, error: object) -> str:
        """A cell that refers to the reason, without the name of the layer in the tiny network."""
        sentence = re.sub(r"^layer '\w+'(?: \(\w+\))?: ", "", str(error))
        sentence = sentence[:1].upper() + sentence[1:]
        if sentence not in self.sentences:
            self.sentences.append(sentence)
        return f"no ({self.sentences.index(sentence) + 1})"

    def text(self) -> str:
        """The sentences."""
        return "\n".join(f"{n}. {s}" for n, s in enumerate(self.sentences, 1))


def table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    head = list(head)
    every = [head, ["---"] * len(head), *map(list, lines)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in every)


def kinds_of(library: Any) -> dict[str, type]:
    """The kinds of modules that a library has, by name."""
    found = {name: getattr(library, name) for name in dir(library) if not name.startswith("_")}
    return {
        name: kind
        for name, kind in found.items()
        if isinstance(kind, type) and issubclass(kind, nn.Module) and kind.__name__ == name
    }


def node_name(kind: type) -> str:
    """The FLOAT node that a rule says it returns."""
    return str(node_of.dispatch(kind).__annotations__["return"]).split(".")[-1]


def from_torch() -> str:
    """Modules and calls by the node that they become."""
    cells: dict[str, dict[str, list[str]]] = {}

    def put(node: str, column: str, name: str) -> None:
        cells.setdefault(node, {}).setdefault(column, []).append(name)

    registered = [kind for kind in node_of.registry if kind is not object]
    for library, column in LIBRARIES.items():
        for name, kind in kinds_of(library).items():
            if kind in registered:
                put(node_name(kind), column, name + ("*" if issubclass(kind, RECURRENT) else ""))
    for column, libraries in PEERS.items():
        for name, kind in (pair for library in libraries for pair in kinds_of(library).items()):
            if kind in registered and kind not in calling_rule.registry:
                put(node_name(kind), column, name)
    for column, module, site in sites():
        parts = node_of(module, site)
        name = type(module).__name__ + ("*" if parts.recurrent is not None else "")
        put(type(parts.neuron).__name__, column, name)
    calls: list[tuple[str, Iterable[Any]]] = [
        ("Reshape", functions.RESHAPES),
        ("Identity", functions.PASSES | functions.CASTS),
        ("Add", joins.ADDITIONS),
        ("Concat", joins.CONCATENATIONS),
        *((node_name(made_by(make)), [call]) for call, make in functions.MODULES.items()),
    ]
    for node, targets in calls:
        for name in sorted({called(target) for target in targets}):
            put(node, "in a forward", name)
    for stack, total in product(joins.STACKS, joins.SUMS):
        put("Add", "in a forward", f"{called(total)} of {called(stack)}")
    columns = [*dict.fromkeys(LIBRARIES.values()), *PEERS, "in a forward"]
    lines = [
        [node, *(", ".join(sorted(set(cells[node].get(column, [])))) for column in columns)]
        for node in KINDS
        if node in cells
    ]
    assert len(lines) == len(cells)
    return table(["FLOAT node", *columns], lines)


def made_by(make: Callable[..., Any]) -> type:
    """The kind of module that stands for a call outside training."""
    return make if isinstance(make, type) else type(make() or make(training=False))


def called(target: Any) -> str:
    """A function or method as its user writes it."""
    name = functions.name_of(target)
    if isinstance(target, str):
        return f"x.{name}()" if not name.startswith("__") else "+"
    if target in (getattr(F, name, None),):
        return f"F.{name}"
    return "+" if target.__module__ == "_operator" else f"torch.{name}"


def refused_modules() -> str:
    """Modules without a rule, and what could replace them."""
    found: dict[str, list[str]] = {}
    peers = [(f"{name}.", library) for name, each in PEERS.items() for library in each]
    for prefix, library in (("", nn), ("", norse), *peers):
        for name, kind in kinds_of(library).items():
            if kind in calling_rule.registry or kind in expansion_of.registry:
                continue
            known = next(
                (c for c in kind.__mro__ if c in node_of.registry and c is not object), None
            )
            covered = known is not None and kind.forward is known.forward
            if not covered and kind not in (nn.Module, *CONTAINERS):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of PyTorch's, about kinds that it gives up
                    said = str(refusal(kind.__new__(kind), name))
                hint = said.split("which is not supported. ")[1]
                if hint != hints.OTHERWISE:
                    found.setdefault(hint, []).append(prefix + name)
                elif prefix:  # of others it is a whole network of the library: traced into
                    unknown = f"No rule knows what it does. {hint}"
                    found.setdefault(unknown, []).append(prefix + name)
    lines = [(", ".join(sorted(set(names))), hint) for hint, names in found.items()]
    return table(["module", "instead"], sorted(lines))


def slayer() -> str:
    """Blocks of lava-dl, read or refused."""
    found: dict[str, list[str]] = {}
    for name, kind in slayer_blocks().items():
        said = "read" if kind in layer_of.registry else f"refused: {why_no_block(kind)}"
        found.setdefault(said, []).append(name)
    lines = ((", ".join(sorted(names)), said) for said, names in sorted(found.items()))
    return table(["block", "here"], lines)


def refused_calls() -> str:
    """Calls that no rule reads, and what could replace them."""
    found: dict[str, list[str]] = {}
    for name, hint in hints.OPERATIONS.items():
        found.setdefault(hint, []).append(name)
    return table(["call", "instead"], ((", ".join(names), hint) for hint, names in found.items()))


def stages() -> str:
    """Each node through the stages, on each target and in each file."""
    notes = Notes()
    chips = {name: load_chip(name) for name in chip_names()}
    lines = []
    for row in rows():
        held, on = None, []
        for chip in chips.values():
            try:
                held = compile_graph(row.graph, chip).fixed_graph
                on.append("yes")
            except NeurocompileError as error:
                on.append(notes.no(error))
        fixed = "" if held is None else row.fixed_words(held)
        lines.append([row.label, fixed, *on, *in_files(row, held, notes, chips)])
    head = ["FLOAT", "FIXED", *chips, "float.onnx", "fixed.onnx", ".nir", "network.net"]
    return f"{table(head, lines)}\n\n{notes.text()}"


def neurons_of_a_chip() -> str:
    """Each neuron of a chip: what becomes it, and what holds it."""
    notes = Notes()
    head, lines = family(notes)
    return f"{table(head, lines)}\n\n{notes.text()}"


def in_files(row: Row, fixed: Graph | None, notes: Notes, chips: dict[str, Any]) -> list[str]:
    """Whether each format holds a network, and gives it back as it was."""
    cells = ["yes" if same(from_onnx(to_onnx(row.graph)), row.graph) else "no"]
    cells.append("no" if fixed is None or not same(from_onnx(to_onnx(fixed)), fixed) else "yes")
    try:
        tree = to_nir(row.graph)
        assert same(from_nir(tree), row.graph)
        cells.append(str(tree["node"]["nodes"].get("x", {}).get("type", "yes")))
    except NeurocompileError as error:
        cells.append(notes.no(error))
    why: list[str] = []
    for chip in chips.values():
        try:
            held_by_netx = compile_graph(row.graph, Target(chip, netx=True)).fixed_graph
            net = network_net(held_by_netx, 8)
        except NeurocompileError as error:
            net = NetworkNet(None, reason=str(error))
        if net.content is not None:
            return [*cells, "yes"]
        why.append(net.reason)
    return [*cells, notes.no(why[0])]


def from_nir_files() -> str:
    """Each primitive of NIR: read from what our writer makes, as a file of another program."""
    becomes: dict[str, set[str]] = {}
    for row in rows():
        try:
            graph = to_nir(row.graph)["node"]
        except NeurocompileError:
            continue
        del graph["metadata"]
        read = from_nir({"node": graph}, dt=row.graph.settings.dt)
        for name, fields in graph["nodes"].items():
            if name in read.nodes:
                becomes.setdefault(fields["type"], set()).add(type(read.nodes[name]).__name__)
    lines = []
    for name in sorted(nir.ir.__all__):
        kind = getattr(nir, name)
        if not isinstance(kind, type) or kind in (nir.ir.NIRNode, nir.NIRGraph, nir.Output):
            continue
        lines.append([name, ", ".join(sorted(becomes.get(name, ()))) or why_not(name)])
    return table(["NIR", "FLOAT"], lines)


def why_not(kind: str) -> str:
    """What the reader says of a primitive that it has no node for."""
    nodes = {"in": {"type": "Input", "shape": np.array([1])}, "x": {"type": kind}}
    edges = np.array([("in", "x"), ("x", "out")])
    graph = {"type": "NIRGraph", "nodes": {**nodes, "out": {"type": "Output"}}, "edges": edges}
    try:
        from_nir({"node": graph})
    except NeurocompileError as error:
        return f"refused: {error}"
    raise AssertionError(f"{kind} is read: add a network that our writer makes it of")


def from_onnx_files() -> str:
    """Each operator of a plain ONNX file, as its rule describes itself."""
    lines = [[op, str(rule.__doc__).splitlines()[0]] for op, rule in RULES.items()]
    lines += [[f"ai.neurocompile.{op}", type(node).__name__] for op, node in EXAMPLES.items()]
    return table(["operator", "what it is here"], lines)


def page() -> str:
    """The whole page."""
    containers = ", ".join(sorted({kind.__name__ for kind in CONTAINERS}))
    inside = {kind.__name__ for kind in expansion_of.registry if kind is not object}
    expanded = ", ".join(sorted(inside))
    pools = [*(kind.__name__ for kind in POOLS), *map(called, CALLS)]
    maxima = ", ".join(sorted(pools))
    return f"""# What is supported

<!-- written by docs/make_support.py; change that -->

`make docs` makes this page from the rules themselves: every table asks a rule, or tries a tiny
network. A test fails when the page is stale.

## PyTorch and Norse

Modules, and calls in the `forward` of your own modules, by the FLOAT node that they become. An
option that a rule does not know is refused by the layer's name.

- A kind with * also becomes two Linear, an Add and a Delay of one step: its spikes come back one
  step later.
- A signal that your own module hands back in its state passes through a Delay as well.
- A subclass without a forward or a step of its own is read as its parent; any other of a neuron is
  refused.
- Norse's Lift of one of these, or of a Sequential of layers without a state, is the same over all
  steps at once.
- Traced into: {containers}, and modules of your own.
- lava-dl's blocks are integers already: they have a table of their own below.
- A maximum pool is refused, as below. With `max_pool="neurons"` (`--max-pool neurons`) one of
  spikes becomes a SumPool (with dilation, a Conv) and IAF neurons that fire in the same step at any
  spike, as docs/quick-start.md says: {maxima}.
- The columns of snnTorch, SpikingJelly and Sinabs show what their own modules become; their options
  are those that docs/peers.md allows. Containers that run other layers are read as these:
  {expanded}.

{from_torch()}

## Stages, targets and files

For a network of each FLOAT node (between an input, or a Linear, and LIFBox neurons): what it
becomes in FIXED, which targets hold it, and which files. The column `.nir` names the primitive that
is written. `network.net` is tried with scales from `--netx`. Everything linear between two neurons
becomes one synapse, so that a pool or an upsampling is a sparse matrix, multiplied into the layer
after it.

docs/targets.md has a table per chip of what is known of it, assumed and not known.

{stages()}

## Neurons of a chip

The family of FIXED, through every target, engine and file; docs/neurons.md has their equations.
"Same bits" means that an engine gave every spike and potential of the reference on two neurons just
now; tests compare thousands of networks, and those on Lava. `network.net` is written and read
alike. NIR and plain ONNX hold FLOAT neurons only: the table above has them.

{neurons_of_a_chip()}

## Read from NIR

docs/nir.md has the equations, and what each exporter writes. Inner graphs are taken apart.

{from_nir_files()}

## Read from plain ONNX

docs/onnx.md has the options that each operator may have.

{from_onnx_files()}

## Read from lava-dl's .net

Layers: {", ".join(netx_entries.ENTRIES)}.
Neurons: {", ".join(netx_entries.NEURONS)}.
docs/netx.md says which numbers they may have.

## lava-dl's slayer blocks

Integers already, which `neurocompile.save` reads into FIXED as docs/peers.md says; no FLOAT node
stands between.

{slayer()}

## Refused by name

{refused_modules()}

A call in a forward, where none of the rules above reads it:

{refused_calls()}
"""


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"written: {PAGE}\n")
