"""A checkpoint holds the graph as it was, and nothing else is taken for one."""

import io
import os
import zipfile
from collections import OrderedDict

import norse.torch as norse
import numpy as np
import pytest
import torch
from torch import nn

from neurocompile.errors import BadInput, Unsupported
from neurocompile.formats.checkpoint.archive import canonical
from neurocompile.formats.checkpoint.plain import KINDS, from_plain, to_plain
from neurocompile.formats.checkpoint.read import load
from neurocompile.frontend.save import save
from neurocompile.frontend.torch import trace
from neurocompile.ir import adapting, neurons, nodes
from neurocompile.ir.graph import Graph, chain, same
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.ir.verify import verify
from neurocompile.nn.autoencoder import SpikingAutoencoder

SAMPLE = (2, 1, 8, 8)


def network():
    torch.manual_seed(0)
    threshold = torch.linspace(0.5, 1.0, 3, dtype=torch.float64)
    return norse.SequentialState(
        nn.Conv2d(1, 2, 3, padding="same"),
        norse.LIFCell(),
        nn.AvgPool2d(2, count_include_pad=False),
        nn.ConvTranspose2d(2, 1, 2, stride=2, bias=False),
        nn.LPPool2d(1, 2),
        nn.Upsample(scale_factor=2),
        norse.LIFBoxCell(norse.LIFBoxParameters(reset_method=norse.reset_subtract)),
        nn.Dropout(),
        nn.Flatten(),
        nn.Linear(64, 3),
        norse.LIFBoxCell(norse.LIFBoxParameters(v_th=threshold)),
        nn.Linear(3, 2),
        norse.LICell(),
        nn.Linear(2, 2),
        norse.LIBoxCell(),
    )


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The bytes of a sound checkpoint."""
    path = tmp_path_factory.mktemp("good") / "net.pt"
    save(network(), path, torch.zeros(SAMPLE))
    return path.read_bytes()


def content_of(data):
    return torch.load(io.BytesIO(data), weights_only=True)


def test_what_is_loaded_is_what_was_saved(tmp_path):
    model = network()
    settings = Settings(
        dt=1e-3,
        steps=7,
        encoder=Encoder("current", 2.0),
        decoder=Decoder("last", 0.5, 0.1, "reconstruction"),
        data="mnist5k",
        training={"epochs": 3, "loss": [0.5, 0.25], "seed": None},
    )
    written = save(model, tmp_path / "net.pt", torch.zeros(SAMPLE), settings=settings)
    checkpoint = load(tmp_path / "net.pt")
    assert same(checkpoint.graph, written)
    assert same(checkpoint.graph, trace(model, torch.zeros(SAMPLE), settings))
    assert checkpoint.settings == settings
    model.load_state_dict(checkpoint.state_dict)
    assert list(checkpoint.state_dict) == list(model.state_dict())


def test_a_network_of_ours_brings_its_settings(tmp_path):
    model = SpikingAutoencoder(shape=(1, 8, 8), channels=(2, 2), latent=4, steps=5)
    save(model, tmp_path / "net.pt", torch.zeros(SAMPLE))
    assert load(tmp_path / "net.pt").settings == model.settings


def test_weights_stand_in_the_file_once(tmp_path):
    model = norse.SequentialState(nn.Linear(300, 300), norse.LIFCell())
    save(model, tmp_path / "net.pt", torch.zeros(1, 300))
    weights = 4 * 300 * 301
    assert weights < (tmp_path / "net.pt").stat().st_size < weights + 10_000


def test_a_slice_of_a_larger_tensor_does_not_bring_the_whole(tmp_path):
    model = nn.Sequential(nn.Linear(3, 2, bias=False))
    model[0].weight = nn.Parameter(torch.rand(100_000, 3)[:2])
    save(model, tmp_path / "net.pt", torch.zeros(1, 3))
    assert (tmp_path / "net.pt").stat().st_size < 10_000


def test_the_same_network_gives_the_same_bytes(tmp_path):
    for name in ("a.pt", "b.pt"):
        save(network(), tmp_path / name, torch.zeros(SAMPLE))
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


def test_every_float_node_can_be_stored():
    f, d = np.float32, np.float64
    tau, v = np.array(100.0, dtype=f), np.array(-0.0, dtype=d)
    each = [
        nodes.Linear(np.ones((8, 8), dtype=f), np.zeros(8, dtype=f)),
        nodes.Reshape((2, 4)),
        nodes.Conv(np.ones((2, 1, 3), dtype=d), None, (1,), (1,), (1,), 2),
        nodes.ConvTranspose(np.ones((2, 1, 2), dtype=f), None, (2,), (0,), (0,), (1,), 2),
        nodes.AvgPool((2,), (2,), (1,), False),
        nodes.SumPool((2,), (1,), (0,)),
        nodes.Upsample((3,)),
        nodes.Identity(),
        nodes.Sparse(np.ones(2, dtype=d), [3, 0], [0, 1, 2], (2, 12), (2,), np.zeros(2, dtype=d)),
        neurons.LIF(tau, tau, v, v, v),
        neurons.LIFBox(tau, v, np.array([1.0, 2.0]), v, "subtract"),
        neurons.LI(tau, tau, v),
        neurons.LIBox(tau, v),
        nodes.BatchNorm(np.ones(2, dtype=d), np.zeros(2, dtype=d)),
        neurons.IAF(tau, v, "subtract"),
        neurons.Integrator(),
        adapting.LIFRefrac(tau, tau, v, v, v, v),
        adapting.LSNN(tau, tau, tau, v, v, v, v),
        adapting.ALIF(tau, tau, tau, tau, v, v, v),
        neurons.DeltaEncoder(np.array(0.1, dtype=f)),
        neurons.SigmaDeltaReLU(v, np.array([0.1, 0.2])),
        neurons.SigmaReadout(np.array(0.5)),
    ]
    graph = chain({"input": nodes.Input((8,)), **{f"n{i}": node for i, node in enumerate(each)}})
    joins = {"add": nodes.Add(), "concat": nodes.Concat(), "late": nodes.Delay(3)}
    edges = [("n11", "add"), ("n12", "add"), ("n12", "concat"), ("add", "concat")]
    edges += [("add", "late"), ("late", "back"), ("back", "add")]
    inner = {**graph.nodes, "back": nodes.Linear(np.eye(2, dtype=f)), **joins}
    graph = Graph(inner, (*graph.edges, *edges), graph.settings)
    verify(graph, "float")
    assert same(from_plain(to_plain(graph), graph.settings), graph)
    assert {type(node).__name__ for node in graph.nodes.values()} == set(KINDS)


@pytest.mark.parametrize("late", [[1.5, 2.0], [1.0, 2.0], [torch.nan, 0.0]])
def test_floats_among_the_delays_of_a_file_are_refused_and_not_cut(late):
    graph = chain({"input": nodes.Input((2,)), "late": nodes.Delay(1, [0, 2])})
    plain = to_plain(graph)
    assert from_plain(plain, graph.settings).nodes["late"].late.tolist() == [0, 2]
    plain["nodes"][1]["late"] = torch.tensor(late)
    with pytest.raises(BadInput, match=r"late of node 'late' is torch\.float32, not whole"):
        from_plain(plain, graph.settings)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "net.pt"
    path.write_bytes(b"old")

    def full_disk(content, file):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(BadInput, match=r"net.pt was not written: the disk is full"):
        save(network(), path, torch.zeros(SAMPLE))
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["net.pt"]


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(content, file):
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(network(), tmp_path / "net.pt", torch.zeros(SAMPLE))
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"nowhere/net.pt was not written: No such file"):
        save(network(), tmp_path / "nowhere" / "net.pt", torch.zeros(SAMPLE))


def test_an_unsupported_network_writes_nothing(tmp_path):
    with pytest.raises(Unsupported, match=r"layer '1' \(ReLU\) may get"):
        save(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), tmp_path / "net.pt", torch.zeros(1, 2))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "training", [{"shape": (1, 2)}, {1: "one"}, {"loss": float("nan")}, {"x": np.float32(1)}]
)
def test_a_training_summary_that_is_not_plain_is_refused(tmp_path, training):
    with pytest.raises(BadInput, match=r"Settings\.training"):
        save(
            network(), tmp_path / "n.pt", torch.zeros(SAMPLE), settings=Settings(training=training)
        )


def refusal(path):
    with pytest.raises(BadInput) as caught:
        load(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def written(tmp_path, content):
    torch.save(content, tmp_path / "net.pt")
    return tmp_path / "net.pt"


LINES = 'neurocompile.save(model, "model.pt", example_input)'


def test_a_pickled_module_is_refused_with_the_lines_that_make_a_good_file(tmp_path):
    # Norse's LIFParameters cannot be pickled at all, so no module with a LIFCell is
    model = norse.SequentialState(nn.Linear(3, 2), norse.LICell())
    words = refusal(written(tmp_path, model))
    assert "holds pickled Python objects, which could run code" in words
    assert LINES in words


def test_a_bare_state_dict_is_refused_with_the_lines_that_make_a_good_file(tmp_path):
    words = refusal(written(tmp_path, network().state_dict()))
    assert "is a bare state dict: weights without layers" in words
    assert LINES in words


def test_no_code_of_a_file_runs(tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "trapped"),))

    refusal(written(tmp_path, {"format": "neurocompile checkpoint", "graph": Trap()}))
    assert not (tmp_path / "trapped").exists()


def test_what_is_no_checkpoint_is_refused_in_a_sentence(tmp_path):
    cases = {
        "empty.pt": (b"", "it is not a zip archive"),
        "text.pt": (b"hello\n", "it is not a zip archive"),
        "zip.pt": (_zip({"a/b.txt": b"hello"}), "'a/b.txt', which torch.save does not write"),
        "pickle.pt": (b"\x80\x02}q\x00.", "it is not a zip archive"),
    }
    for name, (data, words) in cases.items():
        (tmp_path / name).write_bytes(data)
        assert words in refusal(tmp_path / name)
    assert "there is no file" in refusal(tmp_path / "missing.pt")
    assert "cannot be read" in refusal(tmp_path)
    assert "not a checkpoint of ours" in refusal(written(tmp_path, [1, 2]))


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("2.0", "its version is 2.0, but this neurocompile reads 1.x. Update it: pip install"),
        ("0.9", LINES),
        ("one", "its version is 'one', not a version such as 1.2"),
        (1.0, "its version is '1.0', not a version such as 1.2"),
    ],
)
def test_another_major_version_is_refused_with_what_to_do(tmp_path, good, version, words):
    assert words in refusal(written(tmp_path, {**content_of(good), "version": version}))


def test_a_newer_minor_version_with_more_fields_is_read(tmp_path, good):
    content = {**content_of(good), "version": "1.9", "extra": [1, 2]}
    assert same(load(written(tmp_path, content)).graph, trace(network(), torch.zeros(SAMPLE)))


def _zip(entries, compression=zipfile.ZIP_STORED):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return made.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (_zip({"a/data.pkl": b"0" * 9999}, zipfile.ZIP_DEFLATED), "the compressed entry"),
        (_zip({"../data.pkl": b""}), "which leads out of it"),
        (_zip({"/etc/data.pkl": b""}), "which leads out of it"),
        (_zip({f"a/{i}": b"" for i in range(5)}), "has 5 entries, but at most 4"),
        (b"#!" + _zip({"a": b""}), "it is not a zip archive"),
    ],
)
def test_an_archive_that_torch_did_not_write_is_refused(data, words, monkeypatch):
    monkeypatch.setattr("neurocompile.formats.checkpoint.archive.MAX_ENTRIES", 4)
    with pytest.raises(BadInput, match=words):
        canonical(io.BytesIO(data), "it")


def test_entries_that_declare_more_than_the_file_are_refused(good):
    """Two entries that share their bytes: a small file that would unpack to a large one."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a/data/1", b"0" * 5000)
        first = archive.infolist()[0]
        for i in range(2, 5):
            again = zipfile.ZipInfo(f"a/data/{i}")
            again.header_offset, again.CRC = first.header_offset, first.CRC
            again.file_size = again.compress_size = first.file_size
            archive.filelist.append(again)
    with pytest.raises(BadInput, match=r"declares 20000 bytes of content, but has \d{4} bytes"):
        canonical(io.BytesIO(made.getvalue()), "it")


