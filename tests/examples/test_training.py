"""The training examples from a folder of IDX files to a checkpoint, on a few digits."""

import importlib.util
import shlex
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from neurocompile.data.samples import load_data
from neurocompile.errors import BadInput, NotInstalled
from neurocompile.formats.checkpoint.read import load
from paper import twin

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_mnist_autoencoder.py"
MODELS = EXAMPLE.parent / "models"


def loaded(file):
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def example():
    return loaded(EXAMPLE)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Digits of scikit-learn with a border of black, as MNIST's files."""
    folder = tmp_path_factory.mktemp("idx")
    for part, source in (("t10k", "digits"), ("train", "digits:train")):
        data = load_data(source, samples=20)
        pixels = np.zeros((20, 28, 28), np.uint8)
        pixels[:, 10:18, 10:18] = (data.values[:, 0] * 255).astype(np.uint8)
        images = struct.pack(">4I", 0x803, *pixels.shape) + pixels.tobytes()
        labels = struct.pack(">2I", 0x801, 20) + data.labels.astype(np.uint8).tobytes()
        (folder / f"{part}-images-idx3-ubyte").write_bytes(images)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    return folder


def run(example, digits, out, *more):
    arguments = ["--data", str(digits), "--steps", "4", "--latent", "8", "--out", str(out)]
    arguments += ["--rate-epochs", "1", *more]
    return CliRunner().invoke(example.main, arguments, catch_exceptions=False)


def test_the_example_trains_measures_and_writes_a_checkpoint(example, digits, tmp_path):
    out = tmp_path / "models" / "small.pt"
    result = run(example, digits, out, "--epochs", "2", "--encoder", "bernoulli")
    assert result.exit_code == 0
    assert "epoch   2: error" in result.output
    assert "test error" in result.output
    settings = load(out).graph.settings
    assert settings.steps == 4
    assert settings.training["test_samples"] == 20
    assert "--epochs 2" in settings.training["command"]


def test_the_recorded_command_of_the_network_of_all_digits_trains_what_the_study_trains(
    example, digits, tmp_path, monkeypatch
):
    """The command with one pass of each kind, and the plans of paper/twin.py with as many."""
    known = load(MODELS / "mnist_autoencoder_60k.pt").settings
    assert known.data == "mnist5k"
    program, *arguments = shlex.split(known.training["command"])[1:]
    assert program == "examples/train_mnist_autoencoder.py"
    out = tmp_path / "small.pt"
    once = ["--data", str(digits), "--rate-epochs", "1", "--epochs", "1", "--out", str(out)]
    done = CliRunner().invoke(example.main, [*arguments, *once], catch_exceptions=False)
    assert done.exit_code == 0
    found = load(out)
    assert found.settings.data == "mnist5k"
    repeated = shlex.split(found.settings.training["command"])
    at = {repeated.index(option) + 1 for option in ("--data", "--rate-epochs", "--epochs")}
    assert [part for i, part in enumerate(repeated[2:], 2) if i not in at] == [
        part for i, part in enumerate(arguments, 2) if i not in at
    ]

    monkeypatch.setenv("MNIST", str(digits))
    monkeypatch.setattr("paper.weights.WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(twin, "RATES", replace(twin.RATES, epochs=1))
    monkeypatch.setattr(twin, "SPIKES", replace(twin.SPIKES, epochs=1))
    twin.images.cache_clear()
    expected = twin.trained(twin.question("MNIST", "spiking", 0)["training"]).state_dict()
    twin.images.cache_clear()
    for name, weight in found.state_dict.items():
        assert torch.equal(expected[name], weight), name


def test_make_trains_the_network_of_all_digits_by_its_recorded_command():
    recorded = shlex.split(load(MODELS / "mnist_autoencoder_60k.pt").settings.training["command"])
    made = subprocess.run(
        ["make", "--dry-run", "train", "WHOLE=1"], cwd=MODELS.parents[1], check=True,
        stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip
    asked = shlex.split(next(line for line in made.splitlines() if "examples/train" in line))
    said = dict(zip(asked[2::2], asked[3::2], strict=True))
    assert said.pop("--out") == "examples/models/mnist_autoencoder_60k.pt"
    assert said.items() <= dict(zip(recorded[2::2], recorded[3::2], strict=True)).items()


def test_data_that_later_runs_cannot_find_are_refused_before_the_training(
    example, digits, tmp_path
):
    with pytest.raises(BadInput, match="mnist5k"):
        run(example, digits, tmp_path / "small.pt", "--epochs", "1", "--names", "mnist5")
    assert not list(tmp_path.iterdir())


def test_an_interrupted_training_goes_on_where_it_was(example, digits, tmp_path, monkeypatch):
    out, state = tmp_path / "small.pt", tmp_path / "small.pt.state"

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(example, "save", interrupted)
        first = CliRunner().invoke(
            example.main,
            ["--data", str(digits), "--steps", "4", "--latent", "8", "--out", str(out)]
            + ["--rate-epochs", "1", "--epochs", "1"],
        )
    assert "epoch   1: error" in first.output
    assert state.exists()
    assert not out.exists()
    again = run(example, digits, out, "--epochs", "1", "--resume")
    assert "epoch   1: error" not in again.output
    assert out.exists()
    assert not state.exists()


def test_a_log_without_tensorboard_is_refused_with_the_command(
    example, digits, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(NotInstalled, match="pip install tensorboard"):
        run(example, digits, tmp_path / "small.pt", "--log-dir", str(tmp_path / "log"))


def test_the_classifier_is_trained_by_rates_then_by_spikes(digits, tmp_path):
    out = tmp_path / "models" / "classifier.pt"
    asked = ["--data", str(digits), "--rate-epochs", "1", "--epochs", "1", "--steps", "3"]
    main = loaded(EXAMPLE.with_name("train_mnist_classifier.py")).main
    result = CliRunner().invoke(main, [*asked, "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    assert [line for line in result.output.splitlines() if "wrong" in line][1].startswith("spikes")
    settings = load(out).graph.settings
    assert settings.decoder.task == "classification"
    assert settings.training["test_samples"] == 20
    assert [path.name for path in out.parent.iterdir()] == ["classifier.pt"]
