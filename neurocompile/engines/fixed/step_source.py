"""Generate the loop over neurons by replaying the step of a `ir.fixed.ChipNeuron` with symbols.

In:  the step itself, and which of its constants are trivial.
Out: a compiled function that takes a block of samples through its steps.
The step is not written here: its `+ - * >` and the operations of `ir.ops.Ops` append lines of
Python, as `formats.onnx.ops` appends ONNX nodes. A file with the text is kept, only so that numba
can tell whether its machine code is still valid.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite
import numba
import numpy as np

from neurocompile.engines import machine_code
from neurocompile.engines.fixed import loops
from neurocompile.ir.fixed import ChipNeuron
from neurocompile.ir.ops import decayed, wrap_once
from neurocompile.ir.registers import BIT, DECAY_BITS, STATE_LIMIT, UNITY

TRIVIAL = {"none": 0, "all": UNITY}

FRAME = '''
def advance({sums}, left, right, begin, start, {states}, {constants},
            fired, spikes, membrane, reached, limit):
    """Updated, saturations, wraps, 1 + the step that went beyond a limit or 0, current, state."""
    samples, steps, neurons = a.shape
    updated, saturations, wraps = 0, 0, 0
    up = I(1 << left)
{every}
    for sample in range(samples):
        biases = bias[min(sample, len(bias) - 1)]
{rows}
        for step in range(steps):
            row = a[sample, step]{further}
            out = fired[sample, begin + step]
            if reached.size:
                touched = reached[sample, step]
                moved = I(0)
                for j in range(neurons):
                    moved = I(moved + ({moving} | (touched[j] != 0)))
                updated += moved
            saturated, wrapped, peak, most = I(0), I(0), I(0), I(0)
            for j in range(neurons):
                x = {arriving}
{body}
{after}
                out[j] = {out}
                spikes[j] += {message}
                saturated = I(saturated + {saturates})
{watch}
            saturations += saturated
            wraps += wrapped
            if peak >= limit or most >= {most}:
                return updated, saturations, wraps, start + step + 1, peak, most
            if membrane.size:
                kept = membrane[sample, step]
                for j in range(neurons):
                    kept[j] = v_row[j]
    return updated, saturations, wraps, 0, 0, 0
'''
WATCH = """                wrapped = I(wrapped + ({current} != {wrapped}))
                peak = max(peak, I(abs({current})))"""


class Variant(NamedTuple):
    """What makes one loop different from another.

    Attributes:
        kind: Class of the population.
        words: Its fields beside registers that its step reads, such as its reset, by name.
        wide: Whether numbers are int64; otherwise each fits int32, which the caller must prove.
        parts: For each of its constants that are parts in 4096: "none" if all of them are 0, "all"
            if all are 4096, "same" if all are the same other number, otherwise "some".
        wraps: Whether a current may exceed 24 bits.
        right: Whether what arrives is shifted right, and not left; by how much is an argument.
    """

    kind: type[ChipNeuron]
    words: tuple[tuple[str, Any], ...]
    wide: bool
    parts: tuple[str, ...]
    wraps: bool
    right: bool = False


@dataclass(frozen=True, eq=False)
class Symbol:
    """A value in the loop body; arithmetic on it appends a line."""

    lines: list[str]
    name: str

    def _emit(self, text: str, cast: bool = True) -> Symbol:
        name = f"x{len(self.lines)}"
        self.lines.append(f"{name} = I({text})" if cast else f"{name} = {text}")
        return Symbol(self.lines, name)

    def __add__(self, other: Any) -> Symbol:
        return self._emit(f"{self.name} + {_text(other)}")

    def __radd__(self, other: Any) -> Symbol:
        return self._emit(f"{_text(other)} + {self.name}")

    def __sub__(self, other: Any) -> Symbol:
        return self._emit(f"{self.name} - {_text(other)}")

    def __rsub__(self, other: Any) -> Symbol:
        return self._emit(f"{_text(other)} - {self.name}")

    def __mul__(self, other: Any) -> Symbol:
        return self._emit(f"{self.name} * {_text(other)}")

    def __rmul__(self, other: Any) -> Symbol:
        return self._emit(f"{_text(other)} * {self.name}")

    def __gt__(self, other: Any) -> Symbol:
        return self._emit(f"{self.name} > {_text(other)}", cast=False)

    def __lt__(self, other: Any) -> Symbol:
        return self._emit(f"{self.name} < {_text(other)}", cast=False)


class Shifted(Symbol):
    """What arrives, row[j] << left: its product with a number is one product with row[j].

    A shift by a variable would be one of 64 bits, at twice the time.
    """

    def __mul__(self, other: Any) -> Symbol:
        if isinstance(other, Symbol):
            return super().__mul__(other)
        return self._emit(f"I(row[j]) * I(up * I({other}))")

    __rmul__ = __mul__


class SourceOps:
    """The operations of `ir.ops.Ops`, as lines of Python on int32 or int64."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.clipped: dict[str, str] = {}
        self.wrapped: Any = None

    def divide_toward_zero(self, x: Symbol, power: int) -> Symbol:
        """x / 2**power, truncated toward 0: a negative x rounds up."""
        return x._emit(f"({x.name} + (({x.name} >> 63) & {(1 << power) - 1})) >> {power}")

    def clip(self, x: Symbol, low: int, high: int) -> Symbol:
        """x limited to [low, high]."""
        clipped = x._emit(f"min(max({x.name}, I({low})), I({high}))")
        self.clipped[x.name] = clipped.name
        return clipped

    def where(self, condition: Symbol, yes: Any, no: Any) -> Symbol:
        """`yes` where the condition holds, otherwise `no`."""
        return condition._emit(f"{_text(yes)} if {condition.name} else {_text(no)}")

    def wrap(self, x: Symbol) -> Any:
        """x wrapped at most once by 2^24 into (-2^23, 2^23]; x itself if it cannot leave it."""
        self.wrapped = wrap_once(self, x) if self.variant.wraps else x
        return self.wrapped

    def decay(self, x: Symbol, keep: Any) -> Any:
        """x keep / 4096, truncated toward 0.

        The product does not fit 32 bits, but float64 holds it exactly, and rounds toward 0 where
        it becomes an integer.
        """
        if isinstance(keep, int):
            return x if keep else x._emit("0")
        if self.variant.wide:
            return decayed(self, x, keep)
        return x._emit(f"F({x.name}) * (F({keep.name}) * {2.0**-DECAY_BITS})")


