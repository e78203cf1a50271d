"""Integers in a `.pt` file: packed, the same bits again, and nothing believed of a stranger's."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from neurocompile import frontend
from neurocompile.chip.read import load_chip
from neurocompile.data.inputs import encode
from neurocompile.data.samples import load_data
from neurocompile.data.stimulus import Stimulus
from neurocompile.engines.agree import run_engine
from neurocompile.engines.evaluate import evaluate
from neurocompile.errors import BadInput
from neurocompile.formats.checkpoint.plain_fixed import (
    fixed_from_plain,
    fixed_to_plain,
    pack,
    unpack,
)
from neurocompile.formats.checkpoint.read import load
from neurocompile.formats.onnx.write import to_bytes
from neurocompile.frontend.save import save
from neurocompile.ir.fixed import AlwaysOn, BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, same
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, Sparse
from neurocompile.ir.registers import Grid
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.ir.verify import verify
from neurocompile.nn.grid import GridNetwork
from neurocompile.place.placement import place, require_fit

MODELS = Path(__file__).parents[3] / "examples" / "models"
ONES = (1, 1)


def whole(shape, bits=8):
    """Weights on the grid, different ones, both ends of it among them."""
    low, high = Grid(bits).used
    step = 1 << (9 - bits)
    values = np.arange(low, high + 1, step, dtype=np.int16)
    return np.resize(values[::-1], shape)


def network():
    """Every kind of FIXED node and of map, scalar registers and one for each neuron."""
    each = np.arange(8).reshape(2, 2, 2)
    sparse = Sparse(whole(4, 3), np.array([0, 7, 1, 2]), np.array([0, 2, 2, 4]), (2, 2, 2), (3,))
    host = Conv(np.full((2, 1, 1, 1), 0.3), None, ONES, (0, 0), ONES, 1)
    nodes = {
        "in": BiasInput((1, 2, 2), (2, 2, 2), np.array(3.5), host),
        "a": CubaLIF((2, 2, 2), 4095, 300, 90 + each, each - 4, each % 8, -each),
        "conv": Synapse(Conv(whole((1, 2, 1, 1), 4), None, ONES, (0, 0), ONES, 1), (2, 2, 2),
                        (1, 2, 2), -3, 4),
        "up": Synapse(ConvTranspose(whole((2, 1, 1, 1), 2), None, ONES, (0, 0), (0, 0), ONES, 1),
                      (2, 2, 2), (1, 2, 2), 7, 2, delay=5),
        "b": CubaLIF((1, 2, 2), 70, 4096, 131071, 0, 0, 0, "subtract"),
        "sparse": Synapse(sparse, (2, 2, 2), (3,), 0, 3),
        "axon": AlwaysOn(),
        "bias": Synapse(Linear(whole((3, 1), 5)), (1,), (3,), 1, 5),
        "dense": Synapse(Linear(whole((3, 4), 6)), (4,), (3,), 1, 6),
        "out": CubaLIF((3,), 4095, 300, 131071, -4096, 7, 8388607, readout=True, scale=0.1 + 0.2),
    }  # fmt: skip
    edges = (
        *pairwise(["in", "a", "conv", "b", "dense", "out"]),
        *pairwise(["a", "up", "b"]),
        *pairwise(["a", "sparse", "out"]),
        *pairwise(["axon", "bias", "out"]),
    )
    settings = Settings(steps=4, encoder=Encoder("current", 2.0), decoder=Decoder("last"))
    return verify(Graph(nodes, edges, settings), "fixed")


def test_a_fixed_graph_comes_back_bit_for_bit_from_plain_values():
    graph = network()
    assert same(fixed_from_plain(fixed_to_plain(graph), graph.settings), graph)
    spikes = graph.without("in").with_nodes(a=SpikeInput((2, 2, 2)))
    assert same(fixed_from_plain(fixed_to_plain(spikes), graph.settings), spikes)


def test_a_model_of_integers_is_saved_and_loaded_and_runs_as_it_is(tmp_path):
    graph = load(MODELS / "mnist_autoencoder_2bit.pt").graph
    model, path = GridNetwork(graph), tmp_path / "model.pt"
    assert same(save(model, path, torch.zeros(3, 1, 28, 28)), graph)
    assert same(frontend.load(path), graph)
    with pytest.raises(BadInput, match=r"samples of shape \(28, 28\), the network takes \(1, 28"):
        save(model, path, torch.zeros(3, 28, 28))


@pytest.mark.parametrize(
    ("weights", "bits", "packed"),
    [
        # two's complement of w / 128: -128 is 11, 0 is 00, 128 is 01; lowest bits first
        ([-128, 0, 128, -128, 128], 2, [0b11_01_00_11, 0b01]),
        # w / 32: -256 is 1000, 224 is 0111, -32 is 1111
        ([-256, 224, -32], 4, [0b0111_1000, 0b1111]),
        ([-256, 254, -2], 8, [0b10000000, 0b01111111, 0b11111111]),
    ],
)
def test_weights_are_packed_in_the_bits_that_they_have(weights, bits, packed):
    found = pack(np.array(weights, np.int16), bits)
    assert found.tolist() == packed
    again = unpack(found.numpy(), len(weights), bits)
    assert again.tolist() == weights
    assert again.dtype == np.int16


@pytest.mark.parametrize("bits", range(2, 9))
def test_every_weight_of_every_grid_comes_back(bits):
    weights = whole(300, bits)
    assert np.array_equal(unpack(pack(weights, bits).numpy(), 300, bits), weights)


def damaged(change):
    """The plain values of `network` after a change to them."""
    plain = fixed_to_plain(network())
    change({entry["name"]: entry for entry in plain["nodes"]}, plain)
    return plain


PACKED = {"packed": torch.zeros(1, dtype=torch.uint8), "shape": [2, 2], "bits": 2}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda n, p: n["dense"]["op"].update(weight={**PACKED, "shape": [1 << 40, 1 << 40]}),
         "is packed in 1 values of torch.uint8, but"),
        (lambda n, p: n["dense"]["op"].update(weight={**PACKED, "shape": [-1, 4]}), "is packed as"),
        (lambda n, p: n["dense"]["op"].update(weight={**PACKED, "bits": 9}), "2..8 are expected"),
        (lambda n, p: n["dense"]["op"].update(weight={**PACKED, "bits": True}), "is a bool"),
        (lambda n, p: n["dense"]["op"].update(weight={"packed": None}), "is a NoneType"),
        (lambda n, p: n["dense"]["op"].update(weight=torch.zeros(3, 4, dtype=torch.bfloat16)),
         "is torch.bfloat16"),
        (lambda n, p: n["dense"].update(op={"kind": "LIF"}), "is a 'LIF', which this version"),
        (lambda n, p: n["dense"].update(op=[]), "is a list, but a dict is expected"),
        (lambda n, p: n["a"].update(vth=torch.full((2, 2, 2), 1.5)),
         "vth of node 'a' is torch.float32, not whole numbers"),
        (lambda n, p: n["a"].update(vth=torch.tensor(torch.nan)),
         "vth of node 'a' is torch.float32, not whole numbers"),
        (lambda n, p: n["dense"].update(late=torch.zeros(2)),
         "late of node 'dense' is torch.float32, not whole numbers"),
        (lambda n, p: n["sparse"]["op"].update(indptr=torch.zeros(4)),
         "indptr of op of node 'sparse' is torch.float32"),
        (lambda n, p: n["a"].update(kind="Input"), "is a 'Input', which this version"),
        (lambda n, p: n["a"].pop("vth"), r"node 'a' \(CubaLIF\) lacks vth"),
        (lambda n, p: n["a"].update(extra=1), "has the unknown field 'extra'"),
        (lambda n, p: p["edges"].append(["in"]), "an edge joins 1 nodes"),
    ],
)  # fmt: skip
def test_plain_values_that_are_no_sound_graph_are_refused(change, words):
    with pytest.raises(BadInput, match=words):
        fixed_from_plain(damaged(change), Settings())


def test_a_file_with_registers_that_no_chip_has_or_with_two_networks_is_refused(tmp_path):
    source = MODELS / "mnist_autoencoder_2bit.pt"
    content = torch.load(source, weights_only=True)
    entry = next(e for e in content["fixed"]["nodes"] if e["name"] == "lif1")
    entry["vth"] = torch.tensor(1 << 20)
    torch.save(content, tmp_path / "wide.pt")
    with pytest.raises(BadInput, match=r"its vth is 1048576, allowed are 0\.\.131071"):
        load(tmp_path / "wide.pt")
    torch.save({**content, "graph": {}}, tmp_path / "two.pt")
    with pytest.raises(BadInput, match="it holds two networks"):
        load(tmp_path / "two.pt")


# --- the shipped models --------------------------------------------------------------------


@pytest.fixture(scope="module", params=[(4, 1.05), (2, 1.50)], ids=["4bit", "2bit"])
def shipped(request):
    """A shipped model with its bits and the ratio that it must keep."""
    bits, most = request.param
    path = MODELS / f"mnist_autoencoder_{bits}bit.pt"
    return frontend.load(path), bits, most, path


def test_the_shipped_integers_are_on_the_grid_in_a_small_file_and_fit_the_chip(shipped):
    graph, bits, _, path = shipped
    assert path.stat().st_size < 300_000
    low, high = Grid(bits).used
    for name, node in graph.of(Synapse):
        weights = node.op.weights
        assert node.bits == bits, name
        assert low <= weights.min() <= weights.max() <= high
        assert not np.any(weights % (1 << (9 - bits)))
    require_fit(place(graph, load_chip("loihi-sim")))


def test_the_shipped_error_is_within_its_share_of_the_float_networks(shipped):
    """On all 1,000 test digits, which neither calibration nor training saw."""
    graph, _, most, _ = shipped
    test = load_data("mnist5k")
    error = evaluate(None, graph, Stimulus(test, 16), engines=("fixed",)).fixed_score.mse
    figures = graph.settings.training
    assert error == pytest.approx(figures["test_error_after"], rel=1e-9)
    assert figures["test_error_float"] == pytest.approx(0.006788, rel=1e-3)  # as shipped
    assert error / figures["test_error_float"] <= most


def test_training_forward_fixed_engine_lava_and_onnx_agree_on_every_bit(shipped):
    graph = shipped[0]
    data = load_data("mnist5k", samples=3)
    encoded = encode(graph, data, 0, 3, 16, 0)
    with torch.no_grad():
        found = GridNetwork(graph).eval().traces(torch.tensor(data.values), membrane=True)
    for engine in ("fixed", "lava", "onnx"):
        theirs = run_engine(engine, graph, encoded)
        for name, _ in graph.of(CubaLIF):
            spikes, v = (t.transpose(0, 1).numpy() for t in found[name])
            assert np.array_equal(spikes, theirs.spikes[name]), (engine, name)
            assert np.array_equal(v, theirs.membrane[name]), (engine, name)


def test_exporting_a_shipped_model_writes_its_integers_bit_for_bit(shipped, tmp_path):
    from click.testing import CliRunner

    from neurocompile.cli import main

    graph, _, _, path = shipped
    out = tmp_path / "out"
    arguments = ["export", str(path), "--target", "loihi-sim", "--engine", "fixed"]
    done = CliRunner().invoke(main, [*arguments, "--samples", "2", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert same(frontend.load(out / "fixed.onnx"), graph)
    assert (out / "fixed.onnx").read_bytes() == to_bytes(graph)
