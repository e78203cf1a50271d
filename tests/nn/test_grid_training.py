"""Fine-tuning on the grid: it learns, repeats itself, and never sees a test digit."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from neurocompile import frontend
from neurocompile.compiler import compile_graph
from neurocompile.data import samples
from neurocompile.data.samples import load_data
from neurocompile.errors import BadInput
from neurocompile.frontend.save import save
from neurocompile.ir.graph import same
from neurocompile.nn.autoencoder import SpikingAutoencoder
from neurocompile.nn.grid import GridNetwork
from neurocompile.nn.grid_formats import coarser
from neurocompile.nn.grid_training import GridPlan, fine_tune
from neurocompile.nn.training import TrainingPlan, reconstruction_error, train

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_on_the_grid.py"


@pytest.fixture(scope="module")
def digits():
    return torch.tensor(load_data("digits:train", samples=96).values)


@pytest.fixture(scope="module")
def float_file(digits, tmp_path_factory):
    """A small autoencoder for the digits of scikit-learn, briefly trained."""
    model = SpikingAutoencoder(shape=(1, 8, 8), channels=(4, 8), latent=12, steps=8)
    train(model, digits, TrainingPlan(epochs=6, batch=16, learning_rate=2e-2))
    path = tmp_path_factory.mktemp("float") / "small.pt"
    save(model, path, digits[:1])
    return path


@pytest.fixture
def start(float_file):
    """The trained network in integers of 4 bits."""
    calibration = load_data("digits:train", samples=50)
    trained = frontend.load(float_file)
    fine = compile_graph(trained, "loihi-sim", calibration=calibration).fixed_graph
    return coarser(fine, 4)


PLAN = GridPlan(epochs=12, batch=12, learning_rate=5e-3)


def test_fine_tuning_lowers_the_error_and_repeats_itself_with_a_seed(start, digits):
    models = [GridNetwork(*start) for _ in range(2)]
    before = reconstruction_error(models[0], digits)
    told = []
    history = fine_tune(models[0], digits, PLAN, on_epoch=lambda *epoch: told.append(epoch))
    assert told == list(enumerate(history, 1))
    assert reconstruction_error(models[0], digits) < 0.9 * before
    assert fine_tune(models[1], digits, PLAN) == history
    assert same(models[0].graph(), models[1].graph())
    other = GridNetwork(*start)
    assert fine_tune(other, digits, replace(PLAN, epochs=1, seed=1))[0] != history[0]


def test_the_rate_warms_up_and_falls_to_nothing():
    """0.5 (1 + cos(pi k / n)) is a half at half the steps; the first warm-up step is a 50th."""
    assert PLAN.rate(0, 1000) == pytest.approx(1 / 50)
    assert PLAN.rate(500, 1000) == pytest.approx(0.5)
    assert PLAN.rate(1000, 1000) == pytest.approx(0.0)


def test_a_loss_that_is_no_number_is_refused(start, digits):
    model = GridNetwork(*start)
    with torch.no_grad():
        model.named()["output"].gain.fill_(float("nan"))
    with pytest.raises(BadInput, match="the loss became nan in epoch 1"):
        fine_tune(model, digits, PLAN)


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("train_on_the_grid", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(example, *arguments):
    result = CliRunner().invoke(example.main, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_example_never_shows_a_test_digit_to_calibration_or_training(
    example, float_file, tmp_path, monkeypatch
):
    """Whatever is loaded before training ends is of the training part, pixel by pixel."""
    test = {image.tobytes() for image in load_data("digits").values}
    loaded, seen = [], []

    def watched(source, **options):
        found = load_data(source, **options)
        loaded.append(source)
        return found

    def trained(model, images, plan, **options):
        assert all(source.endswith(":train") for source in loaded)
        seen.extend(image.tobytes() for image in images.numpy())
        history = fine_tune(model, images, plan, **options)
        assert all(source.endswith(":train") for source in loaded)
        loaded.append("training is over")
        return history

    for module in (example, samples):
        monkeypatch.setattr(module, "load_data", watched)
    monkeypatch.setattr(example, "fine_tune", trained)
    out = tmp_path / "small_4bit.pt"
    text = run(
        example, "--from", float_file, "--data", "digits", "--epochs", 1, "--lr", 1e-3, "--out", out
    )
    assert loaded == ["digits:train", "digits:train", "training is over", "digits"]
    assert seen
    assert not test & set(seen)
    assert "before: " in text
    graph = frontend.load(out)
    assert graph.fixed
    assert graph.settings.training["weight_bits"] == 4
    ratio = (
        graph.settings.training["test_error_after"] / graph.settings.training["test_error_float"]
    )
    assert graph.settings.training["ratio"] == pytest.approx(ratio)


def test_a_checkpoint_of_integers_is_no_start(example, start, tmp_path):
    path = tmp_path / "fixed.pt"
    save(GridNetwork(*start), path, torch.zeros(1, 1, 8, 8))
    with pytest.raises(BadInput, match="holds integers already"):
        run(example, "--from", path)


def test_the_training_digits_and_the_test_digits_are_disjoint():
    parts = [{image.tobytes() for image in load_data(f"mnist5k{part}").values}
             for part in ("", ":train")]  # fmt: skip
    assert [len(part) for part in parts] == [1000, 4000]
    assert not np.any([image in parts[1] for image in parts[0]])
