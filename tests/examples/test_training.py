"""The training examples from a folder of IDX files to a checkpoint, on a few digits."""

import importlib.util
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from neurocompile.data.samples import load_data
from neurocompile.errors import NotInstalled
from neurocompile.formats.checkpoint.read import load

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_mnist_autoencoder.py"


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
