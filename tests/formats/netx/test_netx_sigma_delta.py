"""Sigma-delta layers of `.net` files: against plain numpy and netx, both ways, and refusals."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import sdnn_files
from netx_run import netx_spikes

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.engines import onnx as onnx_engine
from neurocompile.errors import BadInput, Unsupported
from neurocompile.formats.netx.read import load_net
from neurocompile.formats.netx.write import loaded_by, to_bytes
from neurocompile.ir.fixed import ChipNeuron, SpikeInput
from neurocompile.ir.graph import chain, same
from neurocompile.ir.settings import NOTED
from neurocompile.ir.sigma_delta import Delta, Sigma, SigmaDelta


def run(engine, graph, frames):
    """What each population sends, (steps, n)."""
    found = engine.run(graph, Encoded({"input": frames[None]}, len(frames)))
    spikes = getattr(found, "recording", found).spikes
    return [spikes[n][0].reshape(len(frames), -1) for n, _ in graph.of(ChipNeuron)]


@pytest.mark.parametrize("seed", range(2))
def test_a_sigma_delta_file_sends_what_its_layers_send_from_rest_in_chip_time(seed, tmp_path):
    entries, frames = sdnn_files.layers(seed), sdnn_files.frames(seed)
    graph = load_net(sdnn_files.write(tmp_path / "sdnn.net", entries))
    kinds = [type(node) for _, node in graph.of(ChipNeuron)]
    assert kinds == [Delta, SigmaDelta, SigmaDelta, SigmaDelta, Sigma]
    expected = sdnn_files.sent(entries, frames)
    assert all(np.unique(sent).size > 2 for sent in expected)
    for engine in (fixed, onnx_engine):
        for found, sent in zip(run(engine, graph, frames), expected, strict=True):
            assert np.array_equal(found, sent)
    assert graph.settings.assumes(f"{NOTED}start")


def test_netx_on_lava_sends_the_same(tmp_path):
    entries, frames = sdnn_files.layers(7), sdnn_files.frames(7)
    path = sdnn_files.write(tmp_path / "sdnn.net", entries)
    ours = run(fixed, load_net(path), frames)[-1]
    theirs = netx_spikes(path, {"spikes": frames}, depth=4, tmp_path=tmp_path, reset=False)
    assert np.array_equal(ours, theirs)


def entries_of(path):
    """What netx reads of a file: each entry by its name."""
    found = {}

    def visit(name, entry):
        if isinstance(entry, h5py.Dataset) and name != "2/shape":  # that of a flatten layer
            found[name] = np.asarray(entry[()])

    with h5py.File(path) as file:
        file["layer"].visititems(visit)
    return found


def test_a_sigma_delta_file_is_written_as_it_was_read(tmp_path):
    path = sdnn_files.write(tmp_path / "sdnn.net", sdnn_files.layers(0))
    graph = load_net(path)
    was = entries_of(path)
    path.write_bytes(to_bytes(graph))
    assert same(load_net(path), graph)
    now = entries_of(path)  # netx makes the same of it: a bias per channel is one per neuron
    assert all(np.all(now[key] == was[key]) for key in was)
    assert loaded_by(graph, 6) == "load with netx.hdf5.Network('network.net'); one sample a run"


def lacking(layer, entry):
    def change(file):
        del file[f"layer/{layer}/{entry}"]

    return change


def setting(layer, entry, value):
    def change(file):
        group = file[f"layer/{layer}"]
        if entry in group:
            del group[entry]
        group[entry] = value

    return change


@pytest.mark.parametrize(
    ("wrong", "said", "cure"),
    [
        (lacking(3, "neuron/vThMant"), "layer 3: its neurons lack the entry 'vThMant', the thresh",
         setting(3, "neuron/vThMant", 0)),
        (lacking(0, "neuron/vThMant"), "layer 0: its neurons lack the entry 'vThMant', the thresh",
         setting(0, "neuron/vThMant", 0)),
        (lacking(4, "neuron/activation"), "layer 4: its neurons lack the entry 'activation'",
         setting(4, "neuron/activation", "relu")),
        (setting(4, "neuron/activation", "tanh"), "layer 4: its activation is 'tanh', but netx ru",
         setting(4, "neuron/activation", "relu")),
        (setting(5, "bias", np.zeros(2)), "layer 5: it has a bias, but its neurons only add up",
         lacking(5, "bias")),
        (setting(3, "bias", np.full(6, 128.0)), "layer 3: its bias reaches 128, allowed are -128..",
         setting(3, "bias", np.full(6, 127.0))),
        (setting(1, "neuron/vThMant", -1), "layer 1: its vThMant reaches -1, allowed are 0..131071",
         setting(1, "neuron/vThMant", 0)),
        (setting(1, "neuron/iDecay", 1), "layer 1: it has the entry 'iDecay', which netx ignores",
         lacking(1, "neuron/iDecay")),
    ],
)  # fmt: skip
def test_a_wrong_or_missing_entry_is_refused_by_layer_with_a_cure_that_works(
    wrong, said, cure, tmp_path
):
    path = sdnn_files.write(tmp_path / "sdnn.net", sdnn_files.layers(0))
    with h5py.File(path, "a") as file:
        wrong(file)
    with pytest.raises(BadInput) as refused:
        load_net(path)
    assert said in str(refused.value)
    with h5py.File(path, "a") as file:
        cure(file)
    assert load_net(path)


def test_layers_of_both_kinds_and_a_reset_are_refused(tmp_path):
    path = sdnn_files.write(tmp_path / "sdnn.net", sdnn_files.layers(0))
    with pytest.raises(Unsupported, match="sigma-delta or resonate, and netx clears those in no"):
        load_net(path, reset_interval=6)
    assert same(load_net(path, reset_interval=0), load_net(path))
    with h5py.File(path, "a") as file:
        del file["layer/4/neuron"]
    with pytest.raises(Unsupported, match=r"'layer3': its neurons are CUBA .* beside sigma-"):
        load_net(path)


def test_what_an_early_bias_sends_through_a_delay_is_refused_by_layer(tmp_path):
    entries = sdnn_files.layers(0)
    entries[4]["delay"] = np.array([0, 1, 0, 0, 2])
    path = sdnn_files.write(tmp_path / "sdnn.net", entries)
    with pytest.raises(Unsupported, match=r"layer 'layer2': what biases make it send .* no biases"):
        load_net(path)
    for entry in entries:
        entry.pop("bias", None)
    graph = load_net(sdnn_files.write(path, entries))  # the cure
    assert not graph.settings.assumes(f"{NOTED}start")


def biased(**delays):
    """Entries of three layers, the one in the middle with biases; delays by layer."""
    entries = [
        {"type": "input", "shape": [3], "vThMant": 0},
        {"type": "dense", "shape": [3], "weight": 4 * np.eye(3, dtype=np.float32), "vThMant": 0},
        {"type": "dense", "shape": [2], "weight": np.array([[2, 4, 6], [8, 2, 4]], np.float32),
         "vThMant": 0},
    ]  # fmt: skip
    entries[1]["bias"] = np.array([40, 3, 1], np.float32)
    for name, delay in delays.items():
        entries[int(name.removeprefix("layer"))]["delay"] = np.array(delay)
    return entries


@pytest.mark.parametrize(
    "delay",
    [1, np.ones((2, 3)), [1, 0], [[0, 1, 2], [1, 1, 0]], [[0, 1, 2]] * 2, [[1, 1, 1], [0, 0, 0]]],
    ids=str,
)
def test_no_form_of_delay_behind_an_early_bias_is_read(tmp_path, delay):
    path = sdnn_files.write(tmp_path / "w.net", biased(layer2=np.broadcast_to(delay, 2)
                            if np.ndim(delay) < 2 else delay))  # fmt: skip
    with pytest.raises(Unsupported, match=r"'layer1': what biases make it send .* on its way"):
        load_net(path)


@pytest.mark.parametrize("delay", [1, 3])
def test_a_delay_before_an_early_bias_starts_as_netx_starts_it(tmp_path, delay):
    path = sdnn_files.write(tmp_path / "v.net", biased(layer1=[delay] * 3))
    frames = np.array([[1, 2, 3]] * 7, np.int32)
    frames[2] = [4, 0, -3]
    graph = load_net(path)
    found = run(fixed, graph, frames)[-1]
    theirs = netx_spikes(path, {"spikes": frames}, depth=2, tmp_path=tmp_path, reset=False)
    np.testing.assert_array_equal(found, theirs)
    assert np.count_nonzero(theirs) > 4


def test_the_input_of_a_sigma_delta_file_says_its_transform_and_its_range(tmp_path):
    entries = sdnn_files.layers(0)
    entries[0] |= {"weight": 64, "bias": 2}
    graph = load_net(sdnn_files.write(tmp_path / "sdnn.net", entries))
    (said,) = (a.sentence for a in graph.settings.assumed if a.key == f"{NOTED}input")
    assert "x * 64 + 2" in said
    assert graph.nodes["input"].payload == (-2048, 2047)  # 2^12 as much has 24 bits
    with pytest.raises(BadInput, match=r"'input' holds 0..2048, but only -2048..2047 is allowed"):
        run(fixed, graph, np.array([[[[2048] * 4] * 5, [[0] * 4] * 5]]))


def changed(tmp_path, name, **fields):
    graph = load_net(sdnn_files.write(tmp_path / "sdnn.net", sdnn_files.layers(0)))
    return graph.with_nodes(**{name: replace(graph.nodes[name], **fields)})


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("layer1", {"vth": 1, "spike_exp": 3}, "its threshold is 512, but a .net file has one"),
        ("layer2", {"state_exp": 5, "spike_exp": 7}, "its state_exp is 5"),
        ("layer2", {"cum_error": True}, "its cum_error True"),
        ("layer2", {"activation": "unit"}, "its activation is 'unit'"),
        ("layer2", {"bias_mant": 1, "bias_exp": 7}, "its bias 128 is no multiple of 4096"),
        ("layer0", {"spike_exp": 7, "state_exp": 6}, "its spike_exp is 7"),
        ("layer2", {"v_init": 0, "act_init": 0}, "it does not start where its biases lead it"),
    ],
)
def test_what_no_sigma_delta_layer_of_netx_is_is_refused_by_layer(name, fields, said, tmp_path):
    with pytest.raises(Unsupported, match=f"layer '{name}'") as refused:
        to_bytes(changed(tmp_path, name, **fields))
    assert said in str(refused.value)


def test_payloads_through_weights_have_no_place_in_the_file(tmp_path):
    graph = changed(tmp_path, "layer0")
    nodes = {"input": SpikeInput((27,), 12), "s": graph.nodes["layer2_synapse"],
             "pop": graph.nodes["layer2"]}  # fmt: skip
    with pytest.raises(Unsupported, match="layer 'pop': it takes payloads from outside through w"):
        to_bytes(chain(nodes, graph.settings))
