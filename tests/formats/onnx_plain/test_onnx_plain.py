"""Plain ONNX files: standard operators, neurons of our domain, none of our metadata."""

import dataclasses
import re
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import random_graphs
import torch
from onnx import TensorProto, helper, numpy_helper
from plain_files import LIF_BOX, ONE_STEP, TIMED, neurons, node, plain

from neurocompile.engines.floating import run_float
from neurocompile.errors import Unsupported
from neurocompile.formats.load_onnx import from_onnx
from neurocompile.formats.onnx.write import to_onnx
from neurocompile.formats.onnx_plain.read import with_functions
from neurocompile.ir.arrays import same_fields
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import full_bias, matrix
from neurocompile.ir.neurons import LIBox, LIFBox
from neurocompile.ir.nodes import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    Delay,
    Identity,
    Linear,
    LinearMap,
    Reshape,
    Sparse,
    Upsample,
)
from neurocompile.ir.shapes import shapes
from neurocompile.simplify.drop_identities import drop_identities

ROOT = Path(__file__).parents[3]
RNG = np.random.default_rng(4)


def values(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def only_layer(nodes, axes, output="y", **more):
    """The one layer that a file without neurons makes behind its input."""
    graph = from_onnx(plain(nodes, axes, [output], **more))
    (layer,) = [x for name, x in graph.nodes.items() if name != "x"]
    return layer


# --- Round trips ---------------------------------------------------------------------------


def in_float32(graph):
    def rounded(x):
        is_wide = isinstance(x, np.ndarray) and x.dtype == np.float64
        return x.astype(np.float32) if is_wide else x

    nodes = {
        name: type(x)(**{f.name: rounded(getattr(x, f.name)) for f in dataclasses.fields(x)})
        for name, x in graph.nodes.items()
    }
    return Graph(nodes, graph.edges, graph.settings)


@pytest.mark.parametrize("make", [random_graphs.float_graph, random_graphs.joined_float_graph])
@pytest.mark.parametrize("seed", range(60))
def test_our_own_file_without_its_metadata_is_the_same_network(make, seed):
    graph = in_float32(make(seed))
    model = to_onnx(graph)
    del model.metadata_props[:], model.functions[:]
    if any(isinstance(x, Sparse | Delay) for x in graph.nodes.values()):
        with pytest.raises(Unsupported, match=r"node '.*' \("):
            from_onnx(model)
        return
    back, graph = drop_identities(from_onnx(model)), drop_identities(graph)
    assert list(back.nodes) == list(graph.nodes)
    assert set(back.edges) == set(graph.edges)
    shape = shapes(graph)
    assert shapes(back) == shape
    for name, x in graph.nodes.items():
        if not isinstance(x, LinearMap):
            assert same_fields(back.nodes[name], x)
            continue
        before = shape[graph.before(name)[0]]
        difference = matrix(x, before) - matrix(back.nodes[name], before)
        assert difference.nnz == 0 or not difference.data.any()
        ours, theirs = full_bias(x, before), full_bias(back.nodes[name], before)
        assert (ours is None) == (theirs is None)
        assert ours is None or np.array_equal(ours, theirs)


def residual_network():
    """Conv, batch norm, spikes, a skip and a readout, over time."""
    nodes = [
        node("Reshape", ["x", "fold"], "images"),
        node("Conv", ["images", "kernel", "conv_bias"], "conv", pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["conv", "gamma", "beta", "mean", "var"], "norm"),
        node("Shape", ["x"], "batch_steps", start=0, end=2),
        node("Concat", ["batch_steps", "image"], "unfold", axis=0),
        node("Reshape", ["norm", "unfold"], "currents"),
        neurons("currents", "spikes"),
        node("Add", ["spikes", "x2"], "sum"),
        node("Mul", ["x", "three"], "x2"),
    ]
    nodes = [*nodes[:7], nodes[8], nodes[7]]
    nodes += [
        node("Reshape", ["sum", "flat"], "flatten"),
        node("MatMul", ["flatten", "weight"], "fc"),
        node("Add", ["fc", "bias"], "currents2"),
        neurons("currents2", "more"),
        node("MatMul", ["more", "last"], "readout"),
        neurons("readout", "potential", "LIBox"),
    ]
    return plain(
        nodes,
        [*TIMED, 2, 4, 4],
        ["spikes", "more", "potential"],
        kernel=values(2, 2, 3, 3),
        conv_bias=values(2),
        gamma=values(2),
        beta=values(2),
        mean=values(2),
        var=abs(values(2)),
        fold=np.array([-1, 2, 4, 4]),
        image=np.array([2, 4, 4]),
        flat=np.array([0, 0, -1]),
        three=np.array([[[3.0]], [[2.0]]], np.float32),
        weight=values(32, 5),
        bias=values(5),
        last=values(5, 3),
    )


def test_a_plain_file_runs_on_onnxruntime_as_the_network_that_is_read_from_it():
    model = residual_network()
    graph = from_onnx(model)
    x = (RNG.random((3, 40, 2, 4, 4)) < 0.4).astype(np.float32)
    session = onnxruntime.InferenceSession(with_functions(model).SerializeToString())
    spikes, more, potential = session.run(None, {"x": x})
    ours = run_float(graph, x, 40, membranes=("potential",))
    assert spikes.any()
    assert more.any()
    assert np.array_equal(ours.spikes["spikes"], spikes)
    assert np.array_equal(ours.spikes["more"], more)
    np.testing.assert_allclose(ours.membrane["potential"], potential, atol=1e-5)


def test_a_file_with_our_functions_is_read_like_one_without():
    model = residual_network()
    assert list(from_onnx(with_functions(model)).nodes) == list(from_onnx(model).nodes)


def test_the_script_in_the_documents_runs(tmp_path, monkeypatch, capsys):
    (script,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/onnx.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    namespace = {}
    exec(script, namespace)
    printed = capsys.readouterr().out.strip()
    assert printed == re.findall(r"# (x, .*)", script)[0]
    assert namespace["network"].settings.steps == 50
    assert namespace["potential"].shape == (2, 50, 10)


def test_a_network_that_torch_exported_is_read_with_neurons_put_between(tmp_path):
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3, stride=2, padding=1), torch.nn.Flatten(), torch.nn.Linear(12, 4)
    )
    x = torch.rand(5, 1, 4, 4)
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter calls itself deprecated, in several ways
        torch.onnx.export(net, (x,), path, dynamo=False, input_names=["x"])
    model = onnx.load(path)
    at = next(i for i, n in enumerate(model.graph.node) if n.op_type == "Flatten")
    model.graph.node.insert(at, neurons(model.graph.node[at].input[0], "cells"))
    model.graph.node[at + 1].input[0] = "cells"
    for name, value in (LIF_BOX | {"dt": 1e-3}).items():
        model.graph.initializer.append(numpy_helper.from_array(np.float32(value), name))
    model.opset_import.append(helper.make_opsetid("ai.neurocompile", 1))
    graph = from_onnx(model)
    kinds = [type(n).__name__ for n in graph.nodes.values()]
    assert kinds == ["Input", "Conv", "LIFBox", "Reshape", "Linear"]
    assert graph.settings.dt == 1e-3
    names = list(graph.nodes)
    conv, linear = graph.nodes[names[1]], graph.nodes[names[4]]
    assert np.array_equal(conv.weight, net[0].weight.detach().numpy())
    assert np.array_equal(linear.weight, net[2].weight.detach().numpy())
    assert np.array_equal(linear.bias, net[2].bias.detach().numpy())


