"""Counts against brute force and against numbers worked out by hand."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from neurocompile.chip.read import load_chip
from neurocompile.commands.energy.tables import sent_by_host
from neurocompile.energy import count, estimate
from neurocompile.energy.effective import effective_fan_out
from neurocompile.engines.recording import Activity
from neurocompile.ir.fixed import AlwaysOn, BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.linear import out_shape
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear
from neurocompile.ir.settings import Decoder, Settings
from neurocompile.place import place

LOIHI = load_chip("loihi-sim")


def neurons(*shape, readout=False):
    return CubaLIF(shape, 4095, 410, 1000, 0, 0, 0, readout=readout)


def pairs(op, in_shape, shape, *, zeros=True):
    """(source, target) of every connection, by the definition of a (transposed) convolution.

    Without those whose weight is 0 if asked for.
    """
    transposed = isinstance(op, ConvTranspose)
    found = []
    ins, outs = op.weight.shape[:2] if transposed else op.weight.shape[1::-1]
    if transposed:  # (C_in, C_out / groups): channels of a group on either side
        ins //= op.groups
    else:  # (C_out, C_in / groups)
        outs //= op.groups
    # a tap joins a place of the small side (p) to one of the large side (p s - pad + k d)
    small, large = (in_shape, shape) if transposed else (shape, in_shape)
    for group, i, o in product(range(op.groups), range(ins), range(outs)):
        for place_, tap in product(
            product(*(range(n) for n in small[1:])),
            product(*(range(k) for k in op.weight.shape[2:])),
        ):
            there = [
                p * s - pad + k * d
                for p, s, pad, k, d in zip(
                    place_, op.stride, op.padding, tap, op.dilation, strict=True
                )
            ]
            rows = (group * ins + i, o) if transposed else (group * outs + o, i)
            if not zeros and op.weight[(*rows, *tap)] == 0:
                continue
            if all(0 <= t < n for t, n in zip(there, large[1:], strict=True)):
                source, target = (place_, there) if transposed else (there, place_)
                found.append(
                    (
                        np.ravel_multi_index((group * ins + i, *source), in_shape),
                        np.ravel_multi_index((group * outs + o, *target), shape),
                    )
                )
    return found


def random_op(seed):
    """A convolution or a transposed one with random stride, padding, dilation and groups."""
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 3))
    a, b = (int(n) for n in rng.integers(1, 3, 2))
    kernel = tuple(int(n) for n in rng.integers(1, 4, 2))
    stride, dilation = (tuple(int(n) for n in rng.integers(1, 3, 2)) for _ in range(2))
    padding = tuple(int(n) for n in rng.integers(0, 2, 2))
    in_shape = (a * groups, *(int(n) for n in rng.integers(5, 8, 2)))
    if seed % 2:
        weight = 2 * rng.integers(-3, 4, (a * groups, b, *kernel))
        extra = tuple(
            int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation, strict=True)
        )
        return ConvTranspose(weight, None, stride, padding, extra, dilation, groups), in_shape
    weight = 2 * rng.integers(-3, 4, (b * groups, a, *kernel))
    return Conv(weight, None, stride, padding, dilation, groups), in_shape


@pytest.mark.parametrize("seed", range(40))
def test_synaptic_operations_and_messages_of_a_convolution_equal_brute_force(seed):
    op, in_shape = random_op(seed)
    shape = out_shape(op, in_shape)
    graph = chain({
        "in": BiasInput(in_shape, in_shape, 1.0), "a": neurons(*in_shape),
        "s": Synapse(op, in_shape, shape), "b": neurons(*shape),
    })  # fmt: skip
    few = replace(LOIHI.limits.neurons_per_core, value=20)
    chip = replace(LOIHI, limits=replace(LOIHI.limits, neurons_per_core=few))
    placed = place(graph, chip)
    rng = np.random.default_rng(seed)
    spikes = rng.integers(0, 9, in_shape)
    activities = {"a": Activity(spikes, 0), "b": Activity(np.zeros(shape, np.int64), 0)}
    counts = count(placed, activities, samples=2, steps=5)

    flat = spikes.ravel()
    joined = pairs(op, in_shape, shape)
    core = placed.core_of["b"]
    sends = {(s, core[t]) for s, t in joined}
    found = counts.synapses["s"]
    assert found.format == "conv"
    assert found.synapses == len(joined)
    assert found.synops == sum(int(flat[s]) for s, _ in joined)
    effective = pairs(op, in_shape, shape, zeros=False)
    assert found.effective_synops == sum(int(flat[s]) for s, _ in effective)
    assert found.messages == sum(int(flat[s]) for s, _ in sends)
    assert counts.layers["b"].synops == found.synops

    # the same by core: operations arrive where the targets are, messages start at the sources
    at = np.zeros(len(placed.cores), np.int64)
    for s, t in joined:
        at[core[t]] += flat[s]
    assert counts.on_cores["synaptic_operation_conv"].tolist() == at.tolist()
    assert counts.on_cores["message_in"].sum() == found.messages
    assert counts.on_cores["message_out"].sum() == found.messages


def test_a_dense_layer_is_counted_by_hand():
    # spikes 3 and 5 of two inputs, 4 targets, one of whose weights is 0: (3 + 5) * 4 operations
    weight = np.array([[2, 4], [0, 2], [2, 2], [2, 2]])
    graph = chain(
        {"in": SpikeInput((2,)), "s": Synapse(Linear(weight), (2,), (4,)), "b": neurons(4)}
    )
    activities = {
        "in": Activity(np.array([3, 5])),
        "b": Activity(np.array([1, 0, 0, 2]), updated=30, saturations=2, wraps=1),
    }
    counts = count(place(graph, LOIHI), activities, samples=2, steps=5)
    assert counts.synapses["s"].synops == 32
    assert counts.synapses["s"].messages == 8  # one core
    assert counts.host.spikes_sent == 8
    layer = counts.layers["b"]
    assert (layer.neurons, layer.spikes, layer.rate) == (4, 3, 3 / (4 * 2 * 5))
    assert (layer.updated, layer.saturations, layer.wraps) == (30, 2, 1)
    # one synapse deep: 2 * 5 steps pipelined, 2 * (5 + 1) with a reset after each sample
    assert (counts.steps_charged("pipelined"), counts.steps_charged("reset")) == (10, 12)
    assert layer.idle(4 * 12) == 18


def test_an_always_on_axon_spikes_in_every_step():
    on = Synapse(Linear(np.full((4, 1), 2)), (1,), (4,))
    data = Synapse(Linear(np.full((4, 2), 2)), (2,), (4,))
    graph = Graph(
        {"in": SpikeInput((2,)), "one": AlwaysOn(), "s": data, "bias": on, "b": neurons(4)},
        (("in", "s"), ("s", "b"), ("one", "bias"), ("bias", "b")),
    )
    activities = {"in": Activity(np.zeros(2, np.int64)), "b": Activity(np.zeros(4, np.int64), 0)}
    counts = count(place(graph, LOIHI), activities, samples=3, steps=5)
    assert counts.layers["one"].spikes == 15
    assert counts.synapses["bias"].synops == 60
    assert counts.host.spikes_sent == 15


def test_messages_that_the_host_sends_are_named_where_they_differ():
    graph = Graph(
        {
            "in": neurons(2), "s": Synapse(Linear(np.full((4, 2), 2)), (2,), (4,)), "b": neurons(4),
            "one": AlwaysOn(), "bias": Synapse(Linear(np.full((4, 1), 2)), (1,), (4,)),
        },
        (("in", "s"), ("s", "b"), ("one", "bias"), ("bias", "b")),
    )  # fmt: skip
    fired = {"in": Activity(np.array([3, 4]), 0), "b": Activity(np.zeros(4, np.int64), 0)}
    placed = place(graph, LOIHI)
    found = estimate(count(placed, fired, samples=3, steps=5), placed, LOIHI).to_dict()
    terms = {model["name"]: model["terms"] for model in found["models"]}
    # 3 samples of 5 steps of one axon that is always on; in sends its 7 spikes itself
    assert " message_in is 15 more than message_out: the host" in sent_by_host(terms["boyle2025"])
    assert sent_by_host(terms["davies2018"]) == ""  # it prices no message_in
    own = [term for term in terms["boyle2025"] if term["layer"] != "bias"]
    assert sent_by_host(own) == ""


@pytest.mark.parametrize(
    ("decoder", "reads"), [("none", 0), ("last", 12), ("rate", 12), ("max", 60), ("mean", 60)]
)
def test_what_the_host_writes_computes_and_reads_is_counted(decoder, reads):
    # 3 samples into 4 neurons: 12 registers; the host computes 4 x 2 products a sample
    host = Linear(np.ones((4, 2)))
    graph = chain(
        {"in": BiasInput((2,), (4,), 1.0, host), "b": neurons(4, readout=True)},
        Settings(decoder=Decoder(decoder)),
    )
    activities = {"b": Activity(np.zeros(4, np.int64), 0)}
    counts = count(place(graph, LOIHI), activities, samples=3, steps=5)
    assert vars(counts.host) == {
        "spikes_sent": 0, "register_writes": 12, "macs": 24, "reads": reads,
    }  # fmt: skip
    assert counts.layers["b"].kind == "readout"


def test_spikes_of_another_shape_are_a_bug_that_is_named():
    graph = chain({"in": BiasInput((4,), (4,), 1.0), "b": neurons(4)})
    with pytest.raises(ValueError, match="'b'"):
        count(place(graph, LOIHI), {"b": Activity(np.zeros(3, np.int64))}, 1, 1)


@pytest.mark.parametrize("kind", [Conv, ConvTranspose])
def test_a_kernel_of_one_tap_that_is_not_0_reaches_one_side_of_a_map_of_equal_shapes(kind):
    shape = (1, 4)  # one object for both sides
    kernel = np.array([[[0, 0, 2]]])
    extra = () if kind is Conv else ((0,),)
    op = kind(kernel, None, (1,), (1,), *extra, (1,), 1)
    found = effective_fan_out(op, shape, shape).tolist()
    # the last tap reads the neuron to the right, so the first is read by none; transposed it
    # writes to the right, so the last writes to none
    assert found == ([0, 1, 1, 1] if kind is Conv else [1, 1, 1, 0])
