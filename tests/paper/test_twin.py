"""The study of an autoencoder beside its layers without spikes, on a few made-up images."""

import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from neurocompile.errors import BadInput
from neurocompile.formats.checkpoint.read import load
from paper import twin

ROOT = Path(__file__).parents[2]


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Ten images of 28 x 28, and one pass of each kind."""
    random = np.random.default_rng(0)
    for part in ("train", "t10k"):
        pixels = np.zeros((10, 28, 28), np.uint8)
        pixels[:, 8:20, 8:20] = random.integers(0, 256, (10, 12, 12))
        content = struct.pack(">4I", 0x803, *pixels.shape) + pixels.tobytes()
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(content)
        labels = struct.pack(">2I", 0x801, 10) + bytes(range(10))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    monkeypatch.setenv("MNIST", str(tmp_path))
    monkeypatch.setattr("paper.study.RESULTS", tmp_path / "results")
    monkeypatch.setattr("paper.weights.WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(twin, "FOLDERS", {"MNIST": tmp_path})
    monkeypatch.setattr(twin, "SEEDS", {"MNIST": (0, 1)})
    monkeypatch.setattr(twin, "CHOSEN", 4)
    monkeypatch.setattr(twin, "SHOWN", 2)
    monkeypatch.setattr(twin, "RATES", twin.replace(twin.RATES, epochs=1))
    monkeypatch.setattr(twin, "SPIKES", twin.replace(twin.SPIKES, epochs=1))
    monkeypatch.setattr(twin, "PLAIN", {**twin.PLAIN, "epochs": 2, "shifted": 1})
    twin.images.cache_clear()
    yield tmp_path
    twin.images.cache_clear()


def test_both_kinds_are_trained_measured_and_shown(small):
    for job in twin.jobs():
        job.answer()
    text = twin.text()
    assert "spiking, in the chip's integers, 4 bits" in text
    assert "Not answered yet" not in text
    twin.draw(small / "pictures")
    assert (small / "pictures" / "twin-mnist.svg").exists()
    (spiking, other), (plain, _) = (twin.answers("MNIST", kind) for kind in ("spiking", "plain"))
    errors = [one["bits"]["8"]["fixed_error"] for one in (spiking, other)]
    half = 12.706 * abs(errors[0] - errors[1]) / 2  # Student's t with one degree of freedom
    assert f"| {sum(errors) / 2:.2f} ± {half:.2f} |" in text
    assert len(spiking["shown"]) == len(plain["truth"]) == 2
    assert spiking["layers"]["latent"]["neurons"] == 100


def test_the_shipped_network_of_all_digits_is_that_of_the_study(monkeypatch):
    monkeypatch.setattr(twin, "images", lambda *_: SimpleNamespace(values=np.zeros((1, 1, 28, 28))))
    monkeypatch.setattr(twin, "train", None)  # it is kept
    found = twin.trained(twin.question("MNIST", "spiking", 0)["training"]).state_dict()
    shipped = load(ROOT / "examples" / "models" / "mnist_autoencoder_60k.pt")
    assert found.keys() == shipped.state_dict.keys()
    assert all(torch.equal(found[name], weight) for name, weight in shipped.state_dict.items())
    assert twin.answers("MNIST", "spiking")[0]["bits"]["8"]["float_error"] == pytest.approx(
        784 * shipped.settings.training["test_error"],
        rel=1e-4,  # of float64 and of float32
    )


def test_the_error_without_spikes_is_that_of_limited_pixels(small):
    class Black(torch.nn.Module):
        def forward(self, x):
            return x * 0 - 5

    values = twin.images("MNIST", "test").values
    expected = np.square(values.astype(np.float64)).sum() / len(values)
    assert twin.plain_error(Black(), "MNIST") == pytest.approx(expected, rel=1e-6)


def test_a_missing_data_set_is_named_with_where_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("FASHION", str(tmp_path / "none"))
    with pytest.raises(BadInput, match="apt install dataset-fashion-mnist"):
        twin.folder("FASHION")
