"""What a plain ONNX file may not hold is refused by the name of its node, with what to use."""

import time
from itertools import pairwise

import numpy as np
import pytest
from onnx import StringStringEntryProto, TensorProto, helper
from plain_files import ONE_STEP, TIMED, neurons, node, plain

from neurocompile.errors import BadInput, Unsupported
from neurocompile.formats.load_onnx import from_onnx, load_onnx, parse
from neurocompile.formats.onnx_plain import constants as onnx_plain_constants
from neurocompile.formats.onnx_plain import read as onnx_plain
from neurocompile.formats.onnx_plain.read import with_functions

FLOAT = np.float32
W = np.ones((3, 2), FLOAT)
K = np.ones((1, 1, 3), FLOAT)


@pytest.mark.parametrize(
    ("nodes", "axes", "arrays", "message"),
    [
        ([node("Relu", ["x"], "y")], [3], {}, r"node 'y' \(Relu\): no rule .* use Add, .*Gemm"),
        ([node("MaxPool", ["x"], "y")], [1, 4], {}, r"\(MaxPool\): .*--max-pool neu"),
        ([node("MatMul", ["w", "x"], "y")], [3], {"w": W}, "its input 2, the weight, must be a"),
        ([node("MatMul", ["x", "w"], "y")], [4], {"w": W}, r"node 'y' \(MatMul\): .*\(\.\.\., 3\)"),
        ([node("Gemm", ["x", "w"], "y", transA=1)], [3], {"w": W}, "its transA is '1'"),
        ([node("Gemm", ["x", "w", "c"], "y")], [3], {"w": W, "c": W}, "its bias has shape"),
        ([node("Conv", ["x", "w"], "y", auto_pad="SAME_UPPER")], [1, 9], {"w": K}, "auto_pad"),
        ([node("Conv", ["x", "w"], "y", pads=[0, 1])], [1, 9], {"w": K}, r"\(0,\) before .* equal"),
        ([node("Conv", ["x", "w"], "y", kernel_shape=[2])], [1, 9], {"w": K}, "its kernel_shape"),
        ([node("Conv", ["x", "w"], "y", strides=[0])], [1, 9], {"w": K}, "its stride is"),
        ([node("Conv", ["x", "w"], "y")], [1, 2, 9], {"w": K}, "it was given the shape"),
        ([node("Conv", ["x", "w"], "y", odd=1)], [1, 9], {"w": K}, "attribute 'odd' has no"),
        ([node("Conv", ["x", "w"], "y", group=1.5)], [1, 9], {"w": K}, "not of the type INT"),
        ([node("AveragePool", ["x"], "y", kernel_shape=[2], ceil_mode=1)], [1, 4], {}, "ceil_mode"),
        ([node("Resize", ["x", "", "s"], "y")], [1, 4], {"s": FLOAT([1, 1, 1.5])}, "1.5"),
        ([node("Resize", ["x", "", "s"], "y", mode="linear")], [1, 4], {"s": FLOAT([1, 1, 2])},
         "its mode is 'linear'"),
        ([node("Resize", ["x", "", "s"], "y", nearest_mode="floor")], [1, 4],
         {"s": FLOAT([1, 1, 2])}, "by half_pixel and floor"),
        ([node("Mul", ["x", "x"], "y")], [3], {}, "multiplies two signals"),
        ([node("Div", ["c", "x"], "y")], [3], {"c": FLOAT(1)}, "divides by a signal"),
        ([node("Mul", ["x", "c"], "y")], [2, 3], {"c": np.ones(3, FLOAT)}, "each of the 2 chan"),
        ([node("Sub", ["x", "x"], "y")], [3], {}, "subtracts a signal"),
        ([node("Concat", ["x", "x"], "y", axis=2)], [2, 3], {}, "its axis is 2, allowed is 1"),
        ([node("Flatten", ["x"], "y", axis=2)], [2, 3], {}, "its axis is 2, allowed is 1"),
        ([node("Reshape", ["x", "s"], "y")], [6], {"s": np.array([-1, 3])}, "would mix samples"),
        ([node("Reshape", ["x", "x"], "y")], [6], {}, "its shape must be a constant"),
        ([node("Dropout", ["x", "", "t"], "y")], [6], {"t": np.array(True)}, "at random"),
        ([node("Cast", ["x"], "y", to=TensorProto.INT8)], [6], {}, "its to is '3'"),
        ([neurons("x", "y", "LIFRobot")], [6], {}, "Use one of LIF, "),
        ([node("LIBox", ["x", "dt", "v_leak"], "y", domain="ai.neurocompile")], [6], {},
         r"has 3 inputs, allowed are 4: x, dt, tau_mem_inv, v_leak"),
        ([neurons("x", "y")], [6], {"v_th": np.ones(5, FLOAT)}, r"its v_th has shape \(5,\)"),
        ([neurons("x", "y")], [6], {"dt": W}, "its dt is float32 of shape"),
        ([node("Exp", ["c"], "d"), node("Add", ["x", "d"], "y")], [6], {"c": FLOAT(1)},
         r"node 'd' \(Exp\): it computes a constant"),
        ([node("Identity", ["nothing"], "y")], [6], {}, "takes 'nothing', but no node before"),
        ([node("Identity", ["x"], "x")], [6], {}, "of the name of another value"),
        ([node("Identity", ["x"], "z"), node("Identity", ["x"], "y")], [6], {},
         "the layer 'z' leads to no output"),
        ([node("If", ["x"], "y")], [6], {}, r"node 'y' \(If\): no rule"),
        ([node("Custom", ["x"], "y", domain="com.example")], [6], {}, "of the domain 'com.examp"),
    ],
    ids=lambda x: x[0].op_type if isinstance(x, list) and hasattr(x[0], "op_type") else "",
)  # fmt: skip
def test_what_no_rule_reads_is_refused_by_node(nodes, axes, arrays, message):
    with pytest.raises(BadInput, match=message):
        from_onnx(plain(nodes, [*ONE_STEP, *axes], ["y"], **arrays))


