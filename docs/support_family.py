"""The neurons of a chip, for the table "Neurons of a chip" of docs/support.md.

In:  the family of `ir/chip_neurons.py`.
Out: a row for each: what it sends, what becomes it, which targets, engines and files hold it. What
     can be tried is tried on two neurons.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from support_chip import OF_NETX, around, spikes, two_of
from support_networks import rows
from support_peers import layer_of, slayer_blocks

from neurocompile.chip.read import chip_names, load_chip
from neurocompile.compiler import compile_graph
from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.engines import onnx as onnx_engine
from neurocompile.engines.fixed.torch_path import run_torch
from neurocompile.engines.recording import Recording
from neurocompile.errors import NeurocompileError
from neurocompile.formats.load_onnx import from_onnx
from neurocompile.formats.netx.hold import hold
from neurocompile.formats.onnx.write import to_onnx
from neurocompile.ir import reference
from neurocompile.ir.chip_neurons import ATRLIF, CHIP_NEURONS
from neurocompile.ir.fixed import ChipNeuron, CubaLIF
from neurocompile.ir.graph import Graph, same
from neurocompile.ir.registers import BIT
from neurocompile.ir.resonators import RF, RF_IZ
from neurocompile.nn import adapting, layers, sigma_delta

LAVA = Path(fixed.__file__).parents[1] / "lava"
BLOCKS: Mapping[type, str] = {CubaLIF: "cuba", ATRLIF: "alif", RF: "rf", RF_IZ: "rf_iz"}
HEAD = ("neuron", "sends", "FLOAT", "neurocompile.nn")
FILES = ("fixed.onnx", "network.net", "slayer blocks")


def family(notes: Any) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table.

    Args:
        notes: Gives the cell "no", with a number, of a sentence (`make_support.Notes`).
    """
    chips = {name: load_chip(name) for name in chip_names()}
    engines = {
        "fixed": lambda graph, encoded: fixed.run(graph, encoded).recording,
        "torch": lambda graph, encoded: run_torch(graph, encoded).recording,
        "onnx": onnx_engine.run,
    }
    becomes, processes = made_of(), lava_processes()
    lines = []
    for kind in CHIP_NEURONS:
        cell = two_of(kind)
        graph = around(cell)
        floats = sorted(becomes.get(kind, ()))
        held = same(from_onnx(to_onnx(graph)), graph)
        lines.append(
            [
                kind.__name__,
                sent(kind),
                ", ".join(floats) or "none: from a file",
                ", ".join(trained(floats)),
                *(tried(compile_graph, notes, graph, chip) for chip in chips.values()),
                *("same bits" if agrees(graph, run) else "no" for run in engines.values()),
                processes[kind.__name__],
                "yes" if held else "no",
                tried(hold, notes, around(replace(cell, **OF_NETX.get(kind, {})))),
                blocks_of(kind),
            ]
        )
    return [*HEAD, *chips, *engines, "lava: process", *FILES], lines


def sent(kind: type[ChipNeuron]) -> str:
    """What an axon of these neurons carries."""
    low, high = kind.payload
    if kind.payload == BIT:
        return "0 or 1"
    return f"{low}..{high}" if high < 1 << 8 else f"{high.bit_length() + 1} bits"


def made_of() -> dict[type, set[str]]:
    """FLOAT neurons by the neuron of a chip that they become."""
    found: dict[type, set[str]] = {}
    for row in rows():
        if not row.label.startswith(row.kind.__name__):
            continue
        made = compile_graph(row.graph, "loihi2-sim").fixed_graph.nodes.get("x")
        if isinstance(made, ChipNeuron):
            found.setdefault(type(made), set()).add(row.kind.__name__)
    return found


def trained(floats: list[str]) -> Iterator[str]:
    """Layers of neurocompile.nn that become these FLOAT neurons: they carry their names."""
    changes = {"DeltaEncoder": "Delta", "SigmaDeltaReLU": "SigmaDelta", "SigmaReadout": "Sigma"}
    for name in floats:
        name = changes.get(name, name)
        if any(hasattr(module, name) for module in (layers, adapting, sigma_delta)):
            yield name


def agrees(graph: Graph, run: Callable[[Graph, Encoded], Recording]) -> bool:
    """Whether an engine has the bits of the reference, with something sent."""
    encoded = spikes()
    out, potentials = reference.run_fixed(graph, {"in": encoded.values["in"][0]}, encoded.steps)
    found = run(graph, encoded)
    same_out = np.array_equal(found.spikes["x"][0], out["x"])
    return bool(same_out and out["x"].any() and (found.membrane["x"][0] == potentials["x"]).all())


def tried(make: Callable[..., Any], notes: Any, *given: Any) -> str:
    """Yes, or a no with the sentence of the refusal."""
    try:
        make(*given)
    except NeurocompileError as error:
        return str(notes.no(error))
    return "yes"


def lava_processes() -> dict[str, str]:
    """The process of each neuron: Lava's, or one of ours; tests/engines run them all."""
    rules = (LAVA / "lower.py").read_text().partition("\nPROCESSES: ")[2]
    own = (LAVA / "processes" / "neurons.py").read_text()
    found = {}
    for name in re.findall(r'^    "(\w+)": ', rules, re.MULTILINE):
        ours = re.search(rf"^class {name}\(", own, re.MULTILINE)
        found[name] = "ours" if ours else f"Lava's {'LIF' if name == 'CubaLIF' else name}"
    return found


def blocks_of(kind: type) -> str:
    """Blocks of lava-dl's slayer that are read into such neurons."""
    family = BLOCKS.get(kind)
    read = [
        name
        for name, block in slayer_blocks().items()
        if name.partition(".")[0] == family and block in layer_of.registry
    ]
    return ", ".join(name for name in sorted(read) if not name.endswith((".Input", ".Flatten")))
