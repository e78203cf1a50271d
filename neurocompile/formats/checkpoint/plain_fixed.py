"""A FIXED graph as the plain values that a `.pt` file of integers holds, and back.

In:  a graph; or dicts, lists, strings, numbers and tensors from a file.
Out: the other of the two.
A weight takes as many bits as on the chip. `ir.verify` checks the graph that is made here.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurocompile.errors import BadInput
from neurocompile.formats.checkpoint.plain import (
    READERS,
    edges_of,
    expect_kind,
    node_of,
    nodes_of,
    shape_of,
    whole_of,
)
from neurocompile.ir.arrays import Array, stored_fields
from neurocompile.ir.graph import FIXED_NODES, Graph
from neurocompile.ir.nodes import Weighted, size
from neurocompile.ir.registers import WEIGHT_WIDTHS, Grid
from neurocompile.ir.schema import MAX_NUMBERS, Field
from neurocompile.ir.settings import Settings

FIXED_KINDS: dict[str, Any] = {kind.__name__: kind for kind in FIXED_NODES}
NUMBERS = (torch.int8, torch.int16, torch.int32, torch.int64, torch.float32, torch.float64)


def fixed_to_plain(graph: Graph) -> dict[str, Any]:
    """Nodes and edges as plain values, without settings; `fixed_from_plain` is the inverse."""
    return {
        "nodes": [{"name": name, **_plain_node(node)} for name, node in graph.nodes.items()],
        "edges": [list(edge) for edge in graph.edges],
    }


def fixed_from_plain(values: Any, settings: Settings) -> Graph:
    """The graph from a file's plain values.

    Raises:
        BadInput: If anything is missing, superfluous, or of the wrong type.
    """
    nodes = {
        name: node_of(f"node '{name}'", entry, FIXED_KINDS, FIXED_READERS)
        for name, entry in nodes_of(values).items()
    }
    return Graph(nodes, edges_of(values), settings)


def pack(weights: Array, bits: int) -> Tensor:
    """Weights on the grid of `bits`, packed into that many bits each: uint8."""
    codes = weights.ravel().astype(np.int64) // Grid(bits).step
    return torch.from_numpy(np.packbits((codes[:, None] >> np.arange(bits)) & 1, bitorder="little"))


def unpack(packed: Array, count: int, bits: int) -> Array:
    """`count` weights from bytes that `pack` made: (count,) int16."""
    digits = np.unpackbits(packed, count=count * bits, bitorder="little").reshape(count, bits)
    codes = np.zeros(count, dtype=np.int16)
    for digit in range(bits):
        codes |= digits[:, digit].astype(np.int16) << digit
    codes -= (codes >> (bits - 1)) << bits  # two's complement: the highest digit is negative
    return codes * np.int16(Grid(bits).step)


def _plain_node(node: Any, bits: int = 0) -> dict[str, Any]:
    """A node by its fields; the weights of a synapse's map, of `bits` bits, are packed."""
    plain: dict[str, Any] = {"kind": type(node).__name__}
    for field in stored_fields(node):
        value = getattr(node, field)
        if is_dataclass(value):
            plain[field] = _plain_node(value, getattr(node, "bits", 0))
        elif bits and isinstance(node, Weighted) and field == node.weight_field:
            shape = list(value.shape)
            plain[field] = {"packed": pack(value, bits), "shape": shape, "bits": bits}
        elif isinstance(value, np.ndarray):
            plain[field] = torch.from_numpy(_narrow(value))
        else:
            plain[field] = list(value) if isinstance(value, tuple) else value
    return plain


def _narrow(values: Array) -> Array:
    """Whole numbers in the smallest type that holds them; other numbers unchanged."""
    if values.dtype.kind != "i":
        return values.copy()
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    return values.astype(np.result_type(np.min_scalar_type(low), _signed(high)))


def _signed(high: int) -> Any:
    """The smallest signed type that holds a number from 0 up."""
    return np.min_scalar_type(-high - 1)


def _numbers(value: Any, field: Field, what: str) -> Array:
    """A tensor, or packed weights."""
    if type(value) is dict:
        return _unpacked(value, what)
    tensor = expect_kind(value, Tensor, what)
    if tensor.dtype not in NUMBERS:
        raise BadInput(f"{what} is {tensor.dtype}, but whole numbers or floats are expected.")
    array: Array = tensor.numpy(force=True)  # a file may ask for gradients
    return array


def _unpacked(value: dict[str, Any], what: str) -> Array:
    shape = shape_of(value.get("shape"), f"the shape of {what}")
    bits = whole_of(value.get("bits"), f"the bits of {what}")
    packed = expect_kind(value.get("packed"), Tensor, f"the packed {what}")
    low, high = WEIGHT_WIDTHS
    if not low <= bits <= high or len(shape) > MAX_NUMBERS or any(n < 0 for n in shape):
        raise BadInput(
            f"{what} is packed as {shape} weights of {bits} bits; {low}..{high} are expected."
        )
    count = size(shape)
    if packed.dtype != torch.uint8 or packed.dim() != 1 or len(packed) != -(-count * bits // 8):
        raise BadInput(
            f"{what} is packed in {packed.numel()} values of {packed.dtype}, but {count} weights "
            f"of {bits} bits take {-(-count * bits // 8)} bytes."
        )
    return unpack(packed.numpy(force=True), count, bits).reshape(shape)


def _map(value: Any, field: Field, what: str) -> Any:
    kinds = {kind.__name__: kind for kind in field.kinds}
    return node_of(what, expect_kind(value, dict, what), kinds, FIXED_READERS)


FIXED_READERS = {**READERS, "array": _numbers, "map": _map}
