"""Resonate-and-fire layers of `.net` files: against netx on Lava, both ways, and refusals."""

from dataclasses import replace
from itertools import product

import h5py
import numpy as np
import pytest
from netx_run import netx_spikes

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.errors import BadInput, Unsupported
from neurocompile.formats.netx.read import load_net
from neurocompile.formats.netx.resonators import as_netx_runs
from neurocompile.formats.netx.write import to_bytes
from neurocompile.ir.graph import same
from neurocompile.ir.resonators import RF, RF_IZ

STEPS = 30


def write(path):
    """Two layers as slayer's rf and rf_iz Dense blocks write them."""
    rng = np.random.default_rng(3)
    with h5py.File(path, "w") as file:
        file["layer/0/type"], file["layer/0/shape"] = np.array([b"input"]), np.array([6])
        # of 2873 and 1122 netx loses 1 where the last bit of a sine falls so
        made = [("RF_PHASE", 8, 6, 2873, 1122, 40), ("RF_IZHIKEVICH", 4, 8, 700, 3900, 25)]
        for number, (name, rows, columns, sin, cos, vth) in enumerate(made, start=1):
            group = file.create_group(f"layer/{number}")
            group["type"], group["shape"] = np.array([b"dense"]), np.array([rows])
            group["inFeatures"], group["outFeatures"] = columns, rows
            for part in ("real", "imag"):
                group[f"weight/{part}"] = rng.integers(-50, 60, (rows, columns)).astype(np.float32)
            neuron = {"type": name, "sinDecay": sin, "cosDecay": cos, "vThMant": vth}
            for key, value in {**neuron, "gradedSpike": False}.items():
                group[f"neuron/{key}"] = value
    return path


def test_netx_on_lava_gives_the_spikes_of_a_resonating_file(tmp_path):
    path = write(tmp_path / "rf.net")
    graph = load_net(path)
    assert [type(graph.nodes[n]) for n in ("layer1", "layer2")] == [RF, RF_IZ]
    given = (np.random.default_rng(4).random((STEPS, 6)) < 0.4).astype(np.uint8)
    spikes = fixed.run(graph, Encoded({"input": given[None]}, STEPS)).recording.spikes
    ours = spikes["layer2"][0]
    assert min(spikes["layer1"].sum(), ours.sum()) > 10
    theirs = netx_spikes(path, {"spikes": given}, depth=2, tmp_path=tmp_path, reset=False)
    assert np.array_equal(ours, theirs)


def test_a_decay_is_the_one_that_netx_makes_of_it(tmp_path):
    graph = load_net(write(tmp_path / "rf.net"))
    made = graph.nodes["layer1"]
    assert (int(made.sin_decay), int(made.cos_decay)) == as_netx_runs(2873, 1122)
    # by its words: a loss and a period, and back, cut toward 0
    loss = 1 - np.hypot(2873, 1122) / 4096
    angle = np.arctan2(2873, 1122)
    exact = (1 - loss) * np.sin(angle) * 4096, (1 - loss) * np.cos(angle) * 4096
    assert np.all(np.abs(np.array(as_netx_runs(2873, 1122)) - exact) < 1.001)
    assert as_netx_runs(0, 4000) in ((0, 4000), (0, 3999))  # no turn


def test_a_resonating_file_is_written_as_it_was_read(tmp_path):
    path = write(tmp_path / "rf.net")
    graph = load_net(path)
    path.write_bytes(to_bytes(graph))
    assert same(load_net(path), graph)
    with h5py.File(path, "a") as file:  # as a stranger's file
        del file["neurocompile"]
    again = load_net(path)
    for name in ("layer1", "layer2"):
        for register in ("sin_decay", "cos_decay", "vth"):
            ours, theirs = (int(getattr(g.nodes[name], register)) for g in (graph, again))
            assert ours == theirs


def lacking(entry):
    def change(layer):
        del layer[entry]

    return change


def setting(entry, value):
    def change(layer):
        if entry in layer:
            del layer[entry]
        layer[entry] = value

    return change


@pytest.mark.parametrize(
    ("wrong", "said", "cure"),
    [
        (lacking("neuron/vThMant"), "layer 1: its neurons lack the entry 'vThMant', the thr",
         setting("neuron/vThMant", 40)),
        (lacking("neuron/sinDecay"), "layer 1: its neurons lack the entry 'sinDecay', the sine",
         setting("neuron/sinDecay", 2873)),
        (setting("neuron/gradedSpike", True), "layer 1: its spikes are graded",
         setting("neuron/gradedSpike", False)),
        (setting("neuron/vThMant", 0), "layer 1: its vThMant reaches 0, allowed are 1..131071",
         setting("neuron/vThMant", 1)),
        (setting("neuron/cosDecay", 4097), "layer 1: its cosDecay reaches 4097, allowed are -4096",
         setting("neuron/cosDecay", 0)),
        (setting("bias", np.ones(8)), "layer 1: its weights are complex, and netx then ign",
         lacking("bias")),
        (setting("neuron/type", "CUBA"), "its weights are complex (weight/real, weight/imag), w",
         setting("neuron/type", "RF_IZHIKEVICH")),
        (setting("neuron/type", "ADRF"), "layer 1: its neurons are 'ADRF', resonate-and-fire neuro",
         setting("neuron/type", "RF_PHASE")),
    ],
)  # fmt: skip
def test_a_wrong_or_missing_entry_is_refused_by_layer_with_a_cure_that_works(
    wrong, said, cure, tmp_path
):
    path = write(tmp_path / "rf.net")
    with h5py.File(path, "a") as file:
        wrong(file["layer/1"])
    with pytest.raises(BadInput) as refused:
        load_net(path)
    assert said in str(refused.value)
    with h5py.File(path, "a") as file:
        cure(file["layer/1"])
    assert load_net(path)


def test_neurons_that_resonate_need_complex_weights_and_no_reset(tmp_path):
    path = write(tmp_path / "rf.net")
    with pytest.raises(Unsupported, match="resonate, and netx clears those in no step"):
        load_net(path, reset_interval=STEPS)
    with h5py.File(path, "a") as file:
        real = file["layer/1/weight/real"][()]
        del file["layer/1/weight"]
        file["layer/1/weight"] = real
    with pytest.raises(Unsupported, match="layer 1: its neurons are 'RF_PHASE', and netx has them"):
        load_net(path)


def lost():
    """A sine decay that netx makes of none in a file, beside a cosine decay of 1000."""
    for sin in range(500, 600):
        tried = product((sin, sin + 1), (1000, 1001))
        if all(as_netx_runs(*each) != (sin, 1000) for each in tried):
            return sin
    raise AssertionError("netx keeps every decay")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"state_exp": 5}, "its state_exp is 5 and its decay_bits 12"),
        ({"vth": np.arange(40, 48)}, "its registers differ between neurons"),
        (
            {"sin_decay": np.array(lost()), "cos_decay": np.array(1000)},
            "and 1000, of 4096. netx computes the decays anew from those of a file and rounds",
        ),
    ],
)
def test_what_no_resonating_layer_of_netx_is_is_refused_by_layer(fields, said, tmp_path):
    graph = load_net(write(tmp_path / "rf.net"))
    changed = graph.with_nodes(layer1=replace(graph.nodes["layer1"], **fields))
    with pytest.raises(Unsupported, match="layer 'layer1'") as refused:
        to_bytes(changed)
    assert said in str(refused.value)
    delayed = graph.with_nodes(layer1_real=replace(graph.nodes["layer1_real"], delay=1))
    with pytest.raises(Unsupported, match="layer 'layer1': its neurons resonate, and netx has for"):
        to_bytes(delayed)
