"""Function and method calls in a forward, as the modules that do the same.

In:  the target and arguments of a call that torch.fx recorded.
Out: an equivalent module for `rules.py`; or that the call only reshapes, passes on, or asks
     for a size.
Anything else is refused by name.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Target = Callable[..., Any] | str

RESHAPES: frozenset[Target] = frozenset(
    {
        *("flatten", "view", "reshape", "unflatten", "squeeze", "unsqueeze"),
        *(torch.flatten, torch.reshape, torch.unflatten, torch.squeeze, torch.unsqueeze),
    }
)
PASSES: frozenset[Target] = frozenset({"contiguous", "clone", "detach", torch.clone})
CASTS: frozenset[Target] = frozenset({"to", "type_as", "float", "double"})
QUERIES: frozenset[Target] = frozenset(
    {"size", "dim", "ndimension", "numel", len, "new_zeros", torch.zeros_like}
)
PRODUCTS: frozenset[Target] = frozenset(
    {operator.mul, operator.imul, "mul", "mul_", "__mul__", "__rmul__", torch.mul, torch.multiply}
)
QUOTIENTS: frozenset[Target] = frozenset(
    {operator.truediv, "div", "div_", "__truediv__", torch.div, torch.true_divide}
)
NEGATIVES: frozenset[Target] = frozenset({operator.neg, "neg", "__neg__", torch.neg})
RELUS: frozenset[Target] = frozenset({"relu", torch.relu, F.relu})
ATTRIBUTES = frozenset({"shape", "ndim", "dtype", "device"})


def keeps_values(target: Target, x: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a call passes a signal on, at most in another floating type or place."""
    if target in CASTS:
        return evaluate(target, (x, *args), kwargs).dtype in (torch.float32, torch.float64)
    return target in PASSES


def asks_for_numbers(target: Target, args: tuple[Any, ...]) -> bool:
    """Whether a call reads the size or type of a signal, not its values."""
    return target in QUERIES or (target is getattr and args[1] in ATTRIBUTES)


def factor_of(target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float | None:
    """The number that a call multiplies its one signal by, or None if it does something else.

    Args:
        target: What is called; a string for a method.
        args, kwargs: Its arguments, the signal among them; numbers may be tensors of one value.
    """
    terms = [*args, *kwargs.values()]
    numbers = [float(term) for term in terms if _is_number(term)]
    if target in NEGATIVES and len(terms) == 1:
        return -1.0
    if len(terms) != 2 or len(numbers) != 1:
        return None
    if target in PRODUCTS:
        return numbers[0]
    return 1 / numbers[0] if target in QUOTIENTS and _is_number(terms[1]) and numbers[0] else None


def equivalent(target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> nn.Module | None:
    """The module that a call is, or None if none is.

    Args:
        target: What is called; a string for a method.
        args, kwargs: Arguments after the signal.
    """
    make = None if isinstance(target, str) else MODULES.get(target)
    return None if make is None else make(*args, **kwargs)


def name_of(target: Target) -> str:
    """What to call an operation in messages and names."""
    return target if isinstance(target, str) else getattr(target, "__name__", str(target))


def evaluate(target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of a call whose arguments are plain values."""
    if isinstance(target, str):
        return getattr(args[0], target)(*args[1:], **kwargs)
    return target(*args, **kwargs)


def picks(target: Target) -> bool:
    """Whether a call picks an element of a tuple."""
    return target is operator.getitem


def _is_number(value: Any) -> bool:
    """Whether a value is a number, or a tensor of one."""
    if isinstance(value, Tensor):
        return value.numel() == 1 and not value.is_complex()
    return isinstance(value, int | float) and not isinstance(value, bool)


def _dropout(p: float = 0.5, training: bool = True, inplace: bool = False) -> nn.Module | None:
    """Dropout that is off outside training; one that is always on is no part of a network."""
    return None if training and p > 0 else nn.Identity()


def _alpha_dropout(
    p: float = 0.5, training: bool = False, inplace: bool = False
) -> nn.Module | None:
    """Dropout that is off unless asked for."""
    return _dropout(p, training, inplace)


def _upsample(*args: Any, antialias: bool = False, **kwargs: Any) -> nn.Module | None:
    """Upsampling without the option that the module does not have."""
    return None if antialias else nn.Upsample(*args, **kwargs)


# Called with the arguments after the input, in which F's signatures are those of the modules.
MODULES: dict[Any, Callable[..., nn.Module | None]] = {
    F.avg_pool1d: nn.AvgPool1d,
    F.avg_pool2d: nn.AvgPool2d,
    F.adaptive_avg_pool1d: nn.AdaptiveAvgPool1d,
    F.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d,
    F.lp_pool1d: nn.LPPool1d,
    F.lp_pool2d: nn.LPPool2d,
    F.interpolate: _upsample,
    **dict.fromkeys((F.dropout, F.dropout1d, F.dropout2d), _dropout),
    **dict.fromkeys((F.alpha_dropout, F.feature_alpha_dropout), _alpha_dropout),
}