@pytest.mark.parametrize("op", ["Gemm", "Conv", "AveragePool"])
def test_an_operator_without_a_time_axis_says_which_reshape_it_needs(op):
    attributes = {"kernel_shape": [3]} if op == "AveragePool" else {}
    arrays = {"w": K if op == "Conv" else W}
    inputs = ["x"] if op == "AveragePool" else ["x", "w"]
    axes = [*TIMED, 3] if op == "Gemm" else [*TIMED, 1, 9]
    with pytest.raises(Unsupported, match=r"Put a Reshape to \[-1, "):
        from_onnx(plain([node(op, inputs, "y", **attributes)], axes, ["y"], **arrays))


def test_neurons_behind_folded_steps_are_refused():
    nodes = [node("Reshape", ["x", "s"], "folded"), neurons("folded", "y")]
    with pytest.raises(Unsupported, match=r"node 'y' \(LIFBox\): .* Unfold batch and steps"):
        from_onnx(plain(nodes, [*TIMED, 3], ["y"], s=np.array([-1, 3])))


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ([], "has the axes"),
        ([*TIMED], "has the axes"),
        ([*ONE_STEP, 3, "width"], "has the axes"),
        ([*TIMED, 3, 2**40], "allowed are 1 to 6 axes"),
    ],
)
def test_an_input_without_numbers_of_neurons_is_refused(axes, message):
    with pytest.raises(BadInput, match=message):
        from_onnx(plain([node("Identity", ["x"], "y")], axes, ["y"]))


def identity(**more):
    return plain([node("Identity", ["x"], "y")], [*TIMED, 3], ["y"], **more)


@pytest.mark.parametrize("text", [b"Identity", b"x", b"y"])
def test_a_name_that_is_no_text_is_refused(text):
    """Protobuf gives bytes for it: a mutant of the fuzzer ended in a TypeError."""
    data = identity().SerializeToString()
    damaged = parse(data.replace(text, b"\xff" * len(text)), "x.onnx")
    with pytest.raises(BadInput):
        from_onnx(damaged)


