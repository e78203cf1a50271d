"""What a plain ONNX file computes from constants only: weights on their way, shapes of reshapes.

In:  a node whose inputs are constants, or a Shape of a signal.
Out: its value, as onnxruntime would give it; the axes of batch and steps keep their names, so
     that a shape is an array of objects where it holds one.
What is made here is counted against a budget, for a small file may ask for a large constant.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from neurocompile.formats.onnx.ops import TYPES
from neurocompile.formats.onnx.tensors import MAX_AXES
from neurocompile.formats.onnx_plain.call import Call, PlainSignal
from neurocompile.ir.arrays import Array

BUDGET = 1 << 24  # values that a file may make, beside as many as it holds itself
_DTYPES = {elem_type: dtype for dtype, elem_type in TYPES.items()}


class Budget:
    """Counts the values of constants, before each is made."""

    def __init__(self, values: int) -> None:
        self.left = values

    def take(self, call: Call, *shape: int) -> None:
        """Refuse a constant that would be too large, or of more axes than any."""
        if len(shape) > MAX_AXES:
            call.refuse(f"its result has {len(shape)} axes, allowed are up to {MAX_AXES}.")
        if min(shape, default=0) < 0:  # it would add to what is left
            call.refuse(f"its result would have the shape {shape}, allowed are no negative sizes.")
        self.left -= prod(shape)
        if self.left < 0:
            call.refuse(
                "the constants of this file grow beyond what it holds. "
                "Store the result as an initializer."
            )


def folded(call: Call, budget: Budget) -> Array:
    """The value of a node without signals.

    Raises:
        Unsupported: If the operator is not one that constants need, or its inputs do not fit.
    """
    op = call.node.op_type
    rule = FOLDS.get(op)
    if rule is None:
        call.refuse(
            f"it computes a constant, which {op[:40]} may not do here. "
            "Store its result as an initializer."
        )
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused by layer
            value = rule(call, budget)
    except (ValueError, IndexError, TypeError, OverflowError) as error:
        call.refuse(f"its constants do not fit together: {str(error)[:200]}.")
    call.done()
    value = np.asarray(value)
    if value.ndim > MAX_AXES:
        call.refuse(f"its result has {value.ndim} axes, allowed are up to {MAX_AXES}.")
    return value


def _constant(call: Call, budget: Budget) -> Array:
    given = call.tensor("value")
    if given is not None:
        return given
    if call.given("value_int"):
        return np.array(call.whole("value_int", 0), np.int64)
    if call.given("value_ints"):
        return np.array(call.wholes("value_ints", ()), np.int64)
    if call.given("value_float"):
        return np.array(call.real("value_float", 0.0), np.float32)
    if call.given("value_floats"):
        return np.array(call.reals("value_floats"), np.float32)
    call.refuse("it holds no number. Give it a tensor 'value'.")


def _constant_of_shape(call: Call, budget: Budget) -> Array:
    shape = [int(n) for n in _whole(call, 0, "the shape")]
    budget.take(call, *shape)
    fill = call.tensor("value")
    one = np.zeros(1, np.float32) if fill is None else fill.reshape(1)
    return np.full(shape, one[0])


def _shape(call: Call, budget: Budget) -> Array:
    value = call.inputs[0]
    if isinstance(value, PlainSignal):
        dims: list[Any] = list(value.dims)
    else:
        dims = list(np.shape(call.constant(0, "the value")))
    start, end = call.whole("start", 0), call.whole("end", len(dims))
    return _dims(dims[start:end])


def _dims(entries: list[Any]) -> Array:
    """A shape; of objects where an axis has a name instead of a number."""
    named = any(isinstance(n, str) for n in entries)
    return np.array(entries, object if named else np.int64)


def _cast(call: Call, budget: Budget) -> Array:
    to = call.whole("to", 0)
    call.whole("saturate", 1)
    value = _any(call)
    if value.dtype == object:
        return value
    if to not in _DTYPES:
        call.refuse(f"it casts to the type {to}, which no layer here takes.")
    return _as(call, budget, value, _DTYPES[to])


def _cast_like(call: Call, budget: Budget) -> Array:
    call.whole("saturate", 1)
    return _as(call, budget, call.constant(0, "the value"), call.constant(1, "the type").dtype)


def _as(call: Call, budget: Budget, value: Array, dtype: Any) -> Array:
    if value.dtype == dtype:
        return value
    budget.take(call, *value.shape)
    return value.astype(dtype)


def _identity(call: Call, budget: Budget) -> Array:
    return _any(call)


def _reshape(call: Call, budget: Budget) -> Array:
    value = _any(call)
    target = [int(n) for n in _whole(call, 1, "the shape")]
    if not call.whole("allowzero", 0):
        target = [value.shape[i] if n == 0 else n for i, n in enumerate(target)]
    return value.reshape(target)


def _transpose(call: Call, budget: Budget) -> Array:
    value = _any(call)
    return value.transpose(call.wholes("perm", range(value.ndim)[::-1]))


def axes_of(call: Call, index: int) -> tuple[int, ...]:
    """The axes of a Squeeze or Unsqueeze: an attribute before opset 13, then an input."""
    if call.opset < 13:
        return call.wholes("axes", ())
    axes = call.optional(index, "the axes")
    return () if axes is None else tuple(int(n) for n in axes.ravel())


def _squeeze(call: Call, budget: Budget) -> Array:
    value = _any(call)
    return value.squeeze(axes_of(call, 1) or None)


def _unsqueeze(call: Call, budget: Budget) -> Array:
    return np.expand_dims(_any(call), axes_of(call, 1))


def _concat(call: Call, budget: Budget) -> Array:
    parts = [_any(call, i) for i in range(len(call.inputs))]
    budget.take(call, sum(part.size for part in parts))
    return np.concatenate(parts, axis=call.whole("axis", 0))


def _gather(call: Call, budget: Budget) -> Array:
    value, axis = _any(call), call.whole("axis", 0)
    at = _whole(call, 1, "the indices")
    if not -value.ndim <= axis < value.ndim:
        call.refuse(f"its axis is {axis}, but its input has {value.ndim} axes.")
    budget.take(call, at.size, value.size // max(1, value.shape[axis]))
    return np.take(value, at, axis=axis)


def _slice(call: Call, budget: Budget) -> Array:
    value = _any(call)
    starts, ends = (_whole(call, i, what) for i, what in ((1, "starts"), (2, "ends")))
    axes = call.optional(3, "axes")
    steps = call.optional(4, "steps")
    if steps is not None and set(steps.ravel().tolist()) != {1}:
        call.refuse("its steps are not 1.")
    cut = [slice(None)] * value.ndim
    which = range(len(starts)) if axes is None else axes.ravel().tolist()
    for axis, start, end in zip(which, starts.tolist(), ends.tolist(), strict=True):
        cut[axis] = slice(start, end)
    return value[tuple(cut)]


def _arithmetic(ufunc: Callable[..., Any]) -> Callable[[Call, Budget], Array]:
    def rule(call: Call, budget: Budget) -> Array:
        a, b = call.constant(0, "a number"), call.constant(1, "a number")
        if a.dtype != b.dtype or (ufunc is np.divide and a.dtype.kind != "f"):
            call.refuse(f"it joins {a.dtype} and {b.dtype}, allowed is one type of real numbers.")
        budget.take(call, *np.broadcast_shapes(a.shape, b.shape))
        result: Array = ufunc(a, b)
        return result

    return rule


def _any(call: Call, index: int = 0) -> Array:
    """An input that is a constant or a shape."""
    value = call.inputs[index] if index < len(call.inputs) else None
    if value is None or isinstance(value, PlainSignal):
        call.refuse(f"its input {index + 1} is missing.")
    return value


def _whole(call: Call, index: int, what: str) -> Array:
    numbers = call.constant(index, what)
    if numbers.dtype.kind not in "iu":
        call.refuse(f"{what} is {numbers.dtype}, allowed are whole numbers.")
    return numbers


# By operator of standard ONNX.
FOLDS: dict[str, Callable[[Call, Budget], Array]] = {
    "Add": _arithmetic(np.add),
    "Cast": _cast,
    "CastLike": _cast_like,
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Div": _arithmetic(np.divide),
    "Gather": _gather,
    "Identity": _identity,
    "Mul": _arithmetic(np.multiply),
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Sub": _arithmetic(np.subtract),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
