"""The folder that parent and child share.

In:  a plan, its graph and its encoded input, from the parent; recordings, from the child.
Out: plan.json, arrays.npz, and one .npy file per input and per recording.
The child reads nothing else. Files and arrays are named by the number of their node.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from neurocompile.data.inputs import Encoded
from neurocompile.engines.lava.plan import (
    RESET_FRESH,
    LavaPlan,
    PopulationPlan,
    SourcePlan,
    SynapsePlan,
    is_dense,
)
from neurocompile.formats.whole import cannot_keep
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import BiasInput, ChipNeuron, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import connections
from neurocompile.ir.nodes import Linear
from neurocompile.ir.payloads import payload_type
from neurocompile.ir.time import lead_in

# Value in a spike file before it is written, by whether spikes carry payloads.
NOT_WRITTEN = {False: 255, True: -(1 << 31)}


class Workspace:
    """The folder that both processes share, and the names of the files in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def file(self, kind: str, index: int) -> Path:
        """The .npy file of a node; kind is input, spikes or membrane."""
        return self.root / f"{kind}{index}.npy"

    def write(self, plan: LavaPlan, graph: Graph, encoded: Encoded) -> int:
        """Write everything that the child reads, and reserve space for what it writes.

        Returns:
            Number of entries of all matrices together.

        Raises:
            BadInput: If the disk has no room for it.
        """
        try:
            return self._written(plan, graph, encoded)
        except OSError as error:
            raise cannot_keep("what Lava reads", error) from None

    def _written(self, plan: LavaPlan, graph: Graph, encoded: Encoded) -> int:
        rows = plan.samples * plan.steps
        (self.root / "plan.json").write_text(json.dumps(asdict(plan)))
        arrays = flat_arrays(plan, graph)
        named: dict[str, Any] = dict(arrays)
        np.savez(self.root / "arrays.npz", **named)
        for source in plan.sources:
            values = encoded.values.get(source.name)
            spikes = np.ones((rows, source.size)) if values is None else values
            number = payload_type(graph.nodes[source.name])
            np.save(
                self.file("input", source.index),
                spikes.reshape(rows, source.size).astype(number),
            )
        for i, (name, node) in enumerate(graph.nodes.items()):
            if isinstance(node, BiasInput):
                mantissas = encoded.values[name].reshape(plan.samples, -1)
                np.save(self.file("input", i), mantissas.astype(np.int16))
        for population in plan.populations:
            shape = (rows, population.size)
            sent, empty = (
                np.int32 if population.graded else np.uint8,
                NOT_WRITTEN[population.graded],
            )
            _room(self.file("spikes", population.index), sent, shape)[:] = empty
            _room(self.file("membrane", population.index), np.int32, shape)
        return sum(a.size for key, a in arrays.items() if key.endswith(("/weight", "/data")))

    def plan(self) -> LavaPlan:
        """Read the plan back."""
        plan: dict[str, Any] = json.loads((self.root / "plan.json").read_text())
        plan["sources"] = tuple(SourcePlan(**p) for p in plan["sources"])
        plan["populations"] = tuple(PopulationPlan(**p) for p in plan["populations"])
        plan["synapses"] = tuple(SynapsePlan(**p) for p in plan["synapses"])
        return LavaPlan(**plan)

    def arrays(self) -> dict[str, Array]:
        """Registers and matrices, by `<index>/<field>`."""
        with np.load(self.root / "arrays.npz") as file:
            return dict(file)


def _room(path: Path, dtype: type, shape: tuple[int, int]) -> Array:
    """A map of a new file whose room is taken: to fill a map on a full disk ends a process."""
    rows = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return rows


def flat_arrays(plan: LavaPlan, graph: Graph) -> dict[str, Array]:
    """Registers and matrices, flat and in the types in which Lava holds them."""
    starts = lead_in(graph) if plan.reset == RESET_FRESH else {}
    arrays: dict[str, Array] = {}
    for i, (name, node) in enumerate(graph.nodes.items()):
        if isinstance(node, ChipNeuron):
            for register in node.registers:
                array = getattr(node, register)
                arrays[f"{i}/{register}"] = array.ravel() if array.ndim else array
            arrays[f"{i}/v"] = starts.get(name, np.zeros(node.shape)).ravel().astype(np.int32)
        elif isinstance(node, Synapse):
            late = None if node.late is None else np.atleast_2d(node.late.astype(np.int64))
            if late is not None and node.late_of == "target":
                late = late.T
            if is_dense(node) and isinstance(node.op, Linear):
                arrays[f"{i}/weight"] = node.op.weight.astype(np.int32)
                if late is not None:
                    arrays[f"{i}/late"] = np.broadcast_to(late, node.op.weight.shape)
            else:
                matrix = connections(node)
                if late is not None:
                    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
                    arrays[f"{i}/late"] = np.broadcast_to(late, matrix.shape)[rows, matrix.indices]
                arrays[f"{i}/data"] = matrix.data.astype(np.int32)
                arrays[f"{i}/indices"] = matrix.indices
                arrays[f"{i}/indptr"] = matrix.indptr
    return arrays