def test_two_inputs_are_refused():
    model = identity()
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1, 3]))
    with pytest.raises(Unsupported, match=r"it has 2 inputs \(x, more\)"):
        from_onnx(model)


@pytest.mark.parametrize("opset", [1, 8, 99])
def test_an_unknown_version_of_the_operators_is_refused(opset):
    with pytest.raises(Unsupported, match=f"version {opset} of ONNX's operators, allowed are 9"):
        from_onnx(identity(opset=opset))


def test_sparse_initializers_are_refused():
    model = identity()
    model.graph.sparse_initializer.add()
    with pytest.raises(Unsupported, match="sparse initializers"):
        from_onnx(model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dims": [3, 3]}, r"of shape \(3, 3\) would have 36 bytes, but 24 are there"),
        ({"dims": [2**62, 2**62]}, "would have"),
        ({"data_type": TensorProto.STRING}, "unknown type 8"),
        ({"data_location": TensorProto.EXTERNAL}, "in another file, which is not opened"),
    ],
)
def test_a_tensor_of_another_size_or_place_is_refused(change, message):
    model = plain([node("MatMul", ["x", "w"], "y")], [*TIMED, 3], ["y"], w=W)
    tensor = model.graph.initializer[0]
    for name, value in change.items():
        if name == "dims":
            del tensor.dims[:]
            tensor.dims.extend(value)
        else:
            setattr(tensor, name, value)
    with pytest.raises(BadInput, match=rf"the tensor 'w' .*{message}|{message}"):
        from_onnx(model)


def test_a_listed_number_beyond_its_type_is_refused():
    model = plain([node("MatMul", ["x", "w"], "y")], [*TIMED, 1], ["y"])
    model.graph.initializer.append(TensorProto(name="w", data_type=3, dims=[1], int32_data=[300]))
    with pytest.raises(BadInput, match="beyond its type int8"):
        from_onnx(model)


MANY = np.full(400, 2**62)  # their product has 7,465 digits, and Python writes up to 4,300


def refused_at_once(model, message, seconds=5):
    """Refused in less than the time of a product of as many numbers as a file may hold."""
    begun = time.process_time()
    with pytest.raises(BadInput, match=message):
        from_onnx(model)
    assert time.process_time() - begun < seconds


