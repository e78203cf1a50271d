"""`inspect --target`: whether a network would compile, and every reason against it."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from norse import torch as norse
from torch import nn

import neurocompile as nc
from neurocompile.errors import BadInput
from neurocompile.formats.checkpoint.write import write_checkpoint

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def two_cores(tmp_path_factory):
    """Loihi 1 with two cores of 41 neurons: the 264 neurons of the small model need more."""
    folder = tmp_path_factory.mktemp("two_cores")
    text = (ROOT / "targets/loihi-sim/target.toml").read_text()
    for key, value in {"cores": 2, "neurons_per_core": 41}.items():
        text = re.sub(rf"(?m)^{key} = {{ value = \d+", f"{key} = {{ value = {value}", text)
    (folder / "target.toml").write_text(text.replace('name = "loihi-sim"', 'name = "two"'))
    return folder


@pytest.fixture
def ask(call):
    """The exit code and the document of `inspect --target`."""

    def run(path, target, *options):
        code, text, _ = call("inspect", path, "--target", target, "--json", *options)
        return code, json.loads(text)

    return run


def test_a_model_that_fits_has_the_cores_that_its_export_has(model, exported, ask):
    code, found = ask(model, "loihi-sim")
    cores = exported[1]["fit"]["cores_used"]
    assert (code, found["stage"]) == (0, "float")
    assert found["target"] == {
        "name": "loihi-sim", "compiles": True, "cores": cores, "cores_limit": 128, "reasons": [],
    }  # fmt: skip


def test_the_integers_of_an_export_are_placed_as_they_are(exported, ask, call):
    out, report = exported
    code, found = ask(out, "loihi-sim")
    assert (code, found["stage"]) == (0, "fixed")
    cores = report["fit"]["cores_used"]
    assert found["target"]["cores"] == cores
    text = call("inspect", out, "--target", "loihi-sim")[1]
    assert re.search(rf"compiles for loihi-sim +yes, {cores} cores? of 128$", text, re.M)


def test_a_chip_without_a_limit_of_cores_has_none_in_the_answer(model, ask, call):
    assert ask(model, "ideal")[1]["target"]["cores_limit"] is None
    assert "yes, 1 core (scales from the weights)" in call("inspect", model, "--target", "ideal")[1]


def test_a_model_that_is_too_large_is_shown_with_the_reason_and_the_code_of_export(
    model, two_cores, ask, call
):
    code, found = ask(model, two_cores)
    target = found["target"]
    assert (code, len(found["layers"])) == (3, 6)
    assert (target["compiles"], target["cores"], target["cores_limit"]) == (False, None, 2)
    assert len(target["reasons"]) == 1
    assert "but two has 2" in target["reasons"][0]
    code, text, stderr = call("inspect", model, "--target", two_cores)
    assert (code, stderr) == (3, f"reading {model}\n")
    assert re.search(r"^compiles for two +no$", text, re.M)
    assert "ConvTranspose" in text


def test_every_unsupported_layer_is_a_reason_of_its_own(tmp_path, ask, call):
    network = nn.Sequential(nn.Linear(4, 4), nn.Softmax(1), nn.Linear(4, 4), nn.Tanh())
    path = tmp_path / "net.pt"
    torch.save({"model": network, "example_input": torch.zeros(1, 4)}, path)
    code, found = ask(path, "loihi-sim", "--allow-pickle")
    assert (code, found["stage"], found["layers"]) == (2, None, [])
    softmax, tanh = found["target"]["reasons"]
    assert "layer '1' is a Softmax" in softmax
    assert "layer '3' is a Tanh" in tanh
    code, text, _ = call("inspect", path, "--target", "loihi-sim", "--allow-pickle")
    assert (code, text.count("\nreason ")) == (2, 2)


def test_without_a_target_nothing_is_said_of_one(model, call):
    assert "target" not in json.loads(call("inspect", model, "--json")[1])


def test_an_unknown_target_is_refused_before_anything_is_shown(model, call):
    code, text, stderr = call("inspect", model, "--target", "nothing")
    assert (code, text) == (2, "")
    assert "nothing" in stderr


def test_the_rate_of_a_readout_is_refused_when_saved_inspected_and_compiled(tmp_path, ask):
    path, example = tmp_path / "net.pt", torch.zeros(1, 4)
    hidden = nn.Linear(4, 3), norse.LIFBoxCell()
    net = norse.SequentialState(*hidden, nn.Linear(3, 2), norse.LICell())
    said = (
        "layer '3' (LI): it is a readout, which gives a potential and never spikes, but the "
        "decoder 'rate' counts spikes. Use Decoder('last'), Decoder('max') or Decoder('mean'): "
        "save a .pt file with Settings(decoder=Decoder('last')), or load any other file and "
        "compile replace(graph, settings=replace(graph.settings, decoder=Decoder('last'))), with "
        "replace of dataclasses. Or end the network in neurons that spike."
    )
    rate = nc.Settings(1e-3, 5, decoder=nc.Decoder("rate"))
    with pytest.raises(BadInput) as refused:
        nc.save(net, path, example, settings=rate)
    assert str(refused.value) == said
    for kind in ("last", "max", "mean"):
        settings = nc.Settings(1e-3, 5, decoder=nc.Decoder(kind))
        graph = nc.save(net, path, example, settings=settings)
        assert ask(path, "loihi-sim")[0] == 0
    counted = replace(graph, settings=replace(graph.settings, decoder=nc.Decoder("rate")))
    write_checkpoint(counted, path, net.state_dict())
    code, found = ask(path, "loihi-sim")
    assert (code, found["target"]["reasons"]) == (2, [said])
    integers = nc.compile(graph, "loihi-sim").fixed_graph
    for each in (counted, replace(integers, settings=counted.settings)):
        with pytest.raises(BadInput, match="is a readout, which gives a potential"):
            nc.compile(each, "loihi-sim")
    nc.save(norse.SequentialState(*hidden), path, example, settings=rate)
    assert ask(path, "loihi-sim")[0] == 0
