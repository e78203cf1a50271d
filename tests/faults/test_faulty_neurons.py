"""A dead neuron does nothing, a threshold is another, and all others do as before."""

import numpy as np
from networks import dense, lif, spikes
from random_graphs import (
    adaptive_graph,
    after_spikes_graph,
    fixed_input,
    graded_graph,
    member_graph,
)
from random_parts import resonator

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.faults.neurons import (
    drifted_thresholds,
    flipped_thresholds,
    on_cores,
    silenced,
    spiking,
    thresholds,
)
from neurocompile.ir.after_spikes import AdaptiveLIF
from neurocompile.ir.chip_neurons import ATRLIF, CHIP_NEURONS, TernaryLIF
from neurocompile.ir.fixed import BiasInput, SpikeInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.nodes import Conv, Linear
from neurocompile.ir.sigma_delta import Delta
from neurocompile.ir.verify import verify
from neurocompile.place.placed import Core, Placed

GRAPHS = [  # seeds of networks in which every kind of neuron spikes
    *map(adaptive_graph, (0, 3)),
    *map(after_spikes_graph, (8, 9)),
    *map(graded_graph, (2, 4, 10)),
    *(member_graph(seed, (resonator,)) for seed in (3, 6)),
]


def network():
    """8 axons -> 6 neurons -> 4 readouts; the second of the 6 spikes in every step by its bias."""
    rng = np.random.default_rng(0)
    return chain(
        {
            "input": SpikeInput((8,)),
            "first": dense(rng, 8, 6),
            "hidden": lif((6,), mant=[0, 4000, 0, 0, 0, 0], exp=7, v=[0, 9, 0, 9, 0, 0]),
            "second": dense(rng, 6, 4),
            "out": lif((4,), vth=(1 << 17) - 1, mant=[3, 5, 7, 11], readout=True),
        }
    )


def run(graph, **values):
    return fixed.run(verify(graph, "fixed"), Encoded(values, 5)).recording


def test_a_silenced_neuron_sends_no_spike_and_the_others_do_as_before():
    graph, given = network(), spikes(1, 2, 5, (8,))
    before = run(graph, input=given)
    after = run(silenced(graph, {"hidden": np.array([1, 3])}), input=given)
    assert before.spikes["hidden"][..., 1].all()
    assert not after.spikes["hidden"][..., [1, 3]].any()
    others = [0, 2, 4, 5]
    assert (after.spikes["hidden"][..., others] == before.spikes["hidden"][..., others]).all()
    # What arrives behind it is what its lost spikes would not have brought.
    weights = graph.nodes["second"].op.weight.copy()
    weights[:, [1, 3]] = 0
    cut = Synapse(type(graph.nodes["second"].op)(weights), (6,), (4,))
    lost = run(graph.with_nodes(second=cut), input=given)
    assert (after.membrane["out"] == lost.membrane["out"]).all()


def test_a_silenced_readout_stays_at_zero():
    after = run(silenced(network(), {"out": np.array([0, 2])}), input=spikes(1, 2, 5, (8,)))
    assert not after.membrane["out"][..., [0, 2]].any()
    assert after.membrane["out"][..., [1, 3]].any()


def test_neurons_of_a_convolution_that_the_host_feeds_are_silenced_one_by_one():
    kernel = np.full((1, 1, 2, 2), 40, np.int16)
    two = (2, 2)
    graph = chain(
        {
            "image": BiasInput((1, 4, 4), (1, 4, 4), 4000.0),
            "pixels": lif((1, 4, 4), exp=3),
            "conv": Synapse(Conv(kernel, None, two, (0, 0), (1, 1), 1), (1, 4, 4), (1, 2, 2)),
            "lif": lif((1, 2, 2)),
        }
    )
    given = np.full((1, 1, 4, 4), 4000, np.int16)
    before = run(graph, image=given)
    # The four pixels of the first patch, and the last neuron of the convolution.
    faulty = silenced(graph, {"pixels": np.array([0, 1, 4, 5]), "lif": np.array([3])})
    written = np.where(faulty.nodes["image"].scale == 0, 0, given).astype(np.int16)
    after = run(faulty, image=written)
    assert before.spikes["lif"].sum(axis=(0, 1, 2)).all()
    assert after.spikes["lif"].sum(axis=1).ravel().astype(bool).tolist() == [0, 1, 1, 0]
    assert (after.spikes["lif"][0, :, 0, 0, 1] == before.spikes["lif"][0, :, 0, 0, 1]).all()


def test_a_neuron_with_a_delay_for_each_weight_is_silenced_too():
    late = np.array([[0, 1], [2, 0]])
    weight = np.full((2, 2), 200, np.int16)
    graph = chain(
        {
            "input": SpikeInput((2,)),
            "syn": Synapse(Linear(weight), (2,), (2,), late=late),
            "out": lif((2,)),
        }
    )
    found = run(silenced(graph, {"out": np.array([1])}), input=np.ones((1, 5, 2), np.uint8))
    assert found.spikes["out"].any(axis=(0, 1)).tolist() == [True, False]


def spikes_of(graph, written, seed):
    """Spikes by population, the samples and steps first, the neurons in C order."""
    values, steps = fixed_input(graph, seed)
    for name, node in written.of(BiasInput):
        values[name] = np.where(node.scale == 0, 0, values[name])
    found = fixed.run(verify(written, "fixed"), Encoded(values, steps)).recording.spikes
    return {name: sent.reshape(*sent.shape[:2], -1) for name, sent in found.items()}


