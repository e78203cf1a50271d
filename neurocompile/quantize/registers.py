"""Turn real-valued neuron parameters into the integers of a chip's registers.

In:  parameters in float64; register widths from the chip's formats.
Out: integers, rounded to nearest, ties to even.
A value that does not fit is an error that names the layer and the range, never a clip.
"""

from __future__ import annotations

import numpy as np

from neurocompile.errors import DoesNotFit
from neurocompile.ir.arrays import Array
from neurocompile.ir.registers import ALIGN_BITS, UNITY


def decay_register(leak: Array, dt: float, *, node: str, tau: str, may_last: bool = False) -> Array:
    """Express the part of a state that is lost in each step in parts of 4096.

    Training used v <- v (1 - dt / tau), the chip v <- v (4096 - decay) / 4096.

    Args:
        leak: () or (n,), dt / tau.
        dt: Length of a step, seconds; for the message.
        node: Name of the layer, for the message.
        tau: Name of the time constant, for the message.
        may_last: Whether a time constant without an end would be allowed, for the message.

    Returns:
        int64 in 1..4096, in the shape of `leak`.

    Raises:
        DoesNotFit: If a time constant is so long that nothing is lost, or shorter than a step.

    Source:
        lava-nc 0.10.0, lava/proc/lif/models.py, subthr_dynamics: 12 bits.
    """
    parts = np.rint(np.asarray(leak, np.float64) * UNITY)
    bad = ~((parts >= 1) & (parts <= UNITY))
    if np.any(bad):
        worst = float(np.asarray(leak)[bad].flat[0])
        lasts = dt / worst if worst else np.inf
        endless = may_last and worst * UNITY < 1
        raise DoesNotFit(
            f"layer '{node}': {tau} = {_seconds(lasts)} at dt = {_seconds(dt)} gives a decay "
            f"of {worst * UNITY:.4g} parts in {UNITY}, but the register holds 1..{UNITY}. "
            f"Keep {tau} between {_seconds(dt)} and {_seconds(dt * UNITY)}, "
            + (
                f"or, for runs much shorter than {tau}, set {tau}_inv = 0: then nothing is lost."
                if endless
                else "or change dt."
            )
        )
    return parts.astype(np.int64)


def lasting_register(leak: Array, dt: float, *, node: str, tau: str) -> Array:
    """`decay_register` for a state that may also stay as it is, with a leak of exactly 0.

    Returns:
        int64 in 0..4096, in the shape of `leak`.

    Raises:
        DoesNotFit: As `decay_register`, which also says how to let the state last.
    """
    lasts = np.asarray(leak == 0)
    decay = decay_register(np.where(lasts, 1.0, leak), dt, node=node, tau=tau, may_last=True)
    return np.where(lasts, 0, decay)


def threshold_register(threshold: Array, bits: int, *, node: str, what: str = "threshold") -> Array:
    """The register for a threshold, or for its rise, in chip units of v.

    Args:
        threshold: () or (n,), float units of the chip's v.
        bits: Width of the register.
        node: Name of the layer, for the message.
        what: Name of the number, for the message.

    Returns:
        int64 in 0..2**bits - 1, the threshold without its 6 alignment bits.
    """
    register = np.rint(threshold / (1 << ALIGN_BITS)).astype(np.int64)
    top = (1 << bits) - 1
    if np.any(register < 0) or np.any(register > top):
        worst = int(register.flat[np.argmax(np.abs(register))])
        raise DoesNotFit(
            f"layer '{node}': the {what} becomes {worst}, but the register holds 0..{top}. "
            + (
                "Keep v_th above v_reset, and the largest weight above 1/500 of v_th - v_reset."
                if what == "threshold"
                else "Keep beta at 0 or above, and below a few times v_th."
            )
        )
    return register


def bias_registers(
    bias: Array,
    bits: int,
    largest_exponent: int,
    *,
    node: str,
    written: float = 0.0,
    smallest_exponent: int = 0,
) -> tuple[Array, int]:
    """Mantissa and common exponent for biases in chip units of v.

    Args:
        bias: () or (n,), float units of the chip's v; not aligned, unlike weights.
        bits: Width of the signed mantissa.
        largest_exponent: Largest exponent of the chip.
        node: Name of the layer, for the message.
        written: Largest |bias| that the host adds for a sample, same units.
        smallest_exponent: Smallest exponent of the chip.

    Returns:
        int64 mantissas in the shape of `bias`, and the smallest exponent that holds the largest
        bias.
    """
    top = (1 << (bits - 1)) - 1
    largest = float(np.max(np.abs(bias))) + written
    spare = 1 if written else 0  # two rounded values may add up to one step more than their sum
    for exponent in range(smallest_exponent, largest_exponent + 1):
        if np.rint(largest / (1 << exponent)) + spare <= top:
            return np.rint(bias / (1 << exponent)).astype(np.int64), exponent
    raise DoesNotFit(
        f"layer '{node}': the largest bias becomes {largest:.0f}, but the registers hold up to "
        f"{top << largest_exponent} ({top} x 2^{largest_exponent}). Lower the bias, or v_leak - "
        "v_reset, relative to the threshold."
    )


def _seconds(value: float) -> str:
    return f"{value:.5g} s"
