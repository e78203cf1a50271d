"""A population as C: its states, and the loop that takes each neuron through a step.

In:  a population as the engine prepared it; the arrays that hold what arrives.
Out: statements. The step comes from the neuron's own `step`, replayed by `expressions`.
Numbers are int32_t where the plan of the engine proves that all fit, else int64_t; states have 24
bits. A constant that is the same for all neurons is a literal, one that repeats from position to
position is stored once per channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurocompile.bundle.c.expressions import COps, Number
from neurocompile.bundle.c.layers import Layer
from neurocompile.bundle.c.tables import Tables
from neurocompile.bundle.expressions import Body, Value
from neurocompile.engines.fixed.plan import Population
from neurocompile.ir.arrays import Array
from neurocompile.ir.registers import CURRENT_WRAP_LIMIT, STATE_LIMIT

MOST_FACTOR = 16  # common powers of two that are taken out of a table
STATE = "int32_t"  # of every state: 24 bits


@dataclass(frozen=True)
class Term:
    """A part of what arrives: an array of sums, to be multiplied by 2^exponent.

    Attributes:
        array: Expression of an array.
        exponent: Exponent; a negative one rounds down.
    """

    array: str
    exponent: int = 0


@dataclass(frozen=True, eq=False)
class Constant:
    """What an axon that is always on adds.

    Attributes:
        name: Name of its synapse as an identifier.
        values: (n,) amounts.
        delay: Steps from the start until it arrives.
    """

    name: str
    values: Array
    delay: int


@dataclass(frozen=True, eq=False)
class Written:
    """A population in C.

    Attributes:
        states: Names of the states that are kept from step to step, "v" among them.
        start: Statements that set them before the first step.
        step: Statements of a step.
        operations: Numbers that a step computes for a neuron.
    """

    states: tuple[str, ...]
    start: list[str]
    step: list[str]
    operations: int


class Constants:
    """What a loop over the neurons of a layer reads beside its states."""

    def __init__(self, tables: Tables, layer: Layer) -> None:
        self.tables, self.layer, self.by_channel = tables, layer, False

    def of(self, name: str, values: Array) -> int | str:
        """The number that all neurons have, or an expression of each neuron's own."""
        values = np.broadcast_to(values, (self.layer.neurons,)).astype(np.int64)
        if np.all(values == values[0]):
            return int(values[0])
        channels, at = self.layer.channels, "j"
        rows = values.reshape(-1, channels)
        if channels > 1 and np.all(rows == rows[0]):
            values, at, self.by_channel = rows[0], "c", True
        factor = 0
        every = int(np.bitwise_or.reduce(values))
        while factor < MOST_FACTOR and not every & (1 << factor):
            factor += 1
        table = self.tables.add(f"{name}_{self.layer.id}", values >> factor)
        return f"{table}[{at}]" + f" * {1 << factor}" * bool(factor)


def written(
    tables: Tables,
    layer: Layer,
    ready: Population,
    terms: Sequence[Sequence[Term]],
    always: Sequence[Sequence[Constant]],
) -> Written:
    """A population as C.

    Args:
        tables: Where to add tables.
        layer: The population.
        ready: The population, as the engine prepared it.
        terms, always: What arrives at each of its inputs.
    """
    number: Number = "int64_t" if ready.variant.wide else "int32_t"
    body, constants = Body(number), Constants(tables, layer)

    def load(text: int | str) -> Any:
        return text if isinstance(text, int) else body.define(f"({number}){text}")

    fields = ready.p._asdict()
    given = {name: load(constants.of(name, fields[name])) for name in fields if name != "bias"}
    given["bias"] = load(_bias(constants, ready))
    sums = [
        body.define(_arriving(constants, number, each, on))
        for each, on in zip(terms, always, strict=True)
    ]
    before = tuple(body.define(f"{n}[j]") for n in ready.kind.state_names)
    ops, node = COps(ready.variant.wraps), layer.node
    after = node.step(ops, before, node.arriving(sums), node.Constants(**given))
    return _loop(layer, ready, constants, body, (before, after))


