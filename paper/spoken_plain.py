"""Spoken digits without spikes: MFCC and a support vector machine, and a GRU of equal size.

In:  recordings of examples/train_spoken_digits.py.
Out: share of the judged recordings that each knows.
The SVM sees each recording as the mean cepstrum of equal parts; its settings were chosen on
recordings 5 to 9. The GRU sees the levels of the front end's bands before its fibres, learns as
long as the spiking network, and has at most as many weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.fft import dct
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from examples.cochlea import BANDS, HOP, RATE, hair_cells, levels
from examples.train_spoken_digits import STEPS, Recording, labels
from neurocompile.ir.arrays import Array
from paper.study import Json
from paper.weights import descend

WINDOW, FILTERS = 200, 26  # samples of 25 ms; bands on the mel scale
FLOOR = -40.0  # dB; levels below it are silence to the GRU


def svm_right(seen: Sequence[Recording], judged: Sequence[Recording], asked: Json) -> float:
    """Share that the SVM knows.

    Args:
        seen, judged: Recordings to train on and to name.
        asked: coefficients, parts, c and gamma (times the number of features) of the SVM.
    """

    def features(recordings: Sequence[Recording]) -> Array:
        shape = asked["coefficients"], asked["parts"]
        return np.stack([summary(mfcc(one.samples, shape[0]), shape[1]) for one in recordings])

    known = features(seen)
    machine = SVC(C=asked["c"], gamma=asked["gamma"] / known.shape[1])
    fitted = make_pipeline(StandardScaler(), machine).fit(known, [one.digit for one in seen])
    return float(fitted.score(features(judged), [one.digit for one in judged]))


def mfcc(samples: Array, coefficients: int) -> Array:
    """Mel-frequency cepstrum of each window, (windows, coefficients)."""
    sound = np.pad(samples, (0, max(0, WINDOW - len(samples))))
    windows = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP] * np.hamming(WINDOW)
    power = np.square(np.abs(np.fft.rfft(windows))) @ mel_filters().T
    cepstrum: Array = dct(np.log(power + 1e-9), norm="ortho", axis=1)[:, :coefficients]
    return cepstrum


def mel_filters() -> Array:
    """Triangles over the spectrum, evenly spaced on the mel scale, (FILTERS, WINDOW / 2 + 1)."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, FILTERS + 2) / 2595) - 1)
    at = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return np.clip(np.minimum((at - low) / (middle - low), (high - at) / (high - middle)), 0, None)


def summary(cepstrum: Array, parts: int) -> Array:
    """Mean of equal parts of a recording; a part without a window has the mean of all."""
    every = cepstrum.mean(0)
    means = [part.mean(0) if len(part) else every for part in np.array_split(cepstrum, parts)]
    return np.concatenate(means)


class Gated(nn.Module):
    """A GRU whose mean output is read as a score for each digit.

    Attributes:
        hidden: Number of units: as many as weights allow.
    """

    def __init__(self, weights: int, seed: int):
        super().__init__()
        self.hidden = 1
        while weights_of(self.hidden + 1) <= weights:
            self.hidden += 1
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.gru = nn.GRU(BANDS, self.hidden, batch_first=True)
            self.scores = nn.Linear(self.hidden, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (n, 10) of levels (n, STEPS, BANDS)."""
        scores: Tensor = self.scores(self.gru(x)[0].mean(1))
        return scores


def weights_of(hidden: int) -> int:
    """Weights and biases of a `Gated` of so many units."""
    return 3 * hidden * (BANDS + hidden + 2) + 10 * hidden + 10


def heard(recordings: Sequence[Recording]) -> Tensor:
    """Levels from 0, at `FLOOR` dB and below, to 1, (n, STEPS, BANDS)."""
    every = np.zeros((len(recordings), STEPS, BANDS), np.float32)
    for row, one in zip(every, recordings, strict=True):
        found = levels(hair_cells(one.samples))[:STEPS]
        row[: len(found)] = 1 - np.maximum(found, FLOOR) / FLOOR
    return torch.from_numpy(every)


def fit_gru(model: Gated, recordings: Sequence[Recording], asked: Json, seed: int) -> None:
    """Train in place; `asked` has epochs, batch and learning_rate."""
    x, wanted = heard(recordings), labels(recordings)
    numbered = torch.arange(len(x))
    descend(
        model,
        numbered,
        lambda chosen, _: cross_entropy(model(x[chosen]), wanted[chosen]),
        **asked,
        seed=seed,
    )


@torch.no_grad()
def gru_right(model: Gated, judged: Sequence[Recording]) -> float:
    """Share of recordings that the GRU knows."""
    return float((model(heard(judged)).argmax(1) == labels(judged)).double().mean())
