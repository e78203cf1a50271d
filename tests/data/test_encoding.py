"""Random input spikes: integers only, the same for a sample in every batch and on every machine."""

import hashlib

import numpy as np
import pytest

from neurocompile.data.encoding import bernoulli
from neurocompile.errors import BadInput

# The Philox test below ties the draws to the published algorithm.
GOLDEN = "a9130833862394b5659be5b1318850c8a30c805123385ece3fe9b16c1e6c3b51"


def philox4x64_10(counter, key):
    """Philox4x64-10 in plain Python integers, after Salmon et al. (SC 2011): the second method."""
    mask = 2**64 - 1
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * c0, 2**64)
        high1, low1 = divmod(0xCA5A826395121157 * c2, 2**64)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & mask, (k1 + 0xBB67AE8584CAA73B) & mask
    return c0, c1, c2, c3


def test_a_spike_is_a_philox_draw_below_p_times_two_to_the_32():
    seed, index, steps, p = 7, 11, 5, np.array([0.1, 0.5, 0.9])
    words = [w for block in (1, 2) for w in philox4x64_10((block, 0, 0, 0), (seed, index))]
    draws = [half for w in words for half in (w & 0xFFFFFFFF, w >> 32)][: steps * 3]
    expected = [[int(draws[t * 3 + k] < int(p[k] * 2**32)) for k in range(3)] for t in range(steps)]
    found = bernoulli(p[None], steps, seed=seed, first_index=index)
    assert found.dtype == np.uint8
    assert found[0].tolist() == expected


def test_the_spikes_of_a_known_input_never_change():
    values = np.linspace(0, 1, 3 * 4 * 5).reshape(3, 4, 5)
    spikes = bernoulli(values, 16, gain=0.8, seed=2026, first_index=40)
    assert spikes.shape == (3, 16, 4, 5)
    assert hashlib.sha256(spikes.tobytes()).hexdigest() == GOLDEN


def test_a_sample_has_the_same_spikes_in_every_batch():
    values = np.random.default_rng(0).random((6, 10))
    whole = bernoulli(values, 8, seed=3)
    for cut in range(1, 6):
        parts = (
            bernoulli(values[:cut], 8, seed=3),
            bernoulli(values[cut:], 8, seed=3, first_index=cut),
        )
        assert np.array_equal(np.concatenate(parts), whole)


def test_a_longer_run_starts_with_the_shorter_one():
    values = np.full((2, 7), 0.4)
    assert np.array_equal(bernoulli(values, 20, seed=1)[:, :9], bernoulli(values, 9, seed=1))


def test_probability_one_always_spikes_and_zero_never():
    spikes = bernoulli(np.array([[0.0, 1.0]]), 10_000, seed=5)
    assert spikes[0].sum(0).tolist() == [0, 10_000]


def test_the_mean_rate_is_the_probability():
    """Standard error of 100,000 draws at p = 0.3: 0.00145."""
    assert abs(bernoulli(np.full((10, 100), 0.6), 100, gain=0.5, seed=9).mean() - 0.3) < 0.006


def test_other_seeds_and_samples_give_other_spikes():
    values = np.full((2, 50), 0.5)
    first, second = bernoulli(values, 20, seed=1)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, bernoulli(values, 20, seed=2)[0])


@pytest.mark.parametrize("value", [-0.1, 1.01, np.nan, np.inf])
def test_a_value_that_is_no_probability_is_refused_with_its_place(value):
    values = np.array([[0.2, 0.3], [0.4, value]])
    with pytest.raises(BadInput, match=r"at index \[1, 1\] times gain 1 is .*lies in \[0, 1\]"):
        bernoulli(values, 4, seed=0)


def test_a_gain_that_leads_out_of_range_is_named():
    with pytest.raises(BadInput, match=r"value 0\.6 at index .* times gain 2 is 1\.2"):
        bernoulli(np.array([[0.6]]), 4, gain=2, seed=0)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"seed": -1}, {"seed": 2**64}, {"first_index": -1}]
)
def test_an_argument_out_of_range_is_refused(wrong):
    arguments = {"steps": 4, "seed": 0, **wrong}
    with pytest.raises(BadInput, match=next(iter(wrong))):
        bernoulli(np.array([[0.5]]), **arguments)
