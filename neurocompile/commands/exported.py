"""Read an exported directory for the commands that continue from it.

In:  a directory that `export` wrote.
Out: what it declares to have run; its integers, and the chip that they are for; its samples.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from pathlib import Path

from neurocompile.chip.record import Chip
from neurocompile.data.sampling import Declared
from neurocompile.errors import BadInput, Doubtful
from neurocompile.formats.artifact import MANIFEST, Artifact, read_artifact
from neurocompile.formats.load_onnx import load_onnx
from neurocompile.ir.graph import Graph
from neurocompile.place.target import Target, exported_target
from neurocompile.report.samples_file import NAME, Samples, read_samples


@dataclass(frozen=True, eq=False)
class Exported:
    """An exported directory.

    Attributes:
        artifact: The directory and its manifest.
        graph: The FIXED graph.
        target: The target that it was compiled for.
        chip: The chip of the target, with the number of chips that the export allowed.
        declared: What the export ran.
    """

    artifact: Artifact
    graph: Graph
    target: Target
    chip: Chip
    declared: Declared


def read_exported(directory: Path) -> Exported:
    """Read an exported directory whose files are unchanged.

    Warns:
        Doubtful: If the target's numbers are not those of the export.

    Raises:
        BadInput: If it is not an export, was changed, or its target is missing.
    """
    artifact = read_artifact(directory)
    target, chip = target_of(artifact)
    if artifact.manifest.get("target_digest", target.digest) != target.digest:
        warnings.warn(
            f"the target {target.name} differs from the one that {directory} was exported for: its "
            "numbers were changed since. What follows is by its present numbers.",
            Doubtful,
            stacklevel=2,
        )
    graph = artifact.read("fixed.onnx", load_onnx)
    return Exported(artifact, graph, target, chip, declared(artifact))


def target_of(artifact: Artifact) -> tuple[Target, Chip]:
    """The target that an export names, and its chip.

    Raises:
        BadInput: If the target is missing or broken; names the manifest, which may be at fault.
    """
    manifest = artifact.path / MANIFEST
    target = exported_target(artifact.manifest, manifest)
    try:
        return target, target.load()
    except BadInput as error:
        raise error.within(manifest) from None


def recorded(artifact: Artifact) -> Samples | None:
    """The samples that an export recorded.

    None if it ran no data, is older than 0.2.0, or if the file was not kept beside the integers.

    Raises:
        BadInput: If the file was changed or is broken.
    """
    if NAME not in artifact.manifest["files"] or not (artifact.path / NAME).is_file():
        return None
    return artifact.read(NAME, read_samples)


def declared(artifact: Artifact) -> Declared:
    """What an export ran."""
    return Declared(**{f.name: artifact.manifest["data"][f.name] for f in fields(Declared)})
