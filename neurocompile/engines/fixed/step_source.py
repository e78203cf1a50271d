"""Generate the loop over neurons by replaying the step of `ir.fixed.CubaLIF` with symbols.

In:  the step itself, and which of its registers are trivial.
Out: a compiled function that takes a block of samples through its steps.
The step is not written here: its `+ - * >` and the operations of `ir.ops.Ops` append lines of
Python, as `formats.onnx.ops` appends ONNX nodes. A file with the text is in the user's cache
folder, only so that numba can tell whether its stored machine code is still valid.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite
import numba
import numpy as np

from neurocompile.engines.fixed import loops
from neurocompile.errors import BadInput
from neurocompile.formats.whole import write_file
from neurocompile.ir.fixed import CubaLIF, FixedConstants
from neurocompile.ir.ops import decayed, wrap_once
from neurocompile.ir.registers import DECAY_BITS, UNITY

TRIVIAL = {"none": 0, "all": UNITY}
LOW_BITS = UNITY - 1

FRAME = '''
def advance(a, left, right, begin, start, u, v, keep_u, keep_v, bias, threshold,
            fired, spikes, membrane, reached, limit):
    """Updated, saturations, wraps, 1 + the step that went beyond the limit or 0, its current."""
    samples, steps, neurons = a.shape
    updated, saturations, wraps = 0, 0, 0
    every_keep_u, every_keep_v = keep_u[0], keep_v[0]
    for sample in range(samples):
        us, vs, bs = u[sample], v[sample], bias[min(sample, len(bias) - 1)]
        for step in range(steps):
            row = a[sample, step]
            out = fired[sample, begin + step]
            if reached.size:
                touched = reached[sample, step]
                for j in range(neurons):
                    updated += (bs[j] != 0) | (us[j] != 0) | (vs[j] != 0) | (touched[j] != 0)
            saturated, wrapped, peak = I(0), I(0), I(0)
            for j in range(neurons):
                x = I(I(I(row[j]) << left) >> right)
{body}
                us[j] = {u}
                vs[j] = {v}
                out[j] = {out}
                spikes[j] += {out}
                saturated = I(saturated + ({potential} != {clipped}))
{watch}
            saturations += saturated
            wraps += wrapped
            if peak >= limit:
                return updated, saturations, wraps, start + step + 1, peak
            if membrane.size:
                membrane[sample, step] = vs
    return updated, saturations, wraps, 0, 0
'''
WATCH = """                wrapped = I(wrapped + ({current} != {u}))
                peak = max(peak, I(abs({current})))"""


class Variant(NamedTuple):
    """What makes one loop different from another.

    Attributes:
        reset: Reset of the population.
        wide: Whether numbers are int64; otherwise each fits int32, which the caller must prove.
        keep_u, keep_v: "none" if all of them are 0, "all" if all are 4096, "same" if all are the
            same other number, otherwise "some".
        wraps: Whether a current may exceed 24 bits.
    """

    reset: str
    wide: bool
    keep_u: str
    keep_v: str
    wraps: bool


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


class SourceOps:
    """The operations of `ir.ops.Ops`, as lines of Python on int32 or int64."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.clipped: Symbol | None = None

    def divide_toward_zero(self, x: Symbol, power: int) -> Symbol:
        """x / 2**power, truncated toward 0: a negative x rounds up."""
        return x._emit(f"({x.name} + (({x.name} >> 63) & {(1 << power) - 1})) >> {power}")

    def clip(self, x: Symbol, low: int, high: int) -> Symbol:
        """x limited to [low, high]."""
        self.clipped = x._emit(f"min(max({x.name}, I({low})), I({high}))")
        return self.clipped

    def where(self, condition: Symbol, yes: Any, no: Any) -> Symbol:
        """`yes` where the condition holds, otherwise `no`."""
        return condition._emit(f"{_text(yes)} if {condition.name} else {_text(no)}")

    def wrap(self, x: Symbol) -> Any:
        """x wrapped at most once by 2^24 into (-2^23, 2^23]; x itself if it cannot leave it."""
        return wrap_once(self, x) if self.variant.wraps else x

    def decay(self, x: Symbol, keep: Any) -> Any:
        """x keep / 4096, truncated toward 0.

        The product does not fit 32 bits. But with |x| = 4096 high + low the quotient is
        high keep + low keep / 4096, both below 2^25 for |x| <= 2^23 and keep <= 4096.
        """
        if isinstance(keep, int):
            return x if keep else x._emit("0")
        if self.variant.wide:
            return decayed(self, x, keep)
        size = x._emit(f"abs({x.name})")
        high = size._emit(f"({size.name} >> {DECAY_BITS}) * {keep.name}")
        low = size._emit(f"(({size.name} & {LOW_BITS}) * {keep.name}) >> {DECAY_BITS}")
        left = high + low
        return left._emit(f"-{left.name} if {x.name} < 0 else {left.name}")


@cache
def step_function(variant: Variant) -> Any:
    """The compiled loop of a variant; see FRAME for its arguments.

    a (samples, steps, n) whole numbers, to be shifted by left and right; u, v (samples, n) the
    state, changed; keep_u, keep_v, threshold (n,); bias (1 or samples, n); fired (samples,
    more steps, n), written from step `begin` on; spikes (n,) added to; membrane and reached like
    a, or of size 0 if not wanted; start is the network's step before the first one here.
    """
    text = source(variant)
    code = text + Path(loops.__file__).read_text(encoding="utf-8")
    versions = f"{numba.__version__} {llvmlite.__version__}"
    name = f"step_{hashlib.sha256((code + versions).encode()).hexdigest()[:20]}"
    text = text.replace("def advance(", f"def {name}(", 1)
    file = _cached(f"{name}.py", text)
    # numba finds its stored code by the name of the function in an importable module
    names = {"I": np.int64 if variant.wide else np.int32, "__name__": __name__}
    exec(compile(text, str(file or "<step>"), "exec"), names)
    return numba.njit(cache=file is not None, nogil=True)(names[name])


def source(variant: Variant) -> str:
    """The loop as Python text."""
    lines: list[str] = []

    def value(text: str) -> Symbol:
        return Symbol(lines, "x")._emit(text)

    keep = {
        name: TRIVIAL[kind]
        if kind in TRIVIAL
        else value(f"every_{name}" if kind == "same" else f"{name}[j]")
        for name, kind in (("keep_u", variant.keep_u), ("keep_v", variant.keep_v))
    }
    p = FixedConstants(**keep, bias=value("bs[j]"), threshold=value("threshold[j]"))
    ops = SourceOps(variant)
    node = CubaLIF((1,), 0, 0, 1, 0, 0, 0, reset=variant.reset)  # type: ignore[arg-type]
    step = node.step(ops, (value("us[j]"), value("vs[j]")), Symbol(lines, "x"), p)
    u, v = step.state
    names = {"u": u.name, "v": v.name, "out": step.out.name, "potential": step.potential.name}
    assert ops.clipped is not None
    return FRAME.format(
        body="\n".join(" " * 16 + line for line in lines),
        watch=WATCH.format(current=step.current.name, u=u.name) if variant.wraps else "",
        clipped=ops.clipped.name,
        **names,
    )


def _text(x: Any) -> str:
    return x.name if isinstance(x, Symbol) else f"I({x})"


def _cached(name: str, text: str) -> Path | None:
    """A file with this text in the user's cache folder; None if it cannot be written."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    file = Path(root) / "neurocompile" / "kernels" / name
    try:
        if not file.exists():
            write_file(file, text.encode())
    except (BadInput, OSError):
        return None
    return file
