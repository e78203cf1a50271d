"""Say what changed between the network of a baseline and the current one, layer by layer.

In:  the entries of a baseline, the current FIXED graph.
Out: findings: layer, field, and the old and new value in words.
A guess (one changed value, a transposed kernel) is reported only if the old digest proves it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from neurocompile.commands.check.digests import (
    CHECKSUM,
    checksums,
    digest,
    fields_of,
    normal,
    sums,
    values_of,
)
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph

# Fields of our classes in the usual terms.
WORDS = {
    "vth": "threshold",
    "du": "current_decay",
    "dv": "membrane_decay",
    "bias_mant": "bias",
    "op": "kind",
    "op.weight": "weight",
    "op.data": "weight",
}
LISTED = 4  # places that a message names


@dataclass(frozen=True)
class Finding:
    """One difference that fails the exact mode.

    Attributes:
        layer: Name of the node, or "" for the whole network.
        field: Name of the field in words: threshold, weight, spikes, ...
        change: Old and new value.
    """

    layer: str
    field: str
    change: str

    @property
    def where(self) -> str:
        """layer.field."""
        return f"{self.layer}.{self.field}" if self.layer else self.field

    def __str__(self) -> str:
        return f"{self.where} {self.change}"


def differences(old: Mapping[str, Any], edges: list[list[str]], graph: Graph) -> list[Finding]:
    """Everything in which a network differs from the one of a baseline."""
    findings = []
    now = {name: fields_of(node) for name, node in graph.nodes.items()}
    moved = _moved(old, now)
    for name in old:
        if name not in now:
            findings.append(Finding(name, "node", f"{old[name].get('node')} -> missing"))
        elif name in moved:
            changed = _fields(name, old[name], graph.nodes[name], now[name])
            fields = ", ".join(f"{f.field} {f.change}" for f in changed[:2])
            text = f"is exchanged: it now holds what '{moved[name]}' held ({fields})"
            findings.append(Finding(name, "layer", text))
        else:
            findings += _fields(name, old[name], graph.nodes[name], now[name])
    for name in now:
        if name not in old:
            findings.append(Finding(name, "node", f"missing -> {now[name]['node']}"))
    if not findings and list(old) != list(now):
        name = next(b for a, b in zip(old, now, strict=True) if a != b)
        findings.append(Finding(name, "order", "has another position in the order of the layers"))
    return [*findings, *_edges(edges, graph)]


def _moved(old: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """Layers that changed and now hold exactly what another changed layer held."""
    changed = [n for n in old if n in now and old[n] != now[n]]
    return {
        name: other
        for name in changed
        for other in changed
        if other != name and now[name] == old[other]
    }


def _edges(old: list[list[str]], graph: Graph) -> Iterator[Finding]:
    before, after = {(a, b) for a, b in old}, set(graph.edges)
    for a, b in sorted(before - after):
        yield Finding(b, "edge", f"from '{a}' -> missing")
    for a, b in sorted(after - before):
        yield Finding(b, "edge", f"missing -> from '{a}'")


def _fields(name: str, old: Mapping[str, Any], node: Any, now: Mapping[str, Any]) -> list[Finding]:
    values = values_of(node)
    return [
        Finding(name, WORDS.get(key, key), _change(old.get(key), now.get(key), values.get(key)))
        for key in [*old, *(k for k in now if k not in old)]
        if old.get(key) != now.get(key)
    ]


def _change(old: Any, now: Any, value: Any) -> str:
    """Old and new value of one field; `value` is the array that `now` describes."""
    if isinstance(old, dict) and isinstance(now, dict):
        if old["shape"] != now["shape"]:
            return f"{_shape(old)} -> {_shape(now)}{_reshaped(old, normal(value))}"
        if "values" in old and "values" in now:
            return _small(old["values"], now["values"], old["shape"])
        if "sha256" in old and "sha256" in now:
            return _large(old, normal(value))
    return f"{_short(old)} -> {_short(now)}"


def _small(old: list[Any], now: list[Any], shape: list[int]) -> str:
    places = [i for i in range(len(old)) if old[i] != now[i]]
    changes = [f"{_place(i, shape)} {old[i]} -> {now[i]}" for i in places[:LISTED]]
    return ", ".join(changes) + (
        f" and {len(places) - LISTED} more" if len(places) > LISTED else ""
    )


def _large(old: Mapping[str, Any], now: Array) -> str:
    """What changed in a large array of unchanged shape."""
    single = _single(old, now)
    if single:
        return single
    for what, candidate in _rearranged(now):
        if digest(candidate) == old["sha256"]:
            return what
    low, high = old["range"]
    if not now.any():
        return f"{low}..{high} -> all {now.size} values are 0"
    rows, columns = (_slices(old, now, axis) for axis in (0, 1))
    changes = [text for text in (_gone(now, rows, 0), _gone(now, columns, 1)) if text]
    if not changes and 0 < len(rows) < now.shape[0]:
        changes = [f"{_listed(rows)} of {now.shape[0]} along the first axis changed"]
    elif not changes and 0 < len(columns) < now.shape[1]:
        changes = [f"{_listed(columns)} of {now.shape[1]} along the second axis changed"]
    span = f"{low}..{high} -> {now.min().item()}..{now.max().item()}"
    if now.min() == low and now.max() == high:
        span = "" if changes else f"other values in the same range {low}..{high}"
    return ": ".join(filter(None, (span, *changes[:1])))


def _single(old: Mapping[str, Any], now: Array) -> str:
    """The single value that changed, if restoring it restores the old digest; else ""."""
    if "sums" not in old or now.dtype.kind != "i":
        return ""
    by, weighted = (_wrapped(b - a) for a, b in zip(old["sums"], sums(now), strict=True))
    index, rest = divmod(weighted, by) if by else (-1, 0)
    if rest or not 0 <= index < now.size:
        return ""
    before = now.copy()
    before.flat[index] = _wrapped(int(before.flat[index]) - by)
    if digest(before) != old["sha256"]:
        return ""
    return f"{_place(index, now.shape)} {before.flat[index]} -> {now.flat[index]}"


def _wrapped(number: int) -> int:
    """An integer wrapped to int64."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def _rearranged(now: Array) -> Iterator[tuple[str, Array]]:
    """Arrays that the old one may have been, each with the change that followed."""
    for a, b in combinations(range(now.ndim), 2):
        if now.shape[a] == now.shape[b]:
            yield f"is transposed: axes {a} and {b} are exchanged", _copy(now.swapaxes(a, b))
    if now.ndim > 2:
        kernel = tuple(range(2, now.ndim))
        yield "is mirrored: the kernel is flipped", _copy(np.flip(now, kernel))
    yield "has the other sign", -now
    for axis in range(min(2, now.ndim)):
        for step in (1, -1):
            yield f"is shifted by {step} along axis {axis}", _copy(np.roll(now, -step, axis))


