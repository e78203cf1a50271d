"""Neurons of Loihi 2: their steps by hand, and every engine on the same bits as Lava's process."""

import os
from dataclasses import replace

import numpy as np
import pytest
from networks import spikes
from random_graphs import adaptive_graph, fixed_input

from neurocompile.chip.read import load_chip
from neurocompile.compiler import compile_graph
from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed, lava
from neurocompile.engines import onnx as onnx_engine
from neurocompile.engines.activity import activity_of
from neurocompile.engines.fixed.torch_path import run_torch
from neurocompile.engines.lava.plan import make_plan
from neurocompile.errors import DoesNotFit, Unsupported
from neurocompile.ir import reference
from neurocompile.ir.chip_neurons import ATRLIF, CHIP_NEURONS
from neurocompile.ir.fixed import SpikeInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.nodes import Linear
from neurocompile.ir.time import lead_in
from neurocompile.ir.verify import verify

NETWORKS = int(os.environ.get("FUZZ_N", "6"))


def one(population, weight=2):
    """An axon, a synapse of one weight, a population of one."""
    synapse = Synapse(Linear(np.array([[weight]], np.int16)), (1,), (1,))
    return verify(chain({"in": SpikeInput((1,)), "s": synapse, "pop": population}), "fixed")


def adaptive(**registers):
    """One neuron that forgets nothing but its current."""
    usual = {"du": 4095, "dv": 0, "dtheta": 0, "dr": 0, "theta_0": 10, "theta_step": 0}
    return ATRLIF((1,), **{**usual, "bias_mant": 0, "bias_exp": 0, "v_init": 0, **registers})


def run(graph, train):
    found = fixed.run(graph, Encoded({"in": np.array(train, np.uint8)[None, :, None]}, len(train)))
    spiked, v = found.recording.spikes["pop"][0, :, 0], found.recording.membrane["pop"][0, :, 0]
    return spiked.tolist(), v.tolist(), found.activity["pop"]


def test_a_spike_takes_twice_the_threshold_off_and_leaves_the_potential():
    # a spike brings 10 x 64 = 640 = theta_0 x 64; after the first output spike r = 2 x 640
    spiked, v, _ = run(one(adaptive(), 10), [1, 1, 1, 1, 0])
    assert v == [640, 1280, 1920, 2560, 2560]
    assert spiked == [1, 0, 1, 0, 0]  # 640 >= 640; 1280 - 1280 < 640; 640; then r = 2560


def test_the_refractory_state_and_the_threshold_decay_toward_rest():
    # dr = 2048 halves r: 1280 -> 640 -> 320; theta 640 + 2 x 64 = 768 decays by halves to 640
    population = adaptive(dr=2048, dtheta=2048, theta_step=2)
    spiked, v, _ = run(one(population, 10), [1, 0, 1, 0])
    assert v == [640, 640, 1280, 1280]
    # step 2: 640 - 640 < 704; step 3: 1280 - 320 = 960 >= 672, r = 320 + 2 x 672, theta 800
    # step 4: 1280 - 832 = 448 < 720
    assert spiked == [1, 0, 1, 0]


def test_a_neuron_is_updated_until_threshold_and_refractory_state_are_at_rest():
    # v and r forget at once, theta's excess of 64 x 2 = 128 takes 7 halvings to 1, an 8th to 0
    population = adaptive(dv=4096, dr=4096, dtheta=2048, theta_step=2)
    _, _, activity = run(one(population, 10), [1, *[0] * 20])
    # the step of the spike, then while v, r or theta is away from rest at the start of a step
    assert activity.updated == 1 + 8


