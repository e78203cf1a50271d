"""A recording in pieces gives the bits of the same recording in one."""

import numpy as np
import pytest
from random_graphs import MAKERS, fixed_input
from random_packs import pack

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.ir.chip_neurons import CHIP_NEURONS
from neurocompile.ir.fixed import BiasInput
from neurocompile.ir.verify import verify

FIXED_MAKERS = [make for make in MAKERS if "float" not in make.__name__]


def pieces_of(graph, encoded, ends):
    """The input of each piece, and where it ends; biases stay those of the sample."""
    for begin, end in zip((0, *ends), (*ends, encoded.steps), strict=True):
        values = {
            name: v if isinstance(graph.nodes[name], BiasInput) else v[:, begin:end]
            for name, v in encoded.values.items()
        }
        yield begin, end, Encoded(values, end - begin)


def assert_pieces_agree(graph, encoded, ends):
    """Run in one and in pieces; the number of spikes that were compared."""
    whole = fixed.run(graph, encoded, carry=True)
    state, sums = None, {}
    for begin, end, piece in pieces_of(graph, encoded, ends):
        part = fixed.run(graph, piece, state=state, carry=True)
        state = part.state
        for name, v in part.recording.membrane.items():
            np.testing.assert_array_equal(v, whole.recording.membrane[name][:, begin:end])
        for name, sent in part.recording.spikes.items():
            np.testing.assert_array_equal(sent, whole.recording.spikes[name][:, begin:end])
        for name, did in part.activity.items():
            sums[name] = sums.get(name, 0) + did.updated
    assert sums == {name: did.updated for name, did in whole.activity.items()}
    assert state.steps == whole.state.steps == encoded.steps
    for name, values in whole.state.values.items():
        np.testing.assert_array_equal(state.values[name], values)
    return sum(int(np.count_nonzero(sent)) for sent in whole.recording.spikes.values())


@pytest.mark.parametrize("make", FIXED_MAKERS, ids=lambda make: make.__name__)
def test_random_networks_go_on_where_they_stopped(make):
    compared = 0
    for seed in range(12):
        graph = verify(make(seed), "fixed")
        encoded = Encoded(*fixed_input(graph, seed))
        if encoded.steps < 3:
            continue
        rng = np.random.default_rng(seed)
        ends = sorted(rng.choice(np.arange(1, encoded.steps), 2, replace=False).tolist())
        try:
            compared += assert_pieces_agree(graph, encoded, ends)
        except DoesNotFit:
            continue
    assert compared > 500


@pytest.mark.parametrize("kind", CHIP_NEURONS)
def test_every_neuron_of_a_chip_goes_on_step_by_step(kind):
    graph, encoded = pack(kind, 1)
    assert assert_pieces_agree(graph, encoded, list(range(1, encoded.steps))) > 100


def test_the_state_of_another_network_is_refused():
    (graph, encoded), (other, _) = pack(CHIP_NEURONS[0], 1), pack(CHIP_NEURONS[0], 2)
    state = fixed.run(graph, encoded, carry=True).state
    with pytest.raises(BadInput, match="the state is one of another network"):
        fixed.run(other, encoded, state=state)


def test_the_state_of_another_number_of_samples_is_refused():
    graph, encoded = pack(CHIP_NEURONS[0], 1)
    state = fixed.run(graph, encoded, carry=True).state
    fewer = Encoded({name: v[:1] for name, v in encoded.values.items()}, encoded.steps)
    with pytest.raises(BadInput, match="holds 2 samples side by side, but 1 are given"):
        fixed.run(graph, fewer, state=state)
