"""A layer of a lava-dl `.net` file, and what lava-dl's reader makes of its numbers.

In:  integers, from a graph or from a file.
Out: plain layers that the writer and the reader share, and the reasons why netx would change
     a number: those are refused both ways, never written and never read.
Arrays are in PyTorch's order, (n,) or (C, H, W).

Source: lava-dl 0.6.0, lava/lib/dl/netx/{hdf5,utils}.py and blocks/process.py; lava-nc 0.10.0,
lava/utils/weightutils.py; checked against them in tests/formats/netx/test_netx_on_lava.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

from neurocompile.chip.record import Chip
from neurocompile.errors import Unsupported
from neurocompile.ir.arrays import Array, pieces
from neurocompile.ir.fixed import CubaLIF
from neurocompile.ir.nodes import Shape
from neurocompile.ir.ops import NumpyOps, shift
from neurocompile.ir.resonators import RF, RF_IZ
from neurocompile.ir.sigma_delta import Delta, Sigma, SigmaDelta

Kind = Literal["input", "dense", "dense_rec", "conv"]
Cells = Literal["cuba", "delta", "sigma_delta", "sigma", "rf", "rf_iz"]

UNCLEARED = (Sigma, Delta, SigmaDelta, RF, RF_IZ)  # neurons whose state netx clears in no step
BIAS_EXP = 6  # of every bias in a .net file
NEVER = (1 << 18) - 1  # vThMant of a layer that shall not spike; slayer's Affine writes it
NETX_WEIGHTS = (-256, 254)  # of a synapse with weights of both signs
MOST_NETX_DELAY = 62  # steps; netx clamps what is longer


@dataclass(frozen=True)
class Geometry:
    """Of a convolution, a number for each of its two axes."""

    stride: Shape = (1, 1)
    padding: Shape = (0, 0)
    dilation: Shape = (1, 1)
    groups: int = 1


@dataclass(frozen=True, eq=False)
class NetxLayer:
    """What a `.net` file says about one layer.

    Attributes:
        kind: As in the file.
        shape: (n,) or (C, H, W); of a dense layer (n,).
        flat: Whether a flatten layer stands before it.
        cells: Kind of its neurons; None of an input layer without neurons.
        du, dv, vth, bias: () or shape, int64; the bias in units of 2^6 (CUBA) or 2^12
            (sigma-delta). vth is None where the layer shall not spike, du and dv where its
            neurons have none. Of an input layer without neurons all are None.
        weight: Dense (n_out, n_in), conv (C_out, C_in / groups, KH, KW), int16; of an input
            layer with neurons (), what a value is multiplied with.
        imag: (n_out, n_in) int16, the imaginary part of complex weights, or None.
        sin_decay, cos_decay: (), decays of neurons that resonate, as in the file, or None.
        recurrent: (n, n) int16, or None.
        delay: (n_out, n_in) int16, steps that a spike waits in each synapse, or None.
        geometry: Geometry of a conv layer.
    """

    kind: Kind
    shape: Shape
    flat: bool = False
    cells: Cells | None = None
    du: Array | None = None
    dv: Array | None = None
    vth: Array | None = None
    bias: Array | None = None
    weight: Array | None = None
    imag: Array | None = None
    sin_decay: Array | None = None
    cos_decay: Array | None = None
    recurrent: Array | None = None
    delay: Array | None = None
    geometry: Geometry | None = None

    @property
    def simple(self) -> bool:
        """Whether no spike of one sample reaches the next where netx clears u and v between."""
        return self.recurrent is None and self.delay is None


def check_weights(weight: Array, recurrent: Array | None = None) -> None:
    """Refuse dense weights that netx or Lava's Dense would change, or cannot load.

    netx shifts both matrices left as far as the largest weight allows and back by the weight
    exponent. Lava takes the sign mode of each matrix from the matrix, and cuts -256 to -255
    where no weight is positive.

    Args:
        weight: Integers within NETX_WEIGHTS.
        recurrent: The matrix of the layer's own spikes, which shares the shift.

    Raises:
        Unsupported: With a sentence that goes on after the layer's name.
    """
    matrices = [weight] if recurrent is None else [weight, recurrent]
    high, low = max(int(m.max()) for m in matrices), min(int(m.min()) for m in matrices)
    if high == low == 0:
        raise Unsupported(
            "all its weights are 0, and lava-dl's netx cannot scale those. Remove the layer."
        )
    shift = max(s for s in range(9) if _fits(low << s, high << s))
    for m in matrices:
        if int(m.max()) <= 0 and int(m.min()) << shift == NETX_WEIGHTS[0]:
            raise Unsupported(
                f"no weight of one of its matrices is positive and the smallest is "
                f"{int(m.min())}, which lava-dl's netx scales to -256 and Lava then cuts to "
                "-255. Change that weight by one step."
            )


def is_odd(weight: Array) -> bool:
    """Whether a weight is odd; a piece at a time, for a matrix may be large."""
    return any(np.any(piece & 1) for piece in pieces(weight))


def shifted(weight: Array, places: int, dtype: DTypeLike = np.int16) -> Array:
    """weight * 2^places, read-only and of a type that holds it; itself where nothing changes."""
    if not places and weight.dtype == dtype:
        return weight
    made: Array = np.empty(weight.shape, dtype)
    for piece, whole in zip(pieces(made), pieces(weight), strict=True):
        piece[...] = shift(whole.astype(np.int64), places)
    made.setflags(write=False)
    return made


def _fits(low: int, high: int) -> bool:
    """Whether netx shifts weights to this range: 255 where all are positive."""
    return low >= NETX_WEIGHTS[0] and high <= (NETX_WEIGHTS[1] if low < 0 else NETX_WEIGHTS[1] + 1)


def for_netx(chip: Chip) -> Chip:
    """The chip with the number formats of a `.net` file: no weight exponent, biases in 2^6."""
    f = chip.formats
    return replace(
        chip,
        formats=replace(
            f,
            weight_exp_max=replace(f.weight_exp_max, value=0),
            bias_exp_min=replace(f.bias_exp_min, value=BIAS_EXP),
            bias_exp_max=replace(f.bias_exp_max, value=BIAS_EXP),
        ),
    )


def led_in(neuron: CubaLIF, steps: int) -> Array | None:
    """v after some steps of bias only from v = 0, or None where a neuron spikes in them.

    Returns:
        int64, () or shape, as the registers of the population are.
    """
    nothing: Array = np.zeros((), dtype=np.int64)
    state = (nothing, nothing)
    for _ in range(steps if neuron.bias.any() else 0):
        done = neuron.step(NumpyOps(), state, nothing, neuron.constants())
        if np.any(done.out):
            return None
        state = done.state
    return state[1]
