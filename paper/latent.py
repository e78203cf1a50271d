"""Whether latent codes form classes: codes of spikes, and of a variational autoencoder.

In:  trained networks of the table; its 1,000 test digits.
Out: distances, silhouette and neighbours by class; one embedding of each kind.
A spiking code is the number of spikes of each latent neuron over the steps, a VAE's its mean.
Distances are Euclidean and not normalized. A common scale changes none of the measures, and a scale
per neuron would amplify the neurons that a VAE leaves unused.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from neurocompile.nn.network import SpikingNetwork
from paper import plain, rows, table
from paper.charts import GREY, SAFE, panels, save
from paper.intervals import mean_interval, signs
from paper.markdown import mean_sd
from paper.markdown import table as markdown
from paper.settings import SEEDS, SETTINGS
from paper.study import TRAINER, Job, Json
from paper.training import digits, trained

VAE, EMBEDDED = "VAE", "SAE, dense"
COMPARED = tuple(name for name, setting in SETTINGS.items() if VAE in setting.plain)
NEIGHBOURS = (1, 5)
PERPLEXITY = 30
BATCH = 100
MEASURES = {  # key of an answer: title, whether more is more structure
    "ratio": ("within / between", False),
    "silhouette": ("silhouette", True),
    "neighbours_1": ("1-NN agreement", True),
    "neighbours_5": ("5-NN agreement", True),
}


def jobs() -> list[Job]:
    """A job a network, and one for the pixels themselves."""
    return [_pixels(), *(job for each in COMPARED for job in _jobs(each).values())]


def _jobs(setting: str) -> dict[rows.Key, Job]:
    """By row of one setting; the VAE's behind the spiking ones."""
    asked: dict[rows.Key, Json] = {
        key: {"training": training} for key, training in rows.spiking(setting).items()
    }
    for seed in SEEDS:
        asked[setting, VAE, seed] = {"vae": table.plain_question(setting, "vae", seed)}
    return {
        key: _job(" ".join(map(str, key)), one, key[1] in (VAE, EMBEDDED) and key[2] == 0)
        for key, one in asked.items()
    }


def _pixels() -> Job:
    return _job("pixels", {"pixels": True}, False)


def _job(name: str, asked: Json, embed: bool) -> Job:
    how = {"part": "test", "distance": "Euclidean", "perplexity": PERPLEXITY if embed else None}
    return Job("latent", name, {**asked, **how}, _structure, TRAINER)


def _structure(asked: Json) -> Json:
    images, labels = digits(asked["part"])
    if "pixels" in asked:
        codes = images.flatten(1)
    elif "vae" in asked:
        with torch.no_grad():
            codes = plain.trained(asked["vae"]).eval().encode(images)[0]
    else:
        codes = spike_counts(trained(asked["training"]), images)
    found = structure(codes.double().numpy(), labels.numpy())
    if asked["perplexity"]:
        found["embedding"] = embedding(codes.double().numpy(), asked["perplexity"])
    return found


def spike_counts(network: SpikingNetwork, images: torch.Tensor) -> torch.Tensor:
    """(n, latent) spikes of each latent neuron over the steps of a sample."""
    network.eval()
    parts = []
    with torch.no_grad():
        for first in range(0, len(images), BATCH):
            network(images[first : first + BATCH], first)
            activity = network.neurons()["latent"].activity
            assert activity is not None
            assert activity.counts is not None  # a spiking layer always has them
            parts.append(activity.counts.flatten(1).clone())
    return torch.cat(parts)


def structure(codes: NDArray[np.float64], labels: NDArray[np.int64]) -> Json:
    """How codes (n, d) lie by their classes (n,).

    Returns:
        `within`, `between`: mean distance of two samples of the same class, of two classes;
        `ratio` of the two, None where all codes are the same; `silhouette`, mean over samples;
        `neighbours_K`: share of samples whose class most of the K nearest others have.
    """
    from sklearn.metrics import pairwise_distances, silhouette_score

    distance = pairwise_distances(codes)
    np.fill_diagonal(distance, 0.0)
    same = labels[:, None] == labels
    others = ~np.eye(len(labels), dtype=bool)
    within, between = float(distance[same & others].mean()), float(distance[~same].mean())
    return {
        "within": within,
        "between": between,
        "ratio": within / between if between else None,
        "silhouette": float(silhouette_score(distance, labels, metric="precomputed")),
        **{f"neighbours_{k}": agreement(distance, labels, k) for k in NEIGHBOURS},
    }


def agreement(distance: NDArray[np.float64], labels: NDArray[np.int64], k: int) -> float:
    """Share of samples whose class is that of most of their k nearest others.

    Among equally near ones the first counts, among equally frequent classes that of the nearest.
    """
    apart = distance + np.diag(np.full(len(distance), np.inf))
    nearest = labels[np.argsort(apart, axis=1, kind="stable")[:, :k]]
    votes = (nearest[:, :, None] == nearest[:, None, :]).sum(axis=2)
    chosen = nearest[np.arange(len(nearest)), votes.argmax(axis=1)]  # the first of the most
    return float((chosen == labels).mean())


