"""A FLOAT graph as the plain values that a `.pt` file holds, and back.

In:  a graph; or dicts, lists, strings, numbers and tensors from a file.
Out: the other of the two.
Nothing from a file is trusted: `ir.verify` checks the graph that is made from it here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurocompile.errors import BadInput, a_or_an
from neurocompile.ir.arrays import Array, stored_fields
from neurocompile.ir.chip_neurons import CHIP_NEURONS
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Shape
from neurocompile.ir.schema import Field, fields_of
from neurocompile.ir.settings import Settings
from neurocompile.ir.verify import FLOAT_NODES

KINDS: dict[str, Any] = {kind.__name__: kind for kind in FLOAT_NODES}
Readers = Mapping[str, Callable[[Any, Field, str], Any]]  # keys: the kinds of `Field.holds`
WHOLE = {"indices", "indptr", "late"}.union(*(kind.registers for kind in CHIP_NEURONS))
PRECISIONS = (torch.float32, torch.float64, torch.int64)


def to_plain(graph: Graph, stored: Iterable[Tensor] = ()) -> dict[str, Any]:
    """Nodes and edges as plain values; `from_plain` is the inverse. Settings are not included.

    Args:
        graph: FLOAT graph.
        stored: Tensors that the same file stores anyway. An array that equals one of them bit
            for bit becomes that tensor, so that the file holds it once.
    """
    alike: dict[Any, list[Tensor]] = {}  # by type and shape
    for tensor in stored:
        alike.setdefault((tensor.dtype, tuple(tensor.shape)), []).append(tensor)

    def tensor_of(array: Array) -> Tensor:
        tensor = torch.from_numpy(array.copy())  # torch warns about memory that it may not write
        equal = (
            t
            for t in alike.get((tensor.dtype, tuple(tensor.shape)), [])
            if t.numpy().tobytes() == array.tobytes()  # equality would take -0.0 for 0.0
        )
        return next(equal, tensor)

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return tensor_of(value)
        return list(value) if isinstance(value, tuple) else value

    return {
        "nodes": [
            {
                "name": name,
                "kind": type(node).__name__,
                **{field: plain(getattr(node, field)) for field in stored_fields(node)},
            }
            for name, node in graph.nodes.items()
        ],
        "edges": [list(edge) for edge in graph.edges],
    }


def from_plain(values: Any, settings: Settings) -> Graph:
    """The graph from a file's plain values.

    Raises:
        BadInput: If anything is missing, superfluous, or of the wrong type.
    """
    nodes = {
        name: node_of(f"node '{name}'", entry, KINDS, READERS)
        for name, entry in nodes_of(values).items()
    }
    return Graph(nodes, edges_of(values), settings)


def nodes_of(values: Any) -> dict[str, dict[str, Any]]:
    """The entries of a graph's nodes by name."""
    graph = expect_kind(values, dict, "the graph")
    nodes: dict[str, dict[str, Any]] = {}
    for entry in expect_kind(graph.get("nodes"), list, "the graph's nodes"):
        name = expect_kind(expect_kind(entry, dict, "a node").get("name"), str, "a node's name")
        if name in nodes:
            raise BadInput(f"node '{name}' occurs twice in the graph.")
        nodes[name] = entry
    return nodes


def edges_of(values: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The edges of a graph."""
    edges = []
    for edge in expect_kind(values.get("edges"), list, "the graph's edges"):
        if len(expect_kind(edge, list, "an edge")) != 2:
            raise BadInput(f"an edge joins {len(edge)} nodes instead of two.")
        before, after = (expect_kind(end, str, "an end of an edge") for end in edge)
        edges.append((before, after))
    return tuple(edges)


def node_of(where: str, entry: dict[str, Any], kinds: dict[str, Any], readers: Readers) -> Any:
    """A node of one of these kinds, each field read by the reader for its kind of value.

    `where` is what a message calls the node.
    """
    kind_name = expect_kind(entry.get("kind"), str, f"the kind of {where}")
    kind = kinds.get(kind_name)
    if kind is None:
        raise BadInput(f"{where} is a {kind_name!r}, which this version does not know.")
    given = {key: value for key, value in entry.items() if key not in ("name", "kind")}
    arguments: dict[str, Any] = {}
    for field in fields_of(kind):
        if field.name in given:
            value, what = given.pop(field.name), f"{field.name} of {where}"
            if field.name in WHOLE:
                _check_whole(value, what)
            nothing = value is None and field.optional
            arguments[field.name] = None if nothing else readers[field.holds](value, field, what)
        elif field.required:
            raise BadInput(f"{where} ({kind_name}) lacks {field.name}.")
    if given:
        raise BadInput(f"{where} ({kind_name}) has the unknown field '{next(iter(given))}'.")
    try:
        return kind(**arguments)
    except BadInput as error:
        raise error.within(where) from None


def _check_whole(value: Any, what: str) -> None:
    """Refuse floats in a field of whole numbers, because conversion would cut them."""
    if isinstance(value, Tensor) and value.dtype.is_floating_point:
        raise BadInput(f"{what} is {value.dtype}, not whole numbers.")


def _array(value: Any, field: Field, what: str) -> Array:
    tensor = expect_kind(value, Tensor, what)
    if tensor.dtype not in PRECISIONS:
        raise BadInput(f"{what} is {tensor.dtype}, but float32, float64 or int64 is expected.")
    array: Array = tensor.numpy(force=True)  # a file may ask for gradients
    return array


def shape_of(value: Any, what: str) -> Shape:
    """A list of whole numbers."""
    return tuple(whole_of(n, what) for n in expect_kind(value, list, what))


def whole_of(value: Any, what: str) -> int:
    """A whole number."""
    number: int = expect_kind(value, int, what)
    return number


def _word(value: Any, field: Field, what: str) -> str:
    word: str = expect_kind(value, str, what)
    if word not in field.words:
        raise BadInput(f"{what} is {word!r}, but one of {', '.join(field.words)} is expected.")
    return word


READERS: Readers = {
    "array": _array,
    "shape": lambda value, _, what: shape_of(value, what),
    "whole": lambda value, _, what: whole_of(value, what),
    "flag": lambda value, _, what: expect_kind(value, bool, what),
    "word": _word,
}


def expect_kind(value: Any, kind: type, what: str) -> Any:
    """The value, if it is exactly of this type (True is not an int)."""
    if type(value) is not kind:
        raise BadInput(
            f"{what} is {a_or_an(type(value).__name__)}, but {a_or_an(kind.__name__)} is expected."
        )
    return value
