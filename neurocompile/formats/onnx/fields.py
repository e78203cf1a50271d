"""A node's fields as JSON, its arrays as separate tensors, and back bit for bit.

In:  any node of either vocabulary; `ir.schema` says what its fields hold.
Out: {"kind": ..., field: plain value or {"array": name, "dtype": ...}}.
A new node class needs no rule here. Nothing from a file is ever evaluated.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, MutableMapping
from dataclasses import is_dataclass
from typing import Any

import numpy as np

from neurocompile.errors import BadInput, a_or_an
from neurocompile.formats.onnx.tensors import Stored
from neurocompile.ir.arrays import Array, stored_fields
from neurocompile.ir.graph import FIXED_NODES
from neurocompile.ir.schema import Field, fields_of, is_whole
from neurocompile.ir.verify import FLOAT_NODES

KINDS: dict[str, type] = {kind.__name__: kind for kind in (*FIXED_NODES, *FLOAT_NODES)}


def kind_of(node: Any) -> str:
    """The name of a node's class in a file."""
    return type(node).__name__


def encode(node: Any, store: Callable[[str, Array], dict[str, Any]], path: str = "") -> Any:
    """A node as JSON values.

    Args:
        node: A node of either vocabulary.
        store: Keeps an array under a path such as "op_weight" and returns its entry.
        path: Prefix of the paths of this node's arrays.
    """
    entry: dict[str, Any] = {"kind": kind_of(node)}
    for name in stored_fields(node):
        entry[name] = _encode(getattr(node, name), store, path + name)
    return entry


def _encode(value: Any, store: Callable[[str, Array], dict[str, Any]], path: str) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.ndarray):
        return store(path, value)
    if is_dataclass(value):
        return encode(value, store, path + "_")
    if isinstance(value, tuple):
        return [operator.index(n) for n in value]
    return operator.index(value)


def decode(
    entry: Any, arrays: MutableMapping[str, Stored], where: str, newer: bool, kinds: Any = None
) -> Any:
    """A node from JSON values.

    Args:
        entry: Result of `encode`, possibly damaged.
        arrays: Every array of the file by name; those that the node uses are removed.
        where: Name of the layer, for messages.
        newer: Whether a later MINOR wrote the file, which may have unknown fields.
        kinds: Allowed classes; all if None.

    Raises:
        BadInput: If a field is missing, unknown, or of another type than its class says.
    """
    allowed = {kind.__name__: kind for kind in kinds} if kinds else KINDS
    name = entry.get("kind") if isinstance(entry, dict) else entry
    if not isinstance(entry, dict) or not isinstance(name, str) or name not in allowed:
        raise BadInput(
            f"{where}: {str(name)[:40]!r} is not a kind of node here. "
            f"Use one of: {', '.join(sorted(allowed))}."
        )
    kind = allowed[name]
    schema = {field.name: field for field in fields_of(kind)}
    unknown = sorted(entry.keys() - schema.keys() - {"kind", "name"})
    if unknown and not newer:
        raise BadInput(f"{where}: {a_or_an(kind.__name__)} has no field {unknown[0][:40]!r}.")
    missing = sorted(key for key in schema if schema[key].required and key not in entry)
    if missing:
        raise BadInput(f"{where}: the field {missing[0]!r} of this {kind.__name__} is missing.")
    values = {
        key: _decode(entry[key], field, arrays, f"{where}, {key}", newer)
        for key, field in schema.items()
        if key in entry
    }
    try:
        return kind(**values)
    except BadInput as error:
        raise error.within(where) from None


def _decode(
    value: Any, field: Field, arrays: MutableMapping[str, Stored], where: str, newer: bool
) -> Any:
    if value is None and field.optional:
        return None
    match field.holds:
        case "map":
            return decode(value, arrays, where, newer, field.kinds)
        case "array":
            return _array(value, arrays, where)
        case "shape" if isinstance(value, list) and all(map(is_whole, value)):
            return tuple(value)
        case "whole" if is_whole(value):
            return value
        case "flag" if isinstance(value, bool):
            return value
        case "word" if value in field.words:
            return value
    raise BadInput(f"{where}: found {str(value)[:40]!r}, allowed is {field.allowed}.")


def _array(entry: Any, arrays: MutableMapping[str, Stored], where: str) -> Array:
    """The array that an entry names, in the type and scale that it had in the graph."""
    name = entry.get("array") if isinstance(entry, dict) else None
    if not isinstance(name, str) or name not in arrays:
        raise BadInput(f"{where}: the array {str(name)[:60]!r} is not in the file, or used twice.")
    stored = arrays.pop(name)  # so that a small file cannot ask for a large array many times
    if "dtype" not in entry:
        return stored.array()
    dtype = entry["dtype"]
    if dtype not in WEIGHT_TYPES or stored.dtype != np.int8:
        raise BadInput(f"{where}: {str(entry)[:120]} does not describe integer weights.")
    values, at, limits = np.empty(stored.shape, dtype), 0, np.iinfo(dtype)
    flat = values.reshape(-1)
    for part in stored.chunks():
        weights = part.astype(np.int64) * HALVED
        if weights.min() < limits.min or weights.max() > limits.max:
            raise BadInput(f"{where}: a weight is outside {dtype}.")
        flat[at : at + part.size] = weights
        at += part.size
    values.setflags(write=False)
    return values


WEIGHT_TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
HALVED = 2  # every weight on a chip's grid, -256..254, is even: its half is an int8


def halved(weights: Array) -> Array:
    """Weights on a chip's grid as int8."""
    return (weights.astype(np.int64) // HALVED).astype(np.int8)