@pytest.mark.parametrize("count", [9, 400, 100_000])
def test_a_tensor_of_many_axes_is_refused_before_their_product_is_made(count, tmp_path):
    for values in (
        W,
        np.ones((1 << 16, 1), FLOAT),
    ):  # the second stays in the file while it is read
        model = plain([node("MatMul", ["x", "w"], "y")], [*TIMED, 3], ["y"], w=values)
        model.graph.initializer[0].dims.extend([2**62] * (count - 2))
        refused_at_once(model, rf"the tensor 'w' has {count} axes, allowed are up to 8\. The fil")
        (tmp_path / "w.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(BadInput, match=rf"w\.onnx: the tensor 'w' has {count} axes, allowed"):
            load_onnx(tmp_path / "w.onnx")


@pytest.mark.parametrize("after", ["Identity", "Flatten", "GlobalAveragePool"])
def test_an_input_of_many_axes_is_refused_before_their_product_is_made(after):
    model = plain([node(after, ["x"], "y")], [*TIMED, *[2**62] * 400], ["y"])
    refused_at_once(model, "its input 'x' has 402 axes, allowed are up to 8")


def test_shapes_of_many_numbers_are_refused_before_their_product_is_made():
    constant = [node("ConstantOfShape", ["s"], "c"), node("Add", ["x", "c"], "y")]
    refused_at_once(plain(constant, [*TIMED, 3], ["y"], s=MANY), r"'c' .*has 400 axes, allowed")
    made = plain([node("Reshape", ["x", "s"], "y")], [*ONE_STEP, 3], ["y"], s=MANY)
    refused_at_once(made, "it makes 400 axes, allowed are up to 8")
    axes = np.arange(1, 401)
    made = plain([node("Unsqueeze", ["x", "s"], "y")], [*ONE_STEP, 3], ["y"], s=axes)
    refused_at_once(made, "it makes 402 axes, allowed are up to 8")


def test_a_negative_size_adds_nothing_to_what_constants_may_take():
    nodes = [node("ConstantOfShape", ["less"], "c"), node("ConstantOfShape", ["more"], "d")]
    nodes.append(node("Concat", ["c", "d"], "e", axis=0))
    sizes = {"less": np.array([-1, 2**40]), "more": np.array([onnx_plain_constants.BUDGET * 2])}
    model = plain([*nodes, node("Add", ["x", "e"], "y")], [*TIMED, 3], ["y"], **sizes)
    refused_at_once(
        model, r"(?s)'c' .*shape \(-1, 1099511627776\).*'d' .* grow beyond what it holds"
    )


def test_a_sum_of_a_hundred_thousand_layers_is_refused_at_once():
    names = [f"y{i}" for i in range(99_000)]
    nodes = [*(node("Identity", ["x"], name) for name in names), node("Sum", names, "z")]
    message = "the graph has 99002 nodes, allowed are 1 to 10000"
    refused_at_once(plain(nodes, [*ONE_STEP, 3], ["z"]), message, 15)


def test_channels_that_double_themselves_end():
    nodes = [node("Concat", [f"y{i}", f"y{i}"], f"y{i + 1}", axis=1) for i in range(60)]
    model = plain([node("Identity", ["x"], "y0"), *nodes], [*ONE_STEP, 3], ["y60"])
    refused_at_once(model, r"node 'y23' \(Concat\): its shape is \(25165824,\)")  # 3 x 2^23


def test_a_constant_larger_than_the_file_is_refused_before_it_is_made():
    shape = np.array([onnx_plain_constants.BUDGET + 100])
    nodes = [node("ConstantOfShape", ["s"], "c"), node("Add", ["x", "c"], "y")]
    with pytest.raises(Unsupported, match=r"node 'c' \(ConstantOfShape\): .* grow beyond"):
        from_onnx(plain(nodes, [*TIMED, 3], ["y"], s=shape))


def test_constants_that_double_themselves_end():
    nodes = [node("Concat", [f"c{i}", f"c{i}"], f"c{i + 1}", axis=0) for i in range(60)]
    with pytest.raises(Unsupported, match="grow beyond what it holds"):
        from_onnx(plain([*nodes, node("Add", ["x", "c60"], "y")], [*TIMED, 3], ["y"], c0=W))


def test_layers_that_share_a_large_weight_without_end_are_refused(monkeypatch):
    monkeypatch.setattr(onnx_plain, "BUDGET", 0)
    names = ["x", *(f"y{i}" for i in range(17))]
    nodes = [node("MatMul", [a, "w"], b) for a, b in pairwise(names)]
    arrays = {"w": np.ones((3, 3), FLOAT)}
    assert from_onnx(plain(nodes[:16], [*TIMED, 3], ["y15"], **arrays))
    with pytest.raises(Unsupported, match=r"node 'y16' \(MatMul\): .* more numbers than the file"):
        from_onnx(plain(nodes, [*TIMED, 3], ["y16"], **arrays))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{", "cannot be used: Expecting"),
        ("[1]", "is not a JSON object"),
        ("[" * 100_000, "cannot be used: maximum recursion"),
        ('{"dt": -1}', "dt = -1 s"),
        ('{"speed": 1}', "not valid"),
        ('{"dt": 0.001, "dt": 0.002}', "cannot be used: it holds the key 'dt' twice"),
        ('{"dt": 0.002}', r"how long a step is, in seconds: y: 0\.001, the metadata: 0\.002"),
    ],
)
def test_metadata_that_say_something_else_are_refused(settings, message):
    with pytest.raises(BadInput, match=message):
        from_onnx(plain([neurons("x", "y")], [*TIMED, 3], ["y"], settings=settings))


