"""`--place time`: the work of a core by hand, and the shortest step of all objectives."""

import numpy as np
import pytest
from place_networks import dense, limited, neurons, random_network

from neurocompile.chip.read import load_chip
from neurocompile.errors import BadInput
from neurocompile.ir.fixed import AlwaysOn, SpikeInput
from neurocompile.ir.graph import chain
from neurocompile.place import place
from neurocompile.place.boxes import Box
from neurocompile.place.limits import PopulationToPlace
from neurocompile.place.maps import map_of
from neurocompile.place.pace import Pace

LOIHI = load_chip("loihi-sim")


@pytest.mark.parametrize(
    ("source", "spikes", "receiving"),
    [
        # boyle2025: 16 ns per message, 3.8 ns per dense operation; each of 3 axons has 2 of them
        (SpikeInput((3,)), {}, 7080),  # one step of ten: 0.3 * 16 + 0.6 * 3.8 ns
        (AlwaysOn((3,)), {}, 70_800),
        (SpikeInput((3,)), {"in": np.array([1.0, 0.5, 0.0])}, 35_400),
    ],
)
def test_a_core_receives_what_its_sources_send_and_visits_its_neurons(source, spikes, receiving):
    synapse = dense(np.random.default_rng(0), 3, 2)
    graph = chain({"in": source, "s": synapse, "hid": neurons(2)})
    layer = PopulationToPlace(
        "hid", graph.nodes["hid"], (2,), [("in", map_of(synapse, (2,)))], LOIHI
    )
    # 6.0 + 3.7 ns for each of 2 neurons, 30 ns for each of 0.2 spikes
    pace, whole = Pace(graph, LOIHI, spikes), Box((2,), ((0, 2),))
    assert pace.work(layer, whole) == (25_400, receiving)
    layer.output_axons[:] = 4  # 5.1 ns for each of 0.8 messages
    assert pace.work(layer, whole) == (25_400 + 4080, receiving)


def step(graph, chip, placed):
    """Picoseconds of a step, neuron by neuron, without the barrier."""
    times = {event: price.si for event, price in chip.latency["boyle2025"].items()}
    sides = np.zeros((2, len(placed.cores)))
    for core in placed.cores:
        held = sum(map(len, core.held.values()))
        sides[0, core.index] = held * (times["neuron_access"] + times["neuron_update"])
        sides[0, core.index] += 0.1 * held * times["spike_out"]
    for route in placed.routes.values():
        if not route.host:
            sent = 0.1 * times["message_out"] * route.destinations
            np.add.at(sides[0], placed.core_of[route.source], sent)
        operation = times[f"synaptic_operation_{route.format}"]
        each = 0.1 * (times["message_in"] + operation * route.fan.synapses)
        np.add.at(sides[1], route.fan.core, each)
    return sides.max(initial=0.0)


@pytest.mark.parametrize("seed", range(2))  # large enough for more cores to pay
def test_time_has_the_shortest_step_of_all_objectives(seed):
    graph, chip = random_network(seed), limited(neurons_per_core=60, cores=32)
    found = {few: place(graph, chip, few) for few in ("both", "cores", "messages", "time")}
    closed = {
        few: step(graph, chip, placed)
        + chip.barrier["boyle2025"].seconds(-(-len(placed.cores) // 4))
        for few, placed in found.items()
    }
    assert found["time"].fits
    assert closed["time"] == min(closed.values())
    assert closed["time"] < closed["both"]


def test_measured_spikes_decide_which_neurons_get_more_cores():
    # two populations of 64 neurons: each input of the one that spikes costs its core 256 ns
    rng = np.random.default_rng(0)
    graph = chain({
        "in": SpikeInput((64,)), "s": dense(rng, 64, 64), "a": neurons(64),
        "t": dense(rng, 64, 64), "b": neurons(64),
    })  # fmt: skip
    chip = limited(cores=8)
    cores = {}
    for busy, idle in ("in", "a"), ("a", "in"):
        spikes = {busy: np.ones(64), idle: np.zeros(64), "b": np.zeros(64)}
        placed = place(graph, chip, "time", spikes)
        cores[busy] = [np.unique(placed.core_of[name]).size for name in ("a", "b")]
    assert cores["in"][0] > cores["in"][1]
    assert cores["a"][0] < cores["a"][1]


def test_a_chip_without_times_is_refused_and_takes_another_objective():
    graph = chain({"in": SpikeInput((3,)), "s": dense(np.random.default_rng(0), 3, 2),
                   "hid": neurons(2)})  # fmt: skip
    ideal = load_chip("ideal")
    with pytest.raises(BadInput, match=r"needs the times of ideal.*Use fewest_of='both'"):
        place(graph, ideal, "time")
    assert len(place(graph, ideal, "both").cores) == 1
