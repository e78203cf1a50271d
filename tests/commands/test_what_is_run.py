"""Data, samples, steps and seed on the command line: what is run, and what is refused."""

import json
import shutil

import click
import numpy as np
import pytest
from click.testing import CliRunner

import neurocompile as nc
from neurocompile.commands.options import data_options
from neurocompile.data.sampling import Sampling
from neurocompile.ir.digest import graph_digest

STEPS, CLASSES = 10, 3


def spikes(file, samples, **more):
    """A file of random input spikes for six inputs."""
    rng = np.random.default_rng(0)
    values = (rng.random((samples, STEPS, 6)) < 0.5).astype(np.uint8)
    np.savez(file, spikes=values, **more)
    return file


def saved(path, cell, task, kind):
    import torch
    from torch import nn

    from neurocompile.frontend.save import save
    from neurocompile.ir.settings import Decoder, Encoder, Settings

    torch.manual_seed(0)
    from norse.torch import SequentialState

    settings = Settings(steps=STEPS, encoder=Encoder("spikes"), decoder=Decoder(kind, task=task))
    save(SequentialState(nn.Linear(6, CLASSES), cell), path, torch.zeros(1, 6), settings=settings)
    return path


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """Six inputs -> three neurons, whose rates are classes; an export of it that ran 4 samples."""
    import torch
    from norse.torch import LIFBoxCell, LIFBoxParameters

    folder = tmp_path_factory.mktemp("classifier")
    cell = LIFBoxCell(LIFBoxParameters(v_th=torch.as_tensor(0.1)))
    saved(folder / "m.pt", cell, "classification", "rate")
    spikes(folder / "x.npz", 4, labels=np.array([0, 2, 1, 2]))
    return folder


@pytest.fixture(scope="module")
def exported_classifier(classifier):
    from neurocompile.cli import main

    arguments = ["export", classifier / "m.pt", "--target", "loihi-sim", "--engine", "fixed",
                 "--out", classifier / "out", "--data", classifier / "x.npz"]  # fmt: skip
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output
    return classifier / "out"


def test_the_options_of_what_to_run_reach_a_command_as_one_record():
    seen = []

    @click.command()
    @data_options(samples="all", seed="0")
    def run(sampling):
        seen.append(sampling)

    for arguments in ([], ["--data", "x.npy", "--samples", "3", "--seed", "0"]):
        assert CliRunner().invoke(run, arguments).exit_code == 0
    assert seen == [Sampling(), Sampling("x.npy", 3, None, 0)]
    assert "no such option" in CliRunner().invoke(run, ["--steps", "3"]).output.lower()


def test_an_export_takes_all_of_a_file_with_fewer_samples_than_it_runs_as_a_rule(
    classifier, tmp_path, call
):
    arguments = ("export", classifier / "m.pt", "--target", "loihi-sim", "--engine", "fixed",
                 "--engine", "onnx", "--data", classifier / "x.npz", "--out")  # fmt: skip
    code, text, stderr = call(*arguments, tmp_path / "out", "--json")
    assert code == 0, stderr
    assert json.loads(text)["classification"]["samples"] == 4
    code, _, stderr = call(*arguments, tmp_path / "other", "--samples", 5)
    assert (code, "has 4 samples, but 5 were asked for" in stderr) == (2, True)


@pytest.mark.parametrize("command", ["energy", "compare", "simulate"])
def test_other_data_may_hold_fewer_samples_than_the_export_ran(
    command, exported_classifier, tmp_path, call
):
    fewer = spikes(tmp_path / "fewer.npz", 2, labels=np.array([0, 1]))
    code, text, stderr = call(command, exported_classifier, "--data", fewer, "--json")
    assert code == 0, stderr
    assert json.loads(text)["samples"] == 2
    code, _, stderr = call(command, exported_classifier, "--data", fewer, "--samples", 3)
    assert (code, "has 2 samples, but 3 were asked for" in stderr) == (2, True)


def test_a_check_says_how_many_samples_it_needs(exported_classifier, tmp_path, call):
    fewer = spikes(tmp_path / "fewer.npz", 2, labels=np.array([0, 1]))
    arguments = ("check", exported_classifier, "--baseline", tmp_path / "b.json", "--update")
    code, _, stderr = call(*arguments, "--data", fewer)
    assert code == 2
    assert "was exported with 4 samples" in stderr
    assert "has 2. Give the data that it was exported with" in stderr
    assert not (tmp_path / "b.json").exists()


@pytest.mark.parametrize("command", ["simulate", "compare"])
@pytest.mark.parametrize("label", [3, -1])
def test_a_label_that_is_no_class_is_refused_and_not_counted_as_wrong(
    command, label, exported_classifier, tmp_path, call
):
    wrong = spikes(tmp_path / "wrong.npz", 4, labels=np.array([0, 2, label, 1]))
    code, stdout, stderr = call(command, exported_classifier, "--data", wrong, "--json")
    assert (code, json.loads(stdout)["error"]["code"]) == (2, 2)
    assert f"wrong.npz': sample 2 has the label {label}" in stderr
    assert "whole numbers from 0 to 2" in stderr


def test_an_export_refuses_a_label_that_is_no_class(classifier, tmp_path, call):
    wrong = spikes(tmp_path / "wrong.npz", 4, labels=np.array([7, 2, 0, 1]))
    arguments = ("--target", "loihi-sim", "--engine", "fixed", "--out", tmp_path / "out")
    code, _, stderr = call("export", classifier / "m.pt", *arguments, "--data", wrong)
    assert (code, "sample 0 has the label 7" in stderr) == (2, True)
    assert not (tmp_path / "out").exists()


