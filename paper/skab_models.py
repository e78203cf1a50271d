"""Detectors of the pump study, each fitted on the training windows of one run.

In:  windows (n, sensors, length) of a run, 0 to 1 the range of a sensor; a question with the sizes
     and the plan of the networks.
Out: functions from windows to one score each; which rows raise an alarm.
The networks see windows cut to the range, as a converter would. What is left of a window is its
value as measured, the excess included, less the reconstruction.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from sklearn.decomposition import PCA
from torch import nn

from neurocompile.compiled import Compiled
from neurocompile.ir.arrays import Array
from neurocompile.nn.network import SpikingNetwork
from paper import series_chip, series_models, series_scores
from paper.series_data import HALF_RANGE
from paper.series_models import results
from paper.series_scores import Model, Score
from paper.skab_data import SENSORS, TRAIN_ROWS, Rig, windows_of
from paper.study import Json

VARIANCE = 0.85  # that the principal components hold, as in the benchmark's T2 + Q
QUANTILE = 0.99  # of the training scores: the unit of a threshold
SMOOTH = 5  # rows whose scores give the median that is compared, as in the benchmark's T2 + Q
SLOW = ("Temperature", "Thermocouple")  # they follow the room and the water, fault or not
SETS = {"six sensors": tuple(s for s in SENSORS if s not in SLOW), "eight sensors": SENSORS}


def question(sensors: str, length: int, seed: int) -> Json:
    """The question that the training of both networks of every run answers, but for the run.

    Args:
        sensors: Of `SETS`.
        length: Rows of a window.
        seed: Of first weights and of the order of the windows.
    """
    return {
        "sensors": list(SETS[sensors]),
        "train_rows": TRAIN_ROWS,
        "length": length,
        "range": HALF_RANGE,
        "hidden": 64,
        "latent": 16,
        "steps": 16,
        "epochs": 40,
        "batch": 32,
        "learning_rates": {"spiking": 1.6e-2, "plain": 8e-3},
        "regularization": series_models.BAND,
        "seed": seed,
        "code": {"drive": 0.25, "tau_readout": 0.01},
    }


class Networks:
    """The autoencoders of one run, trained and compiled when they are first asked for."""

    def __init__(self, run: str, train: Array, training: Json) -> None:
        """Keep what they learn: windows of `windows_of`, and the question but for the run."""
        self._asked = {"recording": {"skab": run}, **training}
        self._train = in_range(train)
        self._chip: dict[int, Compiled] = {}

    @cached_property
    def spiking(self) -> SpikingNetwork:
        """With spikes, float."""
        return series_models.fit_spiking("skab-spiking-", self._train, self._asked)

    @cached_property
    def plain(self) -> nn.Module:
        """Without spikes."""
        return series_models.fit_plain("skab-plain-", self._train, self._asked)

    def on_chip(self, bits: int) -> Compiled:
        """With spikes, as the chip's integers; weights have so many bits."""
        if bits not in self._chip:
            self._chip[bits] = series_chip.on_chip(self.spiking, self._train, bits)
        return self._chip[bits]


def split(rig: Rig, training: Json) -> tuple[Array, Array]:
    """Windows to train on, and those whose scores decide the rows of the test.

    The first of them end in the last training rows: what a detector that watches would have seen.
    """
    every = windows_of(rig, training["sensors"], training["length"])
    begin = TRAIN_ROWS - training["length"] + 1
    return every[:begin], every[begin - SMOOTH + 1 :]


def in_range(x: Array) -> Array:
    """Windows cut to the range of their sensors."""
    return np.clip(x, 0, 1)


def by_residual(model: Model, train: Array) -> Score:
    """The score of the other recordings: Mahalanobis distance of what a reconstruction leaves."""
    law = series_scores.score(train - model(train))
    return lambda x: np.sqrt(law(x - model(x)))


def raw(train: Array) -> Score:
    """The same distance of the windows themselves: no network."""
    law = series_scores.score(train)
    return lambda x: np.sqrt(law(x))


def t2_and_q(train: Array) -> Score:
    """Hotelling's T2 in the principal components and Q beside them, whichever is more unusual.

    Both as distances, each in units of its own quantile over the training windows.
    """
    flat = train.reshape(len(train), -1).astype(float)
    fitted = PCA(VARIANCE, svd_solver="full").fit(flat)

    def both(x: Array) -> Array:
        inside = fitted.transform(x.reshape(len(x), -1).astype(float))
        outside = x.reshape(len(x), -1) - fitted.inverse_transform(inside)
        t2 = np.square(inside) / fitted.explained_variance_
        return np.sqrt([t2.sum(axis=1), np.square(outside).sum(axis=1)])

    units = np.quantile(both(train), QUANTILE, axis=1)
    return lambda x: np.asarray((both(x) / units[:, None]).max(axis=0))


NO_NETWORK = {"raw": raw, "t2q": t2_and_q}


def fit(method: str, networks: Networks, train: Array) -> Score:
    """A detector of one run.

    Args:
        method: "raw", "t2q", "plain", "spiking", or "chip" and the bits of a weight: "chip 8".
        networks: Of the run.
        train: Its training windows.
    """
    if method in NO_NETWORK:
        return NO_NETWORK[method](train)
    return by_residual(lambda x: reconstructed(method, networks, in_range(x)), train)


def reconstructed(method: str, networks: Networks, x: Array) -> Array:
    """Windows in [0, 1] as the network of a method reconstructs them."""
    if method == "plain":
        return results(networks.plain, x)
    if method == "spiking":
        return results(networks.spiking, x)
    return series_chip.run(networks.on_chip(bits_of(method)), x).results


def bits_of(method: str) -> int:
    """Bits of a weight of "chip 8"."""
    return int(method.removeprefix("chip "))


def unit(score: Score, train: Array) -> float:
    """What thresholds are multiples of: a high quantile of the training scores."""
    return float(np.quantile(score(train), QUANTILE))


def alarms(scores: Array, threshold: float) -> Array:
    """(n - SMOOTH + 1,) bool, whether the median of the last scores is above the threshold.

    Args:
        scores: (n,) of windows that end in n rows one after the other.
        threshold: In units of the scores.
    """
    recent = np.lib.stride_tricks.sliding_window_view(scores, SMOOTH)
    return np.asarray(np.median(recent, axis=1) > threshold)
