"""A file that is not ours, damaged or edited is refused in one sentence, never a traceback."""

import json
from collections.abc import MutableSequence

import numpy as np
import onnx
import pytest
import random_graphs
from onnx import TensorProto, helper

from neurocompile.errors import BadInput
from neurocompile.formats import load_onnx as any_onnx
from neurocompile.formats.load_onnx import from_onnx, load_onnx, parse
from neurocompile.formats.onnx import wire
from neurocompile.formats.onnx.write import to_bytes, to_onnx
from neurocompile.ir.graph import Graph, same


def metadata(model, key):
    return next(entry for entry in model.metadata_props if entry.key == f"neurocompile.{key}")


def edit_graph(model, edit):
    entry = metadata(model, "graph")
    described = json.loads(entry.value)
    edit(described)
    entry.value = json.dumps(described)
    return model


@pytest.fixture
def model():
    return to_onnx(random_graphs.fixed_graph(11))


@pytest.fixture
def float_model():
    return to_onnx(random_graphs.float_graph(11))


MUTANTS = 400


def mutant(data, rng):
    """A copy that is cut off, or has some bytes or a digit changed."""
    changed = bytearray(data)
    kind = rng.integers(4)
    if kind == 0:
        return bytes(changed[: rng.integers(len(changed))])
    if kind == 1:
        for _ in range(rng.integers(1, 4)):
            changed[rng.integers(len(changed))] = rng.integers(256)
    elif kind == 2:
        changed[rng.integers(len(changed))] ^= 1 << rng.integers(8)
    else:  # a number of the description
        first = data.index(b'{"nodes"')
        digits = [i for i in range(first, len(data)) if 48 <= data[i] < 58]
        changed[digits[rng.integers(len(digits))]] = rng.integers(32, 127)
    return bytes(changed)


@pytest.mark.parametrize("make", random_graphs.MAKERS)
def test_a_damaged_file_is_refused_or_gives_a_sound_graph(make):
    rng = np.random.default_rng(99)
    files = [to_bytes(make(seed)) for seed in range(12)]
    messages = []
    for i in range(MUTANTS):
        data = mutant(files[i % len(files)], rng)
        try:
            graph = from_onnx(parse(data, "f.onnx"), "f.onnx")
        except BadInput as error:
            messages.append(str(error))
        else:
            assert same(from_onnx(to_onnx(graph)), graph)
    assert len(messages) > MUTANTS / 2
    assert all(message.startswith("f.onnx: ") for message in messages)


@pytest.mark.parametrize("data", [b"", b"\x00", b"not a model", b"\xff" * 99, b"\x3a" * 5000])
def test_bytes_that_are_no_model_are_refused(data):
    with pytest.raises(BadInput, match="neurocompile"):
        from_onnx(parse(data, "x.onnx"), "x.onnx")


def test_a_model_of_another_tool_is_refused_with_the_command_that_makes_one():
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    foreign = helper.make_model(helper.make_graph([], "g", [value], [value]))
    with pytest.raises(BadInput, match=r"did not write it.*neurocompile export"):
        from_onnx(foreign)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("2.0", "reads 1.1. Update neurocompile"),
        ("0.9", "neurocompile export"),
        ("1", "allowed is MAJOR.MINOR"),
        ("one.two", "allowed is MAJOR.MINOR"),
        ("9" * 5000 + ".1", "allowed is MAJOR.MINOR"),
    ],
)
def test_another_major_version_is_refused(model, version, message):
    metadata(model, "format").value = version
    with pytest.raises(BadInput, match=message):
        from_onnx(model)


def test_a_later_minor_version_may_add_fields():
    graph = random_graphs.fixed_graph(11)
    model = to_onnx(graph)
    edit_graph(model, lambda d: d["nodes"][0].update(added_later=1))
    with pytest.raises(BadInput, match="no field 'added_later'"):
        from_onnx(model)
    metadata(model, "format").value = "1.7"
    assert same(from_onnx(model), graph)


def test_another_version_of_our_domain_is_refused(model):
    model.opset_import[1].version = 2
    with pytest.raises(BadInput, match=r"version 2 of the domain ai\.neurocompile"):
        from_onnx(model)


def test_a_foreign_operator_is_refused_by_node(model):
    model.graph.node[0].domain = "com.example"
    model.graph.node[0].name = "odd"
    with pytest.raises(BadInput, match=r"node 'odd' is a .* of the domain 'com\.example'"):
        from_onnx(model)


def test_a_node_that_its_metadata_does_not_describe_is_refused(model):
    model.graph.node[-1].op_type = "CubaLIFOther"
    with pytest.raises(BadInput, match=r"node '.*' \(CubaLIFOther\) where its metadata describes"):
        from_onnx(model)


def test_an_extra_node_is_refused(model):
    model.graph.node.append(helper.make_node("Identity", ["in"], ["more"], name="more"))
    with pytest.raises(BadInput, match=r"node 'more' \(Identity\) where .* describes no node"):
        from_onnx(model)


