"""What is written to ONNX is read back bit for bit, and is a sound ONNX file."""

import dataclasses
import json

import numpy as np
import onnx
import pytest
import random_graphs

from neurocompile.errors import BadInput, Unsupported
from neurocompile.formats.load_onnx import from_onnx, load_onnx
from neurocompile.formats.onnx.draft import every_node
from neurocompile.formats.onnx.fields import KINDS, halved
from neurocompile.formats.onnx.write import save_onnx, to_bytes, to_onnx
from neurocompile.ir.fixed import AlwaysOn, BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain, same
from neurocompile.ir.neurons import LIF
from neurocompile.ir.nodes import (
    Conv,
    ConvTranspose,
    Identity,
    Input,
    Linear,
    Sparse,
    size,
)
from neurocompile.ir.settings import Settings

SEEDS = range(60)
FIXED = (random_graphs.fixed_graph, random_graphs.looped_fixed_graph)
MAKERS = random_graphs.MAKERS
STAGES = pytest.mark.parametrize("make", MAKERS)


def lif(shape, **registers):
    usual = {"du": 4095, "dv": 0, "vth": 90, "bias_mant": 0, "bias_exp": 0, "v_init": 0}
    return CubaLIF(shape, **(usual | registers))


def one_synapse(op, in_shape=(3,), out_shape=(2,), **more):
    synapse = Synapse(op, in_shape, out_shape, **more)
    return chain({"in": SpikeInput(in_shape), "syn": synapse, "pop": lif(out_shape)})


@STAGES
@pytest.mark.parametrize("seed", SEEDS)
def test_a_graph_comes_back_bit_for_bit(make, seed):
    graph = make(seed)
    assert same(from_onnx(to_onnx(graph)), graph)


def test_the_random_graphs_contain_every_kind_of_node():
    found = {type(node) for make in MAKERS for seed in SEEDS for node in make(seed).nodes.values()}
    assert found == set(KINDS.values())
    for make in FIXED:
        synapses = {type(node.op) for seed in SEEDS for _, node in make(seed).of(Synapse)}
        assert synapses == {Linear, Conv, ConvTranspose, Sparse}


@STAGES
@pytest.mark.parametrize("seed", range(20))
def test_the_onnx_checker_accepts_the_file(make, seed):
    onnx.checker.check_model(to_onnx(make(seed)), full_check=True)


@STAGES
def test_the_same_graph_gives_the_same_bytes(make):
    assert to_bytes(make(5)) == to_bytes(make(5))


@STAGES
def test_a_graph_survives_a_file_on_disk(make, tmp_path):
    graph = make(7)
    save_onnx(graph, tmp_path / "network.onnx")
    assert same(load_onnx(tmp_path / "network.onnx"), graph)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint8", "int32", "int64", "uint64"])
def test_the_type_of_integer_weights_is_kept(dtype):
    weight = np.array([[2, 4, 6], [0, 8, 100]], dtype=dtype)
    back = from_onnx(to_onnx(one_synapse(Linear(weight)))).nodes["syn"].op.weight
    assert back.dtype == np.dtype(dtype)
    assert back.tolist() == weight.tolist()


@pytest.mark.parametrize(
    ("weights", "halves"),
    [
        ([-256, 254], [-128, 127]),  # the ends of the chip's grid
        ([2, -4], [1, -2]),
    ],
)
def test_weights_are_stored_once_as_eight_bit_mantissas(weights, halves):
    array = halved(np.array([weights]))
    assert array.dtype == np.int8
    assert array.tolist() == [halves]


@pytest.mark.parametrize("weights", [[256, 0], [-258, 0], [129, 0], [-129, 2], [1, 127]])
def test_weights_off_the_grid_are_refused_with_their_range(weights):
    with pytest.raises(BadInput, match=r"layer 'syn' \(Synapse\): its weights go .*-256\.\.254"):
        to_onnx(one_synapse(Linear(np.array([weights])), (2,), (1,)))


def test_weights_take_one_byte_each_in_a_fixed_file():
    graph = one_synapse(Linear(np.full((300, 400), 2)), (400,), (300,))
    assert 120_000 < to_onnx(graph).ByteSize() < 130_000


def test_float_weights_are_kept_in_their_own_precision():
    weight = np.array([[1 / 3, 2 / 3]])
    graph = chain({"in": Input((2,)), "fc": Linear(weight, weight[0, :1].astype(np.float32))})
    back = from_onnx(to_onnx(graph)).nodes["fc"]
    assert back.weight.tobytes() == weight.tobytes()
    assert back.bias.dtype == np.float32


@STAGES
def test_layers_keep_their_names_as_node_names(make):
    graph = make(3)
    names = {node.name for node in every_node(to_onnx(graph).graph.node)}
    assert {n for n, x in graph.nodes.items() if not isinstance(x, SpikeInput | Input)} <= names


def test_a_value_a_layer_and_a_value_a_neuron_stay_what_they_are():
    pop = lif((2, 3), du=7, dv=np.arange(6).reshape(2, 3), scale=0.1, offset=np.full((2, 3), -0.0))
    graph = chain(
        {
            "in": SpikeInput((6,)),
            "s": Synapse(Linear(np.eye(6, dtype=int) * 2), (6,), (6,)),
            "pop": pop,
        }
    )
    back = from_onnx(to_onnx(graph)).nodes["pop"]
    assert back.du.shape == ()
    assert back.dv.shape == (2, 3)
    assert np.signbit(back.offset).all()