def test_a_dead_neuron_of_any_kind_never_spikes():
    seen = set()
    for graph in GRAPHS:
        rng = np.random.default_rng(0)
        dead = {name: rng.permutation(n)[: (n + 1) // 2] for name, n in spiking(graph).items()}
        sound = spikes_of(graph, graph, 0)
        found = spikes_of(graph, silenced(graph, dead), 0)
        for name, which in dead.items():
            assert not found[name][..., which].any()
            if sound[name][..., which].any():
                seen.add(type(graph.nodes[name]))
    assert seen == set(CHIP_NEURONS)


def test_a_dead_atrlif_does_not_reach_a_threshold_of_zero():
    graph = chain(
        {
            "input": SpikeInput((2,)),
            "syn": dense(np.random.default_rng(0), 2, 2),
            "out": ATRLIF((2,), 4095, 0, 0, 0, 0, 5, 0, 0, 0),
        }
    )
    given = np.zeros((1, 5, 2), np.uint8)
    assert run(graph, input=given).spikes["out"].any(axis=(0, 1)).tolist() == [True, True]
    found = run(silenced(graph, {"out": np.array([0])}), input=given)
    assert found.spikes["out"].any(axis=(0, 1)).tolist() == [False, True]


def test_the_neurons_of_cores_are_those_that_the_placement_put_there(loihi):
    cores = tuple(Core(k, {}, {}) for k in range(3))
    core_of = {"hidden": np.array([0, 0, 1, 1, 2, 2]), "out": np.array([2, 2, 2, 2])}
    placed = Placed(network(), loihi, cores, core_of, {})
    found = on_cores(placed, np.array([2, 0]))
    assert {name: each.tolist() for name, each in found.items()} == {
        "hidden": [0, 1, 4, 5],
        "out": [0, 1, 2, 3],
    }
    assert {name: each.tolist() for name, each in on_cores(placed, np.array([1])).items()} == {
        "hidden": [2, 3]
    }


def populations():
    """A LIF, two kinds with other threshold registers, one whose threshold must not be 0."""
    return chain(
        {
            "input": SpikeInput((2,)),
            "a": dense(np.random.default_rng(0), 2, 2),
            "lif": lif((2,), vth=90),
            "b": dense(np.random.default_rng(1), 2, 1),
            "ternary": TernaryLIF((1,), 4095, 300, 90, -50, 0, 0, 0),
            "c": dense(np.random.default_rng(2), 1, 1),
            "rising": AdaptiveLIF((1,), 4095, 300, 0, 1000, 0, 0, 0, 0),
            "d": dense(np.random.default_rng(3), 1, 1),
            "delta": Delta((1,), 1),
            "e": dense(np.random.default_rng(4), 1, 1),
            "out": lif((1,), vth=(1 << 17) - 1, readout=True),
        }
    )


def test_every_threshold_of_a_neuron_that_can_spike_is_a_place():
    assert thresholds(populations()) == {
        "lif/vth": 2,
        "ternary/vth_hi": 1,
        "ternary/vth_lo": 1,
        "rising/theta_0": 1,
        "delta/vth": 1,
    }


def values(graph):
    """Every threshold register, spelled out for each neuron."""
    found = {}
    for place, neurons in thresholds(graph).items():
        name, register = place.split("/")
        node = graph.nodes[name]
        found[place] = np.broadcast_to(getattr(node, register), (neurons,)).tolist()
    return found


def test_a_flipped_threshold_has_one_other_bit_of_its_register():
    # 90 = 1011010, and bit 1 of 17 is at 1.5 / 17; -50 is stored as 50 = 110010, bit 16 adds 65536.
    # theta_0 has 12 bits: 0.99 is bit 11, and 1000 + 2048 = 3048. A vth of 1 without bit 0 would
    # be 0, which this neuron has not: 1 stays.
    luck = np.array([1.5 / 17, 0.99, 0.99, 0.0])
    found = flipped_thresholds(populations(), np.array([1, 3, 4, 5]), luck)
    assert values(found) == {
        "lif/vth": [90, 88],
        "ternary/vth_hi": [90],
        "ternary/vth_lo": [-65586],
        "rising/theta_0": [3048],
        "delta/vth": [1],
    }
    verify(found, "fixed")


def test_a_drifted_threshold_is_off_by_the_factor_either_way_within_its_register():
    # 90 x 1.25 = 112.5, a tie that goes to even; 90 / 1.25 = 72; -50 x 1.25 = -62.5, to even too.
    luck = np.array([0.5, 0.49, 0.2, 0.7, 0.9, 0.1])
    found = drifted_thresholds(populations(), np.arange(6), luck, 1.25)
    assert values(found) == {
        "lif/vth": [112, 72],
        "ternary/vth_hi": [72],
        "ternary/vth_lo": [-62],
        "rising/theta_0": [1250],
        "delta/vth": [1],
    }
    far = drifted_thresholds(populations(), np.arange(6), np.full(6, 0.9), 1e300)
    assert values(far)["lif/vth"] == [131071, 131071]
    assert values(far)["rising/theta_0"] == [4095]
