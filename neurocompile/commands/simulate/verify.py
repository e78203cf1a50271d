"""`neurocompile simulate --verify`: hold engines to the samples that an export recorded.

In:  a directory that `export` wrote, engines.
Out: how many recorded values and digests are equal; a difference is a failed check.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neurocompile import installed
from neurocompile.commands.exported import recorded
from neurocompile.engines.progress import Progress, silent
from neurocompile.errors import BadInput, CheckFailed
from neurocompile.formats.artifact import read_artifact
from neurocompile.formats.load_onnx import load_onnx
from neurocompile.report.golden import Golden, compare_golden


def verify_artifact(
    directory: Path,
    *,
    engines: tuple[str, ...],
    samples: int | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Run the recorded samples of an export again; JSON-ready figures.

    Args:
        directory: What `export` wrote.
        engines: Engines to run, each compared with what was recorded.
        samples: Number of samples to run, the first ones; None runs all.
        progress: Called while lava runs.

    Raises:
        CheckFailed: If a value or a digest differs; names the first one.
        BadInput: If the directory cannot be used, or holds no recorded samples.
    """
    for engine in engines:
        installed.require(f"engine {engine}")
    artifact = read_artifact(directory)
    graph = artifact.read("fixed.onnx", load_onnx)
    kept = recorded(artifact)
    if kept is None:
        raise BadInput(
            f"{directory} holds no samples.npz: it ran no data, a neurocompile before 0.2.0 wrote "
            "it, or the file was moved away. Export the model again, with --data."
        )
    found = [
        compare_golden(graph, kept, engine, most=samples, progress=progress) for engine in engines
    ]
    for golden in found:
        require(golden)
    return {
        "engines": list(engines),
        "data": kept.about["source"],
        "samples": found[0].samples,
        "steps": kept.about["steps"],
        "golden": [golden.to_dict() for golden in found],
    }


def require(golden: Golden) -> None:
    """Refuse to go on if an engine differs from what was recorded.

    Raises:
        CheckFailed: Names the first difference.
    """
    if golden.mismatches:
        raise CheckFailed(
            f"the engine {golden.engine} differs from samples.npz in {golden.mismatches:,} of "
            f"{golden.values:,} values and {golden.digests:,} digests; first: {golden.first}."
        )
