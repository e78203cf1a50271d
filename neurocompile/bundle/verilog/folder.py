"""The files of a Verilog bundle.

In:  what a network did (`Vectors`), and the name of a layer.
Out: the content of each file, by its path in the folder, and what the module takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files as package_files
from typing import Any

import numpy as np

from neurocompile.bundle import units
from neurocompile.bundle.vectors import Vectors
from neurocompile.bundle.verilog.layer import STATE_WIDTH, CircuitLayer, arrivals, circuit_layer
from neurocompile.bundle.verilog.module import bits, hexadecimal, module
from neurocompile.bundle.verilog.readme import readme
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import SpikeInput

VECTORS_VH = """\
// How much the vectors hold. Written by neurocompile.
`define NC_SAMPLES {samples}
`define NC_STEPS {steps}
`define NC_NEURONS {neurons}
`define NC_LINES {lines}
`define NC_AT_BITS {at}
"""


@dataclass(frozen=True, eq=False)
class VerilogBundle:
    """A Verilog bundle.

    Attributes:
        files: Content of each file, by its path in the folder.
        layer: The layer in it.
        sizes: What the module takes, JSON-ready.
    """

    files: dict[str, bytes]
    layer: CircuitLayer
    sizes: dict[str, Any]


def verilog_bundle(vectors: Vectors, name: str | None = None) -> VerilogBundle:
    """The module of a layer, with its vectors.

    Args:
        vectors: The network, its input and what it did.
        name: The layer; None takes the only one that can be a module.

    Raises:
        BadInput: If there is no such layer, or a module cannot hold it.
        DoesNotFit: If it has more weights than a circuit holds.
    """
    graph, samples, steps = vectors.graph, vectors.samples, vectors.steps
    layer = circuit_layer(graph, name)
    text, tables, sizes = module(layer)
    sent = {n: vectors.encoded.values[n] for n, _ in graph.of(SpikeInput)}
    arrives = arrivals(layer, {**sent, **vectors.did.spikes}, samples, steps)
    spikes = np.asarray(vectors.did.spikes[layer.name]).astype(np.int64).reshape(-1)
    potentials = np.asarray(vectors.did.membrane[layer.name]).astype(np.int64).reshape(-1)
    expected = (spikes << STATE_WIDTH) | (potentials & ((1 << STATE_WIDTH) - 1))
    events = arrives.astype(np.int64) @ np.diff(layer.first)
    sizes |= {
        "weights": len(layer.weights),
        "clocks_most": int(events.max()) + layer.sources + layer.neurons + 4,
    }
    about = VECTORS_VH.format(
        samples=samples,
        steps=steps,
        neurons=layer.neurons,
        lines=layer.sources,
        at=bits(layer.neurons),
    )
    here = package_files(__package__)
    texts = {
        "README.md": readme(layer, sizes, samples, steps),
        "Makefile": here.joinpath("Makefile").read_text("utf-8"),
        "layer.v": text,
        "testbench.v": here.joinpath("testbench.v").read_text("utf-8"),
        "vectors.vh": about,
        "vectors/arrives.hex": _rows(arrives),
        "vectors/expected.hex": hexadecimal(expected, STATE_WIDTH + 1),
        **tables,
    }
    files = {n: t.encode("ascii") for n, t in texts.items()}
    own = {n: t for n, t in units.tables(graph, [layer.name]).items() if n == units.OUTPUTS}
    return VerilogBundle({**files, **own}, layer, sizes)


def _rows(arrives: Array) -> str:
    """A number for each step, whose bit k is line k."""
    rows = arrives.reshape(-1, arrives.shape[2])
    packed = np.packbits(rows[:, ::-1], axis=1)  # the last line is the highest bit
    spare = -rows.shape[1] % 8
    values = (int.from_bytes(row.tobytes(), "big") >> spare for row in packed)
    digits = -(-rows.shape[1] // 4)
    return "".join(f"{value:0{digits}x}\n" for value in values)
