"""Reshape and its kin in a plain ONNX file: of a step, or of batch and steps around a Conv.

In:  a `Call` on a signal; the axes that it asks for.
Out: a Reshape of each step, or the same layer with batch and steps folded or unfolded.
Samples and steps stay apart: what would mix them is refused.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from neurocompile.formats.onnx.tensors import MAX_AXES
from neurocompile.formats.onnx_plain.call import BATCH, FOLDED, STEPS, Call, Lead, PlainSignal
from neurocompile.formats.onnx_plain.constants import axes_of
from neurocompile.formats.onnx_plain.graph import Building
from neurocompile.ir.nodes import Reshape, Shape


def flatten(call: Call, graph: Building) -> PlainSignal:
    """All axes of a step into one."""
    call.at_most(1)
    x = call.signal()
    axis = call.whole("axis", 1)
    axis += len(x.dims) if axis < 0 else 0
    if axis != len(x.lead):
        call.refuse(f"its axis is {axis}, allowed is {len(x.lead)}: a sample stays one.")
    return _into(call, graph, x, (-1, prod(x.shape)))


def reshape(call: Call, graph: Building) -> PlainSignal:
    """Another shape of a step; or the fold and unfold of batch and steps around a Conv."""
    call.at_most(2)
    x = call.signal()
    target = call.inputs[1] if len(call.inputs) > 1 else None
    if not isinstance(target, np.ndarray) or target.ndim != 1:
        call.refuse("its shape must be a constant list of numbers, or made by Shape and Concat.")
    entries = list(target.tolist())
    if not call.whole("allowzero", 0):
        entries = [x.dims[i] if n == 0 and i < len(x.dims) else n for i, n in enumerate(entries)]
    return _into(call, graph, x, tuple(entries))


def squeeze(call: Call, graph: Building) -> PlainSignal:
    """A step without, or with, axes of one value."""
    x = call.signal()
    axes, dims = axes_of(call, 1), list(x.dims)
    rank = len(dims) + (len(axes) if call.node.op_type == "Unsqueeze" else 0)
    axes = tuple(a + rank if a < 0 else a for a in axes)
    if not axes or len(set(axes)) != len(axes) or not all(len(x.lead) <= a < rank for a in axes):
        call.refuse(f"its axes are {axes}, allowed are those after {list(x.lead)}.")
    if call.node.op_type == "Unsqueeze":
        for axis in sorted(axes):
            dims.insert(axis, 1)
    else:
        if any(dims[a] != 1 for a in axes):
            call.refuse(f"its axes {axes} of {list(x.dims)} hold more than one value.")
        dims = [n for a, n in enumerate(dims) if a not in axes]
    return _into(call, graph, x, tuple(dims))


def _into(call: Call, graph: Building, x: PlainSignal, entries: tuple[Any, ...]) -> PlainSignal:
    """A signal with other axes, of which those of batch and steps must stay whole."""
    if len(entries) > MAX_AXES:
        call.refuse(f"it makes {len(entries)} axes, allowed are up to {MAX_AXES}.")
    for lead in ((BATCH, STEPS), (FOLDED,)) if graph.timed else ((BATCH,),):
        shape = _resolved(entries, lead, prod(x.shape), graph.batch)
        if shape is None:
            continue
        if lead != x.lead and shape == x.shape:
            return replace(x, lead=lead)  # only batch and steps were folded or unfolded
        return replace(graph.add(call, Reshape(shape), x), lead=lead)
    call.refuse(
        f"it makes {list(entries)[:8]} of {list(x.dims)}, which would mix samples or steps. "
        "Keep batch and steps in front: 0 keeps an axis, [-1, ...] folds both for a Conv."
    )


def _resolved(entries: tuple[Any, ...], lead: Lead, size: int, batch: int | None) -> Shape | None:
    """The axes of a step among the entries of a reshape, or None if they do not fit."""
    head, rest = entries[: len(lead)], entries[len(lead) :]
    if len(head) < len(lead) or not rest or entries.count(-1) > 1:
        return None
    fixed = {BATCH: batch}  # some exporters write the size of the batch they were given
    if any(n not in (-1, axis, fixed.get(axis, -1)) for n, axis in zip(head, lead, strict=True)):
        return None
    if not all(isinstance(n, int) and (n > 0 or n == -1) for n in rest):
        return None
    known = prod(n for n in rest if n != -1)
    if size % known or (-1 not in rest and known != size):
        return None
    return tuple(size // known if n == -1 else n for n in rest)
