"""The paper's table: what regularization does to a deep spiking autoencoder.

In:  trainings of seven models in three settings, over seeds.
Out: error, life and rate of each, mean and standard deviation over seeds, and tests between rows.
Each trained network sees the test digits once, after its last epoch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu

from neurocompile.nn import reconstruction_error
from paper import plain
from paper.charts import panels, save
from paper.markdown import mean_sd, table
from paper.settings import SEEDS, SETTINGS, UNREGULARIZED, spiking_rows
from paper.study import TRAINER, Job, Json
from paper.training import digits, hidden, summary, trained

ALIVE = 64  # images among which a living latent neuron spikes once, as in the paper
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


def plain_question(setting: str, kind: str, seed: int) -> Json:
    """The training question of a row without spikes; kind as of paper/plain.py."""
    chosen = SETTINGS[setting]
    return plain.question(chosen.architecture, kind, seed, epochs=chosen.epochs)


def jobs() -> list[Job]:
    """One a row, setting and seed; the first seed of all rows first."""
    found = []
    rows = spiking_rows()
    for seed in SEEDS:
        for name, setting in SETTINGS.items():
            for row, kind in setting.plain.items():
                found.append(_job(name, row, seed, plain_question(name, kind, seed), _plain))
            for row in setting.rows:
                found.append(_job(name, row, seed, rows[name, row, seed], _spiking))
    return found


def answers(setting: str, row: str) -> list[Json]:
    """What is kept of one row, a seed each."""
    start = f"{setting} {row} "
    return [job.answer() for job in jobs() if job.name.startswith(start) and job.done]


def _job(setting: str, row: str, seed: int, asked: Json, compute: Any) -> Job:
    return Job("table", f"{setting} {row} {seed}", asked, compute, TRAINER)


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
    for setting, chosen in SETTINGS.items():
        parts += [chosen.heading, "", _rows(setting), ""]
        parts += [_tests(setting), "", _outcome(setting), ""]
    parts += ["![errors and rates of every seed](results/table.svg)", ""]
    return "\n".join(parts)


def _rows(setting: str) -> str:
    """One line a model."""
    head = ("model", "squared error an image", "a pixel", "latent alive", "dead", "bursting",
            "hidden dead %", "hidden bursting %", "latent spikes a step", "published error",
            "published alive")  # fmt: skip
    lines = []
    for row in (*SETTINGS[setting].plain, *SETTINGS[setting].rows):
        found = answers(setting, row)
        errors = np.array([one["error"] for one in found])
        line = [row, mean_sd(errors, 2), f"{errors.mean() / 784:.4f}"]
        line.append(mean_sd([one["alive"] for one in found], 2))
        if row in SETTINGS[setting].rows:
            latent = [one["layers"]["latent"] for one in found]
            line += [mean_sd([one[key] for one in latent], 1) for key in ("dead", "bursting")]
            everywhere = np.array([hidden(one) for one in found])
            line += [mean_sd(100 * one, 1) for one in everywhere.T]
            line.append(mean_sd([one["rate"] for one in latent], 3))
        else:
            line += ["-"] * 5
        lines.append([*line, *PUBLISHED.get(row, ("-", "-"))])
    return table(head, lines)


def _tests(setting: str) -> str:
    """Rank tests of the regularized rows against the unregularized one and the autoencoder."""
    lines = []
    for row in SETTINGS[setting].rows:
        if row == UNREGULARIZED:
            continue
        ours = [one["error"] for one in answers(setting, row)]
        for other in (UNREGULARIZED, "AE"):
            theirs = [one["error"] for one in answers(setting, other)]
            p = mannwhitneyu(ours, theirs, alternative="two-sided").pvalue
            ratio = np.mean(theirs) / np.mean(ours)
            lines.append([row, other, f"{ratio:.2f}", f"{p:.3f}"])
    head = ("row", "against", "error there / here", "p (Mann-Whitney, two-sided)")
    return table(head, lines)


def _outcome(setting: str) -> str:
    """The paper's expectation, row by row: neurons by seeds, errors by their means."""
    worse = np.mean([one["error"] for one in answers(setting, UNREGULARIZED)])
    plainly = [one["error"] for one in answers(setting, "AE")]
    allowed = np.mean(plainly) + np.std(plainly, ddof=1)
    lines = []
    for row in SETTINGS[setting].rows:
        found = answers(setting, row)
        error = np.mean([one["error"] for one in found])
        latent = [one["layers"]["latent"] for one in found]
        without = (
            f"{sum(one[key] == 0 for one in latent)} of {len(latent)}"
            for key in ("dead", "bursting")
        )
        third, within = ("yes" if each else "no" for each in (worse >= 3 * error, error <= allowed))
        lines.append([row, third, *without, within])
    head = ("row", f"a third of *{UNREGULARIZED}*", "seeds without a dead latent neuron",
            "seeds without a bursting one", "within AE's mean + sd")  # fmt: skip
    return table(head, lines)


def draw(folder: Path) -> None:
    """Errors against latent rates, a dot a seed."""
    figure, axes = panels(len(SETTINGS))
    for ax, setting in zip(axes, SETTINGS, strict=True):
        for row in SETTINGS[setting].rows:
            found = answers(setting, row)
            rates = [one["layers"]["latent"]["rate"] for one in found]
            ax.plot(rates, [one["error"] for one in found], "o", label=row, alpha=0.7)
        plainly = np.mean([one["error"] for one in answers(setting, "AE")])
        ax.axhline(plainly, color="grey", linestyle="--", label="AE")
        ax.set(xlabel="spikes of a latent neuron a step", title=SETTINGS[setting].title)
        ax.set(ylabel="squared error an image", ylim=(0, None))
        ax.legend(frameon=False)
    save(figure, folder / "table.svg")
