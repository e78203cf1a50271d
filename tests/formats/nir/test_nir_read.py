"""What each primitive of NIR becomes, by hand, and what is refused in which words."""

from itertools import pairwise

import nir
import numpy as np
import pytest

from neurocompile.errors import BadInput, Unsupported
from neurocompile.formats.nir.read import from_nir
from neurocompile.formats.nir.write import to_nir
from neurocompile.ir.graph import same
from neurocompile.ir.neurons import IAF, LI, LIF, Integrator, LIBox, LIFBox
from neurocompile.ir.nodes import (
    Add,
    AvgPool,
    BatchNorm,
    Conv,
    Delay,
    Identity,
    Linear,
    Reshape,
    Sparse,
    SumPool,
)
from neurocompile.ir.reference import run_float
from neurocompile.simplify import simplify

DT = 1e-3


def tree(nodes, edges):
    """The tree that `read_hdf5` gives of nir's own objects."""
    return {"version": nir.version, "node": node_tree(nodes, edges)}


def node_tree(nodes, edges):
    fields = {
        name: node if isinstance(node, dict) else trimmed(node) for name, node in nodes.items()
    }
    return {"type": "NIRGraph", "nodes": fields, "edges": np.array(edges, dtype=np.str_)}


def trimmed(node):
    values = {k: v for k, v in node.to_dict().items() if v is not None and k != "metadata"}
    return {k: v if isinstance(v, str) else np.asarray(v) for k, v in values.items()}


def between(node, shape, after=None):
    """Input -> node -> Output, or Input -> node -> `after` -> Output."""
    nodes = {"in": nir.Input(np.array(shape)), "x": node, "out": {"type": "Output"}}
    names = ["in", "x", "out"]
    if after is not None:
        nodes["y"] = after
        names.insert(2, "y")
    return tree(nodes, list(pairwise(names)))


def read(node, shape, after=None, **told):
    return from_nir(between(node, shape, after), **{"dt": DT, **told})


def vector(value, n=2):
    return np.full(n, value)


