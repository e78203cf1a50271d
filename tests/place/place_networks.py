"""Small networks and small chips to place."""

from dataclasses import replace

from neurocompile.hardware import load_chip
from neurocompile.ir.fixed import CubaLIF


def neurons(*shape, **registers):
    """A population with plain registers."""
    plain = {"du": 4095, "dv": 410, "vth": 1000, "bias_mant": 0, "bias_exp": 0, "v_init": 0}
    readout = registers.pop("readout", False)
    return CubaLIF(shape, readout=readout, **{**plain, **registers})


def weights(rng, *shape):
    """Random integers of the 8-bit grid."""
    return 2 * rng.integers(-128, 128, shape)


def limited(**limits):
    """Loihi 1 with other limits of a core, or of the chip."""
    chip = load_chip("loihi-sim")
    changed = {
        key: replace(getattr(chip.limits, key), value=value) for key, value in limits.items()
    }
    return replace(chip, limits=replace(chip.limits, **changed))