def _reshaped(old: Mapping[str, Any], now: Array) -> str:
    """Whether an array of another shape is the old one transposed."""
    for a, b in combinations(range(now.ndim), 2):
        candidate = _copy(now.swapaxes(a, b))
        if list(candidate.shape) == old["shape"] and digest(candidate) == old.get("sha256"):
            return f": is transposed: axes {a} and {b} are exchanged"
    return ""


def _slices(old: Mapping[str, Any], now: Array, axis: int) -> list[int]:
    """Slices along an axis whose checksum changed; none if the checksums are unknown."""
    if axis >= len(old["slices"]):
        return []
    before, after = old["slices"][axis], checksums(now, axis)
    if len(before) != len(after):
        return []
    return [
        i // CHECKSUM
        for i in range(0, len(after), CHECKSUM)
        if before[i : i + CHECKSUM] != after[i : i + CHECKSUM]
    ]


def _gone(now: Array, changed: list[int], axis: int) -> str:
    """The channels that changed and now hold only 0, in words."""
    empty = [i for i in changed if not now.take(i, axis).any()]
    if not empty or len(empty) == now.shape[axis]:
        return ""
    which = "the first axis" if axis == 0 else "the second axis"
    return f"channel {_listed(empty)} of {now.shape[axis]} along {which} is all 0 now"


def _listed(places: list[int]) -> str:
    more = f" and {len(places) - LISTED} more" if len(places) > LISTED else ""
    return ", ".join(map(str, places[:LISTED])) + more


def _copy(array: Array) -> Array:
    return np.ascontiguousarray(array)


def _place(index: int, shape: Any) -> str:
    return str([int(i) for i in np.unravel_index(index, tuple(shape))])


def _shape(entry: Mapping[str, Any]) -> str:
    return "(" + ", ".join(map(str, entry["shape"])) + ")"


def _short(value: Any) -> str:
    """A plain value as it is; an array by its shape and range."""
    if not isinstance(value, dict):
        return "none" if value is None else str(value)
    if "values" in value:
        return str(value["values"])
    return f"{_shape(value)} {value['range'][0]}..{value['range'][1]}"
