"""Which part of the input a forward has in hand, whatever it did to get there.

In:  the numbers of the input's values, moved as the forward moves the values.
Out: the step that they are, or all of them.
Indexing, reshaping, transposing and taking apart are all followed by doing the same to the
numbers: nothing needs to be known about the call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from neurocompile.frontend import functions

MOVES = functions.RESHAPES | frozenset(
    {
        *("permute", "transpose", "swapaxes", "movedim", "unbind", "chunk", "split", "select"),
        *("narrow", "t", "expand", "__getitem__", "view_as", "moveaxis", "swapdims"),
        *(torch.permute, torch.transpose, torch.swapaxes, torch.movedim, torch.unbind),
        *(torch.chunk, torch.split, torch.select, torch.narrow, torch.t),
    }
)

REPETITIONS = frozenset(
    {"unsqueeze", "repeat", "expand", "expand_as", torch.unsqueeze, torch.tile, "tile"}
)


@dataclass(frozen=True, eq=False)
class InputPart:
    """A part of the input.

    Attributes:
        ids: Places of its values in the flattened input, in the shape in which they stand now.
    """

    ids: Tensor

    def place(self, shape: torch.Size) -> tuple[int | None, int] | None:
        """Which axis is time and which step this is; (None, 0) for all of the input in order.

        Args:
            shape: Of the input.

        Returns:
            None where it is neither.
        """
        count = shape.numel()
        flat = self.ids.reshape(-1)
        everything = torch.arange(count)
        if len(flat) == count and torch.equal(flat, everything):
            return None, 0
        for axis, length in enumerate(shape):
            if length < 2 or len(flat) != count // length:
                continue
            inner = shape[axis + 1 :].numel()
            step = int(flat[0]) // inner % length
            if torch.equal(flat, everything.reshape(shape).select(axis, step).reshape(-1)):
                return axis, step
        return None


def moves(target: Any, args: Any) -> bool:
    """Whether a call only moves values, or takes some of them.

    Args:
        target: What is called; a string for a method.
        args: Its arguments after the first.
    """
    is_view = target is getattr and args[0] in ("T", "mT")
    passes = target in functions.CASTS or target in functions.PASSES
    return functions.picks(target) or passes or target in MOVES or is_view


def moved(target: Any, part: InputPart, args: Any, kwargs: Any) -> Any:
    """What such a call makes of a part of the input: another part, or a tuple of them."""
    if target in functions.CASTS or target in functions.PASSES:
        return part
    result = functions.evaluate(target, (part.ids, *args), kwargs)
    if isinstance(result, Tensor):
        return InputPart(result)
    return tuple(InputPart(ids) for ids in result)


def without_repetition(record: fx.Graph, example: Tensor) -> Tensor | None:
    """Let a record begin where its forward has repeated its input over a first axis of time.

    Args:
        record: Of one call, which is changed.
        example: Of its input, (N, ...).

    Returns:
        The repeated example, (T, N, ...); None, and no change, where nothing is repeated.
    """
    (start,) = (n for n in record.nodes if n.op == "placeholder")
    ids = torch.arange(example.numel()).reshape(example.shape)
    value, node = ids, start
    passed: list[fx.Node] = []
    while len(node.users) == 1:
        (node,) = node.users
        if node.target not in REPETITIONS:
            return None
        value = functions.evaluate(node.target, (value, *node.args[1:]), dict(node.kwargs))
        passed.append(node)
        if len(value) > 1 and value.shape[1:] == ids.shape and bool((value == ids).all()):
            node.replace_all_uses_with(start)
            for old in reversed(passed):
                record.erase_node(old)
            return example.expand(len(value), *example.shape)
    return None
