"""What a graph must be at each stage, one sentence a fault; a stranger's graph is safe to check."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from neurocompile.errors import BadInput
from neurocompile.ir.fixed import AlwaysOn, BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.neurons import LIBox, LIFBox
from neurocompile.ir.nodes import (
    AvgPool,
    Conv,
    ConvTranspose,
    Identity,
    Input,
    Linear,
    Reshape,
    Sparse,
    SumPool,
    Upsample,
)
from neurocompile.ir.verify import RULES, verify

ONE = np.float64(1)


def refusal(graph, stage):
    with pytest.raises(BadInput) as caught:
        verify(graph, stage)
    return str(caught.value)


def floats(node, shape=(2,)):
    return chain({"in": Input(shape), "x": node})


def population(shape=(2,), **registers):
    usual = {"du": 4095, "dv": 0, "vth": 90, "bias_mant": 0, "bias_exp": 0, "v_init": 0}
    return CubaLIF(shape, **(usual | registers))


def synapse(weight=((2, 4), (6, 8)), **more):
    op = Linear(np.array(weight))
    rows, columns = op.weight.shape
    return Synapse(op, (columns,), (rows,), **more)


def fixed(syn=None, pop=None, source=None):
    return chain(
        {"in": source or SpikeInput((2,)), "syn": syn or synapse(), "pop": pop or population()}
    )


def biased(**more):
    """A population with an always-on axon beside its input."""
    graph = fixed()
    nodes = {"on": AlwaysOn(), "bias": synapse([[2], [4]], **more), **graph.nodes}
    return Graph(nodes, (*graph.edges, ("on", "bias"), ("bias", "pop")))


def written(**more):
    source = BiasInput(**{"in_shape": (2,), "shape": (2,), "scale": ONE, **more})
    return chain({"in": source, "pop": population()})


def csr(data=(1.0, 2.0), indices=(0, 1), indptr=(0, 2), in_shape=(2,), out_shape=(1,)):
    return Sparse(np.array(data), np.array(indices), np.array(indptr), in_shape, out_shape)


def conv(shape=(1, 1, 2, 2), **more):
    usual = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    return Conv(np.ones(shape), None, **(usual | more))


def transposed(**more):
    usual = {"stride": (2,), "padding": (0,), "output_padding": (0,), "dilation": (1,), "groups": 1}
    return ConvTranspose(np.ones((1, 1, 2)), None, **(usual | more))


def test_sound_graphs_are_given_back():
    for graph in (
        fixed(),
        biased(),
        written(),
        written(host=Linear(np.ones((2, 3))), in_shape=(3,)),
    ):
        assert verify(graph, "fixed") is graph
    for node in (LIBox(ONE, np.ones(2)), csr(), Linear(np.ones((3, 2)), np.ones(3))):
        graph = floats(node)
        assert verify(graph, "float") is graph


# --- both stages ------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", RULES)
@pytest.mark.parametrize(
    ("nodes", "edges", "words"),
    [
        ({}, (), "the graph has 0 nodes, allowed are 1 to 10000"),
        (
            {"a/b": Identity()},
            (),
            "a layer is called 'a/b', allowed are 1 to 1000 printable letters",
        ),
        ({"a\n": Identity()}, (), r"a layer is called 'a\n'"),
        ({"\ud800": Identity()}, (), r"a layer is called '\ud800'"),
        ({"": Identity()}, (), "a layer is called ''"),
        ({".": Identity()}, (), "a layer is called '.'"),
        ({"..": Identity()}, (), "a layer is called '..'"),
        ({"x" * 1001: Identity()}, (), "a layer is called 'xxx"),
        ({7: Identity()}, (), "a layer is called '7'"),
        ({"a": Identity()}, (("a", "b"),), "there is no layer 'b'"),
        ({"a": Identity()}, (("a",),), "an edge is "),
        (
            {"a": Identity()},
            (("a", "a"),),
            "the edge from 'a' to 'a' leads backwards, but",
        ),
        ({"a": Identity(), "b": Identity()}, (("a", "b"),) * 2, "occurs 2 times, allowed is once"),
        ({"a": Identity()}, (("a", "a"),) * 40_001, "40001 edges, allowed are up to 40000"),
        ({"a": "no node"}, (), "layer 'a' (str): it is not a node of the F"),
    ],
)
def test_names_and_edges_make_a_graph(stage, nodes, edges, words):
    assert words in refusal(Graph(nodes, edges), stage)


def test_a_node_of_the_other_vocabulary_is_refused():
    assert "layer 'in' (Input): it is not a node of the FIXED" in refusal(
        floats(Identity()), "fixed"
    )
    assert "layer 'in' (SpikeInput): it is not a node of the FLOAT" in refusal(fixed(), "float")


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (
            Reshape([2]),
            "layer 'x' (Reshape): its shape is a list, allowed is up to 8 whole numbers",
        ),
        (Reshape((10**5000,)), "its shape is a number of thousands of digits"),
        (Reshape((2.0,)), "its shape is (2.0,)"),
        (Reshape((1,) * 9), "its shape is (1, 1"),
        (Upsample((True,)), "its scale is (True,)"),
        (Upsample(("2",)), "its scale is ('2',)"),
        (
            LIFBox(ONE, ONE, ONE, ONE, "half"),
            "its reset is 'half', allowed is 'zero' or 'subtract'",
        ),
        (AvgPool((1,), (1,), (0,), 1), "its count_include_pad is 1, allowed is True or False"),
        (Linear("weights"), "its weight is <U7, allowed are float32, float64 and integers"),
        (Linear(np.array([[1j, 1]])), "its weight is complex128"),
        (Linear(np.ones((1, 2), dtype=object)), "its weight is object"),
        (Linear(np.ones((1, 2), dtype=np.float16)), "its weight is float16"),
        (Linear(None), "its weight is a NoneType, allowed is an array of numbers"),
    ],
)
def test_a_field_holds_what_its_class_says(node, words):
    assert words in refusal(floats(node), "float")


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1e39])
def test_a_number_is_finite_in_float32(number):
    words = (
        "its weight holds NaN, infinity or a number beyond float32 in 1 of 2 places. Load finite"
    )
    assert words in refusal(floats(Linear(np.array([[number, 1]]))), "float")
    assert "layer 'pop' (CubaLIF): its scale" in refusal(
        fixed(pop=population(scale=number)), "fixed"
    )
    assert "layer 'in' (BiasInput): its scale" in refusal(written(scale=number), "fixed")
    host = Linear(np.array([[number, 1], [1, 1]]))
    assert "its host.weight holds NaN" in refusal(written(host=host), "fixed")


@pytest.mark.parametrize(
    ("op", "words"),
    [
        (csr(in_shape=(1 << 30,)), "its in_shape is (1073741824,), allowed are 1 to 6 axes"),
        (csr(out_shape=(0,)), "its out_shape is (0,)"),
        (csr(indptr=(0, 1, 2)), "(3,)), allowed are (n,), (n,) and (2,) for 1 rows"),
        (csr(indices=(0,)), "allowed are (n,), (n,) and (2,)"),
        (csr(data=((1.0, 2.0),)), "allowed are (n,), (n,) and (2,)"),
        (csr(indptr=(1, 2)), "its indptr must rise from 0 to its 2 values"),
        (csr(indptr=(0, 3, 2), out_shape=(2,)), "its indptr must rise"),
        (csr(indptr=(0, 2**63 - 1, -(2**63), 2), out_shape=(3,)), "its indptr must rise"),
        (csr(indices=(0, 2)), "its indices hold a column outside 0..1"),
        (csr(indices=(-1, 1)), "its indices hold a column outside 0..1"),
        (csr(indices=(1, 0)), "its indices do not ascend within each row"),
        (csr(indices=(1, 1)), "its indices do not ascend within each row"),
    ],
)
def test_a_sparse_map_is_sound(op, words):
    assert words in refusal(floats(op), "float")
    integer = replace(op, data=np.array(op.data, dtype=np.int64))
    assert words in refusal(fixed(Synapse(integer, op.in_shape, op.out_shape)), "fixed")


def test_a_row_of_a_sparse_map_may_start_before_the_last_one_ended():
    verify(floats(csr((1.0, 2.0, 3.0), (0, 1, 0), (0, 0, 2, 3, 3), out_shape=(4,))), "float")


# --- FLOAT ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "shape", "words"),
    [
        (Identity(), (), "layer 'in' (Input): its shape is ()"),
        (Identity(), (1 << 25,), "and 16777216 values in all. Split the layer"),
        (Linear(np.ones((2, 3))), (2,), "it was given the shape (2,), but takes (..., 3)"),
        (Linear(np.ones(3)), (3,), "its weight has shape (3,), allowed are 2 axes"),
        (Linear(np.ones((0, 2))), (2,), "its weight has shape (0, 2)"),
        (Linear(np.ones((1, 2)), np.ones(2)), (2,), "its bias has shape (2,), allowed is (1,)"),
        (Linear(np.ones((1, 2), dtype=int)), (2,), "its weight is int64, allowed are float32"),
        (conv(), (4, 4), "it was given the shape (4, 4), but takes (1, ...) with 3 axes"),
        (
            conv(stride=(0, 1)),
            (1, 4, 4),
            "its stride is (0, 1), allowed are 2 whole numbers from 1",
        ),
        (conv(stride=(1,)), (1, 4, 4), "its stride is (1,)"),
        (conv(padding=(-1, 0)), (1, 4, 4), "its padding is (-1, 0)"),
        (conv(padding=(1 << 20, 1 << 20)), (1, 4, 4), "its padded image is (1, 2097156, 2097156)"),
        (conv(dilation=(4, 1)), (1, 4, 4), "an image at least as large as its kernel (2, 2)"),
        (conv(groups=0), (1, 4, 4), "its groups are 0, allowed is a number from 1 that divides 1"),
        (conv((3, 1, 2, 2), groups=2), (2, 4, 4), "its groups are 2"),
        (conv((1, 1)), (1, 4, 4), "its weight has shape (1, 1), allowed are 3 or 4 axes"),
        (conv((1, 1, 0, 2)), (1, 4, 4), "its weight has shape (1, 1, 0, 2)"),
        (
            transposed(output_padding=(2,)),
            (1, 4),
            "its output_padding is (2,), but must be below",
        ),
        (transposed(stride=(1 << 20,)), (1, 99), "its image before the padding is cut off is"),
        (transposed(padding=(4,)), (1, 4), "an image that its padding (4,) leaves"),
        (
            AvgPool((2,), (1,), (2,)),
            (1, 4),
            "its padding is (2,), but PyTorch allows up to half of its kernel (2,)",
        ),
        (AvgPool((2, 2, 2), (1,) * 3, (0,) * 3), (1, 4, 4, 4), "its kernel is (2, 2, 2)"),
        (SumPool((2,), (0,), (0,)), (1, 4), "its stride is (0,)"),
        (SumPool((1 << 15,) * 2, (1, 1), (1, 1)), (1, 4, 4), "its kernel (32768, 32768) reads"),
        (SumPool((1 << 20,), (1,), (0,)), (99, 4), "1048576 values in 99 channels, allowed are"),
        (SumPool((2,), (1,), (0,)), (4,), "it was given the shape (4,), but takes 2 axes"),
        (Upsample((1 << 20,) * 2), (1, 4, 4), "and 16777216 values in all"),
        (Upsample((0,)), (1, 4), "its scale is (0,)"),
        (Upsample(()), (1,), "its scale is ()"),
        (Reshape((3,)), (2,), "it was given the shape (2,), but takes 3 values"),
        (Reshape((-1, -2)), (2,), "its shape is (-1, -2)"),
        (
            LIBox(np.ones(2), ONE),
            (1, 2),
            "its tau_mem_inv has shape (2,), allowed are () and (1, 2)",
        ),
        (LIBox(ONE, np.ones((1,))), (2,), "its v_leak has shape (1,), allowed are () and (2,)"),
        (LIBox(ONE, np.array(1)), (2,), "its v_leak is int64"),
        (LIBox(ONE * 0, ONE), (2,), "its tau_mem_inv is 0 1/s, allowed is a number above 0"),
    ],
)
def test_layers_fit_together(node, shape, words):
    message = refusal(floats(node, shape), "float")
    assert words in message
    assert message.startswith("layer '")


@pytest.mark.parametrize(
    ("nodes", "edges", "words"),
    [
        ({"a": Identity()}, (), "the graph has 0 inputs (none), allowed is one Input"),
        ({"a": Input((1,)), "b": Input((1,))}, (), "the graph has 2 inputs (a, b)"),
        ({"a": Input((1,))}, (), "the graph has no layer after its input"),
        ({"a": Input((1,)), "b": Identity()}, (), "layer 'b' (Identity): 0 layers lead to it"),
        ({"b": Identity(), "a": Input((1,))}, (("b", "a"),), "(Identity): 0 layers lead"),
    ],
)
def test_a_float_graph_stands_behind_one_input(nodes, edges, words):
    assert words in refusal(Graph(nodes, edges), "float")


# --- FIXED ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (chain({"p": population()}), "the graph has 0 inputs (none), allowed is one SpikeInput or"),
        (chain({"in": SpikeInput((2,))}), "the graph has no population (CubaLIF)"),
        (chain({"in": SpikeInput((2,)), "p": population()}), "'in', a SpikeInput, leads to it"),
        (
            chain({"on": AlwaysOn(), "in": SpikeInput((2,)), "s": synapse(), "p": population()}),
            "layer 'in' (SpikeInput): 'on' leads to it, allowed is nothing",
        ),
        (
            chain({**fixed().nodes, "more": synapse()}),
            "layer 'more' (Synapse): it joins 1 nodes to 0",
        ),
        (
            chain({"in": SpikeInput((2,)), "a": synapse(), "b": synapse(), "p": population()}),
            "layer 'a' (Synapse): it joins a SpikeInput to a Synapse",
        ),
        (
            Graph({**written().nodes, "idle": population()}, (("in", "pop"), ("in", "idle"))),
            "layer 'in' (BiasInput): it leads to CubaLIF, CubaLIF, allowed is one population",
        ),
        (
            Graph({"on": AlwaysOn(), **fixed().nodes}, fixed().edges),
            "layer 'on' (AlwaysOn): it leads to nothing, allowed is one Synapse",
        ),
        (fixed(pop=population((1 << 25,))), "layer 'pop' (CubaLIF): its shape is (33554432,)"),
        (fixed(source=SpikeInput((0,))), "layer 'in' (SpikeInput): its shape is (0,)"),
        (
            fixed(replace(synapse(), in_shape=(3,))),
            "its shapes are (3,) -> (2,), but it joins (2,)",
        ),
        (fixed(replace(synapse(), in_shape=(0, 0))), "its in_shape is (0, 0)"),
        (
            fixed(replace(synapse(), out_shape=(2, 1))),
            "give the shape (2,), but its out_shape is (2, 1)",
        ),
        (fixed(replace(synapse(), op=Linear(np.eye(2), np.ones(2)))), "it has a bias. Put it into"),
        (
            fixed(replace(synapse(), op=Reshape((2,)))),
            "its op is a Reshape, allowed is Linear or Conv or",
        ),
        (written(in_shape=(3,)), "it makes 3 values per sample, but its population has 2 neurons"),
        (written(shape=(1, 2)), "its shape is (1, 2), but it leads to a population of (2,)"),
        (written(scale=np.ones(3)), "its scale has shape (3,), allowed are () and (2,)"),
        (written(host=Linear(np.ones((2, 3)))), "it was given the shape (2,), but takes (..., 3)"),
        (written(host=Linear(np.ones((2, 2), dtype=int))), "its host.weight is int64"),
    ],
)
def test_populations_and_synapses_fit_together(graph, words):
    assert words in refusal(graph, "fixed")


@pytest.mark.parametrize(
    ("weight", "bits", "words"),
    [
        (
            [[1, 2], [3, 4]],
            8,
            "its weights go from 1 to 4, but weights of 8 bits are -256..254 in ste",
        ),
        ([[256, 0], [0, 0]], 8, "its weights go from 0 to 256"),
        ([[-258, 0], [0, 0]], 8, "its weights go from -258 to 0"),
        ([[2, 0], [0, 0]], 2, "weights of 2 bits are -256..128 in steps of 128"),
        (np.full((2, 2), 2**64 - 2, np.uint64), 8, "its weights go from 18446744073709551614"),
        (np.full((2, 2), 64, np.int8), 2, "in steps of 128"),
        (
            [[1.0, 2], [3, 4]],
            8,
            "its weights are float64, allowed are integers. Quantize the network",
        ),
        ([[2, 2], [2, 2]], 9, "its bits is 9, allowed are 2..8"),
        ([[2, 2], [2, 2]], 1, "its bits is 1, allowed are 2..8"),
    ],
)
def test_weights_are_on_the_grid_of_their_bits(weight, bits, words):
    assert words in refusal(fixed(synapse(weight, bits=bits)), "fixed")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"weight_exp": 8}, "its weight_exp is 8, allowed are -8..7"),
        ({"weight_exp": -9}, "its weight_exp is -9, allowed are -8..7"),
        ({"delay": 63}, "its delay is 63, allowed are 0..62"),
        ({"delay": -1}, "its delay is -1, allowed are 0..62"),
        (
            {"delay": 2**40},
            "its delay is 1099511627776, allowed is a whole number of up to 32 bits",
        ),
    ],
)
def test_exponents_and_delays_are_those_of_a_chip(more, words):
    assert words in refusal(fixed(synapse(**more)), "fixed")


def test_an_always_on_axon_may_start_as_late_as_any_other_spike():
    assert verify(biased(delay=62), "fixed")
    message = refusal(biased(delay=63), "fixed")
    assert "layer 'bias' (Synapse): its delay is 63, allowed are 0..62" in message


@pytest.mark.parametrize(
    ("register", "found", "allowed"),
    [
        ("du", -2, "-1..4095"),
        ("du", 4096, "-1..4095"),
        ("dv", -1, "0..4096"),
        ("dv", 4097, "0..4096"),
        ("vth", -1, "0..131071"),
        ("vth", 1 << 17, "0..131071"),
        ("bias_mant", 4096, "-4096..4095"),
        ("bias_exp", 8, "0..7"),
        ("v_init", -(1 << 23), "-8388607..8388607"),
    ],
)
def test_a_register_holds_what_its_bits_allow(register, found, allowed):
    values = np.array([0, found])
    message = refusal(fixed(pop=population(**{register: values})), "fixed")
    assert f"layer 'pop' (CubaLIF): its {register} is {found}, allowed are {allowed}" in message


@pytest.mark.parametrize("what", ["du", "v_init", "scale", "offset"])
def test_a_register_is_one_value_or_one_per_neuron(what):
    message = refusal(fixed(pop=population(**{what: np.zeros(3)})), "fixed")
    assert f"its {what} has shape (3,), allowed are () and (2,). Give one value" in message


def test_checking_needs_numpy_alone():
    heavy = ("scipy", "torch", "onnx", "norse", "lava", "h5py")
    program = f"import sys, neurocompile.ir.verify; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
