"""A layer as a module of Verilog: what its tables hold, and which layers are refused.

That it computes the bits of the engine is tested in simulators, by `make test-verilog`.
"""

import numpy as np
import pytest
from c_networks import delayed_fixed_graph, input_of, unread
from random_graphs import adaptive_graph, fixed_graph, graded_graph, looped_fixed_graph

from neurocompile.bundle.expressions import Body
from neurocompile.bundle.vectors import vectors_of
from neurocompile.bundle.verilog.expressions import VerilogOps, Wires
from neurocompile.bundle.verilog.folder import verilog_bundle
from neurocompile.bundle.verilog.layer import circuit_layer, width_of
from neurocompile.bundle.verilog.module import hexadecimal
from neurocompile.errors import BadInput
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.linear import connections
from neurocompile.ir.nodes import Linear
from neurocompile.ir.verify import verify


def made_of(make, seed, name):
    """A graph and the module of one of its layers."""
    graph = unread(verify(make(seed), "fixed"))
    return graph, verilog_bundle(vectors_of(graph, input_of(graph, seed)), name)


def two_neurons(weight, **synapse):
    """Input, a dense synapse and a population."""
    registers = {"du": 4095, "dv": 0, "vth": 100, "bias_mant": 0, "bias_exp": 0, "v_init": 0}
    nodes = {
        "in": SpikeInput((2,)),
        "s": Synapse(Linear(np.array(weight, np.int16)), (2,), (2,), **synapse),
        "out": CubaLIF((2,), **registers),
    }
    return chain(nodes)


def test_a_table_is_read_as_readmemh_reads_it():
    assert hexadecimal(np.array([0, 10, 255]), 9) == "000\n00a\n0ff\n"


@pytest.mark.parametrize(("values", "bits"), [([0], 1), ([1], 2), ([-1], 1), ([127, -128], 8)])
def test_a_width_holds_the_smallest_and_the_largest_number(values, bits):
    assert width_of(np.array(values)) == bits


def test_division_cuts_the_fraction_off_below_zero_too():
    body = Wires("48")
    VerilogOps(wraps=True).divide_toward_zero(body.define("x"), 6)
    assert body.statements(["x2"]) == [
        "wire signed [47:0] x0 = x;",
        "wire signed [47:0] x1 = x0 + ((x0 < 48'sd0) ? 48'sd63 : 48'sd0);",
        "wire signed [47:0] x2 = x1 >>> 6;",
    ]
    assert Body("int32_t").literal(-3) == "(-3)"


@pytest.mark.parametrize(
    ("make", "seed", "name"),
    [(looped_fixed_graph, 1, "pop1"), (adaptive_graph, 2, "a"), (delayed_fixed_graph, 5, "pop1")],
)
def test_the_stored_weights_are_the_matrices_of_the_synapses(make, seed, name):
    graph, made = made_of(make, seed, name)
    layer, begin = made.layer, 0
    for line in layer.lines:
        synapse = graph.nodes[line.synapse]
        matrix = connections(synapse).toarray().astype(np.int64) << max(synapse.weight_exp, 0)
        stored = np.zeros_like(matrix)
        for k in range(line.count):
            own = slice(layer.first[begin + k], layer.first[begin + k + 1])
            stored[layer.targets[own], k] = layer.weights[own] << layer.left
        np.testing.assert_array_equal(stored, matrix)
        begin += line.count
    assert begin == layer.sources
    assert len(made.files["weights.hex"].split()) == len(layer.weights) > 0


def test_what_arrives_is_late_by_the_delay_of_the_synapse():
    graph = two_neurons([[2, 4], [6, 8]], delay=1)
    spikes = np.array([[[1, 0], [1, 1], [0, 0]]], np.uint8)
    made = verilog_bundle(vectors_of(graph, input_of(graph, 0).__class__({"in": spikes}, 3)))
    assert made.files["vectors/arrives.hex"] == b"0\n1\n3\n"
    # by hand: weights 2 4 6 8 are 2 times 1 2 3 4, line by line
    assert made.files["weights.hex"] == b"1\n3\n2\n4\n"
    # u = 64 a, v = v + u: 0 0, 128 384, 128 + 384 1280, each without a spike below 100 * 64
    assert made.files["vectors/expected.hex"].split() == [
        b"%07x" % v for v in (0, 0, 128, 384, 512, 1280)
    ]


def test_the_same_layer_gives_the_same_bytes():
    one, other = (made_of(fixed_graph, 16, "pop0")[1].files for _ in range(2))
    assert one == other


def test_a_network_without_any_layer_for_a_module_says_why_and_what_to_do():
    with pytest.raises(BadInput, match="no layer of this network can be a module") as refusal:
        circuit_layer(verify(graded_graph(4), "fixed"), None)
    assert "--to c" in str(refusal.value)


def test_a_layer_is_chosen_by_its_name_where_there_are_several():
    graph = unread(verify(adaptive_graph(2), "fixed"))
    with pytest.raises(BadInput, match="Choose one of 'a', 'b'"):
        circuit_layer(graph, None)
    with pytest.raises(BadInput, match=r"no layer 'c'\. The layers are 'a', 'b'"):
        circuit_layer(graph, "c")
    assert circuit_layer(graph, "b").name == "b"


def test_a_layer_with_delays_for_each_weight_is_refused():
    late = np.array([[0, 1], [2, 0]])
    with pytest.raises(BadInput, match="the delays of 's' differ inside the synapse"):
        circuit_layer(two_neurons([[2, 4], [6, 8]], late=late), "out")
