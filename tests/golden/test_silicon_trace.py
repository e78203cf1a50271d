"""The integer step gives the spikes and potentials that one neuron had on a real Loihi 2.

Trace: one LIF neuron, 1,000 steps (source in loihi2_lif.json). The board reports a potential and
a spike one step after the step that the model computes them in: a spike crosses one synapse.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from neurocompile.ir.fixed import CubaLIF
from neurocompile.ir.ops import NumpyOps

TRACE = json.loads((Path(__file__).parent / "loihi2_lif.json").read_text())
STEPS = len(TRACE["potential"])
LAG = 1  # steps


@pytest.fixture(scope="module")
def ours():
    """Spikes and potentials of the rule, (steps,) each, as the board reports them."""
    registers = TRACE["neuron"]
    neuron = CubaLIF((1,), registers["du"], registers["dv"], registers["vth"], 0, 0, 0)
    arriving = np.zeros(STEPS, np.int64)
    arriving[TRACE["input"]] = registers["weight"]
    state = np.zeros(1, np.int64), np.zeros(1, np.int64)
    spikes, potential = np.zeros((2, STEPS + LAG), np.int64)
    for step, a in enumerate(arriving, start=LAG):
        after = neuron.step(NumpyOps(), state, np.array([a]), neuron.constants())
        state, spikes[step], potential[step] = after.state, after.out[0], after.state[1][0]
    return spikes[:STEPS], potential[:STEPS]


def test_all_spikes_of_a_real_loihi_2_are_those_of_the_rule(ours):
    assert STEPS == 1000
    assert np.flatnonzero(ours[0]).tolist() == TRACE["spikes"]


def test_all_potentials_are_those_of_the_rule_but_at_the_steps_of_a_spike(ours):
    (other,) = np.nonzero(ours[1] != TRACE["potential"])
    assert other.tolist() == TRACE["spikes"]
    assert len(other) == 4


def test_at_a_spike_the_register_reads_128_where_the_rule_has_reset_to_0(ours):
    assert {TRACE["potential"][t] for t in TRACE["spikes"]} == {128}
    assert set(ours[1][TRACE["spikes"]].tolist()) == {0}