def test_a_simulation_without_labels_knows_no_accuracy(exported_classifier, tmp_path, call):
    bare = spikes(tmp_path / "bare.npz", 4)
    code, text, _ = call("simulate", exported_classifier, "--data", bare, "--json")
    found = json.loads(text)
    assert (code, found["accuracy_fixed"]) == (0, None)
    assert [n for n in found["notes"] if n.startswith("no accuracy")] == [
        f"no accuracy: data '{bare}' have no labels, and this network classifies. To get one, add "
        "the key 'labels'."
    ]
    code, text, _ = call("simulate", exported_classifier, "--json")
    report = json.loads((exported_classifier / "report.json").read_text())
    assert json.loads(text)["accuracy_fixed"] == report["classification"]["accuracy_fixed"]


@pytest.mark.parametrize("command", ["energy", "compare", "simulate"])
def test_a_manifest_that_does_not_say_what_was_run_is_refused(
    command, exported_classifier, tmp_path, call
):
    copy = tmp_path / "copy"
    shutil.copytree(exported_classifier, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest["data"]["steps"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    code, _, stderr = call(command, copy)
    assert (code, "manifest.json is broken" in stderr) == (2, True)


def test_a_network_without_spiking_neurons_has_its_energy_shown(tmp_path, call):
    from norse.torch import LIBoxCell

    model = saved(tmp_path / "m.pt", LIBoxCell(), "none", "none")
    data, out = spikes(tmp_path / "x.npz", 2), tmp_path / "out"
    arguments = ("--target", "loihi-sim", "--engine", "fixed", "--data", data, "--out", out)
    assert call("export", model, *arguments)[0] == 0
    code, text, stderr = call("energy", out, "--cores")
    assert code == 0, stderr
    assert "ActivationSparsity none" in text
    assert call("compare", out)[0] == 0


def test_scales_are_chosen_on_the_samples_that_a_user_names(classifier, tmp_path, call):
    other = spikes(tmp_path / "training.npz", 6)
    asked = ["export", classifier / "m.pt", "--target", "loihi-sim", "--engine", "fixed"]
    asked += ["--data", classifier / "x.npz", "--json"]
    code, stdout, _ = call(*asked, "--calibration", other, "--out", tmp_path / "a")
    report = json.loads(stdout)
    assert code == 0
    assert report["provenance"]["calibration"] == f"6 samples of {other}"
    chosen = nc.compile(classifier / "m.pt", "loihi-sim", calibration=str(other))
    assert graph_digest(chosen.fixed_graph) == report["provenance"]["digests"]["fixed_graph"]
    assert not any("measured too" in note for note in report["notes"])


def test_scales_that_are_chosen_on_what_is_measured_are_a_note(classifier, tmp_path, call):
    data = classifier / "x.npz"
    asked = ["export", classifier / "m.pt", "--target", "loihi-sim", "--engine", "fixed"]
    asked += ["--data", data, "--calibration", data, "--json", "--out", tmp_path / "a"]
    code, stdout, _ = call(*asked)
    assert code == 0
    (note,) = [note for note in json.loads(stdout)["notes"] if "measured too" in note]
    assert note.startswith(f"scales were chosen on the first 4 samples of {data}")


def test_a_calibration_of_another_shape_is_refused_by_its_name(classifier, tmp_path, call):
    np.savez(tmp_path / "wide.npz", spikes=np.zeros((3, STEPS, 7), np.uint8))
    asked = ["export", classifier / "m.pt", "--target", "loihi-sim", "--engine", "fixed"]
    code, _, stderr = call(*asked, "--calibration", tmp_path / "wide.npz", "--out", tmp_path / "a")
    assert code == 2
    assert "wide.npz" in stderr
    assert "7" in stderr


@pytest.mark.parametrize("command", ["check", "compare", "faults"])
def test_a_classifier_is_not_judged_on_data_without_labels(
    command, classifier, exported_classifier, call, tmp_path
):
    # y is what many call them
    spikes(tmp_path / "y.npz", 4, y=np.array([0, 2, 1, 2]))
    more = {
        "check": ("--baseline", tmp_path / "b.json", "--update"),
        "faults": ("--kind", "dead-neurons", "--draws", 2),
    }
    words = (command, classifier / "out", "--data", tmp_path / "y.npz", *more.get(command, ()))
    code, _, stderr = call(*words)
    assert code == 2
    assert "has no labels, but this network classifies. Add the key 'labels'" in stderr
    assert not (tmp_path / "b.json").exists()


def test_a_row_of_values_may_have_any_shape_of_as_many(
    classifier, exported_classifier, call, tmp_path
):
    for shape, code in (((2, 3), 0), ((7,), 2)):
        values = np.ones((4, STEPS, *shape), np.uint8)
        np.savez(tmp_path / "x.npz", spikes=values, labels=np.zeros(4, int))
        found, _, stderr = call("simulate", classifier / "out", "--data", tmp_path / "x.npz")
        assert found == code, stderr
    assert "has shape (7,), but the network takes (6,) or any shape of 6 values. " in stderr


def test_data_that_a_model_names_and_nobody_has_are_told_with_its_name(tmp_path, call):
    import torch
    from norse.torch import LIFBoxCell, SequentialState

    settings = nc.Settings(steps=4, encoder=nc.Encoder("spikes"), data="nowhere")
    model = SequentialState(torch.nn.Linear(3, 2), LIFBoxCell())
    nc.save(model, tmp_path / "m.pt", torch.zeros(1, 3), settings=settings)
    out = tmp_path / "out"
    code, _, stderr = call("export", tmp_path / "m.pt", "--target", "loihi-sim", "--out", out)
    assert (code, out.exists()) == (2, False)
    assert "m.pt: data source 'nowhere' is unknown" in " ".join(stderr.split())
