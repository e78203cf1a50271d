"""Reading torch.fx's record: attributes, states among arguments, where a call is, shapes.

In:  fx nodes, and the modules and arguments that they name.
Out: plain values, or a refusal that names the layer.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, fx, nn

from neurocompile.errors import BadInput
from neurocompile.frontend.signals import Stack, TracedSignal, TracedState
from neurocompile.ir.checks import naming_layer
from neurocompile.ir.nodes import LinearMap, Shape
from neurocompile.ir.shapes import out_shape

ROOT = "module"  # where the traced module hangs below the module that repeats its step


def collect(value: Any, carried: list[Any]) -> Any:
    """The value, which `carried` gets too where it comes from a layer."""
    if isinstance(value, TracedSignal | TracedState | Stack):
        carried.append(value)
    return value


def attribute(root: nn.Module, target: str) -> Any:
    """What a dotted path leads to."""
    value: Any = root
    for part in target.split("."):
        value = getattr(value, part)
    return value


def ends_here(record: fx.Graph, results: list[fx.Node]) -> None:
    """Make a record end in these results, one per step, without what leads to none of them."""
    for node in [n for n in record.nodes if n.op == "output"]:
        record.erase_node(node)
    record.output(tuple(results))
    for node in reversed(record.nodes):
        if node.op not in ("placeholder", "output") and not node.users:
            record.erase_node(node)


def run_layer(module: nn.Module, path: str, x: Tensor, seen: str) -> Tensor:
    """What PyTorch computes; its own complaint about a shape, with the layer's name.

    Args:
        module, path: The layer and its name.
        x: What it is given.
        seen: How the example of the input was read.
    """
    try:
        result: Tensor = module.forward(x)
    except (RuntimeError, ValueError, IndexError) as error:
        raise BadInput(
            f"layer '{path}' ({type(module).__name__}) cannot take the shape {tuple(x.shape)}: "
            f"{str(error).splitlines()[0].rstrip('.!')}. {seen}"
        ) from None
    return result


def time_step(module: Any, path: str) -> float:
    """A neuron layer's dt, seconds."""
    dt = float(module.dt)
    if not 0 < dt < float("inf"):
        raise BadInput(f"layer '{path}': dt = {dt} s. A step must be longer than 0 s, and finite.")
    return dt


def forward_of(n: fx.Node) -> str:
    """The forward that a call is in."""
    stack = n.meta.get("nn_module_stack") or {}
    inside = [(path, kind) for path, kind in stack.values() if path]
    if not inside:
        return "the forward"
    path, kind = inside[-1]
    path = path.removeprefix(ROOT).lstrip(".")
    kind_name = getattr(kind, "__name__", str(kind))
    return f"the forward of '{path}' ({kind_name})" if path else f"the forward of {kind_name}"


def check_leads(name: str, x: Tensor, out: Tensor, leads: int) -> None:
    """A layer keeps the batch as it is, and time where all steps come at once."""
    if out.shape[:leads] != x.shape[:leads]:
        axes = "the batch" if leads == 1 else "time and the batch"
        raise BadInput(
            f"layer '{name}' turns shape {tuple(x.shape)} into {tuple(out.shape)}, which changes "
            f"{axes}. Keep the first {leads} axes as they are, as in Flatten({leads})."
        )


def check_shape(name: str, node: Any, before: Shape, after: Shape) -> None:
    """A linear node makes the shape that PyTorch made."""
    if isinstance(node, LinearMap):
        with naming_layer(name, node):
            found = out_shape(node, before)
        if found != after:
            raise AssertionError(f"layer '{name}': PyTorch gives {after}, its node {found}")
