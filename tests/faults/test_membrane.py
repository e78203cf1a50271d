"""A potential has another bit from one step on."""

import numpy as np
import pytest
from networks import dense, lif
from random_graphs import after_spikes_graph, fixed_input, graded_graph, looped_fixed_graph

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.engines.agree import run_engine
from neurocompile.faults.membrane import Upset, potentials, run_upset, upset
from neurocompile.ir.fixed import ChipNeuron, SpikeInput
from neurocompile.ir.graph import chain


def network(neurons=1, **registers):
    """Axons that nothing comes through, and neurons whose threshold is 90 x 64 = 5760."""
    return chain(
        {
            "input": SpikeInput((2,)),
            "syn": dense(np.random.default_rng(0), 2, neurons),
            "out": lif((neurons,), **{"dv": 0, "vth": 90, **registers}),
        }
    )


def silence(steps, samples=1):
    return Encoded({"input": np.zeros((samples, steps, 2), np.uint8)}, steps)


@pytest.mark.parametrize(
    ("bit", "dv", "potentials", "spikes"),
    [
        (12, 0, [0, 0, 4096, 4096], [0, 0, 0, 0]),
        (12, 2048, [0, 0, 2048, 1024], [0, 0, 0, 0]),  # half is lost in each step
        (13, 0, [0, 0, 0, 0], [0, 0, 1, 0]),  # 8192 is above the threshold, and is reset
        (23, 0, [0, 0, 1 - 2**23, 1 - 2**23], [0, 0, 0, 0]),  # the sign; -2^23 is no potential
    ],
)
def test_a_bit_turns_over_after_its_step(bit, dv, potentials, spikes):
    graph = network(dv=dv)
    disturbed = upset(graph, np.array([0]), np.array([(bit + 0.5) / 24]), 2)
    found = run_upset(graph, silence(4, samples=2), disturbed, read=("out",))
    for sample in range(2):
        assert found.membrane["out"][sample, :, 0].tolist() == potentials
        assert found.spikes["out"][sample, :, 0].tolist() == spikes
    assert found.activity["out"].spikes.tolist() == [2 * sum(spikes)]


def test_a_negative_potential_is_a_word_in_two_s_complement():
    graph = network(v=-3)  # ...11111101: without bit 2 it is -7, with bit 1 it is -1
    for bit, after in ((2, -7), (1, -1)):
        disturbed = Upset(1, {"out": np.array([1 << bit])})
        found = run_upset(graph, silence(2), disturbed, read=("out",))
        assert found.membrane["out"][0, :, 0].tolist() == [-3, after]


def test_a_network_at_rest_goes_on_as_one_that_starts_so():
    """By a second method: the disturbed potentials as registers, on another engine."""
    graph = network(6, dv=300, mant=0)
    luck = (np.array([3, 9, 12, 13, 14, 22]) + 0.5) / 24
    found = run_upset(graph, silence(8), upset(graph, np.arange(6), luck, 1), read=("out",))
    start = np.left_shift(1, np.array([3, 9, 12, 13, 14, 22]))
    again = run_engine("onnx", network(6, dv=300, v=start), silence(7))
    assert (found.membrane["out"][:, 1:] == again.membrane["out"]).all()
    assert (found.spikes["out"][:, 1:] == again.spikes["out"]).all()
    assert found.spikes["out"].any()


@pytest.mark.parametrize(
    ("make", "seed"),
    [(looped_fixed_graph, 0), (looped_fixed_graph, 1), (after_spikes_graph, 8), (graded_graph, 2)],
)
def test_without_any_bit_it_is_the_run_of_the_network(make, seed):
    graph = make(seed)
    given = Encoded(*fixed_input(graph, seed))
    names = [name for name, _ in graph.of(ChipNeuron)]
    whole = fixed.run(graph, given)
    for step in (1, given.steps // 2, given.steps - 1):
        found = run_upset(graph, given, Upset(step, {}), read=names)
        for name in names:
            assert (found.spikes[name] == whole.recording.spikes[name]).all()
            assert (found.membrane[name] == whole.recording.membrane[name]).all()
            assert (found.activity[name].spikes == whole.activity[name].spikes).all()
            assert found.activity[name].updated == whole.activity[name].updated


def test_readouts_have_potentials_too():
    assert potentials(network(3, readout=True)) == {"out": 3}
