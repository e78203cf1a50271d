"""Write a checkpoint: a network as one `.pt` file that is safe to read.

In:  a graph, FLOAT or FIXED, and the state dict of the module from which it was traced.
Out: a file of plain values and tensors.
A failure leaves an existing file unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neurocompile.errors import BadInput, a_or_an, path_of
from neurocompile.formats.checkpoint.plain import to_plain
from neurocompile.formats.checkpoint.plain_fixed import fixed_to_plain
from neurocompile.formats.checkpoint.read import FORMAT, VERSION
from neurocompile.formats.scratch import uninterrupted
from neurocompile.formats.whole import whole_file
from neurocompile.ir.graph import Graph
from neurocompile.ir.settings import Settings


def write_checkpoint(graph: Graph, path: str | Path, state_dict: Mapping[str, Any]) -> None:
    """Write a graph and the state dict of the module from which it was traced.

    Args:
        graph: FLOAT graph, or FIXED graph of a network trained on the grid, with its settings.
        path: Path of the file. An existing file is replaced in one step, and only on success.
        state_dict: Parameters and buffers of the module; the file of a FIXED graph omits them.

    Raises:
        BadInput: If a parameter or a setting cannot be stored, or the file cannot be written.
    """
    path = path_of(path, "the file to write")
    if path.suffix.lower() != ".pt":
        raise BadInput(f"a checkpoint is a .pt file, but '{path}' is not. Give a name with .pt.")
    if graph.fixed:
        network: dict[str, Any] = {"fixed": fixed_to_plain(graph), "state_dict": {}}
    else:
        state = _plain_state(state_dict)
        network = {"graph": to_plain(graph, state.values()), "state_dict": state}
    settings = _plain_settings(graph.settings)
    save_whole({"format": FORMAT, "version": VERSION, "settings": settings, **network}, path)


def _plain_state(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Parameters and buffers on the CPU; tied ones stay tied."""
    plain: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if not isinstance(tensor, Tensor) or tensor.layout is not torch.strided:
            raise BadInput(
                f"'{name}' in the model's state dict is {a_or_an(type(tensor).__name__)}, but "
                "only dense "
                "tensors can be stored. Keep such values out of the state dict."
            )
        values = tensor.detach().as_subclass(Tensor).cpu().contiguous()
        is_part = values.untyped_storage().nbytes() > values.numel() * values.element_size()
        plain[name] = values.clone() if is_part else values  # torch.save would write the whole
    return plain


def _plain_settings(settings: Settings) -> dict[str, Any]:
    """The settings as JSON holds them, so that reading the file returns the same settings."""
    try:
        values: dict[str, Any] = json.loads(json.dumps(settings.to_dict(), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise BadInput(
            f"the settings cannot be stored: {error}. Use plain numbers, strings, lists and dicts "
            "in Settings.training."
        ) from None
    if Settings.from_dict(values) != settings:
        raise BadInput(
            "Settings.training holds tuples, or keys that are not strings. Use lists and strings."
        )
    return values


def save_whole(content: dict[str, Any], path: Path) -> None:
    """Write plain values and tensors as torch does, completely or not at all.

    A signal acts after that: raised in a write that torch's own code calls, it is lost in an error
    of that code.

    Raises:
        BadInput: As in `formats.whole.whole_file`.
    """
    with whole_file(path) as building, building.open("wb") as file, uninterrupted():
        torch.save(content, file)
