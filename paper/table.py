"""The paper's table: what regularization does to a deep spiking autoencoder.

In:  trainings of seven models, in two architectures, over seeds.
Out: error, life and rate of each, mean and standard deviation over seeds, and tests between rows.
The test digits are looked at once by each trained network, after its last epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu

from neurocompile.nn import reconstruction_error
from paper import plain
from paper.charts import panels, save
from paper.markdown import mean_sd, table
from paper.study import Job, Json
from paper.training import digits, question, summary, trained

SEEDS = (0, 1, 2, 3, 4)
EPOCHS = {"chip": 8, "paper": 3}
TITLES = {"chip": "our architecture, which fits the chip", "paper": "the paper's architecture"}
UNREGULARIZED = "SAE, no regularization"
ALIVE = 64  # images among which a living latent neuron spikes once, as in the paper


@dataclass(frozen=True)
class Row:
    """One spiking row: the gradient of a spike, the penalties, the learning rate."""

    backprop: str
    regularization: dict[str, float]
    learning_rate: float


# Chosen by paper/search.py on training digits that were held out there; the band is that of
# examples/train_mnist_autoencoder.py.
PAPERS_ROWS = {
    "SAE, no regularization": Row("membrane", {}, 1e-3),
    "SAE, sparse": Row("membrane", {"potential_l2": 0.003, "spikes_l2": 0.06}, 1e-3),
    "SAE, dense": Row("membrane", {"potential_l2": 0.02, "spikes_l2": 0.01}, 1e-3),
}
BAND = {"band": 0.1, "low": 0.02, "high": 0.25, "spikes_l1": 1e-3}
OUR_ROWS = {
    "surrogate SAE, no regularization": Row("surrogate", {}, 2e-3),
    "surrogate SAE, potential and spikes": Row(
        "surrogate", {"potential_l2": 0.01, "spikes_l2": 0.03}, 2e-3
    ),
    "surrogate SAE, rate band": Row("surrogate", BAND, 2e-3),
}
SPIKING = {
    "chip": PAPERS_ROWS | OUR_ROWS,
    "paper": {
        "SAE, no regularization": Row("membrane", {}, 1e-3),
        "SAE, sparse": Row("membrane", {"potential_l2": 0.001, "spikes_l2": 0.003}, 1e-3),
        "SAE, dense": Row("membrane", {"potential_l2": 0.001, "spikes_l2": 0.001}, 1e-3),
    },
}
PLAIN = {
    "AE": "ae",
    "AE, weight decay": "ae-decay",
    "VAE": "vae",
    "beta-VAE": "beta-vae",
}
# Huebotter, Lanillos, Tomczak, arXiv 2109.11045, read in the first author's thesis repository
# (jhuebotter/SpikingVAE, plot_results notebook): squared error an image, share alive.
PUBLISHED = {
    "AE": ("7.89 ± 4.83", "0.22"),
    "AE, weight decay": ("4.67 ± 0.98", "0.41"),
    "VAE": ("19.09 ± 0.66", "1.00"),
    "beta-VAE": ("5.94 ± 0.21", "1.00"),
    "SAE, no regularization": ("38.09 ± 8.98", "0.17"),
    "SAE, sparse": ("11.58 ± 0.89", "0.93"),
    "SAE, dense": ("6.75 ± 0.26", "1.00"),
}


def spiking_rows() -> dict[tuple[str, str, int], Json]:
    """The training question of each (architecture, row, seed)."""
    return {
        (architecture, name, seed): question(
            architecture,
            row.backprop,
            row.regularization,
            seed,
            epochs=EPOCHS[architecture],
            learning_rate=row.learning_rate,
        )
        for seed in SEEDS
        for architecture, rows in SPIKING.items()
        for name, row in rows.items()
    }


def vae(architecture: str, seed: int) -> plain.PlainAutoencoder:
    """The trained VAE of the table."""
    asked = plain.question(architecture, "vae", seed, epochs=EPOCHS[architecture])
    return plain.trained(asked)


def jobs() -> list[Job]:
    """One a row, architecture and seed; the first seed of all rows first."""
    found = []
    rows = spiking_rows()
    for seed in SEEDS:
        for architecture, epochs in EPOCHS.items():
            for row, kind in PLAIN.items():
                asked = plain.question(architecture, kind, seed, epochs=epochs)
                found.append(_job(architecture, row, seed, asked, _plain))
            for row in SPIKING[architecture]:
                asked = rows[architecture, row, seed]
                found.append(_job(architecture, row, seed, asked, _spiking))
    return found


def answers(architecture: str, row: str) -> list[Json]:
    """What is kept of one row, a seed each."""
    return [
        job.answer()
        for job in jobs()
        if job.name.startswith(f"{architecture} {row} ") and job.study == "table"
    ]


def _job(architecture: str, row: str, seed: int, asked: Json, compute: Any) -> Job:
    return Job("table", f"{architecture} {row} {seed}", asked, compute)


def _plain(asked: Json) -> Json:
    images = digits("test")[0]
    model = plain.trained(asked)
    codes = model.encode(images[:ALIVE])[0]
    return {
        "error": reconstruction_error(model, images) * images[0].numel(),
        "alive": float((codes != 0).any(0).float().mean()),
    }


def _spiking(asked: Json) -> Json:
    images = digits("test")[0]
    network = trained(asked)
    few = summary(network, images[:ALIVE])["layers"]["latent"]
    silent = few["dead"] + few["unreachable"]
    return {**summary(network, images), "alive": 1 - silent / few["neurons"]}


def text() -> str:
    """The section of the page."""
    parts = [(Path(__file__).parent / "table.md").read_text()]
    for architecture, title in TITLES.items():
        parts += [f"### {title[0].upper()}{title[1:]}", "", _rows(architecture), ""]
        parts += [_tests(architecture), "", _outcome(architecture), ""]
    parts += ["![errors and rates of every seed](results/table.svg)", ""]
    return "\n".join(parts)


def _rows(architecture: str) -> str:
    """One line a model."""
    head = ("model", "squared error an image", "a pixel", "latent alive", "dead", "bursting",
            "latent spikes a step", "published error", "published alive")  # fmt: skip
    lines = []
    for row in (*PLAIN, *SPIKING[architecture]):
        found = answers(architecture, row)
        errors = np.array([one["error"] for one in found])
        line = [row, mean_sd(errors, 2), f"{errors.mean() / 784:.4f}"]
        line.append(mean_sd([one["alive"] for one in found], 2))
        if row in SPIKING[architecture]:
            latent = [one["layers"]["latent"] for one in found]
            line += [mean_sd([one[key] for one in latent], 1) for key in ("dead", "bursting")]
            line.append(mean_sd([one["rate"] for one in latent], 3))
        else:
            line += ["-", "-", "-"]
        lines.append([*line, *PUBLISHED.get(row, ("-", "-"))])
    return table(head, lines)


def _tests(architecture: str) -> str:
    """Rank tests of the regularized rows against the unregularized one and the autoencoder."""
    lines = []
    for row in SPIKING[architecture]:
        if row == UNREGULARIZED:
            continue
        ours = [one["error"] for one in answers(architecture, row)]
        for other in (UNREGULARIZED, "AE"):
            theirs = [one["error"] for one in answers(architecture, other)]
            p = mannwhitneyu(ours, theirs, alternative="two-sided").pvalue
            ratio = np.mean(theirs) / np.mean(ours)
            lines.append([row, other, f"{ratio:.2f}", f"{p:.3f}"])
    head = ("row", "against", "error there / here", "p (Mann-Whitney, two-sided)")
    return table(head, lines)


def _outcome(architecture: str) -> str:
    """The paper's expectation, row by row: yes or no in every seed, errors by their means."""
    worse = np.mean([one["error"] for one in answers(architecture, UNREGULARIZED)])
    plainly = [one["error"] for one in answers(architecture, "AE")]
    allowed = np.mean(plainly) + np.std(plainly, ddof=1)
    lines = []
    for row in SPIKING[architecture]:
        found = answers(architecture, row)
        error = np.mean([one["error"] for one in found])
        latent = [one["layers"]["latent"] for one in found]
        said = [
            worse >= 3 * error,
            all(one["dead"] == 0 for one in latent),
            all(one["bursting"] == 0 for one in latent),
            error <= allowed,
        ]
        lines.append([row, *("yes" if each else "no" for each in said)])
    head = ("row", f"a third of *{UNREGULARIZED}*", "no latent neuron dead", "none bursting",
            "within AE's mean + sd")  # fmt: skip
    return table(head, lines)


def draw(folder: Path) -> None:
    """Errors against latent rates, a dot a seed."""
    figure, axes = panels(2)
    for ax, architecture in zip(axes, TITLES, strict=True):
        for row in SPIKING[architecture]:
            found = answers(architecture, row)
            rates = [one["layers"]["latent"]["rate"] for one in found]
            ax.plot(rates, [one["error"] for one in found], "o", label=row, alpha=0.7)
        plainly = np.mean([one["error"] for one in answers(architecture, "AE")])
        ax.axhline(plainly, color="grey", linestyle="--", label="AE")
        ax.set(xlabel="spikes of a latent neuron a step", title=TITLES[architecture])
        ax.set(ylabel="squared error an image", ylim=(0, None))
        ax.legend(frameon=False)
    save(figure, folder / "table.svg")
