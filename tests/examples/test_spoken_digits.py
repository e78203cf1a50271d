"""Spoken digits: the front end by hand, the shipped network in integers, and a small training."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.io import wavfile

import neurocompile as nc
from examples import cochlea
from neurocompile.cli import main

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "examples" / "models" / "spoken_digits.pt"
WORDS = ROOT / "examples" / "data" / "spoken_digits.npz"


@pytest.fixture(scope="module")
def example():
    return importlib.import_module("examples.train_spoken_digits")


def tone(hertz, seconds=0.2, loudness=0.5):
    return loudness * np.sin(2 * np.pi * hertz * np.arange(int(seconds * 8000)) / 8000)


def test_centres_are_evenly_spaced_on_the_scale_of_glasberg_and_moore():
    found = cochlea.centres()
    assert found[[0, -1]] == pytest.approx([100, 3800])
    # 21.4 log10(1 + 0.00437 f): 3.370 at 100 Hz, 26.657 at 3,800 Hz, 31 steps between them
    rates = 21.4 * np.log10(1 + 0.00437 * found)
    assert np.diff(rates) == pytest.approx([(26.657 - 3.370) / 31] * 31, abs=1e-3)


@pytest.mark.parametrize("band", [8, 16, 28])
def test_a_tone_at_the_centre_of_a_band_is_heard_with_its_rectified_mean(band):
    heard = cochlea.hair_cells(tone(cochlea.centres()[band]))[10:]
    # The mean of a rectified sine of amplitude a is a / pi; no filter passes more at its centre.
    assert heard[:, band].mean() == pytest.approx(0.5 / np.pi, rel=0.02)
    assert heard.mean(0).argmax() == band


def test_a_filter_rings_as_the_formula_of_a_gammatone():
    b, a = cochlea.bank()[16]
    centre, t = cochlea.centres()[16], np.arange(400) / 8000
    width = 1.019 * 24.7 * (4.37e-3 * centre + 1)  # Hz, of Glasberg and Moore's filter
    formula = t**3 * np.exp(-2 * np.pi * width * t) * np.cos(2 * np.pi * centre * t)
    impulse = np.zeros(400)
    impulse[0] = 1
    rings = cochlea.lfilter(b, a, impulse)
    assert np.corrcoef(rings, formula)[0, 1] > 0.99


def test_a_level_is_decibels_below_the_loudest_that_was_heard_lately():
    loudness = np.array([[0.1, 0.01], [0.01, 0.01], [0.2, 0.0]])
    # tops: 0.1, 0.995 x 0.1, 0.2
    expected = [[0, -20], [20 * np.log10(0.01 / 0.0995)] * 2, [0, -120]]
    assert np.allclose(cochlea.levels(loudness), expected)


def test_a_recording_that_begins_softly_is_compared_with_what_counts_as_heard_before():
    top = 20 * np.log10(0.995e-4)  # of QUIET a step is forgotten
    assert np.allclose(cochlea.levels(np.array([[1e-5, 1e-6]])), [[-100 - top, -120 - top]])


def test_a_fibre_spikes_where_the_level_is_above_its_threshold():
    level = np.full((1, cochlea.BANDS), -40.0)
    level[0, :4] = 0, -15, -25, -30
    fired = cochlea.fibres(level).reshape(3, cochlea.BANDS)
    assert fired[:, :4].tolist() == [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]]
    assert fired.sum() == 6


def test_spikes_do_not_depend_on_what_is_heard_later_or_on_the_loudness():
    random = np.random.default_rng(0)
    sound = random.uniform(-0.5, 0.5, 4000)
    whole = cochlea.spikes_of(sound, 50)
    assert np.array_equal(whole[:20], cochlea.spikes_of(sound[:1600], 20))
    assert np.array_equal(whole, cochlea.spikes_of(sound / 4, 50))  # exact in binary
    assert not cochlea.spikes_of(sound[:1600], 50)[20:].any()  # silence after it
    assert 0.1 < whole.mean() < 0.9


def test_the_shipped_words_are_the_first_of_each_speaker_and_digit():
    words = np.load(WORDS)
    assert words["spikes"].shape == (60, 60, 96)
    assert set(np.unique(words["spikes"])) == {0, 1}
    assert np.bincount(words["labels"]).tolist() == [6] * 10


def test_a_clone_exports_the_shipped_network_and_its_integers_know_58_of_60_words(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(ROOT)
    arguments = [SHIPPED.relative_to(ROOT), "--target", "loihi-sim", "--out", tmp_path / "out"]
    arguments += ["--engine", "fixed"]
    done = CliRunner().invoke(main, ["export", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["classification"]["samples"] == 60
    # The checkpoint says what float knows of the whole test: 290 of 300, 96.7 %
    assert nc.load(SHIPPED).settings.training["right"] == pytest.approx(290 / 300)
    assert report["classification"]["accuracy_fixed"] == pytest.approx(58 / 60)
    assert report["energy"]["nominal_j"] / 60 < 50e-6  # the goal of a word


def test_onnxruntime_gives_the_bits_of_the_shipped_network():
    two = nc.Sampling(str(WORDS), samples=2)
    compiled = nc.compile(SHIPPED, "loihi2-sim", data=two).run(engines=("fixed", "onnx"))
    exact = compiled.report["exactness"]
    assert exact["mismatches"] == 0
    assert exact["spikes_compared"] == 2 * 60 * (96 + 128 + 10)  # words, steps, neurons


@pytest.mark.slow
def test_lava_gives_the_bits_of_the_shipped_network():
    one = nc.Sampling(str(WORDS), samples=1)
    compiled = nc.compile(SHIPPED, "loihi-sim", data=one).run(engines=("fixed", "lava"))
    assert compiled.report["exactness"]["mismatches"] == 0


@pytest.fixture
def recordings(tmp_path):
    """Ten tones of one speaker, of which numbers 0 and 5 are judged."""
    folder = tmp_path / "fsdd" / "recordings"
    folder.mkdir(parents=True)
    for digit in (1, 2):
        for number in (0, 5, 10, 11, 12):
            sound = tone(400 * digit**2 + 10 * number, 0.3) * 2**15
            wavfile.write(folder / f"{digit}_anyone_{number}.wav", 8000, sound.astype("<i2"))
    return folder.parent


def test_the_example_trains_and_keeps_the_first_test_words(example, recordings, tmp_path):
    paths = ["--out", tmp_path / "net.pt", "--spikes", tmp_path / "words.npz"]
    arguments = map(str, ["--data", recordings, "--epochs", 1, *paths])
    done = CliRunner().invoke(example.main, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0
    assert "of 2 right" in done.stdout
    assert np.load(tmp_path / "words.npz")["labels"].tolist() == [1, 2]
    graph = nc.load(tmp_path / "net.pt")
    assert graph.settings.training["command"].endswith("--epochs 1 --seed 0")
    assert not (tmp_path / "net.pt.state").exists()


def test_a_plan_is_judged_by_recordings_that_are_no_test(example, recordings, tmp_path):
    for file in (recordings / "recordings").glob("*_0.wav"):
        file.write_bytes(b"not looked at")
    arguments = ["--data", recordings, "--epochs", 1, "--validate", "--out", tmp_path / "net.pt"]
    done = CliRunner().invoke(example.main, list(map(str, arguments)), catch_exceptions=False)
    assert "of 2 right" in done.stdout
    assert nc.load(tmp_path / "net.pt").settings.training["validate"] is True


def test_an_interrupted_training_goes_on(example, recordings, tmp_path):
    def interrupt(epoch):
        raise KeyboardInterrupt

    seen = [one for one in example.load(recordings) if one.number not in example.TEST]
    plan, out = example.replace(example.PLAN, epochs=2), tmp_path / "net.pt"
    with pytest.raises(KeyboardInterrupt):
        example.fit(example.network(0), seen, plan, tmp_path / "net.pt.state", interrupt)
    arguments = ["--data", recordings, "--epochs", 2, "--resume", "--out", out]
    arguments += ["--spikes", tmp_path / "words.npz"]
    done = CliRunner().invoke(example.main, list(map(str, arguments)), catch_exceptions=False)
    assert "epoch   2:" in done.stdout
    assert "epoch   1:" not in done.stdout