def embedding(codes: NDArray[np.float64], perplexity: int) -> list[list[float]] | None:
    """x and y of each code by t-SNE, to 0.1; None where all codes are the same."""
    from sklearn.manifold import TSNE

    if not codes.std(axis=0).any():
        return None
    found = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(codes)
    return [[round(float(value), 1) for value in axis] for axis in found.T]


def kept(setting: str) -> dict[str, list[Json]]:
    """By row of a setting, the answers that are there."""
    return rows.kept(_jobs(setting))


def text() -> str:
    """The section of the page."""
    parts = [
        "## Structure of the latent codes",
        "",
        f"The codes of the {len(digits('test')[0]):,} test digits: for the spiking networks the "
        "number of spikes of each latent neuron, for the VAE its mean. Distances are Euclidean, "
        "without scaling. *Within / between* is the mean distance of two digits of a class over "
        "that of two classes: less is more structure; of all other columns more is. K-NN agreement "
        "leaves the digit itself out. Mean ± sd over seeds.",
        "",
    ]
    for setting in COMPARED:
        found = kept(setting)
        if not found:
            continue
        parts += [SETTINGS[setting].heading, ""]
        parts += [_table(found), "", *_against_vae(found)]
        if _drawn(setting):
            parts += [f"![t-SNE of the codes](results/{_picture(setting)})", ""]
    return "\n".join(parts)


def _table(found: dict[str, list[Json]]) -> str:
    lines = [[row, *(_cell(answers, key) for key in MEASURES)] for row, answers in found.items()]
    if _pixels().done:
        lines.append(["the pixels", *(f"{_pixels().answer()[key]:.3f}" for key in MEASURES)])
    return markdown(("code", *(title for title, _ in MEASURES.values())), lines)


def _values(answers: list[Json], key: str) -> list[float]:
    return [one[key] for one in answers if one[key] is not None]


def _cell(answers: list[Json], key: str) -> str:
    values = _values(answers, key)
    return mean_sd(values, 3) if values else "-"


def _against_vae(found: dict[str, list[Json]]) -> list[str]:
    """The spiking rows less the VAE, measure by measure, seed by seed."""
    if VAE not in found:
        return []
    told = compared(found)
    lines = [
        [row, *(f"{mean_interval(told[row, key][0], 3)} {WORDS[told[row, key][1]]}"
                for key in MEASURES)]
        for row in found
        if row != VAE
    ]  # fmt: skip
    return [
        "The paper says that spiking codes are structured by class and a VAE's are not. Each row "
        "less the VAE's mean code, seed by seed, with the 95 % interval of the mean; *more* and "
        f"*less* structure by Student's tests, all {len(told)} together after Holm at 5 %:",
        "",
        markdown(("code", *(title for title, _ in MEASURES.values())), lines),
        "",
    ]


def compared(found: dict[str, list[Json]]) -> dict[tuple[str, str], tuple[list[float], int]]:
    """Of a row and a measure, what it has more than the VAE by seed; 1: more structure, -1: less.

    All comparisons are tested together; 0 is undecided.
    """
    asked = [(row, key) for row in found if row != VAE for key in MEASURES]
    each = [_differences(found, row, key) for row, key in asked]
    structure = [sign if MEASURES[key][1] else -sign
                 for (_, key), sign in zip(asked, signs(each), strict=True)]  # fmt: skip
    return dict(zip(asked, zip(each, structure, strict=True), strict=True))


def of_pixels() -> Json:
    """The structure of the images themselves."""
    return _pixels().answer()


WORDS = {1: "(more)", -1: "(less)", 0: "(undecided)"}


def _differences(found: dict[str, list[Json]], row: str, key: str) -> list[float]:
    """One measure of a row less the VAE's, a seed each."""
    return [ours[key] - theirs[key] for ours, theirs in zip(found[row], found[VAE], strict=True)
            if ours[key] is not None and theirs[key] is not None]  # fmt: skip


def _picture(setting: str) -> str:
    return f"latent-{setting}.svg"


def _drawn(setting: str) -> list[tuple[str, list[list[float]]]]:
    """Rows that have an embedding, with it."""
    found = []
    for row in (EMBEDDED, VAE):
        job = _jobs(setting).get((setting, row, 0))
        points = job.answer()["embedding"] if job is not None and job.done else None
        if points is not None:
            found.append((row, points))
    return found


def draw(folder: Path) -> None:
    """Embeddings beside each other: every code is the digit that it stands for."""
    labels = digits("test")[1].numpy()
    for setting in COMPARED:
        embedded = _drawn(setting)
        if not embedded:
            continue
        figure, axes = panels(len(embedded))
        for ax, (row, (x, y)) in zip(np.atleast_1d(axes), embedded, strict=True):
            for digit, colour in enumerate((*SAFE, GREY, *SAFE[:2])):
                of = labels == digit
                ax.plot(np.array(x)[of], np.array(y)[of], linestyle="", marker=f"${digit}$",
                        markersize=4, color=colour)  # fmt: skip
            ax.set(title=row, xticks=[], yticks=[])
        save(figure, folder / _picture(setting))