# --- One operator at a time ----------------------------------------------------------------


@pytest.mark.parametrize("transposed", [0, 1])
def test_a_gemm_is_a_dense_layer(transposed):
    w, c = values(3, 2), values(2)
    gemm = node("Gemm", ["x", "w", "c"], "y", alpha=2.0, beta=0.5, transB=transposed)
    layer = only_layer([gemm], [*ONE_STEP, 3], w=w.T.copy() if transposed else w, c=c)
    assert isinstance(layer, Linear)
    assert np.array_equal(layer.weight, 2 * w.T)
    assert np.array_equal(layer.bias, c / 2)


@pytest.mark.parametrize("first", ["weight", "bias"])
def test_a_constant_added_to_a_product_is_its_bias(first):
    order = ["y", "c"] if first == "weight" else ["c", "y"]
    nodes = [node("MatMul", ["x", "w"], "y"), node("Add", order, "z")]
    layer = only_layer(nodes, [*TIMED, 3], "z", w=values(3, 2), c=np.float32([1, 2]))
    assert isinstance(layer, Linear)
    assert layer.bias.tolist() == [1, 2]


def test_a_constant_added_to_a_value_that_others_see_is_a_layer_of_its_own():
    nodes = [node("MatMul", ["x", "w"], "y"), node("Sub", ["y", "c"], "z")]
    graph = from_onnx(plain(nodes, [*TIMED, 3], ["y", "z"], w=values(3, 2), c=np.float32([1, 2])))
    assert graph.nodes["y"].bias is None
    assert graph.nodes["z"].weight.tolist() == [1, 1]
    assert graph.nodes["z"].bias.tolist() == [-1, -2]


def test_factors_and_differences_are_numbers_of_each_channel():
    nodes = [node("Div", ["x", "four"], "y"), node("Sub", ["one", "y"], "z")]
    four = np.float32([[2], [4]])
    graph = from_onnx(plain(nodes, [*ONE_STEP, 2, 5], ["z"], four=four, one=np.float32(1)))
    assert isinstance(graph.nodes["y"], BatchNorm)
    assert graph.nodes["y"].weight.tolist() == [0.5, 0.25]
    assert graph.nodes["z"].weight.tolist() == [-1, -1]
    assert graph.nodes["z"].bias.tolist() == [1, 1]


