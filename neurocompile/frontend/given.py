"""What a user hands over as a network, and what of it can be recorded at all.

In:  whatever was given in the place of a module.
Out: the module to record; or one sentence on what was given and what to give.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import fx, nn

from neurocompile.errors import BadInput, Unsupported, a_or_an
from neurocompile.frontend.rules import CELLS, WEIGHTED

INSTEAD = "Give the module that it was made from, as your program built it."


def module_of(given: Any) -> nn.Module:
    """The module to record; of one that torch.compile made, the module inside.

    Raises:
        BadInput: If it is no module, or its weights have no values.
        Unsupported: If it is a program whose layers are gone.
    """
    if isinstance(given, torch.export.ExportedProgram):
        raise Unsupported(f"this is a program of torch.export, which has no layers. {INSTEAD}")
    if isinstance(given, Mapping):
        raise BadInput(
            "this is a state dict: weights without layers. Build the module, call "
            "module.load_state_dict(...) with it, and give the module."
        )
    if isinstance(given, type):
        raise BadInput(f"this is the class {given.__name__}, not a module. Give one: build it.")
    if not isinstance(given, nn.Module):
        raise BadInput(f"this is {a_or_an(type(given).__name__)}. Give a torch.nn.Module.")
    module = inside_of_compiled(given)
    if isinstance(module, torch.jit.ScriptModule):
        raise Unsupported(f"this is a program of TorchScript, which has no layers. {INSTEAD}")
    if isinstance(module, fx.GraphModule) and any(
        isinstance(node.target, torch._ops.OpOverload) for node in module.graph.nodes
    ):
        raise Unsupported(f"this is a program of torch.export, which has no layers. {INSTEAD}")
    _check_values(module)
    _check_sequences(module)
    return module


def inside_of_compiled(module: nn.Module) -> nn.Module:
    """The module that torch.compile was given; any other module as it is."""
    inner = module.__dict__.get("_modules", {}).get("_orig_mod")
    return inner if inner is not None else module


def _check_values(module: nn.Module) -> None:
    """Weights have values: on the device "meta" they have shapes only."""
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.is_meta:
            layer, _, what = name.rpartition(".")
            raise BadInput(
                f"layer '{layer or type(module).__name__.lower()}': {what} is on the device "
                "'meta', where it has a shape but no values. Call "
                "module.to_empty(device='cpu') and module.load_state_dict(...) first."
            )


def _check_sequences(module: nn.Module) -> None:
    """A cell returns (output, state), of which a plain sequence hands on both as one value."""
    for name, inner in module.named_modules():
        if type(inner) is not nn.Sequential:
            continue
        for child, cell in inner.named_children():
            if isinstance(cell, (*CELLS, *WEIGHTED)):
                path = f"{name}.{child}" if name else child
                raise BadInput(
                    f"layer '{path}' ({type(cell).__name__}) returns an (output, state) pair, "
                    "which torch.nn.Sequential hands on as one value, and loses. Use "
                    "norse.torch.SequentialState, which keeps the two apart."
                )
