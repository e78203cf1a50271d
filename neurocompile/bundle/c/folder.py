"""The files of a C bundle.

In:  a FIXED graph and encoded samples.
Out: the content of each file, by its path in the folder, and what the program takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files as package_files
from string import Template
from typing import Any
from zlib import crc32

import numpy as np

from neurocompile.bundle.c.names import check_prefix, prefixed
from neurocompile.bundle.c.network import CNetwork, c_network
from neurocompile.bundle.c.readme import readme
from neurocompile.bundle.units import tables
from neurocompile.bundle.vectors import Vectors, neurons, spike_bytes
from neurocompile.engines.fixed.plan import Link, plan_of
from neurocompile.formats.whole import encoded
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import AlwaysOn
from neurocompile.ir.graph import Graph

PREFIX = "nc"  # of all names, unless another is asked for
VECTORS_H = Template("""\
/* What main.c knows of the vectors and of the size of the network. Written by neurocompile. */
#ifndef NC_VECTORS_H
#define NC_VECTORS_H

#include <stdint.h>

#define NC_VECTOR_SAMPLES ${samples}U
#define NC_VECTOR_STEPS ${steps}U
#define NC_MOST_NEURONS $most
#define NC_INPUT_BYTES ${input_bytes}U
#define NC_INPUT_SIGNED $input_signed
#define NC_READS_POTENTIALS $potentials

#define NC_TABLES_CRC ${tables_crc}U
#define NC_INPUTS_CRC ${inputs_crc}U
#define NC_SPIKES_CRC ${spikes_crc}U
#define NC_POTENTIALS_CRC ${potentials_crc}U

#define NC_TABLE_BYTES ${table_bytes}UL
#define NC_WEIGHT_BYTES ${weight_bytes}UL
#define NC_PACKED_BYTES ${packed_bytes}UL
#define NC_NEURONS ${neurons}UL
#define NC_ADDITIONS ${additions}UL

static const uint32_t nc_spike_bytes[$layers] = {$spike_bytes};

#endif
""")


@dataclass(frozen=True, eq=False)
class CBundle:
    """A C bundle.

    Attributes:
        files: Content of each file, by its path in the folder.
        network: The network in C.
        sizes: What the program takes, JSON-ready.
    """

    files: dict[str, bytes]
    network: CNetwork
    sizes: dict[str, Any]


def c_bundle(vectors: Vectors, steps: int | None = None, prefix: str = PREFIX) -> CBundle:
    """The program of a network, with its vectors.

    Args:
        vectors: The network, its input and what it did.
        steps: Steps of a sample; None takes those of the network's settings.
        prefix: What its names begin with, in front of `_`: small for functions, types and tables,
            large for macros.

    Raises:
        BadInput: If no name in C begins with the prefix.
        DoesNotFit: If its tables are too large for a C compiler.
    """
    check_prefix(prefix)
    graph = vectors.graph
    network = c_network(graph, vectors.rates(), steps)
    names = [layer.name for layer in network.layers]
    number = network.inputs.sends.removesuffix("_t")
    data = {
        "inputs": vectors.inputs(number),
        "spikes": vectors.spikes(names),
        "potentials": vectors.potentials(names),
    }
    sizes = {
        "table_bytes": network.tables.bytes,
        "weight_bytes": network.weight_bytes,
        "packed_bytes": network.packed_bytes,
        "neurons": sum(layer.neurons for layer in network.layers),
        "additions": round(additions(vectors)),
    }
    header = VECTORS_H.substitute(
        sizes,
        samples=vectors.samples,
        steps=vectors.steps,
        most=max(neurons(graph, name) for name in names),
        input_bytes=np.dtype(number).itemsize,
        input_signed=int(np.dtype(number).kind == "i"),
        potentials=int(network.reads_potentials),
        tables_crc=network.tables.digest(),
        **{f"{what}_crc": crc32(content) for what, content in data.items()},
        layers=len(names),
        spike_bytes=", ".join(f"{spike_bytes(graph, name)}U" for name in names),
    )
    own = package_files("neurocompile.bundle.c")
    sources = {**network.files, "vectors.h": header, "main.c": own.joinpath("main.c").read_text()}
    made = {name: prefixed(text, prefix).encode() for name, text in sources.items()}
    made["Makefile"] = own.joinpath("Makefile").read_bytes()
    made["README.md"] = encoded(readme(vectors, network, sizes, prefix))
    made |= tables(graph, [layer.name for layer in network.outputs])
    made |= {f"vectors/{what}.bin": content for what, content in data.items()}
    return CBundle(made, network, sizes)


def additions(vectors: Vectors) -> float:
    """Weights that a step adds on average: those of the sources that sent something."""
    total = 0.0
    for population in plan_of(vectors.graph).populations.values():
        for link in population.links:
            if not isinstance(vectors.graph.nodes[link.source], AlwaysOn):
                sent = vectors.did.spikes[link.source]
                total += float((_fan_out(vectors.graph, link) * _counts(sent)).sum())
    return total / (vectors.samples * vectors.steps)


def _fan_out(graph: Graph, link: Link) -> Array:
    """Number of weights of each source of a synapse, in the engine's order."""
    if link.table is None:  # dense, with a delay for each weight
        return np.asarray(len(graph.nodes[link.name].op.weights))
    ends = np.concatenate([[0], np.cumsum(link.table.length)]).astype(np.int64)
    each = ends[link.table.first[1:]] - ends[link.table.first[:-1]]
    order = plan_of(graph).order[link.source]
    found = np.empty(len(order), np.int64)
    found[order] = each[link.table.group]
    return found


def _counts(sent: Array) -> Array:
    """Messages of each neuron, in C order."""
    return np.asarray(np.count_nonzero(sent, axis=(0, 1))).ravel()
