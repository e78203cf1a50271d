"""Neurons that remember their spikes: steps by hand, and every engine on the same bits as Lava's.

FUZZ_N says how many random networks run.
"""

import os

import numpy as np
import pytest
from random_graphs import after_spikes_graph, fixed_input
from random_parts import population, rising

from neurocompile.chip.read import load_chip
from neurocompile.compiler import compile_graph
from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed, lava
from neurocompile.engines import onnx as onnx_engine
from neurocompile.engines.activity import activity_of
from neurocompile.engines.fixed.torch_path import run_torch
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.formats.load_onnx import from_onnx
from neurocompile.formats.onnx.write import to_onnx
from neurocompile.ir import reference
from neurocompile.ir.after_spikes import AdaptiveLIF, RefractoryLIF
from neurocompile.ir.chip_neurons import ATRLIF
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import chain, same
from neurocompile.ir.nodes import Linear
from neurocompile.ir.ops import NumpyOps
from neurocompile.ir.time import lead_in
from neurocompile.ir.verify import verify
from neurocompile.place.placement import place

NETWORKS = int(os.environ.get("FUZZ_N", "5"))
FORGETS = {"du": 4095, "dv": 4096}  # current and potential of one step only
NO_BIAS = {"bias_mant": 0, "bias_exp": 0, "v_init": 0}


def one(population, weight=10):
    """An axon, a synapse of one weight, a population of one."""
    synapse = Synapse(Linear(np.array([[weight]], np.int16)), (1,), (1,))
    return verify(chain({"in": SpikeInput((1,)), "s": synapse, "pop": population}), "fixed")


def run(graph, train):
    found = fixed.run(graph, Encoded({"in": np.array(train, np.uint8)[None, :, None]}, len(train)))
    spiked, v = found.recording.spikes["pop"][0, :, 0], found.recording.membrane["pop"][0, :, 0]
    return spiked.tolist(), v.tolist(), found.activity["pop"]


def stepped(population, arriving):
    """Spikes and potentials of a population by its own step; arriving (steps, n)."""
    p, zero = population.constants(), np.zeros(population.shape, np.int64)
    state, spikes, potentials = population.start(p, population.v_init + zero, zero), [], []
    for a in arriving:
        after = population.step(NumpyOps(), state, a, p)
        state = after.state
        spikes.append(after.out)
        potentials.append(state[1])
    return np.array(spikes), np.array(potentials)


def test_a_neuron_is_held_at_0_until_its_refractory_period_is_over():
    # 10 x 64 arrives in each step, the threshold is 9 x 64: a spike whenever the neuron is free
    held = RefractoryLIF((1,), **FORGETS, **NO_BIAS, vth=9, refractory=3)
    spiked, v, _ = run(one(held), [1, 1, 1, 1, 0, 0, 0, 1, 1])
    assert spiked == [1, 0, 0, 1, 0, 0, 0, 1, 0]
    assert v == [0] * 9


def test_the_current_goes_on_and_the_potential_starts_anew_after_a_refractory_period():
    # du = -1 keeps the current: u = 640 from step 1 on; dv = 0: v adds it up, but only when free
    held = RefractoryLIF((1,), du=-1, dv=0, **NO_BIAS, vth=15, refractory=4)
    spiked, v, activity = run(one(held), [1, *[0] * 8])
    assert v == [640, 0, 0, 0, 0, 640, 0, 0, 0]
    assert spiked == [0, 1, 0, 0, 0, 0, 1, 0, 0]
    assert activity.updated == 9


def test_a_neuron_that_waits_is_updated_until_it_is_at_rest():
    held = RefractoryLIF((1,), **FORGETS, **NO_BIAS, vth=9, refractory=5)
    _, _, activity = run(one(held), [1, *[0] * 10])
    # the step of the spike; then u = 640 and wait = 4, 3, 2, 1 at the start of a step
    assert activity.updated == 1 + 4