def changed(content, *path, to):
    """The content with the value at this path replaced."""
    if not path:
        return to
    key, *rest = path
    copy = dict(content) if isinstance(content, dict) else list(content)
    copy[key] = changed(copy[key], *rest, to=to)
    return copy


def bomb(depth=40):
    """2**40 strings in a few bytes."""
    value = ["boom"]
    for _ in range(depth):
        value = [value, value]
    return value


NODE = ("graph", "nodes")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("graph",), None, "the graph is a NoneType, but a dict is expected"),
        (NODE, [], "the graph has 0 nodes, allowed are 1 to 10000"),
        ((*NODE, 1, "name"), "input", "node 'input' occurs twice in the graph"),
        ((*NODE, 1, "kind"), "LSTM", "node '0' is a 'LSTM', which this version does not know"),
        ((*NODE, 1, "extra"), 1, "node '0' (Conv) has the unknown field 'extra'"),
        ((*NODE, 1, "name"), "a/b", "a layer is called 'a/b', allowed are 1 to 1000 printable"),
        ((*NODE, 1, "stride"), [0, 0], "layer '0' (Conv): its stride is (0, 0), allowed are 2"),
        ((*NODE, 1, "groups"), True, "groups of node '0' is a bool, but an int is expected"),
        ((*NODE, 1, "weight"), torch.ones(2, 1, 3, 3).half(), "float32, float64 or int64 is expec"),
        ((*NODE, 1, "weight"), torch.full((2, 1, 3, 3), torch.nan), "its weight holds NaN, infin"),
        ((*NODE, 0, "shape"), [1 << 30], "its shape is (1073741824,), allowed are 1 to 6 axes"),
        ((*NODE, 3, "kernel"), [1 << 15] * 2, "kernel"),
        ((*NODE, 6, "scale"), [1 << 20] * 2, "of 1 or more and 16777216 values in all"),
        ((*NODE, 7, "reset"), "half", "reset of node '6' is 'half', but one of zero, subtract is"),
        ((*NODE, 7, "tau_mem_inv"), torch.tensor(-1.0), "its tau_mem_inv is -1 1/s, allowed is a"),
        ((*NODE, 11, "v_th"), torch.ones(4), "its v_th has shape (4,), allowed are () and (3,)"),
        (("graph", "edges", 0), ["input", "7"], "layer '0' (Conv): 0 layers lead to it, allowed"),
        (("graph", "edges", 0), ["0", "input"], "the edge from '0' to 'input' leads backwards"),
        (("graph", "edges", 0), ["input"], "an edge joins 1 nodes instead of two"),
        (("settings",), None, "it has no settings"),
        (("settings", "dt"), -1.0, "dt = -1.0 s. A step must be longer than 0 s"),
        (("settings", "dt"), 10**400, "int too large to convert to float"),
        (("settings", "data"), 5, "'data' in its settings is not a str"),
        (("settings", "training"), {"a": OrderedDict()}, "it holds an OrderedDict, which is not"),
        (("settings", "training"), {"a": bomb()}, "lists more than 32 deep"),
        (("settings", "training"), {"a": bomb(25)}, "it holds more than 1000000 values"),
        (("state_dict",), {"w": 1}, "its state dict holds other values than tensors"),
        (("state_dict",), {"w": torch.zeros(1).expand(1 << 20)}, "more values than it stores"),
        (
            ("state_dict",),
            {"w": torch.zeros(1).expand(1 << 40)},
            "shape (1099511627776,), which is",
        ),
        ((*NODE, 1, "weight"), torch.zeros([1] * 65), "has 65 axes, allowed are up to 64"),
        ((*NODE, 1, "weight"), torch.zeros(0, 1 << 62), "the shape (0, 4611686018427387904), whic"),
    ],
)
def test_content_that_no_network_has_is_refused_by_name(tmp_path, good, path, value, words):
    content = content_of(good)
    if path[-1] == "extra":
        content["graph"]["nodes"][1]["extra"] = value
    message = refusal(written(tmp_path, changed(content, *path, to=value)))
    assert "is not a sound checkpoint: " in message
    assert words in message


