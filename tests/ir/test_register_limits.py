"""What registers and synapse memory hold, in numbers worked out by hand."""

import numpy as np
import pytest

from neurocompile.ir.registers import (
    KEEPS_NO_CURRENT,
    REGISTERS,
    WEIGHT_WIDTHS,
    Grid,
)


def test_a_register_holds_what_its_bits_hold():
    assert REGISTERS == {
        "du": (-1, 4095),  # 12 bits, one less than the decay
        "dv": (0, 4096),
        "dtheta": (0, 4096),
        "dr": (0, 4096),
        "sin_decay": (-4096, 4096),  # parts in 2^12 at most, of either sign
        "cos_decay": (-4096, 4096),
        "vth": (0, 131071),  # 17 bits
        "vth_hi": (0, 131071),
        "vth_lo": (-131071, 0),
        "refractory": (1, 63),  # 6 bits, 0 is not used
        "theta_0": (0, 4095),  # 12 bits
        "theta_step": (0, 4095),
        "bias_mant": (-4096, 4095),  # 13 bits, signed
        "bias_exp": (0, 7),
        "v_init": (-8388607, 8388607),  # 24 bits, the lowest left out
        "act_init": (-8388607, 8388607),
    }
    assert KEEPS_NO_CURRENT == 4095


@pytest.mark.parametrize(
    ("bits", "step", "stored", "used"),
    [
        (8, 2, (-256, 254), (-256, 254)),
        (7, 4, (-256, 252), (-256, 252)),
        (4, 32, (-256, 224), (-256, 224)),
        (3, 64, (-256, 192), (-256, 192)),
        (2, 128, (-256, 128), (-128, 128)),  # memory holds -256 too, but a weight is -1, 0 or 1
    ],
)
def test_a_weight_of_fewer_bits_takes_longer_steps_from_the_same_end(bits, step, stored, used):
    grid = Grid(bits)
    assert (grid.step, grid.stored, grid.used) == (step, stored, used)


@pytest.mark.parametrize(
    ("bits", "values", "nearest"),
    [
        (8, [3.1, -3.1, 1.0, 254.9, -256.0], [4, -4, 0, 254, -256]),
        (4, [31.0, -17.0, 255.0], [32, -32, 224]),
        (2, [63.0, 65.0, -200.0], [0, 128, -128]),  # ternary
    ],
)
def test_weights_go_to_the_nearest_point_of_the_grid(bits, values, nearest):
    found = Grid(bits).nearest(np.array(values))
    assert found.dtype == np.int16
    assert found.tolist() == nearest


@pytest.mark.parametrize("bits", range(WEIGHT_WIDTHS[0], WEIGHT_WIDTHS[1] + 1))
def test_a_grid_holds_as_many_weights_as_its_bits_count(bits):
    grid = Grid(bits)
    low, high = grid.stored
    assert len(range(low, high + 1, grid.step)) == 2**bits
    every = np.arange(grid.used[0], grid.used[1] + 1, grid.step)
    assert grid.nearest(every).tolist() == every.tolist()
