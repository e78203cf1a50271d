"""The sigma-delta example: what it ships, what it says of itself, and a small run of it."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import neurocompile as nc
from neurocompile.data.samples import Data, load_data
from neurocompile.errors import DoesNotFit
from neurocompile.ir.fixed import ChipNeuron

EXAMPLES = Path(__file__).parents[2] / "examples"
MODEL, VIDEOS = (EXAMPLES / "models" / f"moving_digits{n}" for n in ("_sigma_delta.pt", ".npz"))
LIF = EXAMPLES / "models" / "moving_digits_lif.pt"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location(
        "train_sigma_delta", EXAMPLES / "train_sigma_delta.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_digit_moves_by_one_pixel_every_eight_frames(example):
    digit = np.zeros((1, 1, 28, 28), np.float32)
    digit[0, 0, 13, 13] = 1
    frames = example.videos(digit, seed=1)[0]
    assert frames.shape == (32, 196)
    assert np.allclose(frames.sum(axis=1), 0.25)  # four pixels are averaged to one
    changed = np.flatnonzero(np.any(np.diff(frames, axis=0), axis=1)) + 1
    assert set(changed) <= {8, 16, 24}
    assert len(changed) > 0


def test_the_shipped_network_is_exported_and_its_engines_agree(tmp_path):
    samples = nc.Sampling(str(VIDEOS), samples=4)
    compiled = nc.compile(MODEL, "loihi2-sim", data=samples).run(samples, engines=("fixed", "onnx"))
    report = compiled.export(tmp_path / "out")
    assert report["exactness"]["mismatches"] == 0
    assert report["exactness"]["spikes_compared"] > 4 * 32 * 300
    kinds = [type(node).__name__ for _, node in compiled.fixed_graph.of(ChipNeuron)]
    assert kinds == ["Delta", "SigmaDelta", "SigmaDelta", "Sigma"]
    stored = json.loads((tmp_path / "out" / "report.json").read_text())
    assert stored["comparison"]["n_dns"]["neuron_operations"] == 4 * 32 * (196 + 64 + 64 + 10)


@pytest.mark.slow
def test_lava_runs_the_shipped_network_bit_for_bit():
    compiled = nc.compile(MODEL, "loihi2-sim", data=nc.Sampling(str(VIDEOS), samples=2))
    engines = ("fixed", "onnx", "lava")
    exact = compiled.run(engines=engines).report["exactness"]
    assert exact["engines"] == list(engines)
    assert exact["mismatches"] == 0


def test_the_figures_of_both_networks_are_those_that_were_measured_together():
    ours, theirs = (nc.load(path).settings.training for path in (MODEL, LIF))
    assert ours["command"] == theirs["command"]
    assert ours["test_videos"] == theirs["test_videos"] == 1000
    assert ours["error"] <= theirs["error"]
    assert ours["messages"] < theirs["messages"] / 5
    page = (EXAMPLES.parent / "docs" / "training.md").read_text()
    for what in ("error", "messages", "synaptic operations", "N-DNS proxy, operations"):
        words = f"{ours[what]:,}", f"{theirs[what]:,}"
        assert any(all(w in line for w in words) for line in page.splitlines()), (what, words)


def test_the_shipped_videos_are_the_first_of_the_test(example):
    digits = load_data("mnist5k", samples=20)
    shipped = np.load(VIDEOS)
    assert np.array_equal(shipped["labels"], digits.labels)
    assert np.array_equal(shipped["x"], example.videos(digits.values, 0))


def test_a_value_beyond_the_payloads_of_calibration_is_refused():
    data = np.load(VIDEOS)
    fixed = nc.compile(MODEL, "loihi2-sim").fixed_graph
    loud = Data("loud", "x", data["x"][:1] * 1000)
    with pytest.raises(DoesNotFit, match=r"input 'input': a sample needs the payload .* bits"):
        nc.results(fixed, loud)


def test_the_example_trains_both_networks_and_prints_the_table(example, tmp_path):
    arguments = ["--digits", "40", "--epochs", "1", "--out", str(tmp_path)]
    result = CliRunner().invoke(example.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "40 test videos" in result.output
    assert "synaptic operations" in result.output
    for kind in example.KINDS:
        training = nc.load(tmp_path / f"moving_digits_{kind}.pt").settings.training
        assert training["test_videos"] == 40
        assert 0 <= training["error"] <= 1