def test_another_function_body_is_refused(model):
    body = model.functions[0].node[-1].attribute[0].g
    body.node[0].op_type = "Max"
    with pytest.raises(BadInput, match="functions do not match"):
        from_onnx(model)


@pytest.mark.parametrize(
    "make", [random_graphs.looped_fixed_graph, random_graphs.joined_float_graph]
)
def test_another_body_of_a_loop_is_refused(make):
    model = to_onnx(make(4))
    loop = next(node for node in model.graph.node if node.op_type == "Scan")
    body = next(a.g for a in loop.attribute if a.name == "body")
    body.node[0].op_type = "Neg"
    with pytest.raises(BadInput, match=r"holds node '.*/loop' \(Scan\) where its metadata"):
        from_onnx(model)


def test_an_unused_tensor_is_refused(model):
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(3), "extra"))
    with pytest.raises(BadInput, match="tensors do not match"):
        from_onnx(model)


def test_data_in_another_file_are_not_opened(model, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 800)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=str(secret))
    with pytest.raises(BadInput, match="keeps its data in another file"):
        from_onnx(model)


@pytest.mark.parametrize("dims", [[10**9, 10**9], [3, 10**18, 10**18], [-4], [2] * 40])
def test_a_tensor_that_declares_other_bytes_than_it_has_is_refused(model, dims):
    tensor = model.graph.initializer[0]
    del tensor.dims[:]
    tensor.dims.extend(dims)
    with pytest.raises(BadInput, match=r"bytes, but|has 40 axes"):
        from_onnx(model)


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e300])
def test_numbers_must_be_finite(number):
    graph = random_graphs.float_graph(4)
    name, lif = next((n, x) for n, x in graph.nodes.items() if hasattr(x, "v_leak"))
    model = to_onnx(graph)
    for tensor in model.graph.initializer:
        if tensor.name == f"{name}.v_leak":
            bad = np.full(lif.v_leak.shape, number, np.float64)
            tensor.CopyFrom(onnx.numpy_helper.from_array(bad, tensor.name))
    with pytest.raises(BadInput, match=f"layer '{name}' .*its v_leak holds NaN, infinity"):
        from_onnx(model)


