"""One scale a population: the finest that keeps every register and state in its width."""

import numpy as np
import pytest

from neurocompile.errors import DoesNotFit
from neurocompile.quantize.scales import Demand, choose_scale, smallest_exponent


def demand(**parts):
    plain = {
        "weight_high": 1.0,
        "weight_low": -1.0,
        "threshold": 1.0,
        "bias": 0.0,
        "current_peak": 1.0,
        "potential_peak": 1.0,
    }
    return Demand("lif", **{**plain, **parts})


def test_the_largest_weight_takes_the_grid_and_the_exponent_what_room_there_is(loihi):
    scale = choose_scale(demand(), loihi, 8)
    # 254 * 2^e * 64 units a unit of v must stay below 2^22: e = 7 gives 2080768, e = 8 is none
    assert scale.weight_exp == 7
    assert scale.unit == 254 * 2**7 * 64


def test_a_potential_that_swings_wide_costs_resolution(loihi):
    scale = choose_scale(demand(potential_peak=100.0), loihi, 8)
    # 254 * 2^e * 64 * 100 < 2^22 holds up to e = 1
    assert scale.weight_exp == 1


def test_a_threshold_far_above_the_weights_needs_a_negative_exponent(loihi):
    scale = choose_scale(demand(threshold=2000.0, potential_peak=500.0), loihi, 8)
    # 254 * 2^e * 2000 <= 131071 holds up to e = -2
    assert scale.weight_exp == -2


def test_a_threshold_that_no_exponent_reaches_is_refused_by_name(loihi):
    with pytest.raises(DoesNotFit, match=r"layer 'lif': the threshold is too large .* -8..7"):
        choose_scale(demand(threshold=1e6, potential_peak=0.0, current_peak=0.0), loihi, 8)


def test_without_synapses_the_unit_fills_the_registers(loihi):
    scale = choose_scale(demand(weight_high=0.0, weight_low=0.0, bias=0.5), loihi, 8)
    assert scale.unit == 4094 * 2**7 / 0.5  # one mantissa step is kept for rounding
    assert scale.weight_exp == 0


def test_a_bias_axon_takes_the_smallest_exponent_that_reaches(loihi):
    assert smallest_exponent(np.array([254 * 64.0]), loihi, 8, node="n") == 0
    assert smallest_exponent(np.array([255 * 64.0]), loihi, 8, node="n") == 1
    with pytest.raises(DoesNotFit, match="but an axon carries up to 32512"):
        smallest_exponent(np.array([1e9]), loihi, 8, node="n")
