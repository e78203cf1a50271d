"""A synapse as C: a function that sums what arrives through it in a step.

In:  a synapse, the populations at its ends, and how often its source sends.
Out: the text of the function; its tables and the functions that it calls are added where given.
A layer of a dense matrix whose source sends often is computed as a product, row by row. All others
go by events: each spike adds its column. A kernel is stored once and read by loops over its taps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

import numpy as np

from neurocompile.bundle.c.layers import Layer
from neurocompile.bundle.c.names import indented
from neurocompile.bundle.c.sums import Form, Functions
from neurocompile.bundle.c.tables import Tables, c_type
from neurocompile.bundle.c.weights import Packed, packed
from neurocompile.engines.fixed.plan import Link
from neurocompile.engines.fixed.tables import channels_last, is_plain, kernel_of
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.linear import connections
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear
from neurocompile.ir.payloads import largest_payload

OFTEN = 0.5  # messages per neuron and step from which a product is faster than events
MOST_TABLED = 4  # rows of whole weights that are added at a time


@dataclass(frozen=True, eq=False)
class Program:
    """What all parts of a program share.

    Attributes:
        tables: Constant tables.
        functions: Functions that add weights.
        index: Type that holds the index of any neuron.
    """

    tables: Tables
    functions: Functions
    index: Any


@dataclass(frozen=True, eq=False)
class Sums:
    """A synapse in C.

    Attributes:
        link: The synapse, as the engine prepared it.
        id: Name as an identifier.
        number: Type of its sums.
        exponent: Exponent of its sums: they are multiplied by 2^exponent, rounded down.
        packed: Its weights.
        slots: Steps of sums that are kept, where delays differ by target or weight; otherwise 0.
        product: Whether it is computed as a product.
        late: Table of further steps of each source or target; "" if there is none.
        body: Statements that fill `sums` from `sent`.
    """

    link: Link
    id: str
    number: str
    exponent: int
    packed: Packed
    slots: int
    product: bool
    late: str
    body: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Ends:
    """A synapse while it is written: where from, where to, and what it may use."""

    program: Program
    id: str
    synapse: Synapse
    source: Layer
    target: Layer
    product: bool

    def number(self, row: int, weights: Packed, product: bool = False) -> str:
        """Type of the sums, for the largest sum of |weights| of a row."""
        over = weights.excess * (self.source.neurons if product else 1)
        bound = ((row >> weights.unit) + over) * largest_payload(self.source.node)
        return next(c_type(n) for n in (np.int16, np.int32, np.int64) if bound < np.iinfo(n).max)

    def table(self, what: str, values: Any, number: Any = None) -> str:
        """Add a table of this synapse."""
        return self.program.tables.add(f"{what}_{self.id}", values, number)

    def adding(self, form: Form, weights: Packed, number: str, *places: str) -> Iterator[str]:
        """Statements that add `n` weights from `start` on; `places` are the form's arguments."""
        by = ("by",) if self.source.graded else ()
        for plane in weights.planes:
            call = self.program.functions.add(form, plane, number, self.source.graded)
            if plane.bits >= 8:
                given: tuple[Any, ...] = (*places, f"{plane.table} + start", "n", *by)
            else:
                fold = (plane.table, f"{plane.fold}U", "start", "n", plane.up, plane.less)
                given = (*places, *fold, *by)
            yield f"{call}({', '.join(map(str, given))});"

    def each_event(self, number: str, inside: list[str]) -> list[str]:
        """A loop over what was sent, in which `i` is the source and `by` its payload."""
        events = self.program.functions.events(self.source.sends)
        wide = "int64_t" if number == "int64_t" else "int32_t"
        by = [f"const {wide} by = sent[i];"] if self.source.graded else []
        return [
            f"const uint32_t count = {events}(sent, {self.source.neurons}U, s->events);",
            "for (uint32_t e = 0; e < count; e++) {",
            *indented(["const uint32_t i = s->events[e];", *by, *inside]),
            "}",
        ]


