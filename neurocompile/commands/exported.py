"""An exported directory as commands take it up again.

In:  a directory that `export` wrote.
Out: what it declares to have run; its integers and the chip that they are for.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from neurocompile.chip.change import with_chips
from neurocompile.chip.read import load_chip
from neurocompile.chip.record import Chip
from neurocompile.data.sampling import Declared
from neurocompile.formats.artifact import Artifact, read_artifact
from neurocompile.formats.load_onnx import load_onnx
from neurocompile.ir.graph import Graph
from neurocompile.place.chosen import Chosen, chosen


@dataclass(frozen=True, eq=False)
class Exported:
    """An exported directory.

    Attributes:
        artifact: The directory and its manifest.
        graph: Its FIXED graph.
        chip: Its target, with the chips that the export could use.
        declared: What the export ran.
        placing: How it was placed.
    """

    artifact: Artifact
    graph: Graph
    chip: Chip
    declared: Declared
    placing: Chosen


def read_exported(directory: Path) -> Exported:
    """Read a directory whose files are as they were written.

    Raises:
        BadInput: If it is none, was changed, or its target is not there.
    """
    artifact = read_artifact(directory)
    placing = chosen(artifact.manifest)
    chip = with_chips(load_chip(artifact.manifest["target"]), placing.chips)
    graph = load_onnx(artifact.file("fixed.onnx"))
    return Exported(artifact, graph, chip, declared(artifact), placing)


def declared(artifact: Artifact) -> Declared:
    """What an export ran."""
    return Declared(**{f.name: artifact.manifest["data"][f.name] for f in fields(Declared)})
