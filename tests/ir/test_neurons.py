"""The steps of neurons that forget nothing, by hand; those of the others are Norse's."""

import numpy as np
import pytest

from neurocompile.errors import BadInput
from neurocompile.ir import reference
from neurocompile.ir.fixed import CubaLIF
from neurocompile.ir.graph import chain
from neurocompile.ir.neurons import (
    IAF,
    LI,
    LIF,
    Integrator,
    LIFBox,
    StepParameters,
    level_of,
    start_of,
)
from neurocompile.ir.nodes import Input
from neurocompile.ir.ops import NumpyOps
from neurocompile.ir.time import _pre_image
from neurocompile.ir.verify import verify

HALF = np.array(0.5)


def run(node, values):
    graph = verify(chain({"in": Input((1,)), "n": node}), "float")
    outs, potentials = reference.run_float(graph, np.array(values, dtype=float)[:, None])
    return outs["n"].ravel().tolist(), potentials["n"].ravel().tolist()


@pytest.mark.parametrize(
    ("node", "fired", "potentials"),
    [
        # from -0.5: 0.5, then 1.5 is over 1 and goes to -0.5; 0.5; 1 does not exceed 1
        (IAF(np.array(1.0), -HALF), [0, 1, 0, 0], [0.5, -0.5, 0.5, 1.0]),
        # from 0: 1, then 2 - 1, then 2 - 1, then 1.5 - 1
        (IAF(np.array(1.0), 0 * HALF, "subtract"), [0, 1, 1, 1], [1.0, 1.0, 1.0, 0.5]),
    ],
)
def test_an_integrate_and_fire_neuron_starts_where_it_resets_to(node, fired, potentials):
    assert run(node, [1, 1, 1, 0.5]) == ([bool(n) for n in fired], potentials)


def test_a_spike_may_subtract_another_amount_than_the_threshold():
    half = np.array(500.0)  # of v, at 1 ms
    zero, one, two = np.array(0.0), np.array(1.0), np.array(2.0)
    box = LIFBox(half, zero, one, zero, "subtract", two)
    # half of 3 is 1.5 - 2; then (-0.5 + 3) / 2 = 1.25 - 2; then (-0.75 + 0) / 2
    assert run(box, [3, 3, 0]) == ([True, True, False], [-0.5, -0.75, -0.375])
    # a current that is gone after its step is no current
    lif = LIF(np.array(1000.0), half, zero, one, zero, "subtract", two)
    assert run(lif, [3, 3, 0]) == ([True, True, False], [-0.5, -0.75, -0.375])
    iaf = IAF(one, zero, "subtract", two)
    assert run(iaf, [1.5, 1.5, 3]) == ([True, False, True], [-0.5, 1.0, 2.0])


def test_an_integrator_adds_up_from_zero_and_never_spikes():
    values = [1.0, -3.0, 0.0, 2.5]
    assert run(Integrator(), values) == ([1.0, -2.0, -2.0, 0.5], [1.0, -2.0, -2.0, 0.5])


def test_a_neuron_states_where_it_starts_and_what_a_chip_calls_zero():
    p = StepParameters(v_leak=3.0, v_reset=7.0)
    lif = LIF(*(HALF,) * 5)
    assert (start_of(lif, p), level_of(lif, p)) == (3.0, 7.0)
    li = LI(*(HALF,) * 3)
    assert (start_of(li, p), level_of(li, p)) == (3.0, 3.0)
    iaf = IAF(HALF, HALF)
    assert (start_of(iaf, p), level_of(iaf, p)) == (7.0, 7.0)
    subtracting = IAF(HALF, HALF, "subtract")
    assert (start_of(subtracting, p), level_of(subtracting, p)) == (7.0, None)
    assert (start_of(Integrator(), p), level_of(Integrator(), p)) == (None, None)


def test_a_threshold_for_every_neuron_must_have_the_layers_shape():
    graph = chain({"in": Input((3,)), "n": IAF(np.ones(2), np.zeros(()))})
    with pytest.raises(BadInput, match=r"layer 'n' \(IAF\): its v_th has shape \(2,\), allowed"):
        verify(graph, "float")


@pytest.mark.parametrize("v_init", [0, 7, -900])
@pytest.mark.parametrize("bias", [0, 13, -13])
def test_without_a_decay_the_start_lies_one_bias_a_step_before(v_init, bias):
    node = CubaLIF((1,), 4095, 0, 5000, bias, 0, v_init)
    early = _pre_image("n", node, 5)
    assert early.tolist() == [v_init - 5 * bias]
    state = (np.zeros(1, dtype=np.int64), early)
    for _ in range(5):
        state = node.step(NumpyOps(), state, np.int64(0), node.constants()).state
    assert state[1].tolist() == [v_init]


def test_a_neuron_with_a_current_may_subtract_its_threshold():
    """Leaks of 1/2 (dt 1 ms, 500/s). i = 4, v = 2 - 1 = 1; i = 2, v = 1.5 - 1; i = 1, v = 0.75."""
    half = np.array(500.0)
    node = LIF(half, half, 0 * HALF, np.array(1.0), 0 * HALF, "subtract")
    assert run(node, [4, 0, 0]) == ([True, True, False], [1.0, 0.5, 0.75])
    assert level_of(node, StepParameters(v_leak=3.0, v_reset=7.0)) is None
