"""Arrays as short texts inside the page: bytes and bits in base64.

In:  arrays.
Out: base64 texts; page.js reads them.
"""

from __future__ import annotations

from base64 import b64encode

import numpy as np

from neurocompile.ir.arrays import Array


def bits(values: Array) -> str:
    """Bits in the order of the array, eight to a byte, the first one highest."""
    return b64encode(np.packbits(np.asarray(values, bool).ravel()).tobytes()).decode()


def levels(values: Array, low: float, high: float) -> str:
    """Values as bytes: low is 0 and high 255; what is outside is cut."""
    half = high / 2 - low / 2 or 0.5  # the span itself may be larger than any float
    scaled = np.rint(np.clip((values / 2 - low / 2) / half, 0, 1) * 255).astype(np.uint8)
    return b64encode(scaled.tobytes()).decode()


def evenly(count: int, most: int) -> Array:
    """At most `most` of the numbers 0 .. count - 1, evenly apart, each once."""
    if count <= most:
        return np.arange(count)
    return np.arange(most) * count // most