def lif(n=2, **changed):
    values = {"tau": 0.01, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
    return nir.LIF(**{k: vector(v, n) for k, v in {**values, **changed}.items()})


def cuba(**changed):
    values = {
        "tau_syn": 0.004, "tau_mem": 0.01, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "w_in": 4.0,
    }  # fmt: skip
    return nir.CubaLIF(**{k: vector(v) for k, v in {**values, **changed}.items()})


def test_every_primitive_that_nir_has_is_read_or_refused_by_its_name():
    kinds = {
        name
        for name in nir.ir.__all__
        if isinstance(getattr(nir, name), type) and name not in ("NIRNode", "NIRGraph")
    }
    assert len(kinds) == 18
    for kind in kinds - {"Input", "Output"}:
        with pytest.raises((BadInput, Unsupported), match=rf"'x' \({kind}\): ") as refused:
            read({"type": kind}, (2,))  # without its fields: the rule asks for one
        assert "no such primitive" not in str(refused.value)
    with pytest.raises(Unsupported, match=r"'x' \(Alpha\): NIR 1.0.8 has no such primitive"):
        read({"type": "Alpha"}, (2,))


def test_a_lif_takes_r_in_front_and_leaks_dt_over_tau():
    graph = read(lif(r=3.0, v_leak=0.5, v_reset=-0.25), (2,))
    factor, neuron = graph.nodes["x.factor"], graph.nodes["x"]
    assert isinstance(factor, BatchNorm)
    assert factor.weight.tolist() == [3.0, 3.0]
    assert isinstance(neuron, LIFBox)
    assert (neuron.tau_mem_inv * DT, neuron.v_leak, neuron.v_th) == (0.1, 0.5, 1.0)
    assert (neuron.v_reset, neuron.reset) == (-0.25, "zero")
    # v = 0.5 at the start; with I = 2: v = 0.5 + 0.1 (0.5 - 0.5 + 3 * 2) = 1.1, above 1: -0.25
    spikes, potential = run_float(graph, np.full((1, 2), 2.0))
    assert spikes["x"].all()
    assert potential["x"].tolist() == [[-0.25, -0.25]]


def test_a_cuba_lif_adds_r_w_in_dt_over_tau_syn_of_a_spike():
    # 2 * 8 * 1 ms / 4 ms = 4 a spike
    graph = read(cuba(r=2.0, w_in=8.0), (2,))
    assert graph.nodes["x.factor"].weight == pytest.approx([4.0, 4.0])
    assert isinstance(graph.nodes["x"], LIF)
    # i = 4, v = 0.1 * 4 = 0.4; then i = 3, v = 0.4 * 0.9 + 0.3 = 0.66
    _, potential = run_float(graph, np.array([[1, 1], [0, 0]]))
    assert potential["x"][:, 0] == pytest.approx([0.4, 0.66])


def test_a_factor_of_one_is_left_out():
    assert list(read(cuba(), (2,)).nodes) == ["in", "x"]  # w_in = tau_syn / dt
    assert list(read(lif(), (2,)).nodes) == ["in", "x"]


def test_a_factor_for_each_neuron_of_a_channel_is_a_sparse_map():
    neurons = nir.LI(np.full((1, 2), 0.01), np.array([[1.0, 2.0]]), np.zeros((1, 2)))
    factor = read(neurons, (1, 2)).nodes["x.factor"]
    assert isinstance(factor, Sparse)
    assert factor.data.tolist() == [1.0, 2.0]


def test_readouts_become_readouts():
    assert isinstance(read(nir.LI(vector(0.01), vector(1.0), vector(0.0)), (2,)).nodes["x"], LIBox)
    values = (vector(0.004), vector(0.01), vector(1.0), vector(0.0), vector(4.0))
    assert isinstance(read(nir.CubaLI(*values), (2,)).nodes["x"], LI)
    assert isinstance(read(nir.I(vector(1 / DT)), (2,)).nodes["x"], Integrator)


@pytest.mark.parametrize(("r", "factor"), [(1 / DT, None), (500.0, 0.5), (1.0, None)])
def test_a_spike_adds_dt_r_to_an_if_and_its_weight_where_r_is_one(r, factor):
    graph = read(nir.IF(vector(r), vector(1.0)), (2,))
    assert isinstance(graph.nodes["x"], IAF)
    found = graph.nodes.get("x.factor")
    assert (None if found is None else found.weight[0]) == factor
    said = "".join(each.sentence for each in graph.settings.assumed)
    assert ("'x' (IF): R = 1 is read as 'a spike adds its weight'" in said) == (r == 1.0)


def test_a_parameter_may_be_one_value_one_a_neuron_or_have_a_batch_of_one():
    each = np.array([1.0, 2.0])
    for threshold, found in ((each, each), (each[None], each), (np.array([3.0]), 3.0)):
        node = trimmed(nir.IF(each, each)) | {"r": np.ones(2), "v_threshold": threshold}
        np.testing.assert_array_equal(read(node, (2,)).nodes["x"].v_th, found)
    assert read(lif(), (2,)).nodes["x"].v_th.shape == ()  # the same for all


def test_subtraction_is_read_where_the_caller_says_so():
    assert read(lif(), (2,), reset="subtract").nodes["x"].reset == "subtract"
    assert read(nir.IF(vector(1.0), vector(1.0)), (2,), reset="subtract").nodes["x"].reset == (
        "subtract"
    )
    assert read(cuba(), (2,), reset="subtract").nodes["x"].reset == "subtract"


def test_maps_keep_their_numbers():
    weight = np.array([[1.0, 2.0], [3.0, 4.0]])
    affine = read(nir.Affine(weight, vector(5.0)), (2,), lif()).nodes["x"]
    assert isinstance(affine, Linear)
    assert (affine.weight.tolist(), affine.bias.tolist()) == (weight.tolist(), [5.0, 5.0])
    assert read(nir.Affine(weight, vector(0.0)), (2,), lif()).nodes["x"].bias is None
    assert read(nir.Linear(weight), (2,), lif()).nodes["x"].bias is None
    whole = read(nir.Linear(weight.astype(np.int32)), (2,), lif()).nodes["x"]
    assert whole.weight.dtype == np.float64
    scale = read(nir.Scale(np.array([2.0, 3.0])), (2,), lif()).nodes["x"]
    assert scale.weight.tolist() == [2.0, 3.0]


@pytest.mark.parametrize(
    ("padding", "kernel", "dilation", "found"),
    [
        ("same", 3, 1, (1, 1)),  # 1 (3 - 1) = 2 zeros in all
        ("same", 3, 2, (2, 2)),  # 2 (3 - 1) = 4
        ("valid", 3, 1, (0, 0)),
        ((1, 2), 3, 1, (1, 2)),
        (1, 3, 1, (1, 1)),
    ],
)
def test_a_convolution_takes_any_padding_that_is_alike_on_both_sides(
    padding, kernel, dilation, found
):
    weight = np.ones((1, 2, kernel, kernel))
    node = nir.Conv2d((8, 8), weight, 1, padding, dilation, 1, np.zeros(1))
    conv = read(node, (2, 8, 8), nir.Flatten(None, 0, -1)).nodes["x"]
    assert isinstance(conv, Conv)
    assert (conv.padding, conv.dilation, conv.stride) == (found, (dilation,) * 2, (1, 1))
    assert conv.bias is None


def test_pools_and_flattens():
    two, none = np.array([2, 2]), np.array([0, 0])
    flat = nir.Flatten(None, 0, -1)
    for kind, ours in ((nir.SumPool2d, SumPool), (nir.AvgPool2d, AvgPool)):
        pool = read(kind(two, two, none), (1, 4, 4), flat).nodes["x"]
        assert isinstance(pool, ours)
        assert (pool.kernel, pool.stride, pool.padding) == ((2, 2), (2, 2), (0, 0))
    inner = read(nir.Flatten(np.array([2, 3, 4]), 1, 2), (2, 3, 4), flat)
    assert isinstance(inner.nodes["x"], Reshape)
    assert inner.nodes["x"].shape == (2, 12)


def test_a_delay_is_counted_in_steps():
    assert read(nir.Delay(vector(0.003)), (2,), lif()).nodes["x"].steps == 3
    assert read(nir.Delay(np.float32([0.003, 0.003])), (2,), lif()).nodes["x"].steps == 3
    assert isinstance(read(nir.Delay(vector(0.0)), (2,), lif()).nodes["x"], Identity)


def test_a_flatten_or_input_that_counts_a_batch_is_read_so_and_said():
    head = nir.Linear(np.ones((2, 6)))
    graph = read(nir.Flatten(None, 1, -1), (2, 3), head)
    assert graph.nodes["x"].shape == (6,)
    said = "'x' (Flatten): its axes 1 to -1 are read as if a batch were counted"
    assert said in graph.settings.assumed[0].sentence
    for told in ((1, 2, 3), (0, 0, 0)):  # early Sinabs
        early = trimmed(nir.Flatten(np.array([2, 3]), 1, -1)) | {"input_type": np.array(told)}
        graph = read(early, (2, 3), head)
        assert graph.nodes["x"].shape == (6,)
        assert said in graph.settings.assumed[0].sentence
    graph = read(head, (1, 6), lif())
    assert graph.nodes["in"].shape == (6,)
    (_, shape, _) = graph.settings.assumed
    assert shape.key == "shape"
    assert "'in' (Input): its shape (1, 6) is read as (6,)" in shape.sentence


@pytest.mark.parametrize("told", [(2,), (1, 2), (1, 1, 2), (2, 1)])
def test_an_output_may_have_axes_of_one_more_than_arrive(told):
    graph = between(lif(), (2,))
    graph["node"]["nodes"]["out"] = {"type": "Output", "shape": np.array(told)}
    assert from_nir(graph, dt=DT).outputs() == ("x",)


def test_a_linear_network_whose_input_and_output_have_axes_of_one_is_read_as_one_axis():
    """As Rockpool's exporter wrote lif_rockpool.nir of NIR's paper: (batch, time, neuron)."""
    nodes = {
        "input": {"type": "Input", "shape": np.array([1, 1, 1])},
        "0_LinearTorch": nir.Linear(np.array([[0.04]])),
        "1_LIFNeuronTorch": lif(n=1),
        "output": {"type": "Output", "shape": np.array([1, 1, 1])},
    }
    graph = from_nir(tree(nodes, list(pairwise(nodes))), dt=DT)
    assert graph.nodes["input"].shape == (1,)
    assert any("(1, 1, 1) is read as (1,)" in each.sentence for each in graph.settings.assumed)


def test_every_channel_of_a_delay_has_its_own_steps():
    """Values 0 to 3 wait 2, 0, 2 and 1 steps; each arrives once, at its own time."""
    delay = nir.Delay(DT * np.array([2.0, 0.0, 2.0, 1.0]))
    integrator = nir.I(np.full(4, 1 / DT))
    x = np.zeros((4, 4))
    x[0] = [1, 2, 4, 8]
    graph = read(delay, (4,), integrator)
    _, potentials = run_float(graph, x)
    assert potentials["y"].tolist() == [
        [0, 2, 0, 0],
        [0, 2, 0, 8],
        [1, 2, 4, 8],
        [1, 2, 4, 8],
    ]
    simple = simplify(graph)
    assert sum(len(op.data) for _, op in simple.of(Sparse)) == 4  # a value each, none twice
    np.testing.assert_array_equal(run_float(simple, x)[1]["y"], potentials["y"])
    assert same(from_nir(to_nir(graph)), graph)


def recurrent(weights):
    """As snnTorch exports it: an inner graph with a loop of neuron and weights."""
    inner = node_tree(
        {
            "input": nir.Input(np.array([2])),
            "lif": lif(),
            "w_rec": weights,
            "output": nir.Output(np.array([2])),
        },
        [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")],
    )
    nodes = {
        "in": nir.Input(np.array([2])),
        "fc": nir.Linear(np.eye(2)),
        "rnn": inner,
        "out": nir.Output(np.array([2])),
    }
    return tree(nodes, [("in", "fc"), ("fc", "rnn"), ("rnn", "out")])


def test_an_inner_graph_is_flattened_and_its_loop_takes_one_step_behind_the_neuron():
    graph = from_nir(recurrent(nir.Affine(-np.eye(2), vector(0.5))), dt=DT)
    assert isinstance(graph.nodes["rnn.lif.delay"], Delay)
    assert graph.nodes["rnn.lif.delay"].steps == 1
    assert isinstance(graph.nodes["rnn.lif.sum"], Add)
    assert set(graph.edges) == {
        ("in", "fc"),
        ("fc", "rnn.lif.sum"),
        ("rnn.w_rec", "rnn.lif.sum"),
        ("rnn.lif.sum", "rnn.lif"),
        ("rnn.lif", "rnn.lif.delay"),
        ("rnn.lif.delay", "rnn.w_rec"),
    }
    # step 1: 0.1 (20 + 0.5) = 2.05, a spike, v = 0; step 2: 0.1 (20 - 1 + 0.5) = 1.95
    _, v = run_float(graph, np.array([[20.0, 0.0], [20.0, 0.0]]))
    spikes, _ = run_float(graph, np.array([[20.0, 0.0], [20.0, 0.0]]))
    assert spikes["rnn.lif"][:, 0].all()
    assert v["rnn.lif"][:, 1] == pytest.approx([0.05, 0.095])  # 0.05 + 0.1 (0.5 - 0.05)


def test_files_of_nir_0_1_have_no_v_reset_and_no_w_in():
    old = trimmed(lif())
    del old["v_reset"]
    assert read(old, (2,)).nodes["x"].v_reset == 0
    old = trimmed(cuba())
    del old["v_reset"], old["w_in"]
    graph = read(old, (2,))
    assert graph.nodes["x.factor"].weight == pytest.approx([0.25, 0.25])  # 1 ms / 4 ms
    wrapped = between(lif(), (2,))
    wrapped["node"]["nodes"]["in"] = {"type": "Input", "input_type": {"input": np.array([2])}}
    assert from_nir(wrapped, dt=DT).nodes["in"].shape == (2,)


@pytest.mark.parametrize(
    ("node", "shape", "error", "sentence"),
    [
        (lif(tau=0.0005), (2,), BadInput, r"tau is 0.0005 s, shorter than a step of dt = 0.001 s"),
        (lif(tau=-1.0), (2,), BadInput, r"its tau is -1 s"),
        (
            lif(tau=np.inf),
            (2,),
            BadInput,
            r"its tau holds 2 of 2 values that are NaN or infinite, the first at \[0\] \(inf\). "
            r"Write the file with finite parameters",
        ),
        (
            nir.Linear(np.array([[1.0, 1.0], [1.0, np.nan]])),
            (2,),
            BadInput,
            r"its weight holds 1 of 4 values that are NaN or infinite, the first at \[1, 1\] "
            r"\(nan\)",
        ),
        (lif(n=3), (2,), BadInput, r"its tau has shape \(3,\), but \(2,\) neurons are fed"),
        (nir.Threshold(vector(1.0)), (2,), Unsupported, "keeps no state"),
        (nir.Delay(np.array([0.001, 0.0022])), (2,), BadInput, r"2.2 steps of dt = 0.001 s"),
        (nir.Delay(vector(0.0015)), (2,), BadInput, r"1.5 steps of dt = 0.001 s"),
        (nir.Delay(vector(1e9)), (2,), BadInput, r"allowed is a whole number from 0 to"),
        (nir.Linear(np.ones((2, 3))), (2,), BadInput, r"given the shape \(2,\), but takes"),
        (nir.Linear(np.ones((4, 2, 3))), (4, 3), BadInput, r"allowed is \(n_out, n_in\)"),
        (nir.Linear(np.ones((2, 3))), (4, 3), BadInput, r"takes one axis, but \(4, 3\) arrives"),
        (nir.Scale(np.ones(3)), (2,), BadInput, r"its scale has shape \(3,\), but \(2,\)"),
        (
            nir.Conv1d(8, np.ones((1, 1, 2)), 1, "same", 1, 1, np.zeros(1)),
            (1, 8),
            Unsupported,
            r"padding 'same' with kernel \(2,\).*pads one side more",
        ),
        (
            nir.Conv1d(7, np.ones((1, 1, 3)), 1, 0, 1, 1, np.zeros(1)),
            (1, 8),
            BadInput,
            r"its input_shape is \(7,\), but \(8,\) arrives",
        ),
        (nir.Flatten(None, 0, 5), (2, 3), BadInput, r"flattens the axes 0 to 5"),
        ({"type": "Linear", "weight": "no"}, (2,), BadInput, "its weight is no array of numbers"),
    ],
)
def test_what_does_not_fit_is_refused_with_layer_kind_and_numbers(node, shape, error, sentence):
    with pytest.raises(error, match=rf"layer 'x' \(\w+\): .*{sentence}"):
        read(node, shape)


def wired(edges, **nodes):
    both = {"in": nir.Input(np.array([2])), "out": nir.Output(np.array([2])), **nodes}
    return tree(both, edges)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ({"node": {"type": "LIF"}}, "holds no NIRGraph"),
        (wired([("in", "out")], other=nir.Input(np.array([2]))), r"has 2 Inputs \(in, other\)"),
        (wired([("in", "x"), ("x", "gone")], x=lif()), r"'x' to 'gone'.*no node 'gone'"),
        (wired([("in", "x"), ("in", "x"), ("x", "out")], x=lif()), "two edges lead from 'in'"),
        (
            wired([("in", "x"), ("x", "out"), ("y", "x")], x=lif(), y=lif()),
            r"'y' \(LIF\): nothing leads to it from the Input",
        ),
        (
            wired([("in", "x"), ("x", "out"), ("x", "y")], x=lif(), y=lif()),
            r"'x' \(LIF\): it leads to an Output and also onward",
        ),
        (
            wired([("in", "x"), ("x", "out"), ("in", "y")], x=lif(), y=lif()),
            r"layer 'y': it leads to no Output",
        ),
    ],
)
def test_what_is_joined_wrongly_is_refused_by_name(found, sentence):
    with pytest.raises(BadInput, match=sentence):
        from_nir(found)