@pytest.mark.parametrize("first", range(0, NETWORKS, 50))
def test_every_engine_agrees_with_the_reference_on_every_bit(first):
    ran = 0
    for seed in range(first, min(first + 50, NETWORKS)):
        graph = verify(adaptive_graph(seed), "fixed")
        encoded = Encoded(*fixed_input(graph, seed))
        try:
            lead_in(graph)
            ours = fixed.run(graph, encoded)
        except DoesNotFit:  # refused by design: no start, or a state beyond its register
            continue
        ran += 1
        others = {"torch": run_torch(graph, encoded), "onnx": onnx_engine.run(graph, encoded)}
        replayed = activity_of(graph, encoded, others["onnx"])
        for name, counted in ours.activity.items():
            np.testing.assert_array_equal(counted.spikes, replayed[name].spikes)
            if name != "in":
                assert counted.updated == others["torch"].activity[name].updated
                assert counted.updated == replayed[name].updated
        others["torch"] = others["torch"].recording
        for sample in range(encoded.samples):
            values = {name: v[sample] for name, v in encoded.values.items()}
            fired, membrane = reference.run_fixed(graph, values, encoded.steps)
            for found in (ours.recording, *others.values()):
                for name, expected in membrane.items():
                    np.testing.assert_array_equal(found.membrane[name][sample], expected)
                    np.testing.assert_array_equal(found.spikes[name][sample], fired[name])
    assert ran > 2


def test_lavas_own_process_gives_the_same_bits():
    compared = 0
    for seed in range(300 if NETWORKS >= 300 else 2):
        graph = verify(adaptive_graph(seed), "fixed")
        encoded = Encoded(*fixed_input(graph, seed, n=2))
        try:
            lead_in(graph)
            ours = fixed.run(graph, encoded).recording
        except DoesNotFit:
            continue
        theirs = lava.run(graph, encoded)
        for name, expected in theirs.membrane.items():
            np.testing.assert_array_equal(ours.membrane[name], expected)
            np.testing.assert_array_equal(ours.spikes[name], theirs.spikes[name])
            compared += int(theirs.spikes[name].sum())
    assert compared > 20


def test_a_state_that_no_chip_clips_is_refused_beyond_24_bits():
    # theta rises by 4095 x 64 per spike: 2^23 after 32 of them
    graph = one(adaptive(theta_0=0, theta_step=4095, dr=4096, bias_mant=4095, bias_exp=7), 2)
    encoded = Encoded({"in": np.ones((1, 200, 1), np.uint8)}, 200)
    graph = verify(graph.with_nodes(pop=replace(graph.nodes["pop"], v_init=0)), "fixed")
    for engine in (fixed.run, run_torch):
        with pytest.raises(DoesNotFit, match=r"layer 'pop', step \d+: a state .* 8388607"):
            engine(graph, encoded)


def test_lava_has_one_threshold_step_per_population():
    population = ATRLIF((2,), 4095, 0, 0, 0, 10, [1, 2], 0, 0, 0)
    synapse = Synapse(Linear(np.array([[2], [2]], np.int16)), (1,), (2,))
    graph = chain({"in": SpikeInput((1,)), "s": synapse, "pop": population})
    encoded = Encoded({"in": spikes(0, 1, 3, (1,))}, 3)
    assert fixed.run(graph, encoded).recording.spikes["pop"].shape == (1, 3, 2)
    with pytest.raises(Unsupported, match="layer 'pop': its theta_step differs"):
        make_plan(graph, encoded)


@pytest.mark.parametrize("register", ["dtheta", "dr", "theta_0", "theta_step"])
def test_a_register_beyond_its_range_is_refused_by_name(register):
    with pytest.raises(Exception, match=rf"layer 'pop' \(ATRLIF\): its {register} is -1"):
        one(adaptive(**{register: -1}))


def test_a_chip_without_a_neuron_refuses_it_by_layer():
    compiled = compile_graph(one(adaptive()), load_chip("loihi2-sim"))
    assert type(compiled.fixed_graph.nodes["pop"]) is ATRLIF
    with pytest.raises(DoesNotFit, match="layer 'pop': the neurons are ATRLIF, but loihi-sim has"):
        compile_graph(one(adaptive()), load_chip("loihi-sim"))


@pytest.mark.parametrize("kind", CHIP_NEURONS)
def test_every_neuron_of_a_chip_has_a_process_of_lava(kind):
    source = (lava.__path__[0]) + "/lower.py"
    with open(source, encoding="utf-8") as file:
        assert f'"{kind.__name__}": ' in file.read()
