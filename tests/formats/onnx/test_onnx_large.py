"""Large tensors stay in their file until they are asked for, and are checked like all others."""

import numpy as np
import onnx
import pytest
import random_graphs
from onnx import ModelProto
from plain_files import TIMED, node, plain

from neurocompile.errors import BadInput
from neurocompile.formats.load_onnx import from_onnx, load_onnx, parse
from neurocompile.formats.onnx import large as onnx_large
from neurocompile.formats.onnx.large import without_large
from neurocompile.formats.onnx.tensors import CHUNK
from neurocompile.formats.onnx.write import save_onnx, to_bytes
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import chain, same
from neurocompile.ir.nodes import Input, Linear

WIDE = 300  # squared, more values than one chunk


@pytest.fixture
def small(monkeypatch):
    """Makes every tensor above 16 bytes a large one."""
    monkeypatch.setattr(onnx_large, "LARGE", 16)


def split(path):
    with path.open("rb") as file:
        return without_large(file, path.stat().st_size)


def large_graph(fixed):
    weight = 2 * np.random.default_rng(0).integers(-128, 128, (WIDE, WIDE))
    if not fixed:
        return chain({"in": Input((WIDE,)), "fc": Linear(weight / 7)})
    cells = CubaLIF((WIDE,), du=4095, dv=0, vth=9, bias_mant=0, bias_exp=0, v_init=0)
    synapse = Synapse(Linear(weight.astype(np.int16)), (WIDE,), (WIDE,))
    return chain({"in": SpikeInput((WIDE,)), "syn": synapse, "pop": cells})


@pytest.mark.parametrize("fixed", [False, True])
def test_a_large_tensor_is_left_in_the_file_and_read_bit_for_bit(tmp_path, fixed):
    assert WIDE * WIDE > CHUNK
    graph, path = large_graph(fixed), tmp_path / "large.onnx"
    save_onnx(graph, path)
    data, places = split(path)
    (place,) = places.values()
    assert place.length == WIDE * WIDE * (1 if fixed else 8)
    assert len(data) + place.length == pytest.approx(path.stat().st_size, abs=20)
    assert same(load_onnx(path), graph)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("make", random_graphs.MAKERS)
@pytest.mark.parametrize("seed", range(5))
def test_a_graph_comes_back_however_many_of_its_tensors_are_large(tmp_path, make, seed):
    graph = make(seed)
    save_onnx(graph, tmp_path / "net.onnx")
    assert same(load_onnx(tmp_path / "net.onnx"), graph)


@pytest.mark.usefixtures("small")
def test_what_is_left_out_is_the_bytes_of_large_tensors_and_nothing_else(tmp_path):
    path = tmp_path / "net.onnx"
    whole = ModelProto.FromString(to_bytes(random_graphs.fixed_graph(11)))
    path.write_bytes(whole.SerializeToString())
    data, places = split(path)
    assert places
    content = path.read_bytes()
    parsed = ModelProto.FromString(data)
    for number, place in places.items():
        tensor = parsed.graph.initializer[number]
        assert not tensor.raw_data
        tensor.raw_data = content[place.offset : place.offset + place.length]
    assert parsed == whole


@pytest.mark.usefixtures("small")
def test_a_large_tensor_of_another_size_is_refused(tmp_path):
    model = plain([node("MatMul", ["x", "w"], "y")], [*TIMED, 9], ["y"], w=np.ones((9, 9)))
    model.graph.initializer[0].dims[0] = 2**60
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    with pytest.raises(BadInput, match=r"net\.onnx: the tensor 'w' .* but 648 are there"):
        load_onnx(path)


@pytest.mark.usefixtures("small")
def test_an_edited_body_is_refused_where_tensors_are_large(tmp_path):
    model = ModelProto.FromString(to_bytes(large_graph(True)))
    for change in ("dims", "name", "again"):
        edited = ModelProto()
        edited.CopyFrom(model)
        tensor = next(t for t in edited.graph.initializer if t.name == "syn.op_weight")
        if change == "dims":
            tensor.dims[:] = [1, WIDE * WIDE]
        elif change == "name":
            tensor.name = "other"
        else:
            edited.graph.initializer.add().CopyFrom(tensor)
        path = tmp_path / "edited.onnx"
        onnx.save(edited, path)
        with pytest.raises(BadInput, match=r"edited\.onnx: "):
            load_onnx(path)


def field(number, content):
    """A field of protobuf of up to 16383 bytes."""
    length = len(content)
    size = [length & 127 | 128, length >> 7] if length > 127 else [length]
    return bytes([number << 3 | 2, *size]) + content


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("twice", ["graph", "raw_data"])
def test_what_stands_twice_is_left_to_protobuf(tmp_path, twice):
    """Protobuf merges two graphs, and takes the last of two byte strings."""
    model = plain([node("MatMul", ["x", "w"], "y")], [*TIMED, 3], ["y"])
    content = onnx.numpy_helper.from_array(np.ones((3, 2)), "w").SerializeToString()
    raw = np.full((3, 2), 5.0).tobytes()
    body, rest = model.graph.SerializeToString(), ModelProto()
    rest.CopyFrom(model)
    rest.ClearField("graph")
    if twice == "raw_data":
        graphs = field(7, body + field(5, content + field(9, raw)))
    else:
        graphs = field(7, body) + field(7, field(5, content))
    data = rest.SerializeToString() + graphs
    path = tmp_path / "twice.onnx"
    path.write_bytes(data)
    assert split(path) == (data, {})
    number = 5 if twice == "raw_data" else 1
    assert load_onnx(path).nodes["y"].weight.tolist() == [[number] * 3] * 2


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("make", random_graphs.MAKERS)
def test_a_damaged_file_means_the_same_wherever_its_tensors_are(tmp_path, make):
    rng = np.random.default_rng(5)
    files = [to_bytes(make(seed)) for seed in range(6)]
    path, read = tmp_path / "net.onnx", 0
    for i in range(80):
        data = bytearray(files[i % 6])
        for _ in range(rng.integers(1, 3)):
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        path.write_bytes(data)
        results = []
        for load in (load_onnx, lambda p: from_onnx(parse(p.read_bytes(), str(p)), str(p))):
            try:
                results.append(load(path))
            except BadInput:
                results.append(None)
        apart, whole = results
        assert (apart is None) == (whole is None)
        assert apart is None or same(apart, whole)
        read += apart is not None
    assert read