def test_a_register_out_of_range_is_refused_with_its_range(model):
    for tensor in model.graph.initializer:
        if tensor.name.endswith(".du"):
            bad = np.full(tuple(tensor.dims), 4096)
            tensor.CopyFrom(onnx.numpy_helper.from_array(bad, tensor.name))
    with pytest.raises(BadInput, match=r"its du is 4096, allowed are -1\.\.4095"):
        from_onnx(model)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d: d.pop("nodes"), "lists no nodes"),
        (lambda d: d.update(nodes=[]), "lists no nodes"),
        (lambda d: d.update(nodes=[1]), "has no name"),
        (lambda d: d["nodes"].append(d["nodes"][0]), "the name of another"),
        (lambda d: d.update(edges=[["in"]]), "not pairs of names"),
        (lambda d: d["edges"].append(["in", "nowhere"]), "there is no layer 'nowhere'"),
        (lambda d: d["nodes"][0].update(kind="System"), "not a kind of node"),
        (lambda d: d["nodes"][0].update(kind=["x"]), "not a kind of node"),
        (lambda d: d["nodes"][0].pop("shape"), "'shape' .* is missing"),
        (lambda d: d["nodes"][0].update(shape=[1.5]), "allowed is up to 8 whole numbers"),
        (lambda d: d["nodes"][0].update(shape=[10**30]), "allowed is up to 8 whole numbers"),
        (lambda d: d["nodes"][0].update(shape=[2**30]), "allowed are 1 to 6 axes"),
        (lambda d: d["nodes"][0].update(shape=[0]), "allowed are 1 to 6 axes"),
        (lambda d: d["nodes"][-1].update(du={"array": "x"}), "not in the file"),
        (lambda d: d["nodes"][-1].update(du=3), "not in the file"),
        (lambda d: d["nodes"][-1].update(reset="sideways"), "found 'sideways'"),
        (lambda d: d["nodes"][-1].update(readout=1), "found '1'"),
        (lambda d: d["nodes"][0].update(name="\ud800"), r"a layer is called '\\ud800'"),
        (lambda d: d["nodes"][0].update(name=""), "a layer is called ''"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(model, edit, message):
    edit_graph(model, edit)
    with pytest.raises(BadInput, match=message):
        from_onnx(model)


@pytest.mark.parametrize("depth", [50, 300, 450, 900])
def test_a_description_nested_without_end_is_refused(model, depth):
    entry = metadata(model, "graph")
    deep = "[" * depth + "]" * depth
    entry.value = entry.value.replace('"shape": [7]', f'"shape": {deep}', 1)
    with pytest.raises(BadInput):
        from_onnx(model)


@pytest.mark.parametrize("text", ["", "[" * 100_000, "{", "null", "[]", '{"nodes": NaN'])
@pytest.mark.parametrize("key", ["graph", "settings"])
def test_metadata_that_are_no_json_object_are_refused(model, key, text):
    metadata(model, key).value = text
    with pytest.raises(BadInput, match="damaged"):
        from_onnx(model)


@pytest.mark.parametrize("key", ["graph", "settings"])
def test_metadata_that_say_a_thing_twice_are_refused(model, key):
    entry = metadata(model, key)
    first = next(iter(json.loads(entry.value)))
    entry.value = entry.value.replace("{", f'{{"{first}": null, ', 1)
    with pytest.raises(BadInput, match=f"damaged .it holds the key '{first}' twice"):
        from_onnx(model)


@pytest.mark.parametrize("key", ["format", "stage", "graph", "settings"])
def test_two_entries_of_one_key_are_refused(model, key):
    entry = metadata(model, key)
    model.metadata_props.add(key=entry.key, value=entry.value)
    with pytest.raises(BadInput, match=f"2 metadata entries '{entry.key}'. Keep one"):
        from_onnx(model)


def test_an_array_that_two_fields_take_is_refused(model):
    edit_graph(model, lambda d: d["nodes"][-1].update(du=d["nodes"][-1]["dv"]))
    with pytest.raises(BadInput, match="not in the file, or used twice"):
        from_onnx(model)


def test_settings_that_no_run_could_use_are_refused(model):
    metadata(model, "settings").value = '{"dt": -1.0}'
    with pytest.raises(BadInput, match="this ONNX model: dt"):
        from_onnx(model)


def test_a_stage_that_the_nodes_contradict_is_refused(float_model):
    metadata(float_model, "stage").value = "fixed"
    with pytest.raises(BadInput, match="its stage is 'fixed'"):
        from_onnx(float_model)


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "large.onnx"
    path.write_bytes(b"x" * 100)
    monkeypatch.setattr(any_onnx, "LARGEST_FILE", 99)
    with pytest.raises(BadInput, match=r"large\.onnx: the file has 100 bytes"):
        load_onnx(path)


def test_a_path_without_a_file_is_refused_by_name(tmp_path):
    with pytest.raises(BadInput, match=r"nothing\.onnx: cannot be read: No such file"):
        load_onnx(tmp_path / "nothing.onnx")


def test_messages_name_the_file(tmp_path):
    path = tmp_path / "cut.onnx"
    path.write_bytes(
        to_bytes(Graph(random_graphs.fixed_graph(2).nodes, random_graphs.fixed_graph(2).edges))[:-7]
    )
    with pytest.raises(BadInput, match=r"cut\.onnx: this is not an ONNX file, or it is cut off"):
        load_onnx(path)


GRAPH = bytes([7 << 3 | 2])  # before the length of the graph
LONG = b"\x80\x80\x80\x02"  # 1 << 22


@pytest.mark.parametrize(
    "content",
    [
        b"\x72\x00" * (1 << 21),  # properties without key or value
        b"\xa0\x06\x00" * (1 << 21),  # numbers in a field that ONNX does not have
        GRAPH + LONG + b"\x0a\x00" * (1 << 21),  # empty nodes
        # one node with many empty attributes
        GRAPH + b"\x85\x80\x80\x02\x0a" + LONG + b"\x2a\x00" * (1 << 21),
    ],
    ids=["properties", "unknown", "nodes", "attributes"],
)
def test_a_file_of_empty_fields_is_refused_before_it_takes_an_object_for_each(tmp_path, content):
    (tmp_path / "net.onnx").write_bytes(b"\x08\x09" + content)
    with pytest.raises(BadInput, match=r"net\.onnx: the file has over 1048576 fields, more than"):
        load_onnx(tmp_path / "net.onnx")


def test_fields_are_counted_in_every_message(monkeypatch):
    model = helper.make_model(
        helper.make_graph([helper.make_node("Own", ["x"], ["y"], ints=[1, 2, 3])], "g", [], [])
    )
    data = model.SerializeToString()
    counted = sum(_fields_of(model))
    monkeypatch.setattr(wire, "MAX_FIELDS", counted)
    assert not wire.too_many_fields(data)
    monkeypatch.setattr(wire, "MAX_FIELDS", counted - 1)
    assert wire.too_many_fields(data)


def _fields_of(message):
    """Fields of a message and of those inside it, as protobuf itself lists them."""
    for field, value in message.ListFields():
        for one in value if isinstance(value, MutableSequence) else [value]:
            yield 1
            if field.message_type is not None:
                yield from _fields_of(one)


def test_a_tensor_of_ours_with_many_axes_is_refused_by_name(model):
    tensor = model.graph.initializer[0]
    tensor.dims.extend([2**62] * 400)  # a product of over 4,300 digits, which Python does not write
    with pytest.raises(BadInput, match=rf"f\.onnx: the tensor '{tensor.name}' has 40\d axes"):
        from_onnx(model, "f.onnx")