@pytest.mark.parametrize("said", [{"shape": [3]}, {"output_type": {"output": [3]}}])
def test_an_output_that_says_another_shape_than_its_network_has_is_refused_by_name(said):
    def told(fields):
        if isinstance(fields, dict):
            return {key: told(value) for key, value in fields.items()}
        return np.array(fields)

    found = wired([("in", "x"), ("x", "out")], x=lif(3))
    found["node"]["nodes"]["in"] = trimmed(nir.Input(np.array([3])))
    found["node"]["nodes"]["out"] = {"type": "Output", **told(said)}
    assert from_nir(found, dt=DT).nodes["in"].shape == (3,)
    found["node"]["nodes"]["x"] = trimmed(lif(2))
    found["node"]["nodes"]["in"] = trimmed(nir.Input(np.array([2])))
    with pytest.raises(
        BadInput, match=r"'out' \(Output\): its \w+ is \(3,\), but \(2,\) arrives from 'x'"
    ):
        from_nir(found, dt=DT)


@pytest.mark.parametrize("size", [np.inf, np.nan, 1.5, [[2]]])
def test_a_shape_is_made_of_whole_numbers(size):
    found = wired([("in", "x"), ("x", "out")], x=lif())
    found["node"]["nodes"]["out"] = {"type": "Output", "shape": np.array(size)}
    with pytest.raises(BadInput, match=r"'out' \(Output\): its shape is not made of whole numbers"):
        from_nir(found, dt=DT)


