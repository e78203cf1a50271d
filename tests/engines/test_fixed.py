"""What the fixed engine counts, records and refuses."""

import numpy as np
import pytest

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Conv, Linear


def network(weight, *, exponent=0, shape=None, **registers):
    """Input -> one synapse -> one population."""
    weight = np.array(weight, dtype=np.int16)
    plain = {"du": 4095, "dv": 0, "vth": 100, "bias_mant": 0, "bias_exp": 0, "v_init": 0}
    n_out, n_in = weight.shape
    return Graph(
        {
            "in": SpikeInput((n_in,)),
            "s": Synapse(Linear(weight), (n_in,), (n_out,), exponent),
            "out": CubaLIF((n_out,), **{**plain, **registers}),
        },
        (("in", "s"), ("s", "out")),
    )


def encoded(rows):
    x = np.array(rows, dtype=np.uint8)
    return Encoded({"in": x}, x.shape[1])


def test_a_neuron_is_updated_where_input_arrived_or_state_or_bias_is_not_zero():
    # One neuron, weight 2: step 1 nothing, step 2 a spike arrives, step 3 v is not 0, and so on
    graph = network([[2]])
    run = fixed.run(graph, encoded([[[0], [1], [0], [0]]]))
    assert run.activity["out"].updated == 3
    biased = fixed.run(network([[2]], bias_mant=1), encoded([[[0], [0], [0], [0]]]))
    assert biased.activity["out"].updated == 4


def test_a_spike_through_a_weight_of_zero_still_arrives():
    run = fixed.run(network([[0], [0]]), encoded([[[1], [0]]]))
    assert run.activity["out"].updated == 2


def test_arrivals_of_a_convolution_reach_only_its_receptive_field():
    op = Conv(np.full((1, 1, 3), 2, dtype=np.int16), None, (1,), (1,), (1,), 1)
    fired = np.zeros((1, 1, 5), dtype=np.uint8)
    fired[0, 0, 0] = 1
    import torch

    from neurocompile.engines.fixed.torch_path import arrived

    reached = arrived(Synapse(op, (1, 5), (1, 5)), torch.from_numpy(fired))
    assert reached.tolist() == [[True, True, False, False, False]]


def test_saturations_and_wraps_are_counted():
    full = fixed.run(network([[2]], v_init=8388607, vth=131071), encoded([[[0], [1]]]))
    assert full.activity["out"].saturations == 0  # it spikes in step 1 and starts anew
    low = fixed.run(network([[-256]], v_init=-8388600), encoded([[[1], [1]]]))
    assert low.activity["out"].saturations == 2
    wide = network(np.full((1, 600), 254))
    wrapped = fixed.run(wide, encoded(np.ones((1, 1, 600))))
    assert wrapped.activity["out"].wraps == 1  # 600 * 254 * 64 is beyond 2^23


def test_a_current_that_one_wrap_does_not_bring_back_stops_with_layer_and_step():
    graph = network(np.full((1, 1600), 254))
    rows = np.zeros((1, 2, 1600))
    rows[0, 1] = 1
    with pytest.raises(DoesNotFit, match=r"layer 'out', step 2: the synaptic current reaches 2600"):
        fixed.run(graph, encoded(rows))


def test_a_readout_that_spikes_is_an_error_that_names_it():
    graph = network([[254]], readout=True, vth=1)
    with pytest.raises(DoesNotFit, match=r"readout 'out' reached its threshold"):
        fixed.run(graph, encoded([[[1]]]))


def test_input_that_is_not_binary_is_refused():
    with pytest.raises(BadInput, match=r"the input .in. holds 0..2, but only 0..1 is allowed"):
        fixed.run(network([[2]]), encoded([[[2], [0]]]))


def test_a_negative_exponent_drops_low_bits_of_the_sum_toward_minus_infinity():
    # (-6 + 4) >> 2 is -1, not 0; times 64
    run = fixed.run(network([[-6, 4]], exponent=-2), encoded([[[1, 1]]]))
    assert run.recording.membrane["out"].ravel().tolist() == [-64]


def test_each_sample_of_a_batch_equals_the_sample_alone():
    rng = np.random.default_rng(0)
    graph = network(rng.integers(-128, 127, (9, 12)) * 2, du=1000, dv=300, bias_mant=20)
    x = (rng.random((5, 15, 12)) < 0.3).astype(np.uint8)
    together = fixed.run(graph, Encoded({"in": x}, 15)).recording
    for sample in range(5):
        alone = fixed.run(graph, Encoded({"in": x[sample : sample + 1]}, 15)).recording
        np.testing.assert_array_equal(alone.membrane["out"][0], together.membrane["out"][sample])


def test_only_what_is_asked_for_is_recorded():
    run = fixed.run(network([[2]]), encoded([[[1]]]), spikes=("out",), membrane=())
    assert list(run.recording.spikes) == ["out"]
    assert not run.recording.membrane