def _loop(
    layer: Layer, ready: Population, constants: Constants, body: Body, both: tuple[Any, Any]
) -> Written:
    """The loop around a step that has been replayed."""
    before, after = both
    checks = _checks(layer, ready, after)
    ends = [x.name for x in (after.out, *after.state)] + checks
    read = body.needed([after.out.name, *(x.name for x in after.state)])
    names = ready.kind.state_names
    kept = [n for n, x in zip(names, before, strict=True) if n == "v" or x.name in read]
    if len(kept) < len(names):  # what only unread states depend on is left out
        ends = [after.out.name, *checks]
        ends += [x.name for n, x in zip(names, after.state, strict=True) if n in kept]
    stores = [
        f"{n}[j] = ({STATE}){x.name};" for n, x in zip(names, after.state, strict=True) if n in kept
    ]
    stores.append(f"sent[j] = ({layer.sends}){after.out.name};")
    ops = body.statements(end for end in ends if end not in checks)
    if checks:
        more = [line for line in body.statements(ends) if line not in set(ops)]
        checks = ["#if NC_CHECKED", *more, *(f"bad |= {c};" for c in checks), "#endif"]
    pointers = [f"{STATE} *restrict const {n} = s->{n}_{layer.id};" for n in kept]
    pointers.append(f"{layer.sends} *restrict const sent = {layer.sent()};")
    inner = [*ops, *checks, *stores]
    step = [*pointers, *over_neurons(layer, inner, by_channel=constants.by_channel)]
    return Written(tuple(kept), _start(layer, ready, constants, kept), step, len(ops) + len(stores))


def _checks(layer: Layer, ready: Population, after: Any) -> list[str]:
    """Expressions that are not 0 where a number leaves its register."""
    checks = []
    if ready.variant.wraps:
        x = after.current.name
        checks.append(
            f"(({x} >= {CURRENT_WRAP_LIMIT}) || ({x} <= -{CURRENT_WRAP_LIMIT})) ? NC_CURRENT : 0U"
        )
    for x in after.unclipped:
        if isinstance(x, Value):
            low, high = f"{x.name} <= -{STATE_LIMIT}", f"{x.name} >= {STATE_LIMIT}"
            checks.append(f"(({high}) || ({low})) ? NC_STATE : 0U")
    if layer.node.readout:
        checks.append(f"({after.out.name} != 0) ? NC_READOUT : 0U")
    return checks


def _start(layer: Layer, ready: Population, constants: Constants, kept: list[str]) -> list[str]:
    """Statements that set the states before the first step; they are 0 before."""
    zero = np.zeros(layer.neurons, np.int64)
    states = layer.node.start(ready.p, ready.v_init, zero)
    own = Constants(constants.tables, layer)
    lines = []
    for name, values in zip(ready.kind.state_names, states, strict=True):
        if name in kept and np.any(values):
            text = own.of(f"start_{name}", values)
            lines.append(f"s->{name}_{layer.id}[j] = {text};")
    return over_neurons(layer, lines, by_channel=own.by_channel) if lines else []


def _bias(constants: Constants, ready: Population) -> int | str:
    """The bias of a neuron, or what the host wrote times a power of two."""
    if not ready.written:
        return constants.of("bias", ready.p.bias)
    factor = constants.of("bias_factor", 1 << ready.bias_exp)
    layer = constants.layer
    if layer.channels == 1:
        return f"input[j] * {factor}"
    constants.by_channel = True
    return f"input[c * {layer.places}U + p] * {factor}"


def _arriving(
    constants: Constants, number: str, terms: Sequence[Term], always: Sequence[Constant]
) -> str:
    """What arrives at an input of a neuron."""
    found = [shifted(f"({number}){term.array}[j]", term.exponent, number) for term in terms]
    for each in always:
        amount = f"({number}){constants.of(f'always_{each.name}', each.values)}"
        begun = f"((s->steps >= {each.delay}U) ? 1 : 0)"
        found.append(f"{amount} * {begun}" if each.delay else amount)
    return " + ".join(found) or "0"


def shifted(text: str, exponent: int, number: str) -> str:
    """An expression times 2^exponent, rounded down; no negative number is shifted."""
    if exponent < 0:
        return f"nc_floor_{number}({text}, {-exponent}U)"
    return f"{text} * {1 << exponent}" if exponent else text


def over_neurons(layer: Layer, inside: list[str], *, by_channel: bool) -> list[str]:
    """A loop over the neurons `j` of a layer; by channel `c` of a position `p` if asked for."""
    inside = [line if line.startswith("#") else f"    {line}" for line in inside]
    if not by_channel:
        return [f"for (uint32_t j = 0; j < {layer.neurons}U; j++) {{", *inside, "}"]
    inner = [
        f"for (uint32_t c = 0; c < {layer.channels}U; c++) {{",
        f"    const uint32_t j = p * {layer.channels}U + c;",
        *inside,
        "}",
    ]
    inner = [line if line.startswith("#") else f"    {line}" for line in inner]
    return [f"for (uint32_t p = 0; p < {layer.places}U; p++) {{", *inner, "}"]
