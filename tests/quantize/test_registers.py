"""Real-valued parameters become register values, or an error with the range that fits."""

import numpy as np
import pytest

from neurocompile.errors import DoesNotFit
from neurocompile.quantize.registers import bias_registers, decay_register, threshold_register


@pytest.mark.parametrize(
    ("leak", "register"),
    [
        (0.1, 410),  # 409.6, rounded to nearest
        (0.5, 2048),  # half of v lost each step, exact
        (1.0, 4096),  # nothing kept
        (1 / 4096, 1),  # the longest memory that 12 bits can hold
    ],
)
def test_a_leak_is_the_nearest_part_in_4096(leak, register):
    assert decay_register(np.array(leak), 1e-3, node="lif", tau="tau_mem") == register


@pytest.mark.parametrize(
    ("tau", "said"),
    [
        (30.0, r"layer 'lif1': tau_mem = 30 s at dt = 0.001 s gives a decay of 0.1365 parts"),
        (0.0005, r"tau_mem = 0.0005 s .* Keep tau_mem between 0.001 s and 4.096 s"),
    ],
)
def test_a_time_constant_that_no_register_holds_is_refused_with_the_range(tau, said):
    with pytest.raises(DoesNotFit, match=said):
        decay_register(np.array(1e-3 / tau), 1e-3, node="lif1", tau="tau_mem")


def test_thresholds_keep_17_bits_without_the_6_bits_of_alignment():
    assert threshold_register(np.array([64.0, 95.9, 96.1]), 17, node="n").tolist() == [1, 1, 2]
    top = 131071
    assert threshold_register(np.array(top * 64.0), 17, node="n") == top
    with pytest.raises(DoesNotFit, match=r"layer 'n': the threshold becomes 131072, .* 0..131071"):
        threshold_register(np.array((top + 1) * 64.0), 17, node="n")
    with pytest.raises(DoesNotFit, match="Keep v_th above v_reset"):
        threshold_register(np.array(-64.0), 17, node="n")


def test_a_bias_takes_the_smallest_exponent_that_holds_the_largest():
    mantissa, exponent = bias_registers(np.array([4095.0, -3.0]), 13, 7, node="n")
    assert (mantissa.tolist(), exponent) == ([4095, -3], 0)
    mantissa, exponent = bias_registers(np.array([4096.0, -6.0]), 13, 7, node="n")
    assert (mantissa.tolist(), exponent) == ([2048, -3], 1)


def test_what_the_host_writes_on_top_of_a_bias_is_reserved():
    assert bias_registers(np.array(10.0), 13, 7, node="n", written=4000.0)[1] == 0
    assert bias_registers(np.array(100.0), 13, 7, node="n", written=4000.0)[1] == 1


def test_a_bias_beyond_the_registers_is_refused_with_their_reach():
    with pytest.raises(DoesNotFit, match=r"layer 'n': the largest bias becomes 600000, .* 524160"):
        bias_registers(np.array(600000.0), 13, 7, node="n")


@pytest.mark.parametrize(
    ("leak", "said"), [(0.0, "inf s"), (np.nan, "nan s"), (1e30, "1e-33 s"), (-1.0, "-0.001 s")]
)
def test_a_leak_that_is_no_part_is_refused_without_a_warning(leak, said):
    with pytest.raises(DoesNotFit, match=rf"^layer 'lif': tau_mem = {said} at dt = 0\.001 s"):
        decay_register(np.array(leak), 1e-3, node="lif", tau="tau_mem")