def test_neurons_without_dt_are_refused_with_the_entry_that_gives_it():
    with pytest.raises(BadInput, match=r'neurocompile\.settings = {"dt": 0\.001}'):
        from_onnx(plain([neurons("x", "y", dt="")], [*TIMED, 3], ["y"]))


@pytest.mark.parametrize("key", ["format", "stage", "graph"])
def test_a_damaged_file_of_ours_is_not_read_as_a_plain_one(key):
    model = identity()
    model.metadata_props.append(StringStringEntryProto(key=f"neurocompile.{key}", value="1.0"))
    with pytest.raises(BadInput, match="neurocompile"):
        from_onnx(model)


def test_a_function_of_our_domain_that_is_not_ours_is_refused():
    model = with_functions(plain([neurons("x", "y")], [*TIMED, 3], ["y"]))
    model.functions[0].node[-1].op_type = "Loop"
    with pytest.raises(BadInput, match=r"its function 'LIFBox' .* with onnx_plain\.with_functions"):
        from_onnx(model)


@pytest.mark.parametrize("domain", ["", "ai.onnx"])
def test_a_function_in_place_of_a_standard_operator_is_refused(domain):
    model = identity()
    own = helper.make_function(
        domain, "MatMul", ["a", "b"], ["c"], [helper.make_node("Add", ["a", "b"], ["c"])],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    model.functions.append(own)  # onnxruntime would add where we multiply
    with pytest.raises(Unsupported, match="in place of the standard operator 'MatMul'"):
        from_onnx(model)


def test_two_entries_of_settings_are_refused():
    model = plain([neurons("x", "y")], [*TIMED, 3], ["y"], settings='{"steps": 3}')
    entry = StringStringEntryProto(key="neurocompile.settings", value='{"steps": 4}')
    model.metadata_props.append(entry)
    with pytest.raises(BadInput, match=r"2 metadata entries 'neurocompile\.settings'"):
        from_onnx(model)


def test_functions_over_an_axis_that_is_not_time_are_refused():
    model = with_functions(plain([neurons("x", "y")], [*ONE_STEP, 3], ["y"]))
    with pytest.raises(BadInput, match="the input has no axis of steps"):
        from_onnx(model)


def test_weights_that_are_not_finite_are_refused_by_layer():
    nodes = [node("Div", ["x", "zero"], "y")]
    with pytest.raises(BadInput, match=r"layer 'y' \(BatchNorm\): its weight holds NaN"):
        from_onnx(plain(nodes, [*TIMED, 3], ["y"], zero=FLOAT(0)))


def test_every_node_that_no_rule_reads_is_listed_and_nothing_that_only_follows_one():
    """After the pool no shape is known: of the Gemm after it, which it does not fit, nothing."""
    nodes = [
        node("Conv", ["x", "k"], "conv", odd=1),
        node("MaxPool", ["conv"], "pool", kernel_shape=[2]),
        node("Odd", ["pool"], "custom", domain="com.example"),
        node("Gemm", ["custom", "w"], "gemm"),
        node("Softmax", ["gemm"], "y"),
    ]
    with pytest.raises(Unsupported) as refused:
        from_onnx(plain(nodes, [*ONE_STEP, 1, 9], ["y"], k=K, w=W))
    conv, pool, custom, softmax = refused.value.reasons
    assert conv == "node 'conv' (Conv): its attribute 'odd' has no meaning here. Remove it."
    assert pool.startswith("node 'pool' (MaxPool): a maximum is not a synapse. Of spikes")
    assert custom.startswith("node 'custom' (Odd): it is of the domain 'com.example'")
    assert softmax.startswith("node 'y' (Softmax): no rule reads this operator. Between layers")
    assert "4 things in this network are not supported:" in str(refused.value)