def test_a_refractory_period_of_1_is_the_lif():
    rng = np.random.default_rng(1)
    arriving = rng.integers(-60, 100, (40, 5))
    lif = population(rng, (5,))
    lif = CubaLIF(**{**vars(lif), "reset": "zero"})
    names = {k: v for k, v in vars(lif).items() if k != "reset"}
    for ours, theirs in zip(
        stepped(RefractoryLIF(**names, refractory=1), arriving), stepped(lif, arriving), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_a_threshold_rises_with_a_spike_and_falls_back_to_its_rest():
    # v is 10 x 64 = 640 in each step with input; theta 500 -> 564 -> 532 -> ...
    risen = AdaptiveLIF((1,), **FORGETS, **NO_BIAS, dtheta=2048, theta_0=8, theta_step=4)
    spiked, v, activity = run(one(risen), [1, 1, 1, 1, 0, 0, 0])
    # theta is 512; 512, spike, 768; 640 does not exceed 640; 576: spike, 832; 672
    assert spiked == [1, 0, 1, 0, 0, 0, 0]
    assert v == [0, 640, 0, 640, 0, 0, 0]
    assert activity.updated == 7


def test_an_adaptive_neuron_without_rise_is_the_lif():
    rng = np.random.default_rng(2)
    arriving = rng.integers(-60, 100, (40, 5))
    drawn = {**vars(rising(rng, (5,))), "theta_step": 0}
    rest = {k: v for k, v in drawn.items() if k not in ("dtheta", "theta_0", "theta_step")}
    lif = CubaLIF(**rest, vth=drawn["theta_0"])
    spikes, potentials = stepped(AdaptiveLIF(**drawn), arriving)
    assert spikes.any()
    for ours, theirs in zip((spikes, potentials), stepped(lif, arriving), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_without_memory_of_its_potential_it_spikes_as_lavas_atrlif_with_a_bias_less_by_1():
    """ATRLIF is held to Lava's recorded process; it spikes at >= where this one spikes at >."""
    rng = np.random.default_rng(3)
    arriving = rng.integers(-60, 100, (60, 8))
    drawn = {**vars(rising(rng, (8,))), "dv": 4096, "bias_exp": 0, "v_init": 0}
    theirs = ATRLIF(**{**drawn, "dr": 4096, "bias_mant": drawn["bias_mant"] - 1})
    spikes, _ = stepped(AdaptiveLIF(**drawn), arriving)
    assert 50 < spikes.sum() < 400
    np.testing.assert_array_equal(spikes, stepped(theirs, arriving)[0])


def sound(seed, n=2):
    """A random network with its input and run; None where it is refused by design."""
    graph = verify(after_spikes_graph(seed), "fixed")
    encoded = Encoded(*fixed_input(graph, seed, n=n))
    try:
        lead_in(graph)
        return graph, encoded, fixed.run(graph, encoded)
    except DoesNotFit:  # no start, or a threshold beyond its register
        return None


def test_every_engine_agrees_with_the_reference_on_every_bit():
    ran = 0
    for graph, encoded, ours in filter(None, map(sound, range(NETWORKS))):
        ran += 1
        theirs, file = run_torch(graph, encoded), onnx_engine.run(graph, encoded)
        replayed = activity_of(graph, encoded, file)
        for name, counted in ours.activity.items():
            np.testing.assert_array_equal(counted.spikes, replayed[name].spikes)
            if name != "in":
                assert counted.updated == theirs.activity[name].updated == replayed[name].updated
                assert counted.saturations == theirs.activity[name].saturations
        for sample in range(encoded.samples):
            values = {name: v[sample] for name, v in encoded.values.items()}
            fired, membrane = reference.run_fixed(graph, values, encoded.steps)
            for found in (ours.recording, theirs.recording, file):
                for name, expected in membrane.items():
                    np.testing.assert_array_equal(found.membrane[name][sample], expected)
                    np.testing.assert_array_equal(found.spikes[name][sample], fired[name])
    assert ran > NETWORKS // 4  # the others spike before their first input


def test_processes_on_lavas_own_arithmetic_give_the_same_bits():
    compared = 0
    for graph, encoded, ours in filter(None, map(sound, range(300 if NETWORKS >= 300 else 2))):
        theirs = lava.run(graph, encoded)
        for name, expected in theirs.membrane.items():
            np.testing.assert_array_equal(ours.recording.membrane[name], expected)
            np.testing.assert_array_equal(ours.recording.spikes[name], theirs.spikes[name])
            compared += int(theirs.spikes[name].sum())
    assert compared > 10


def test_a_threshold_beyond_24_bits_is_refused_with_layer_and_step():
    # theta rises by 4095 x 64 per spike: 2^23 after 33 of them
    decays = {"du": [4095, 4094], "dv": [0, 1], "dtheta": [0, 1]}
    biased = {"bias_mant": 4095, "bias_exp": 7, "v_init": 0}
    grows = AdaptiveLIF((2,), **decays, **biased, theta_0=0, theta_step=4095)
    synapse = Synapse(Linear(np.full((2, 1), 254, np.int16)), (1,), (2,), weight_exp=5)
    graph = verify(chain({"in": SpikeInput((1,)), "s": synapse, "pop": grows}), "fixed")
    encoded = Encoded({"in": np.ones((1, 400, 1), np.uint8)}, 400)
    for engine in (fixed.run, run_torch):
        with pytest.raises(DoesNotFit, match=r"layer 'pop', step \d+: a state .* 8388607"):
            engine(graph, encoded)


@pytest.mark.parametrize("period", [0, 64])
def test_a_refractory_period_beyond_its_register_is_refused_by_layer(period):
    told = rf"layer 'pop' \(RefractoryLIF\): its refractory is {period}"
    with pytest.raises(BadInput, match=told):
        one(RefractoryLIF((1,), **FORGETS, **NO_BIAS, vth=9, refractory=period))


def test_a_file_reads_back_as_the_same_network():
    graph = verify(after_spikes_graph(1), "fixed")
    assert same(from_onnx(to_onnx(graph)), graph)


def test_loihi_1_has_the_refractory_period_and_not_the_adaptive_threshold():
    held = one(RefractoryLIF((1,), **FORGETS, **NO_BIAS, vth=9, refractory=3))
    risen = one(AdaptiveLIF((1,), **FORGETS, **NO_BIAS, dtheta=9, theta_0=8, theta_step=4))
    assert compile_graph(held, load_chip("loihi-sim")).fixed_graph.nodes["pop"].refractory == 3
    assert compile_graph(risen, load_chip("loihi2-sim"))
    with pytest.raises(DoesNotFit, match="layer 'pop': the neurons are AdaptiveLIF, but loihi-sim"):
        compile_graph(risen, load_chip("loihi-sim"))


def test_different_refractory_periods_take_a_configuration_each():
    chip, periods = load_chip("loihi-sim"), np.arange(1, 41)
    wide = RefractoryLIF((40,), **FORGETS, **NO_BIAS, vth=9, refractory=periods)
    synapse = Synapse(Linear(np.full((40, 1), 10, np.int16)), (1,), (40,))
    graph = verify(chain({"in": SpikeInput((1,)), "s": synapse, "pop": wide}), "fixed")
    assert len(place(graph, chip, "cores").cores) == 2  # a core has 31 of them