def sums_of(
    program: Program, link: Link, id: str, synapse: Synapse, source: Layer, target: Layer
) -> Sums:
    """A synapse as C; its tables and functions are added to the program.

    Args:
        program: What all parts share.
        link: The synapse, as the engine prepared it.
        id: Its name as an identifier.
        synapse: The synapse.
        source, target: The populations at its ends.
    """
    dense = isinstance(synapse.op, Linear) and synapse.op.weight.shape[1] == source.neurons
    late = synapse.late_of
    product = dense and source.rate >= OFTEN and late in ("nothing", "source")
    ends, table = _Ends(program, id, synapse, source, target, product), ""
    if late == "weight":
        assert link.late is not None
        weights, number, body = _late(ends, link)
        slots = link.late.longest + 1
    else:
        made = _written(synapse.op, ends, link)
        weights, number, body = _list(ends, link) if made is None else made
        slots = 0
        if late == "target":
            assert link.late is not None
            slots, table = link.late.longest + 1, ends.table("late", link.late.targets, np.uint8)
    if late == "source":
        assert link.late is not None
        table = ends.table("late", link.late.sources, np.uint8)
    exponent = synapse.weight_exp + weights.unit
    return Sums(link, id, number, exponent, weights, slots, product, table, tuple(body))


Written = tuple[Packed, str, list[str]]


@singledispatch
def _written(op: Any, ends: _Ends, link: Link) -> Written | None:
    """Weights, type of the sums and statements of a map with a form of its own; or None."""
    return None


@_written.register
def _(op: Linear, ends: _Ends, link: Link) -> Written | None:
    source, target = ends.source, ends.target
    if op.weight.shape[1] != source.neurons:  # a map of the last axis only
        return None
    weight = _ordered(op.weight, source.order, target.order)
    if ends.product:
        return _product(ends, link, weight)
    weights = packed(ends.program.tables, ends.id, weight.T)
    number = ends.number(link.row, weights)
    n = f"{target.neurons}U"
    row = [f"const uint32_t start = i * {n};", f"const uint32_t n = {n};"]
    body = ends.each_event(number, [*row, *ends.adding("run", weights, number, "sums")])
    if weights.planes[0].bits >= 8 and not source.graded:
        body = _four_at_a_time(ends, weights, number, body)
    return weights, number, body


def _four_at_a_time(ends: _Ends, weights: Packed, number: str, body: list[str]) -> list[str]:
    """The same events, four rows at a time, so that the sums are read a quarter as often."""
    (plane,), n = weights.planes, f"{ends.target.neurons}U"
    call = ends.program.functions.four(plane, number)
    rows = [f"{plane.table} + s->events[first + {k}U] * {n}" for k in range(MOST_TABLED)]
    head, _, *inside = body
    return [
        head,
        "uint32_t first = 0;",
        f"for (; first + {MOST_TABLED}U <= count; first += {MOST_TABLED}U) {{",
        f"    {call}(sums, " + ",\n        ".join(rows) + f", {n});",
        "}",
        "for (uint32_t e = first; e < count; e++) {",
        *inside,
    ]


def _product(ends: _Ends, link: Link, weight: Array) -> Written:
    weights = packed(ends.program.tables, ends.id, weight)
    number = ends.number(link.row, weights, product=True)
    n, terms = f"{ends.source.neurons}U", []
    for plane in weights.planes:
        call = ends.program.functions.dot(plane, number, ends.source.sends)
        if plane.bits >= 8:
            terms.append(f"{call}(sent, {plane.table} + j * {n}, {n})")
        else:
            given = f"{plane.fold}U, j * {n}, {n}, {plane.up}, {plane.less}"
            terms.append(f"{call}(sent, {plane.table}, {given})")
    total = " + ".join(terms)
    return (
        weights,
        number,
        [
            f"for (uint32_t j = 0; j < {ends.target.neurons}U; j++) {{",
            f"    sums[j] = ({number})({total});",
            "}",
        ],
    )