def test_a_tensor_that_is_used_beyond_reason_is_refused(tmp_path, good):
    content = content_of(good)
    content["state_dict"] = {str(i): torch.zeros(1000).expand(1000) for i in range(2)}
    shared = torch.zeros(100_000)
    content["state_dict"] = {str(i): shared for i in range(400)}
    assert "more than 256 times the" in refusal(written(tmp_path, content))


def test_a_tensor_of_which_a_file_asks_for_a_gradient_holds_its_numbers(tmp_path, good):
    (tmp_path / "good.pt").write_bytes(good)
    expected = load(tmp_path / "good.pt").graph

    def tensors(value):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(each, torch.Tensor) and each.is_floating_point():
                value[key] = each.requires_grad_()
            elif isinstance(each, dict | list):
                tensors(each)

    content = content_of(good)
    tensors(content)
    found = load(written(tmp_path, content)).graph
    assert same(found, expected)


def load_or_refuse(path):
    """Whether a file is read; a graph that is read is sound, a refusal names the file."""
    try:
        graph = load(path).graph
    except BadInput as error:
        message = str(error)
    else:
        assert isinstance(graph, Graph)
        verify(graph, "float")
        return True
    assert str(path) in message
    return False


@pytest.mark.parametrize("kind", ["flipped", "cut off", "flipped with its checksum"])
def test_three_hundred_mutants_give_a_sentence_or_a_sound_graph(tmp_path, good, kind):
    rng = np.random.default_rng(0)
    path = tmp_path / "mutant.pt"
    entries = {i.filename: zipfile.ZipFile(io.BytesIO(good)).read(i) for i in _entries(good)}
    pickle = next(name for name in entries if name.endswith("data.pkl"))
    read = 0
    for _ in range(300):
        if kind == "cut off":
            path.write_bytes(good[: rng.integers(len(good))])
        elif kind == "flipped":
            path.write_bytes(_flipped(good, rng))
        else:
            path.write_bytes(_zip({**entries, pickle: _flipped(entries[pickle], rng)}))
        read += load_or_refuse(path)
    assert read < 200


def _entries(data):
    return zipfile.ZipFile(io.BytesIO(data)).infolist()


def _flipped(data, rng):
    changed = bytearray(data)
    for place in rng.integers(len(data), size=rng.integers(1, 4)):
        changed[place] ^= 1 << rng.integers(8)
    return bytes(changed)


@pytest.mark.parametrize("name", ["thesis.tex", "model.onnx", "model"])
def test_a_file_that_is_no_checkpoint_is_not_replaced(tmp_path, name):
    (tmp_path / name).write_text("work of weeks")
    net = norse.SequentialState(nn.Linear(2, 2), norse.LIFBoxCell())
    with pytest.raises(BadInput, match=r"a checkpoint is a \.pt file"):
        save(net, tmp_path / name, torch.zeros(1, 2))
    assert (tmp_path / name).read_text() == "work of weeks"


def test_settings_that_are_a_dict_are_refused(tmp_path):
    with pytest.raises(BadInput, match="the settings are of the type dict"):
        save(
            nn.Sequential(nn.Linear(2, 2)),
            tmp_path / "net.pt",
            torch.zeros(1, 2),
            settings={"steps": 20},
        )
