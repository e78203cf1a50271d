"""What must hold of every node's fields at any stage: types, sizes, finite numbers, sound CSR.

In:  a graph whose nodes are of a known vocabulary.
Out: nothing, or a BadInput that names the node and the field.
The type of a field is its rule (`schema.py`), so that a new node needs no code here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from neurocompile.errors import BadInput, a_or_an
from neurocompile.ir.arrays import Array
from neurocompile.ir.checks import LARGEST_FLOAT, check_shape, expect, naming_layer
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Sparse, size
from neurocompile.ir.schema import MAX_NUMBERS, Field, fields_of, is_whole


def fields_have_their_types(graph: Graph) -> None:
    """Every field holds what its class says, and whole numbers are no larger than 32 bits."""
    for name, node in graph.nodes.items():
        with naming_layer(name, node):
            _check_fields(node)


def numbers_are_finite(graph: Graph) -> None:
    """No number is NaN or infinite, or becomes so in float32."""
    for name, node in graph.nodes.items():
        with naming_layer(name, node):
            for what, values in arrays(node):
                _check_finite(what, values)


def sparse_maps_are_sound(graph: Graph) -> None:
    """A Sparse is a CSR matrix: rows in order, columns in range and ascending in a row."""
    for name, node in graph.nodes.items():
        with naming_layer(name, node):
            for value in (node, *vars(node).values()):
                if isinstance(value, Sparse):
                    check_sparse(value)


def arrays(node: Any, path: str = "") -> Iterator[tuple[str, Array]]:
    """Every array of a node and of the linear map inside it, with the name of its field."""
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, np.ndarray):
            yield path + field.name, value
        elif is_dataclass(value):
            yield from arrays(value, f"{path}{field.name}.")


def check_sparse(op: Sparse) -> None:
    """Check what every user of CSR relies on, before anything is built from it."""
    check_shape(op.in_shape, "its in_shape")
    check_shape(op.out_shape, "its out_shape")
    rows, columns, stored = size(op.out_shape), size(op.in_shape), op.data.size
    shapes = (op.data.shape, op.indices.shape, op.indptr.shape)
    expect(
        shapes == ((stored,), (stored,), (rows + 1,)),
        f"its data, indices and indptr have the shapes {shapes}, allowed are (n,), (n,) and "
        f"({rows + 1},) for {rows} rows.",
    )
    start, indices = op.indptr, op.indices
    in_order = start[0] == 0 and start[-1] == stored and bool(np.all(start[1:] >= start[:-1]))
    expect(in_order, f"its indptr must rise from 0 to its {stored} values without ever falling.")
    inside = stored == 0 or (indices.min() >= 0 and indices.max() < columns)
    expect(inside, f"its indices hold a column outside 0..{columns - 1}.")
    ascends = indices[1:] > indices[:-1]
    first = start[1:-1]
    ascends[first[(first > 0) & (first < stored)] - 1] = True  # a row may start at any column
    expect(bool(ascends.all()), "its indices do not ascend within each row. Sort them.")


def _check_fields(node: Any) -> None:
    for field in fields_of(type(node)):
        value = getattr(node, field.name)
        if type(value) in field.kinds:
            _check_fields(value)
            continue
        if not (field.optional and value is None) and not _holds(field, value):
            raise BadInput(f"its {field.name} is {_short(value)}, allowed is {field.allowed}.")
        if isinstance(value, np.ndarray):
            real = value.dtype.kind in "iu" or value.dtype in (np.float32, np.float64)
            expect(
                real,
                f"its {field.name} is {value.dtype}, allowed are float32, float64 and integers.",
            )


def _holds(field: Field, value: Any) -> bool:
    """Whether a value is of the kind that a field holds."""
    match field.holds:
        case "array":
            return isinstance(value, np.ndarray)
        case "shape":
            few = isinstance(value, tuple) and len(value) <= MAX_NUMBERS
            return few and all(map(is_whole, value))
        case "whole":
            return is_whole(value)
        case "flag":
            return isinstance(value, bool)
        case "word":
            return isinstance(value, str) and value in field.words
        case _:
            return False


def _short(value: Any) -> str:
    """A value for a message, cut if it is long; for other types, the name of the type."""
    if not isinstance(value, str | int | tuple):
        return f"{a_or_an(type(value).__name__)}"
    try:
        return repr(value)[:60]
    except ValueError:  # Python prints no number of more than 4300 digits
        return "a number of thousands of digits"


def _check_finite(what: str, values: Array) -> None:
    if values.dtype.kind != "f" or not values.size:
        return
    with np.errstate(invalid="ignore"):  # an untrusted NaN may be a signalling one
        if values.min() >= -LARGEST_FLOAT and values.max() <= LARGEST_FLOAT:
            return
        bad = int((~(np.abs(values) <= LARGEST_FLOAT)).sum())
    raise BadInput(
        f"its {what} holds NaN, infinity or a number beyond float32 in {bad} of {values.size} "
        "places. Load finite parameters, from a checkpoint before the loss diverged."
    )
