"""NIR files at the command line, and the examples that start from one."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import nir
import numpy as np
import pytest
from click.testing import CliRunner
from neighbours import FILES

from neurocompile.cli import main

ROOT = Path(__file__).parents[3]


def call(*arguments):
    done = CliRunner().invoke(main, list(map(str, arguments)))
    return done.exit_code, done.stdout, done.stderr


def run(*arguments, cwd):
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def spikes(tmp_path):
    path = tmp_path / "spikes.npz"
    drawn = np.random.default_rng(0).random((2, 20, 8)) < 0.4
    np.savez(path, spikes=drawn.astype(np.uint8))
    return path


def test_export_says_in_terminal_and_report_what_it_assumed(tmp_path, spikes):
    out = tmp_path / "out"
    code, text, progress = call(
        "export", FILES / "snntorch_leaky.nir", "--target", "loihi-sim", "--out", out,
        "--data", spikes, "--samples", 2, "--steps", 20, "--engine", "fixed", "--engine", "onnx",
    )  # fmt: skip
    assert code == 0, progress
    assert "assumed: a step takes 0.0001 s" in progress
    assert "a sample takes" not in progress
    assert "assumed" in text
    report = json.loads((out / "report.json").read_text())
    step, reset = report["provenance"]["assumed"]
    assert step.startswith("a step takes 0.0001 s: NIR files do not hold it.")
    assert reset.startswith("reset zero: at a spike of layer '1' and 1 more v goes to v_reset: the")
    words = "the other reset: on 2 samples the reset subtract gives "
    assert words in " ".join(progress.split())
    assert report["exactness"]["mismatches"] == 0
    code, text, _ = call("inspect", out, "--json")
    assert json.loads(text)["settings"]["assumed"] == [step, reset]  # the artifact keeps them


def test_steps_that_are_not_given_are_assumed_and_said(tmp_path):
    words = "a sample takes 100 steps: their number was not given."
    told = ("--dt", "1e-4", "--reset", "zero")
    code, text, _ = call("inspect", FILES / "snntorch_leaky.nir", *told, "--json")
    (sentence,) = json.loads(text)["settings"]["assumed"]
    assert sentence.startswith(words)
    for given, said in (((), True), (("--steps", 30), False)):
        out = tmp_path / str(said)
        code, _, progress = call(
            "export", FILES / "snntorch_leaky.nir", "--target", "loihi-sim", "--out", out,
            *told, "--engine", "fixed", *given,
        )  # fmt: skip
        assert code == 0, progress
        assert (words in progress) is said
        settings = json.loads(call("inspect", out, "--json")[1])["settings"]
        assert (settings.get("assumed"), settings["steps"]) == (
            ([sentence], 100) if said else (None, 30)
        )


def test_a_step_that_is_given_is_not_assumed(tmp_path):
    code, text, _ = call("inspect", FILES / "snntorch_leaky.nir", "--dt", "1e-4", "--json")
    assert code == 0
    settings = json.loads(text)["settings"]
    assert settings["dt"] == 1e-4
    assert not any("dt" in sentence for sentence in settings["assumed"])
    code, text, _ = call("inspect", FILES / "snntorch_leaky.nir")
    assert "assumed" in text


def test_subtraction_is_asked_for_by_option():
    code, text, _ = call("inspect", FILES / "snntorch_leaky.nir", "--reset", "subtract", "--json")
    assert code == 0
    resets = {layer["parameters"].get("reset") for layer in json.loads(text)["layers"]}
    assert resets == {None, "subtract"}


def test_a_step_longer_than_a_time_constant_is_refused_by_layer():
    code, _, stderr = call("inspect", FILES / "snntorch_leaky.nir", "--dt", "1")
    assert code == 2
    assert "layer '1' (LIF): its tau is 0.0002 s, shorter than a step of dt = 1 s." in stderr


def test_files_that_hold_their_own_step_take_no_dt():
    model = ROOT / "examples/models/mnist_autoencoder.pt"
    code, _, stderr = call("inspect", model, "--dt", "1e-3")
    assert code == 2
    assert "says the length of its step itself, 0.001 s. Leave out dt= (--dt)." in stderr


def test_a_network_goes_from_snntorch_to_lava_with_one_command(tmp_path):
    text = run(ROOT / "examples/from_snntorch.py", "--samples", 1, cwd=tmp_path)
    assert (tmp_path / "build/snntorch.nir").is_file()
    lines = text.splitlines()
    assert lines.pop(0).startswith("build/snntorch.nir: written; 1 samples of 50 steps")
    assert lines[0] == "snnTorch and our float network: 0 of 400 output spikes differ"
    assert lines[1].startswith("Lava and our fixed engine: 0 of ")
    assert all(float(line.split(": ")[1].split("%")[0]) > 90 for line in lines[2:])


def test_a_nir_file_goes_to_lava_with_one_command(tmp_path):
    text = run(ROOT / "examples/from_nir_file.py", "--samples", 1, cwd=tmp_path)
    assert text.startswith("assumed: a step takes 0.0001 s")
    assert "Lava and our fixed engine: 0 of " in text


def test_without_snntorch_the_example_says_what_to_run(tmp_path):
    (tmp_path / "snntorch.py").write_text("raise ModuleNotFoundError('snntorch')\n")
    done = subprocess.run(
        [sys.executable, ROOT / "examples/from_snntorch.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 4
    assert "Run: neurocompile doctor --install neighbours" in done.stderr


def test_a_delay_before_a_bias_and_a_current_is_exact_and_priced(tmp_path):
    """The bias is an axon that is always on; the delay puts it a step ahead of the input."""
    rng = np.random.default_rng(0)
    values = {"tau_syn": 0.01, "tau_mem": 0.02, "r": 1.0, "v_leak": 0.0, "v_threshold": 0.3}
    nodes = {
        "input": nir.Input({"input": np.array([6])}),
        "delay": nir.Delay(np.full(6, 1e-3)),
        "fc": nir.Affine(rng.normal(size=(5, 6)), np.full(5, 0.05)),
        "lif": nir.CubaLIF(
            **{key: np.full(5, v) for key, v in values.items()}, w_in=np.full(5, 1.0)
        ),
        "output": nir.Output({"output": np.array([5])}),
    }
    names = list(nodes)
    nir.write(tmp_path / "d.nir", nir.NIRGraph(nodes, list(pairwise(names))))
    np.savez(tmp_path / "x.npz", spikes=(rng.random((2, 10, 6)) < 0.4).astype(np.uint8))
    out = tmp_path / "out"
    code, _, progress = call(
        "export", tmp_path / "d.nir", "--target", "loihi-sim", "--out", out, "--dt", 1e-3,
        "--data", tmp_path / "x.npz", "--samples", 2, "--steps", 10, "--reset", "zero",
        "--engine", "lava", "--engine", "fixed", "--engine", "onnx",
    )  # fmt: skip
    assert code == 0, progress
    report = json.loads((out / "report.json").read_text())
    assert report["exactness"]["mismatches"] == 0
    assert {row["name"]: row["synops"] for row in report["synapses"]}["lif_bias"] == 2 * 10 * 5
    assert report["energy"]["nominal_j"] > 0


@pytest.fixture
def images(tmp_path):
    path = tmp_path / "images.npz"
    np.savez(path, x=np.random.default_rng(0).random((3, 8)))
    return path


def test_images_for_a_file_without_an_encoder_are_refused_before_anything_long_runs(
    tmp_path, images
):
    code, _, stderr = call(
        "export", FILES / "snntorch_leaky.nir", "--target", "loihi-sim", "--out", tmp_path / "o",
        "--data", images, "--samples", 3, "--engine", "fixed",
    )  # fmt: skip
    assert code == 2
    assert "(--encoder bernoulli --gain G)" in stderr
    assert "composing synapses" not in stderr  # the first stage of compiling


@pytest.mark.parametrize(("encoder", "gain"), [("bernoulli", 0.5), ("current", 2.0)])
def test_images_enter_by_the_encoder_and_gain_that_a_user_chooses(tmp_path, images, encoder, gain):
    out = tmp_path / "o"
    code, _, stderr = call(
        "export", FILES / "snntorch_leaky.nir", "--target", "loihi-sim", "--out", out,
        "--data", images, "--samples", 3, "--steps", 12, "--engine", "fixed", "--engine", "onnx",
        "--encoder", encoder, "--gain", gain,
    )  # fmt: skip
    assert code == 0, stderr
    settings = json.loads(call("inspect", out, "--json")[1])["settings"]
    assert settings["encoder"] == {"kind": encoder, "gain": gain}
    report = json.loads((out / "report.json").read_text())
    assert report["exactness"]["mismatches"] == 0
    assert sum(row["spikes"] for row in report["layers"]) > 0


def test_a_gain_without_an_encoder_and_an_encoder_that_a_file_names_itself_are_refused():
    code, _, stderr = call("inspect", FILES / "snntorch_leaky.nir", "--gain", 2)
    assert code == 2
    assert "--gain needs --encoder, whose factor it is." in stderr
    model = ROOT / "examples/models/mnist_autoencoder.pt"
    code, _, stderr = call("inspect", model, "--encoder", "bernoulli")
    assert code == 2
    assert "names its encoder itself: current, gain" in stderr
    assert "or save the model again with another, Settings(encoder=Encoder('bernoulli'))" in stderr