def test_what_the_host_computes_is_kept_with_the_file():
    host = Conv(np.full((1, 1, 2), 0.1), np.array([0.2]), (1,), (0,), (1,), 1)
    graph = chain({"in": BiasInput((1, 4), (1, 3), 2.5, host), "pop": lif((1, 3), bias_mant=9)})
    back = from_onnx(to_onnx(graph))
    assert same(back, graph)
    assert back.nodes["pop"].bias_mant == 9


@pytest.mark.parametrize(
    ("source", "source_shape", "target"),
    [
        ("syn.op_weight", (2,), "pop"),  # an input called as the weights are
        ("pop.spikes", (2,), "pop"),  # an input called as an output
    ],
)
def test_layer_names_that_collide_are_refused(source, source_shape, target):
    synapse = Synapse(Linear(2 * np.eye(2, dtype=int)), (2,), (2,))
    graph = chain({source: SpikeInput(source_shape), "syn": synapse, target: lif((2,))})
    with pytest.raises(BadInput, match=f"called '{source}'. Rename a layer"):
        to_onnx(graph)


@pytest.mark.parametrize("training", [{"x": float("nan")}, {1: 2}, {"x": (1, 2)}, {"x": {1, 2}}])
def test_settings_that_json_cannot_hold_are_refused(training):
    graph = dataclasses.replace(
        one_synapse(Linear(2 * np.eye(2, 3, dtype=int))), settings=Settings(training=training)
    )
    with pytest.raises(BadInput, match=r"settings\.training"):
        to_onnx(graph)


def test_a_recurrent_edge_without_delay_is_refused():
    graph = one_synapse(Linear(2 * np.eye(3, dtype=int)), (3,), (3,))
    nodes = {**graph.nodes, "back": graph.nodes["syn"]}
    edges = (*graph.edges, ("pop", "back"), ("back", "pop"))
    with pytest.raises(BadInput, match="from 'back' to 'pop' leads backwards"):
        to_onnx(Graph(nodes, edges))


@pytest.mark.parametrize("name", ["syn/0", "two\nlines", "", "x" * 1001])
def test_names_that_a_file_cannot_hold_are_refused(name):
    graph = chain({name: Input((2,)), "same": Identity()})
    with pytest.raises(BadInput, match=r"a layer is called .* Rename the layer"):
        to_onnx(graph)


def test_output_padding_that_onnx_cannot_say_is_refused():
    op = ConvTranspose(np.full((1, 1, 2), 2), None, (1,), (0,), (1,), (2,), 1)
    with pytest.raises(Unsupported, match=r"layer 'syn' .*its output_padding \(1,\) is neither"):
        to_onnx(one_synapse(op, (1, 5), (1, 8)))


def test_a_sparse_map_too_large_for_a_dense_matrix_is_refused():
    wide = 1 << 14
    starts = np.zeros(2 * wide + 1)
    op = Sparse(np.zeros(0, np.int64), np.zeros(0), starts, (wide,), (2 * wide,))
    with pytest.raises(Unsupported, match=r"layer 'syn' .*a matrix of 536870912 entries"):
        to_onnx(one_synapse(op, (wide,), (2 * wide,)))


def test_a_transposed_convolution_beyond_float32_is_refused():
    channels = 2**16 + 1
    op = ConvTranspose(np.full((channels, 1, 1), -256, np.int16), None, (1,), (0,), (0,), (1,), 1)
    with pytest.raises(Unsupported, match="16777472"):
        to_onnx(one_synapse(op, (channels, 1), (1, 1)))


def test_a_delay_of_an_always_on_axon_beyond_an_axons_is_refused():
    synapse = Synapse(Linear(np.array([[2]])), (1,), (1,), delay=63)
    graph = one_synapse(Linear(np.array([[2]])), (1,), (1,))
    nodes = {"on": AlwaysOn(), "late": synapse, **graph.nodes}
    with pytest.raises(BadInput, match=r"layer 'late' \(Synapse\): its delay is 63"):
        to_onnx(Graph(nodes, (*graph.edges, ("on", "late"), ("late", "pop"))))


def test_parameters_that_are_no_floats_are_refused_by_layer():
    one = np.array(1.0)
    neuron = LIF(one, one, one, np.array(1), one)
    with pytest.raises(BadInput, match=r"layer 'lif' \(LIF\): its v_th is int64"):
        to_onnx(chain({"in": Input((2,)), "lif": neuron}))


def test_metadata_says_what_the_file_is():
    model = to_onnx(chain({"in": Input((2,)), "same": Identity()}))
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert metadata["neurocompile.format"] == "1.1"
    assert metadata["neurocompile.stage"] == "float"
    assert json.loads(metadata["neurocompile.settings"])["dt"] == 1e-3
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 18), ("ai.neurocompile", 1)]
    assert model.ir_version == 9


@STAGES
def test_batch_and_steps_are_symbolic(make):
    model = to_onnx(make(1))
    for value in (*model.graph.input, *model.graph.output):
        batch, steps, *rest = value.type.tensor_type.shape.dim
        assert (batch.dim_param, steps.dim_param) == ("batch", "steps")
        assert size(tuple(d.dim_value for d in rest)) > 0