def test_a_type_that_is_an_array_is_refused_as_no_nir_file():
    with pytest.raises(BadInput, match="holds no NIRGraph"):
        from_nir({"node": {"type": np.array(["NIRGraph", "LIF"]), "nodes": {}}})
    found = wired([("in", "x"), ("x", "out")], x={"type": np.array(["LIF", "IF"])})
    with pytest.raises(BadInput, match="layer 'x' has no type"):
        from_nir(found)


def test_an_inner_graph_with_two_inputs_is_refused_by_name():
    nested = recurrent(nir.Linear(np.eye(2)))
    nested["node"]["nodes"]["rnn"]["nodes"]["more"] = trimmed(nir.Input(np.array([2])))
    with pytest.raises(Unsupported, match=r"'rnn' \(NIRGraph\) has 2 Inputs"):
        from_nir(nested)


@pytest.mark.parametrize("dt", [0.0, -1.0, np.nan, np.inf])
def test_a_step_is_longer_than_nothing(dt):
    with pytest.raises(BadInput, match="A step must be longer than 0 s"):
        read(lif(), (2,), dt=dt)


def test_every_primitive_that_cannot_be_read_is_listed_and_nothing_that_only_follows_it():
    """After a primitive that NIR lacks no shape is sure: of the matrix after it nothing is said."""
    nodes = {
        "in": nir.Input(np.array([2])),
        "wide": nir.Affine(np.ones((3, 4)), np.zeros(3)),
        "odd": {"type": "Spatial"},
        "fits": nir.Linear(np.ones((3, 7))),
        "step": nir.Threshold(vector(1.0, 3)),
        "out": {"type": "Output"},
    }
    with pytest.raises(Unsupported) as refused:
        from_nir(tree(nodes, list(pairwise(nodes))), dt=DT)
    wide, odd, step = refused.value.reasons
    assert wide.startswith("layer 'wide' (Affine): ")
    assert odd.startswith("layer 'odd' (Spatial): NIR 1.0.8 has no such primitive.")
    assert step.startswith("layer 'step' (Threshold): it keeps no state")
    assert "3 things in this network are wrong or are not supported:\n- layer 'wide'" in str(
        refused.value
    )


def test_without_a_refusal_before_it_each_wrong_field_is_listed():
    nodes = {
        "in": nir.Input(np.array([2])),
        "a": lif(3),
        "b": lif(4),
        "out": {"type": "Output"},
    }
    with pytest.raises(BadInput, match=r"^layer 'a' \(LIF\): its ") as refused:
        from_nir(tree(nodes, list(pairwise(nodes))), dt=DT)
    assert refused.value.reasons == ()  # 'b' follows 'a', of which no shape is sure
