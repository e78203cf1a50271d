"""Neurons that resonate: their steps by hand, complex synapses, counts, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from neurocompile.chip.read import load_chip
from neurocompile.compiler import compile_graph
from neurocompile.data.inputs import Encoded
from neurocompile.energy import count
from neurocompile.engines import fixed, lava
from neurocompile.engines.activity import activity_of
from neurocompile.engines.fixed.torch_path import run_torch
from neurocompile.errors import BadInput, DoesNotFit, Unsupported
from neurocompile.formats.checkpoint.plain_fixed import fixed_from_plain, fixed_to_plain
from neurocompile.formats.load_onnx import from_onnx, parse
from neurocompile.formats.netx.write import network_net
from neurocompile.formats.onnx.write import to_bytes
from neurocompile.ir.fixed import AlwaysOn, BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain, same
from neurocompile.ir.nodes import Linear
from neurocompile.ir.resonators import RF, RF_IZ
from neurocompile.ir.verify import verify
from neurocompile.place import place

QUARTER = {"sin_decay": 4096, "cos_decay": 0}  # real <- -imag, imag <- real, nothing lost
ENGINES = [fixed.run, run_torch]


def network(population, real, imag=None, exponent=0):
    """Axons with a row of weights into each part of a population of one."""
    axons = (len(real),)
    nodes, edges = {"in": SpikeInput(axons)}, []
    for part, weights in (("real", real), ("imag", imag)):
        if weights is not None:
            op = Linear(np.array([weights], np.int16))
            nodes[part] = Synapse(op, axons, (1,), exponent, into=part)
            edges += [("in", part), (part, "pop")]
    return verify(Graph({**nodes, "pop": population}, tuple(edges)), "fixed")


def run(graph, *train, engine=fixed.run):
    encoded = Encoded({"in": np.array(train, np.uint8)[None]}, len(train))
    found = engine(graph, encoded)
    spikes, v = found.recording.spikes["pop"], found.recording.membrane["pop"]
    return spikes[0, :, 0].tolist(), v[0, :, 0].tolist(), found


ONE = [1], [0], [0], [0], [0], [0]


def test_an_rf_neuron_spikes_where_its_imaginary_part_rises_to_0_while_the_real_one_is_high():
    # (100, 0) turns to (0, 100), (-100, 0), (0, -100), (100, 0): there imag was below 0
    spikes, v, _ = run(network(RF((1,), vth=100, **QUARTER), [100]), *ONE)
    assert v == [100, 0, -100, 0, 100, 0]
    assert spikes == [0, 0, 0, 0, 1, 0]  # not in step 1: imag was 0 before it
    assert run(network(RF((1,), vth=101, **QUARTER), [100]), *ONE)[0] == [0] * 6


def test_an_rf_iz_neuron_spikes_where_its_imaginary_part_is_high_and_stays_just_below():
    # (100, 0) turns to imag = 100 = vth: then (0, 99), which turns to (-99, 0)
    spikes, v, _ = run(network(RF_IZ((1,), vth=100, **QUARTER), [100]), *ONE)
    assert spikes == [0, 1, 0, 0, 0, 0]
    assert v == [0, 99, 0, -99, 0, 99]


def test_each_product_is_cut_toward_0_before_they_are_added():
    # (6, -6): 6 x 3/8 = 2.25 is cut to 2 and 6 x 5/8 = 3.75 to 3, so 2 + 3 = 5, not 6
    graph = network(RF((1,), sin_decay=2560, cos_decay=1536, vth=9), [6], [-6])
    _, v, found = run(graph, [1], [0])
    assert v == [6, 5]
    assert found.activity["pop"].updated == 2


def test_what_arrives_and_the_threshold_are_shifted_by_the_exponent_of_the_state():
    graph = network(RF_IZ((1,), vth=100, state_exp=3, **QUARTER), [0], [100])
    assert run(graph, [1], [0])[:2] == ([1, 0], [799, 0])


@pytest.mark.parametrize("engine", ENGINES)
def test_both_parts_saturate_at_24_bits_and_each_cut_is_counted(engine):
    # a decay of 4096 / 2^11 doubles both parts: 254 x 2^7 x 2^9 > 2^23 in step 10
    population = RF((1,), 0, 4096, vth=1, state_exp=7, decay_bits=11)
    train = [[1]] + [[0]] * 10
    _, v, found = run(network(population, [254], [-254]), *train, engine=engine)
    assert v[-3:] == [254 * 2**15, 2**23 - 1, 2**23 - 1]
    assert found.activity["pop"].saturations == 4


@pytest.mark.parametrize("engine", ENGINES)
def test_what_arrives_beyond_24_bits_is_refused_by_layer_with_its_cure(engine):
    graph = network(RF((1,), vth=1, state_exp=7, **QUARTER), [254] * 40, exponent=3)
    with pytest.raises(DoesNotFit, match=r"'pop', step 1: .* 10403840, .* Lower the weights .*or"):
        run(graph, [1] * 40, engine=engine)
    lower = replace(graph.nodes["pop"], state_exp=6)
    assert run(graph.with_nodes(pop=lower), [1] * 40, engine=engine)[1] == [254 * 40 * 2**9]


def test_a_complex_weight_is_two_operations_and_takes_two_synapses():
    graph = network(RF((1,), vth=100, **QUARTER), [100, 2], [4, 6])
    train = [1, 1], [0, 1], [0, 0]
    _, _, found = run(graph, *train)
    counts = count(place(graph, load_chip("loihi2-sim")), found.activity, 1, 3)
    assert (counts.synapses["real"].synops, counts.synapses["imag"].synops) == (3, 3)
    assert graph.nodes["real"].op.weight.size + graph.nodes["imag"].op.weight.size == 4
    encoded = Encoded({"in": np.array(train, np.uint8)[None]}, 3)
    assert activity_of(graph, encoded, found.recording)["pop"].updated == 3


def test_a_file_keeps_the_part_that_a_synapse_leads_into():
    graph = network(RF_IZ((1,), vth=100, state_exp=2, decay_bits=9, **QUARTER), [100], [4])
    assert same(from_onnx(parse(to_bytes(graph), "file"), "file"), graph)
    assert same(fixed_from_plain(fixed_to_plain(graph), graph.settings), graph)
    swapped = network(graph.nodes["pop"], [4], [100])
    assert to_bytes(swapped) != to_bytes(graph)


def test_an_axon_that_is_always_on_turns_as_well():
    on = {"on": AlwaysOn(), "bias": Synapse(Linear(np.array([[50]])), (1,), (1,), into="imag")}
    graph = network(RF((1,), vth=40, **QUARTER), [100])
    edges = (*graph.edges, ("on", "bias"), ("bias", "pop"))
    graph = verify(Graph({**on, **graph.nodes}, edges), "fixed")
    # (0, 50), (-50, 50), (-50, 0), (0, 0): back at rest, each step brings 50
    assert run(graph, [0], [0], [0], [0])[1] == [0, -50, -50, 0]


@pytest.mark.parametrize("kind", [RF, RF_IZ])
@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        *(("vth", 0, r"1\.\.131071"), ("state_exp", 8, r"0\.\.7"), ("decay_bits", 0, r"1\.\.12")),
        *(("sin_decay", 4097, r"-4096\.\.4096"), ("v_init", 1, r"0\.\.0")),
    ],
)
def test_a_field_beyond_its_range_is_refused_by_layer_with_its_range(kind, field, value, allowed):
    with pytest.raises(BadInput, match=rf"'pop' \({kind.__name__}\): its {field} is .* {allowed}"):
        network(kind((1,), **{"vth": 1, **QUARTER, field: value}), [2])


def test_a_synapse_names_a_part_where_there_are_two_and_none_where_there_is_one():
    graph = network(RF((1,), vth=1, **QUARTER), [2])
    bare = graph.with_nodes(real=replace(graph.nodes["real"], into=None))
    with pytest.raises(BadInput, match=r"layer 'real' .* None of 'pop', an? RF, .* 'real' or 'ima"):
        verify(bare, "fixed")
    plain = graph.with_nodes(pop=CubaLIF((1,), 0, 0, 1, 0, 0, 0))
    with pytest.raises(BadInput, match=r"into 'real' of 'pop', a CubaLIF, .*\. Give into=None\."):
        verify(plain, "fixed")
    verify(plain.with_nodes(real=bare.nodes["real"]), "fixed")  # the cure


def test_the_host_writes_no_bias_into_a_neuron_that_resonates():
    written = {"in": BiasInput((1,), (1,), 1.0), "pop": RF((1,), vth=1, **QUARTER)}
    with pytest.raises(BadInput, match=r"it leads to 'pop', an? RF, which has no bias"):
        verify(chain(written), "fixed")


@pytest.mark.parametrize("kind", [RF, RF_IZ])
def test_a_chip_without_the_neuron_and_a_file_with_other_exponents_refuse_it_by_layer(kind):
    graph = network(kind((1,), vth=1, **QUARTER), [2], [4])
    assert type(compile_graph(graph, load_chip("loihi2-sim")).fixed_graph.nodes["pop"]) is kind
    with pytest.raises(DoesNotFit, match=f"'pop': the neurons are {kind.__name__}, but loihi-sim"):
        compile_graph(graph, load_chip("loihi-sim"))
    written = network_net(graph, 8)
    assert written.content is None
    assert "layer 'pop': its state_exp is 0 and its decay_bits 12, but netx" in written.reason


@pytest.mark.parametrize("register", ["sin_decay", "cos_decay", "vth"])
def test_lava_has_one_turn_and_one_threshold_per_population(register):
    fields = {"vth": 5, **QUARTER, register: np.array([5, 6])}
    synapse = Synapse(Linear(np.full((2, 1), 4, np.int16)), (1,), (2,), into="real")
    graph = chain({"in": SpikeInput((1,)), "s": synapse, "pop": RF((2,), **fields)})
    encoded = Encoded({"in": np.ones((1, 3, 1), np.uint8)}, 3)
    assert fixed.run(graph, encoded).recording.spikes["pop"].shape == (1, 3, 2)
    with pytest.raises(Unsupported, match=f"layer 'pop': its {register} differs"):
        lava.run(graph, encoded)