def test_batch_norm_is_a_factor_and_a_sum():
    norm = node("BatchNormalization", ["x", "g", "b", "m", "v"], "y", epsilon=0.0)
    arrays = {"g": [6.0], "b": [1.0], "m": [2.0], "v": [9.0]}  # 6 (x - 2) / 3 + 1 = 2 x - 3
    layer = only_layer(
        [norm], [*ONE_STEP, 1, 4, 4], **{k: np.float32(a) for k, a in arrays.items()}
    )
    assert (layer.weight.tolist(), layer.bias.tolist()) == ([2], [-3])


@pytest.mark.parametrize(
    ("op", "axes", "arrays", "expected"),
    [
        (
            node("Conv", ["x", "w"], "y", group=2, strides=[2], pads=[1, 1], dilations=[2]),
            [4, 9],
            {"w": values(2, 2, 3)},
            lambda w: Conv(w, None, (2,), (1,), (2,), 2),
        ),
        (
            # out = (5 - 1) 2 + 3 + 0 - 1 - 0 = 10, PyTorch's with padding 1, output_padding 1
            node("ConvTranspose", ["x", "w"], "y", strides=[2], pads=[1, 0]),
            [1, 5],
            {"w": values(1, 2, 3)},
            lambda w: ConvTranspose(w, None, (2,), (1,), (1,), (1,), 1),
        ),
        (
            node("AveragePool", ["x"], "y", kernel_shape=[3, 2], strides=[1, 2], pads=[1, 0, 1, 0]),
            [2, 4, 4],
            {},
            lambda: AvgPool((3, 2), (1, 2), (1, 0), count_include_pad=False),
        ),
        (
            node("GlobalAveragePool", ["x"], "y"),
            [2, 4, 3],
            {},
            lambda: AvgPool((4, 3), (4, 3), (0, 0)),
        ),
        (
            node("Resize", ["x", "", "s"], "y", nearest_mode="floor", mode="nearest",
                 coordinate_transformation_mode="asymmetric"),
            [2, 4, 3],
            {"s": np.float32([1, 1, 2, 3])},
            lambda s: Upsample((2, 3)),
        ),
        (
            node("Resize", ["x", "", "", "n"], "y"),
            [2, 4, 3],
            {"n": np.array([2, 2, 8, 3])},
            lambda n: Upsample((2, 1)),
        ),
        (node("Flatten", ["x"], "y"), [2, 3], {}, lambda: Reshape((6,))),
        (node("Reshape", ["x", "s"], "y"), [6], {"s": np.array([0, 2, -1])},
         lambda s: Reshape((2, 3))),
        (node("Unsqueeze", ["x", "a"], "y"), [6], {"a": np.array([-1])},
         lambda a: Reshape((6, 1))),
        (node("Squeeze", ["x", "a"], "y"), [6, 1], {"a": np.array([2])}, lambda a: Reshape((6,))),
        (node("Dropout", ["x"], "y"), [6], {}, Identity),
        (node("Cast", ["x"], "y", to=TensorProto.FLOAT), [6], {}, Identity),
    ],
    ids=lambda x: x.op_type if hasattr(x, "op_type") else "",
)  # fmt: skip
def test_an_operator_is_the_layer_of_the_same_meaning(op, axes, arrays, expected):
    layer = only_layer([op], [*ONE_STEP, *axes], **arrays)
    assert same_fields(layer, expected(*arrays.values()))
    model = plain([op], [2, *axes], ["y"], **arrays)
    x = values(2, *axes)
    (theirs,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    ours = (matrix(layer, tuple(axes)) @ x.reshape(2, -1).T).T
    np.testing.assert_allclose(ours, theirs.reshape(2, -1), atol=1e-5)


def test_a_signal_may_be_added_to_and_joined_with_itself():
    nodes = [node("Add", ["x", "x"], "y"), node("Concat", ["y", "x", "y"], "z", axis=1)]
    graph = from_onnx(plain(nodes, [*ONE_STEP, 2, 3], ["z"]))
    assert shapes(graph)["z"] == (6, 3)
    assert [type(graph.nodes[name]) for name in ("y", "z")] == [Add, Concat]
    assert graph.before("z") == ("y", "x", "z.2")


def test_constants_may_be_made_of_others():
    nodes = [
        helper.make_node("Constant", [], ["w"], value_floats=[1.0, 2.0, 3.0, 4.0]),
        helper.make_node("Constant", [], ["s"], value_ints=[2, 2]),
        helper.make_node("Reshape", ["w", "s"], ["square"]),
        helper.make_node("Mul", ["square", "two"], ["doubled"]),
        node("MatMul", ["x", "doubled"], "y"),
    ]
    layer = only_layer(nodes, [*TIMED, 2], two=np.float32(2))
    assert layer.weight.tolist() == [[2, 6], [4, 8]]


def test_a_tensor_may_list_its_numbers_instead_of_bytes():
    model = plain([node("MatMul", ["x", "w"], "y")], [*TIMED, 2], ["y"])
    model.graph.initializer.append(helper.make_tensor("w", TensorProto.FLOAT, [2, 1], [3.0, 4.0]))
    assert from_onnx(model).nodes["y"].weight.tolist() == [[3, 4]]


def test_names_with_slashes_become_names_of_layers():
    one = helper.make_node("Identity", ["x"], ["/net/0"], name="/net/0/Identity")
    graph = from_onnx(plain([one, node("Identity", ["/net/0"], "y")], [*TIMED, 2], ["y"]))
    assert list(graph.nodes) == ["x", "net.0.Identity", "y"]


# --- Neurons and time ----------------------------------------------------------------------


@pytest.mark.parametrize("axes", [[*TIMED, 3], [*ONE_STEP, 3], [1, 3]])
def test_a_neuron_names_its_parameters(axes):
    neuron = only_layer([neurons("x", "y", "LIFBoxSubtract")], axes, v_th=np.float32([1, 2, 3]))
    assert isinstance(neuron, LIFBox)
    assert neuron.reset == "subtract"
    assert neuron.v_th.tolist() == [1, 2, 3]
    assert neuron.tau_mem_inv.shape == ()
    assert neuron.tau_mem_inv == 100


@pytest.mark.parametrize(
    ("dt", "settings", "asked"),
    [
        (np.float64(2e-3), None, None),
        (np.float32(2e-3), None, None),
        (np.float32(2e-3), '{"dt": 0.002}', 0.002),
        (None, '{"dt": 0.002}', None),
        (None, None, 0.002),
    ],
)
def test_dt_comes_from_neurons_metadata_or_the_caller(dt, settings, asked):
    model = plain(
        [neurons("x", "y", dt="" if dt is None else "dt")],
        [*TIMED, 3],
        ["y"],
        settings=settings,
        **({} if dt is None else {"dt": dt}),
    )
    assert from_onnx(model, dt=asked).settings.dt == 2e-3


def test_a_file_that_needs_no_dt_says_which_was_assumed():
    settings = from_onnx(plain([node("Identity", ["x"], "y")], [*TIMED, 3], ["y"])).settings
    dt, steps = settings.assumed
    assert (dt.key, steps.key) == ("dt", "steps")
    assert dt.sentence.startswith("a step takes 0.001 s: it was not given.")
    assert steps.sentence.startswith("a sample takes 100 steps: their number was not given.")


def test_the_metadata_may_hold_the_other_settings():
    settings = '{"steps": 7, "encoder": {"kind": "bernoulli", "gain": 0.5}}'
    graph = from_onnx(plain([neurons("x", "y")], [*TIMED, 3], ["y"], settings=settings))
    assert graph.settings.steps == 7
    assert graph.settings.encoder.gain == 0.5
    assert graph.settings.dt == 1e-3


def test_a_potential_beside_spikes_may_be_an_output():
    cells = helper.make_node(
        "LIFBox", ["x", "dt", *LIF_BOX], ["z", "v"], name="cells", domain="ai.neurocompile"
    )
    graph = from_onnx(plain([cells], [*TIMED, 3], ["z", "v"]))
    assert list(graph.nodes) == ["x", "cells"]
    with pytest.raises(Unsupported, match=r"node 'y' \(Identity\): .* potential of 'cells'"):
        from_onnx(plain([cells, node("Identity", ["v"], "y")], [*TIMED, 3], ["z", "y"]))


def test_a_readout_goes_on_with_its_potential():
    nodes = [neurons("x", "v", "LIBox"), node("MatMul", ["v", "w"], "y")]
    graph = from_onnx(plain(nodes, [*TIMED, 3], ["y"], w=values(3, 2)))
    assert isinstance(graph.nodes["v"], LIBox)
    assert graph.edges == (("x", "v"), ("v", "y"))


def test_layers_of_one_name_are_numbered_in_their_order():
    made = [helper.make_node("Mul", ["x", "dt"], ["v0"], name="a")]
    for k, name in enumerate(["a", "a_3", "a", "/b/a", "a"]):
        made.append(helper.make_node("Mul", [f"v{k}", "dt"], [f"v{k + 1}"], name=name))
    graph = from_onnx(plain(made, ["batch", 4], ["v5"]))
    assert [name for name in graph.nodes if "a" in name] == ["a", "a_2", "a_3", "a_4", "b.a", "a_5"]
