"""The study of spoken digits on a few made-up tones, and its baselines by hand."""

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from examples import train_spoken_digits as example
from neurocompile.errors import BadInput
from paper import spoken, spoken_plain


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Three digits of two speakers as tones, and one pass of each network."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    t = np.arange(2400) / 8000
    for digit in range(3):
        for speaker, pitch in (("low", 1.0), ("high", 1.1)):
            for number in (0, 5, 10):
                sound = 8000 * np.sin(2 * np.pi * (300 + 900 * digit + number) * pitch * t)
                wavfile.write(folder / f"{digit}_{speaker}_{number}.wav", 8000, sound.astype("<i2"))
    monkeypatch.setenv("FSDD", str(tmp_path))
    monkeypatch.setattr("paper.study.RESULTS", tmp_path / "results")
    monkeypatch.setattr("paper.weights.WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(spoken, "SPEAKERS", ("low", "high"))
    monkeypatch.setattr(spoken, "GRU", {**spoken.GRU, "epochs": 1})
    monkeypatch.setattr(example, "PLAN", example.replace(example.PLAN, epochs=1))
    spoken.recordings.cache_clear()
    yield tmp_path
    spoken.recordings.cache_clear()


def test_every_question_is_answered_told_and_drawn(small):
    for job in spoken.jobs():
        job.answer()
    text = spoken.text()
    assert "Not answered yet" not in text
    assert "| low |" in text
    assert "| mean |" in text
    spoken.draw(small / "pictures")
    assert (small / "pictures" / "spoken.svg").exists()
    official = spoken.answers()["official split"]
    assert set(official["on"]) == {f"{chip} {bits}" for chip in spoken.CHIPS for bits in (8, 4)}
    sure = official["early"][0]
    assert sure["tolerance"] == 0
    assert 1 <= sure["steps"] <= example.STEPS


def test_a_speaker_who_is_left_out_is_in_no_training(small, monkeypatch):
    asked = []

    def fit(model, recordings, plan, state):
        asked.append({one.speaker for one in recordings})

    monkeypatch.setattr(example, "fit", fit)
    for job in spoken.jobs()[2:]:
        job.answer()
    assert asked == [{"high"}, {"low"}]


def test_a_missing_data_set_is_named_with_where_to_get_it(tmp_path):
    with pytest.raises(BadInput, match=r"none/recordings.*github\.com/Jakobovski.*FSDD"):
        example.load(tmp_path / "none")


def test_a_file_that_is_no_recording_is_named(small):
    wavfile.write(small / "recordings" / "1_low_99.wav", 16000, np.zeros(8, np.int16))
    with pytest.raises(BadInput, match=r"1_low_99\.wav: 16000 samples per second"):
        example.load(small)


def test_the_cepstrum_of_an_impulse_is_that_of_a_flat_spectrum():
    sound = np.zeros(200)
    sound[100] = 1.0
    ((first, *others),) = spoken_plain.mfcc(sound, 26)
    # An impulse under the window's top has the power 1 at every frequency, so that each filter
    # sums its own weights; an orthonormal DCT keeps the length of what it transforms.
    flat = np.log(spoken_plain.mel_filters().sum(1) * np.hamming(200)[100] ** 2 + 1e-9)
    assert np.hypot(first, np.linalg.norm(others)) == pytest.approx(np.linalg.norm(flat))
    assert first == pytest.approx(flat.sum() / np.sqrt(26))


def test_a_recording_is_summed_up_by_the_mean_of_its_parts():
    cepstrum = np.array([[1.0, 0.0], [3.0, 0.0], [5.0, 6.0]])
    assert spoken_plain.summary(cepstrum, 2).tolist() == [2, 0, 5, 6]
    assert spoken_plain.summary(cepstrum[:1], 2).tolist() == [1, 0, 1, 0]


def test_the_gru_has_as_many_weights_as_allowed_and_no_more():
    model = spoken_plain.Gated(13_664, seed=0)
    counted = sum(each.numel() for each in model.parameters())
    assert counted == spoken_plain.weights_of(model.hidden) <= 13_664
    assert spoken_plain.weights_of(model.hidden + 1) > 13_664


def test_the_gru_hears_levels_from_silence_to_the_loudest():
    sound = np.zeros(1600)
    sound[:800] = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(800) / 8000)
    heard = spoken_plain.heard([example.recording(sound, 0, "low", 0)])
    assert heard.shape == (1, example.STEPS, 32)
    assert heard.max() == 1
    assert torch.all(heard[0, 19:] == 0)  # of the ring of a filter nothing is left
    assert heard.min() == 0
