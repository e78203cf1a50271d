"""The kinds of samples, and which numbers each of them may hold.

In:  arrays of a file, or of a user.
Out: nothing, or a refusal.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from neurocompile.errors import BadInput
from neurocompile.ir.registers import PAYLOAD_WIDTHS

Kind = Literal["x", "spikes", "payloads"]
KEYS: tuple[Kind, ...] = get_args(Kind)
FLOAT32 = float(np.finfo(np.float32).max)


def check_numbers(kind: str, values: NDArray, name: str) -> None:
    """Refuse what is no number in float32, and what `check_whole` refuses."""
    _check_finite(kind, values, name)
    check_whole(kind, values, name)


def _check_finite(kind: str, values: NDArray, name: str) -> None:
    """Refuse NaN, infinity and numbers that would become one."""
    if values.dtype.kind != "f" or not values.size:
        return
    least, most = float(values.min()), float(values.max())  # NaN if one of them is NaN
    if least >= -FLOAT32 and most <= FLOAT32:
        return
    where = list(map(int, np.argwhere(~(np.abs(values) <= FLOAT32))[0]))
    raise BadInput(
        f"{name}: {kind} holds {values[tuple(where)]:g} at index {where}: NaN, infinity or a "
        f"number beyond float32 ({FLOAT32:g}). Use finite numbers."
    )


def check_whole(kind: str, values: NDArray, name: str) -> None:
    """Refuse spikes other than 0 and 1, and payloads that are not whole or exceed 24 bits."""
    if kind == "spikes":
        other = (values != 0) & (values != 1)
        if other.any():
            raise BadInput(
                f"{name}: spikes holds {values[other].flat[0]:g}, but spikes are 0 or 1. Use key x "
                "instead, or payloads where the network takes whole numbers."
            )
    if kind != "payloads":
        return
    most = 1 << (PAYLOAD_WIDTHS[1] - 1)
    wrong = values[(values != np.rint(values)) | (values < -most) | (values >= most)]
    if wrong.size:
        raise BadInput(
            f"{name}: payloads holds {wrong.flat[0]:g}, but a payload is a whole number in "
            f"{-most}..{most - 1}. Round and scale the samples first."
        )
