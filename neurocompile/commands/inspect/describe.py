"""Describe a model file or an exported directory: layers, shapes, parameters, settings.

In:  a path; a chip for which it is to compile.
Out: JSON-ready values.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neurocompile.chip.record import Chip
from neurocompile.commands.inspect.verdict import Verdict, verdict
from neurocompile.errors import BadInput, NeurocompileError, Unsupported
from neurocompile.formats.artifact import read_artifact
from neurocompile.ir.graph import Graph
from neurocompile.ir.settings import Encoder
from neurocompile.report.nodes import node_rows


def inspect_path(
    path: Path,
    chip: Chip | None = None,
    *,
    allow_pickle: bool = False,
    load_options: Mapping[str, Any] | None = None,
    encoder: Encoder | None = None,
) -> tuple[dict[str, Any], NeurocompileError | None]:
    """Every layer of a model, or of the integers that `export` wrote.

    Args:
        path: A model file or an exported directory.
        chip: Chip for which it is to compile; None does not ask.
        allow_pickle: Whether a pickled model may be read.
        load_options: Further options of `frontend.load`, for what another tool's file leaves open.
        encoder: Encoder for a file that names none.

    Returns:
        The JSON-ready values, and what keeps the network from the chip. A network that cannot be
        read has neither stage nor settings nor layers.

    Raises:
        BadInput: If the path is neither a model nor an export.
        Unsupported: If no chip is asked about and the network cannot be read.
    """
    try:
        graph = _read(path, allow_pickle, load_options or {}, encoder)
    except Unsupported as error:
        if chip is None:
            raise
        unread: dict[str, Any] = {"stage": None, "settings": None, "layers": []}
        return unread | {"target": Verdict(chip, error=error).to_dict()}, error
    if chip is None:
        return describe(graph), None
    found = verdict(graph, chip)
    return describe(graph) | {"target": found.to_dict()}, found.error


def _read(
    path: Path, allow_pickle: bool, load_options: Mapping[str, Any], encoder: Encoder | None
) -> Graph:
    if path.is_dir():
        _check_no_options(path, {**load_options, "encoder": encoder})
        from neurocompile.formats.load_onnx import load_onnx

        artifact = read_artifact(path)
        return artifact.read("fixed.onnx", load_onnx)
    from neurocompile import frontend

    graph = frontend.load(path, allow_pickle=allow_pickle, **load_options)
    return graph if encoder is None else frontend.with_encoder(graph, encoder, path)


def _check_no_options(path: Path, options: Mapping[str, Any]) -> None:
    """Refuse options for what a model leaves open: an export has it settled."""
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]
    if given:
        raise BadInput(
            f"'{path}' is an export, for which {' and '.join(given)} cannot be changed any more. "
            "Leave it out, or inspect or export the model with it."
        )


def describe(graph: Graph) -> dict[str, Any]:
    """A graph as JSON-ready values."""
    return {
        "stage": "fixed" if graph.fixed else "float",
        "settings": graph.settings.to_dict(),
        "layers": node_rows(graph),
    }
