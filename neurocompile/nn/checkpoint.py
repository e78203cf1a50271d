"""Checkpoints: a trained network as one `.pt` file that is safe to read.

In:  any supported nn.Module, a Norse user's own included, and an example of its input.
Out: a file of plain values and tensors: the traced graph, the state dict, the settings; of a
     network trained on the grid its integers.
A failure leaves the file that was there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neurocompile.engines.inputs import input_shape
from neurocompile.errors import BadInput
from neurocompile.frontend.plain import to_plain
from neurocompile.frontend.plain_fixed import fixed_to_plain
from neurocompile.frontend.pt import FORMAT, VERSION, Checkpoint, load
from neurocompile.frontend.torch import trace
from neurocompile.ir.graph import Graph
from neurocompile.ir.settings import Settings
from neurocompile.ir.verify import verify
from neurocompile.nn.grid import GridNetwork

__all__ = ["Checkpoint", "load", "save"]


def save(
    model: nn.Module,
    path: str | Path,
    example_input: Tensor,
    *,
    settings: Settings | None = None,
) -> Graph:
    """Trace a network and write its checkpoint.

    Args:
        model: Trained network; see `frontend.torch.trace` for what it may hold. It is left as
            it was found.
        path: Where to write; an existing file is replaced, at once and only when all went well.
        example_input: One batch of input, (N, ...), or (T, N, ...) where the network takes all
            steps at once. Only its shape matters.
        settings: Time, input and output; by default those of a SpikingNetwork, else the defaults
            with the layers' dt.

    Returns:
        The graph that was written: FLOAT, or FIXED where the model is a `GridNetwork`.

    Raises:
        Unsupported: If the network holds what no rule covers.
        BadInput: If a parameter or a setting cannot be stored, or the file cannot be written.
    """
    if isinstance(model, GridNetwork):
        graph, network = _integers(model, example_input, settings)
    else:
        graph = verify(trace(model, example_input, settings), "float")
        state = _plain_state(model.state_dict())
        network = {"graph": to_plain(graph, state.values()), "state_dict": state}
    kept = _plain_settings(graph.settings)
    _write({"format": FORMAT, "version": VERSION, "settings": kept, **network}, Path(path))
    return graph


def _integers(
    model: GridNetwork, example_input: Tensor, settings: Settings | None
) -> tuple[Graph, dict[str, Any]]:
    """The FIXED graph that a network trained on the grid runs, and its part of the file."""
    graph = verify(model.graph(), "fixed")
    lead = 2 if graph.settings.encoder.kind == "spikes" else 1
    found, wanted = tuple(example_input.shape[lead:]), input_shape(graph)
    if found != wanted:
        raise BadInput(f"example_input holds samples of shape {found}, the network takes {wanted}.")
    graph = graph if settings is None else replace(graph, settings=settings)
    return graph, {"fixed": fixed_to_plain(graph), "state_dict": {}}


def _plain_state(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Parameters and buffers on the CPU; tied ones stay tied."""
    plain: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if not isinstance(tensor, Tensor) or tensor.layout is not torch.strided:
            raise BadInput(
                f"'{name}' in the model's state dict is a {type(tensor).__name__} that is no dense "
                "tensor. Keep such values out of the state dict."
            )
        values = tensor.detach().as_subclass(Tensor).cpu().contiguous()
        is_part = values.untyped_storage().nbytes() > values.numel() * values.element_size()
        plain[name] = values.clone() if is_part else values  # torch.save would write the whole
    return plain


def _plain_settings(settings: Settings) -> dict[str, Any]:
    """The settings as JSON has them, so that a file gives back what was put in."""
    try:
        values: dict[str, Any] = json.loads(json.dumps(settings.to_dict(), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise BadInput(
            f"the settings cannot be stored: {error}. Use plain numbers, strings, lists and dicts "
            "in Settings.training."
        ) from None
    if Settings.from_dict(values) != settings:
        raise BadInput(
            "Settings.training holds tuples, or keys that are no strings. Use lists and strings."
        )
    return values


def _write(content: dict[str, Any], path: Path) -> None:
    """To a sibling first, which then takes the file's place."""
    sibling = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            with sibling.open("xb") as file:
                torch.save(content, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(sibling, path)
        finally:
            sibling.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:  # torch.save turns a full disk into a RuntimeError
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(
            f"'{path}' cannot be written: {reason}. Check the folder and the space on the disk."
        ) from None
