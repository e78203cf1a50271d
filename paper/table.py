"""The paper's table: what regularization does to a deep spiking autoencoder.

In:  trainings of seven models in three settings, over seeds.
Out: error, life and rate of each, mean and standard deviation over seeds, and how many times the
     error of a row is that of another one.
Each trained network sees the test digits once, after its last epoch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from neurocompile.nn import reconstruction_error
from paper import plain
from paper.charts import STYLES, chance, drawn, named, panels, save
from paper.intervals import ranked, ratio, ratio_words, smallest
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
    return [*found, _without_skill()]


def _without_skill() -> Job:
    """The error of one and the same picture for every test digit."""
    return Job("table", "without skill", {"picture": "mean of the training digits"}, _same, code=())


def _same(asked: Json) -> Json:
    images = digits("test")[0].double()
    mean = digits("train")[0].double().mean(0)
    return {name: float((picture - images).square().sum()) / len(images)
            for name, picture in (("mean", mean), ("black", 0 * mean))}  # fmt: skip


def digits_seen() -> int:
    """Training digits of one epoch."""
    return len(digits("train")[0])


def mean_image() -> float:
    """Squared error of the mean training digit, an image: what no skill reaches."""
    return float(_without_skill().answer()["mean"])


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
        parts += [_outcome(setting), "", _tested(setting), ""]
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


def errors(setting: str, row: str) -> list[float]:
    """Squared error an image of what is kept of one row, a seed each."""
    return [one["error"] for one in answers(setting, row)]


THIRD = 3  # times lower, which the study set out to see


def _outcome(setting: str) -> str:
    """How large the effects are, and in how many seeds no neuron dies or bursts."""
    worse, plainly = errors(setting, UNREGULARIZED), errors(setting, "AE")
    lines = []
    for row in SETTINGS[setting].rows:
        found, mine = answers(setting, row), errors(setting, row)
        latent = [one["layers"]["latent"] for one in found]
        without = (
            f"{sum(one[key] == 0 for one in latent)} of {len(latent)}"
            for key in ("dead", "bursting")
        )
        lower = ["-", "-"]
        if row != UNREGULARIZED:
            _, low, high = ratio(worse, mine)
            third = "yes" if low >= THIRD else "no" if high < THIRD else "undecided"
            lower = [ratio_words(worse, mine), third]
        lines.append([row, *lower, ratio_words(mine, plainly), *without])
    head = ("row", f"times lower than *{UNREGULARIZED}*", "a third", "times the error of *AE*",
            "seeds without a dead latent neuron", "seeds without a bursting one")  # fmt: skip
    return table(head, lines)


def _tested(setting: str) -> str:
    """Rank tests of the errors in the table above, where the seeds can tell anything."""
    against = [(row, other) for row in SETTINGS[setting].rows for other in (UNREGULARIZED, "AE")
               if row != other]  # fmt: skip
    pairs = [(errors(setting, row), errors(setting, other)) for row, other in against]
    p_values = ranked(pairs)
    ours, theirs = (len(group) for group in pairs[0])
    head = (
        f"Ratios are of errors of the same seed, with the 95 % interval of their geometric mean. "
        f"Rank tests (Mann-Whitney, two-sided, {len(pairs)} together after Holm)"
    )
    if p_values is None:
        return (
            f"{head} could not get below {smallest(ours, theirs, len(pairs)):.3f} with {ours} "
            f"seeds against {theirs}, so no p is given."
        )
    said = "; ".join(
        f"{row} against {other} {p:.4f}" for (row, other), p in zip(against, p_values, strict=True)
    )
    return f"{head}: p = {said}."


def draw(folder: Path) -> None:
    """Errors against latent rates, a dot a seed."""
    figure, axes = panels(len(SETTINGS), width=5.2)
    for ax, setting in zip(axes, SETTINGS, strict=True):
        places = []
        for row in SETTINGS[setting].rows:
            found = answers(setting, row)
            rates = [one["layers"]["latent"]["rate"] for one in found]
            ax.plot(rates, errors(setting, row), linestyle="", alpha=0.7, **drawn(row))
            place = max(zip(rates, errors(setting, row), strict=True))
            places.append((*place, row, STYLES[row][0]))
        plainly = float(np.mean(errors(setting, "AE")))
        ax.axhline(plainly, color=STYLES["AE"][0], linestyle="--", linewidth=1)
        ax.set(xlabel="spikes of a latent neuron a step", title=SETTINGS[setting].title)
        ax.set(ylabel="squared error an image", ylim=(0, 60), xlim=(-0.02, 1))
        chance(ax, mean_image(), "mean image")
        named(ax, [*places, (1, plainly, "AE, without spikes", STYLES["AE"][0])])
    save(figure, folder / "table.svg")