@cache
def step_function(variant: Variant) -> Any:
    """The compiled loop of a variant; see FRAME for its arguments.

    a (samples, steps, n) whole numbers, to be shifted by left or right, and one such array for
    each further input, shifted already; the states (samples, n),
    changed; the constants (n,), but bias (1 or samples, n); fired (samples, more steps, n),
    written from step `begin` on; spikes (n,) added to; membrane and reached like a, or of size 0
    if not wanted; start is the network's step before the first one here.
    """
    text = source(variant)
    code = text + Path(loops.__file__).read_text(encoding="utf-8")
    versions = f"{numba.__version__} {llvmlite.__version__}"
    name = f"step_{hashlib.sha256((code + versions).encode()).hexdigest()[:20]}"
    text = text.replace("def advance(", f"def {name}(", 1)
    file = machine_code.source_file(f"{name}.py", text)
    # numba finds its stored code by the name of the function in an importable module
    names: dict[str, Any] = {
        "I": np.int64 if variant.wide else np.int32,
        "F": np.float64,
        "__name__": __name__,
    }
    exec(compile(text, str(file or "<step>"), "exec"), names)
    return machine_code.compiled(names[name], nogil=True)


def source(variant: Variant) -> str:
    """The loop as Python text."""
    lines: list[str] = []
    kind = variant.kind
    parts = dict(zip(kind.parts, variant.parts, strict=True))

    def value(text: str) -> Symbol:
        return Symbol(lines, "x")._emit(text)

    def constant(name: str) -> Any:
        how = parts.get(name, "some")
        if how in TRIVIAL:
            return TRIVIAL[how]
        if how == "same":
            return value(f"every_{name}")
        return value("biases[j]" if name == "bias" else f"{name}[j]")

    names = kind.Constants._fields
    p = kind.Constants(**{name: constant(name) for name in names})
    ops = SourceOps(variant)
    node: Any = kind((1,), **dict.fromkeys(kind.registers, 0), **dict(variant.words))  # type: ignore[call-arg]
    state = tuple(value(f"{name}_row[j]") for name in kind.state_names)
    more = [f"a{i}" for i in range(1, len(kind.inputs))]
    first = Symbol(lines, "x") if variant.right else Shifted(lines, "x")
    sums = [first, *(value(f"{each}_row[j]") for each in more)]
    step = node.step(ops, state, kind.arriving(sums), p)
    watched = []
    if variant.wraps:
        watched.append(WATCH.format(current=step.current.name, wrapped=ops.wrapped.name))
    cut = [x.name for x in (step.potential, *step.clipped) if x is not None]
    watched += [f"                most = max(most, I(abs({x.name})))" for x in step.unclipped]
    moving = ["(biases[j] != 0)"]
    for name in kind.state_names:
        at = f"{kind.rest[name]}[j]" if name in kind.rest else "0"
        moving.append(f"({name}_row[j] != {at})")
    after = zip(kind.state_names, step.state, strict=True)
    return FRAME.format(
        states=", ".join(kind.state_names),
        constants=", ".join(names),
        every="\n".join(f"    every_{name} = {name}[0]" for name in kind.parts),
        rows="\n".join(f"        {name}_row = {name}[sample]" for name in kind.state_names),
        moving=" | ".join(moving),
        arriving="I(I(row[j]) >> right)" if variant.right else "I(I(row[j]) * up)",
        body="\n".join(" " * 16 + line for line in lines),
        after="\n".join(f"                {name}_row[j] = {x.name}" for name, x in after),
        out=step.out.name,
        message=step.out.name if kind.payload == BIT else f"({step.out.name} != 0)",
        sums=", ".join(("a", *more)),
        further="".join(f"\n            {each}_row = {each}[sample, step]" for each in more),
        saturates=" + ".join(f"({x} != {ops.clipped[x]})" for x in cut) or "0",
        watch="\n".join(watched),
        most=STATE_LIMIT,
    )


def _text(x: Any) -> str:
    return x.name if isinstance(x, Symbol) else f"I({x})"
