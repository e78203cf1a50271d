"""The map from neurons to cores, as a file that other programs read.

In:  a placed network and what its cores cost; or the file.
Out: JSON as core_map.schema.json describes it: by layer the neurons of each core in ranges, and the
     table of cores. Read back: by layer, the core of each neuron.
A neuron has exactly one core, so a file in which one has none or two is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from neurocompile.errors import BadInput
from neurocompile.formats.json_files import fault_in, open_to_more, read_json, schema
from neurocompile.ir.arrays import Array
from neurocompile.ir.digest import graph_digest
from neurocompile.place.placed import RESOURCES, Placed
from neurocompile.place.utilisation import core_table

FORMAT = "neurocompile-core-map"
VERSION = "1.0"  # MAJOR.MINOR; a minor step only adds fields
MAX_BYTES = 1 << 30


def core_map(placed: Placed, cores: Mapping[str, Any] | None, samples: int) -> dict[str, Any]:
    """The content of the file.

    Args:
        placed: The network on its cores.
        cores: Result of `by_core`, None if nothing was counted by core.
        samples: Samples that its joules are for.
    """
    spent = {} if cores is None else {row["core"]: row["energy_j"] for row in cores["rows"]}
    return {
        "format": FORMAT,
        "version": VERSION,
        "target": placed.chip.name,
        "fixed_graph": graph_digest(placed.graph),
        "fewest_of": placed.objective,
        "samples": samples,
        "layers": [_layer(placed, name, core_of) for name, core_of in placed.core_of.items()],
        "cores": [
            {
                "core": core.index,
                "chip": row["chip"],
                "layers": {name: len(neurons) for name, neurons in core.held.items()},
                "use": {resource: row[resource] for resource in RESOURCES},
                "energy_j": spent.get(core.index, {}),
            }
            for core, row in zip(placed.cores, core_table(placed), strict=True)
        ],
    }


def read_core_map(file: str | PathLike[str]) -> dict[str, Array]:
    """By layer, (neurons,) int64, the core of each neuron.

    Args:
        file: What `neurocompile energy --map` wrote.

    Raises:
        BadInput: If it is no such file, or a neuron has no core or two.
    """
    path = Path(file)
    try:
        content = read_json(path, MAX_BYTES)
    except ValueError as error:
        raise _broken(path, str(error)) from None
    fault = fault_in(open_to_more(schema("neurocompile.report", "core_map.schema.json")), content)
    if fault:
        raise _broken(path, fault)
    if content["version"].split(".")[0] != VERSION.split(".")[0]:
        raise _broken(path, f"its version is {content['version']}, and this reads {VERSION}")
    table = {row["core"]: row["layers"] for row in content["cores"]}
    return {layer["name"]: _cores_of(path, layer, table) for layer in content["layers"]}


def _layer(placed: Placed, name: str, core_of: Array) -> dict[str, Any]:
    """A layer's neurons, core by core."""
    # A range ends where the next neuron is on another core.
    last = np.flatnonzero(np.append(core_of[1:] != core_of[:-1], True))
    first = np.append(0, last[:-1] + 1)
    ranges: dict[int, list[list[int]]] = {}
    for core, one, other in zip(core_of[last].tolist(), first.tolist(), last.tolist(), strict=True):
        ranges.setdefault(core, []).append([one, other])
    return {
        "name": name,
        "shape": list(placed.graph.nodes[name].shape),
        "neurons": len(core_of),
        "cores": [{"core": core, "neurons": ranges[core]} for core in sorted(ranges)],
    }


def _cores_of(
    path: Path, layer: Mapping[str, Any], table: Mapping[int, Mapping[str, int]]
) -> Array:
    """The core of each neuron of a layer, held against the table of cores."""
    name, neurons = layer["name"], layer["neurons"]
    if prod(layer["shape"]) != neurons:
        raise _broken(path, f"'{name}' has {neurons} neurons, but the shape {layer['shape']}")
    cores = np.full(neurons, -1, np.int64)
    for row in layer["cores"]:
        for first, last in row["neurons"]:
            if not first <= last < neurons:
                raise _broken(path, f"'{name}' has {neurons} neurons, but a range {first}..{last}")
            if (cores[first : last + 1] >= 0).any():
                raise _broken(path, f"neurons {first}..{last} of '{name}' have two cores")
            cores[first : last + 1] = row["core"]
    if (cores < 0).any():
        raise _broken(path, f"neuron {int((cores < 0).argmax())} of '{name}' has no core")
    held = {
        int(core): int(n) for core, n in zip(*np.unique(cores, return_counts=True), strict=True)
    }
    listed = {core: layers[name] for core, layers in table.items() if name in layers}
    if held != listed:
        raise _broken(path, f"the table of cores does not hold the same neurons of '{name}'")
    return cores


def _broken(path: Path, why: str) -> BadInput:
    return BadInput(f"{path} is broken: {why}. Write it again: neurocompile energy DIR --map FILE.")