@_written.register
def _(op: Conv | ConvTranspose, ends: _Ends, link: Link) -> Written | None:
    synapse, source = ends.synapse, ends.source
    last = np.array_equal(source.order, channels_last(synapse.in_shape))
    if not np.array_equal(ends.target.order, channels_last(synapse.out_shape)):
        return None
    if not last and not is_plain(source.order):
        return None
    kernel = kernel_of(op, synapse)
    weights = packed(ends.program.tables, ends.id, kernel.weights)
    number = ends.number(link.row, weights)
    channels, rows, columns, together = kernel.weights.shape
    every, across = synapse.out_shape[0], synapse.out_shape[-1]
    places, width = source.neurons // channels, synapse.in_shape[-1]
    down = _flat([[(k * columns * together, y * across * every) for k, y in each]
                  for each in kernel.down], 2)  # fmt: skip
    right = _flat([[(k * together, x * every, n * together) for k, x, n in each]
                   for each in kernel.across], 3)  # fmt: skip
    names = ("down", "down_at", "down_to", "right", "right_at", "right_to", "right_n")
    t = {n: ends.table(n, values) for n, values in zip(names, (*down, *right), strict=True)}
    channel, place = (f"i % {channels}U", f"i / {channels}U")
    if not last:
        channel, place = (f"i / {places}U", f"i % {places}U")
    if channels == 1:
        channel, place = "0U", "i"
    group = f"channel / {channels // op.groups}U * {together}U + " if op.groups > 1 else ""
    inside = [
        f"const uint32_t channel = {channel};",
        f"const uint32_t y = {place} / {width}U;",
        f"const uint32_t x = {place} % {width}U;",
        f"const uint32_t kernel = channel * {rows * columns * together}U;",
        f"for (uint32_t d = {t['down']}[y]; d < {t['down']}[y + 1U]; d++) {{",
        f"    for (uint32_t r = {t['right']}[x]; r < {t['right']}[x + 1U]; r++) {{",
        f"        const uint32_t start = kernel + {t['down_at']}[d] + {t['right_at']}[r];",
        f"        const uint32_t to = {group}{t['down_to']}[d] + {t['right_to']}[r];",
        f"        const uint32_t n = {t['right_n']}[r];",
        *indented(list(ends.adding("run", weights, number, "sums + to")), 2),
        "    }",
        "}",
    ]
    return weights, number, ends.each_event(number, inside)


def _list(ends: _Ends, link: Link) -> Written:
    """A sparse map: by source, the targets and the weights."""
    matrix = _ordered(connections(ends.synapse), ends.source.order, ends.target.order).tocsc()
    matrix.sort_indices()
    weights = packed(ends.program.tables, ends.id, matrix.data)
    number = ends.number(link.row, weights)
    first = ends.table("first", matrix.indptr)
    at = ends.table("at", matrix.indices, ends.program.index)
    inside = [
        f"const uint32_t start = {first}[i];",
        f"const uint32_t n = {first}[i + 1U] - start;",
        *ends.adding("list", weights, number, "sums", f"{at} + start"),
    ]
    return weights, number, ends.each_event(number, inside)


def _late(ends: _Ends, link: Link) -> Written:
    """A dense map with a delay for each weight, which adds to the sums of later steps."""
    source, target = ends.source.order, ends.target.order
    late = np.asarray(ends.synapse.late)
    weights = packed(
        ends.program.tables, ends.id, _ordered(ends.synapse.op.weights, source, target).T
    )
    number = ends.number(link.row, weights)
    table = ends.table("late", _ordered(late, source, target).T, np.uint8)
    slots, n = int(late.max()) + 1, f"{ends.target.neurons}U"
    places = ("sums", f"{table} + start", f"s->lateat_{ends.id}", f"{slots}U", n)
    row = [f"const uint32_t start = i * {n};", f"const uint32_t n = {n};"]
    return (
        weights,
        number,
        ends.each_event(number, [*row, *ends.adding("late", weights, number, *places)]),
    )


def always(synapse: Synapse, target: Layer) -> Array:
    """What an axon that is always on brings to each target in a step, (n,) in its order."""
    sums = np.asarray(connections(replace(synapse, late=None)).sum(axis=1), np.int64).ravel()
    exponent = synapse.weight_exp
    sums = sums << exponent if exponent >= 0 else sums >> -exponent
    return np.asarray(sums[target.order])


def _ordered(matrix: Any, source: Array, target: Array) -> Any:
    """A matrix (n_target, n_source) with its neurons in these orders."""
    matrix = matrix if is_plain(target) else matrix[target]
    return matrix if is_plain(source) else matrix[:, source]


def _flat(lists: list[list[tuple[int, ...]]], width: int) -> list[Array]:
    """Where each list starts, then the `width` columns of all of them."""
    first = np.cumsum([0, *map(len, lists)])
    rows = [row for each in lists for row in each]
    return [first, *np.array(rows, np.int64).reshape(len(rows), width).T]
