"""Each spiking row of the table as the chip's integers: what accuracy it loses, what it costs.

In:  trained networks; training digits to calibrate on, test digits to measure on.
Out: float and fixed error, spikes, operations, modelled joules and times per digit.
Our architecture is compiled for loihi-sim. The paper's has neurons with 12,800 inputs, which no
Loihi core holds. It is compiled for `ideal`, a chip without limits and prices, and the refusal of
loihi-sim is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from neurocompile.chip.read import load_chip
from neurocompile.compiled import Compiled
from neurocompile.compiler import compile_graph
from neurocompile.data.samples import load_data
from neurocompile.data.sampling import Sampling
from neurocompile.errors import DoesNotFit
from neurocompile.place.placement import place, require_fit
from paper import rows
from paper.charts import STYLES, drawn, named, panels, save
from paper.intervals import change_words
from paper.markdown import mean_sd
from paper.markdown import table as markdown
from paper.settings import SEEDS, SETTINGS
from paper.study import Job, Json

GOAL, BITS = 1.02, 8
CHIP = "loihi-sim"


class How(NamedTuple):
    """How the networks of a setting are measured.

    Attributes:
        target: The chip.
        calibration: Training digits that scales are chosen on.
        digits: Test digits.
        seeds: Whose networks.
    """

    target: str
    calibration: int
    digits: int
    seeds: tuple[int, ...]


# The paper's network has five times the neurons and forty times the weights.
MEASURED = {
    "chip": How(CHIP, 200, 1000, SEEDS),
    "longer": How(CHIP, 1000, 1000, SEEDS),
    "paper": How("ideal", 50, 200, (0, 1, 2)),
}
MODELS = ("davies2018", "boyle2025")


def jobs() -> list[Job]:
    """A job a network of the table."""
    return [job for each in MEASURED for job in _jobs(each).values()]


def _jobs(setting: str) -> dict[rows.Key, Job]:
    target, calibration, digits, seeds = MEASURED[setting]
    how = {
        "bits": BITS,
        "chips": {n: rows.chip_digest(n) for n in sorted({CHIP, target})},
        "target": target,
        "calibration": calibration,
        "digits": digits,
    }
    return rows.jobs("hardware", setting, seeds, how, _measured)


def _measured(asked: Json) -> Json:
    seed = asked["training"]["seed"]
    calibration = load_data("mnist5k:train", samples=asked["calibration"])
    graph = rows.float_graph(asked["training"])
    how = {"sampling": Sampling(seed=seed), "calibration": calibration, "bits": asked["bits"]}
    compiled = compile_graph(graph, asked["target"], **how)
    ran = compiled.run(load_data("mnist5k", samples=asked["digits"]))
    return {**rows.figures(ran.result), "verdict": verdict(compiled)}


def verdict(compiled: Compiled) -> str:
    """What `CHIP` says of a network: "" where it fits, else why not."""
    try:
        require_fit(place(compiled.fixed_graph, load_chip(CHIP)))
    except DoesNotFit as error:
        return str(error)
    return ""


def text() -> str:
    """The section of the page."""
    parts = [
        "## On the chip",
        "",
        f"Spiking networks of the table in {BITS}-bit integers, scales chosen on training "
        "digits, measured on test digits by the fixed engine, which is bit for bit the chip. "
        "Errors are squared errors an image, everything else is a digit's; the state is reset "
        "between digits and the chip runs as fast as it can. Mean ± sd over seeds; joules and "
        "times are modelled, each by the two published models.",
        "",
        "The networks of 48 epochs took 1,000 digits for their scales. They burst in their first "
        "layer, where all neurons of a channel that see black spike at the same steps: one "
        "rounding moves them all. With 200 digits two of five lost much more than the goal allows, "
        "on test digits and on the very digits that chose the scales. The latter decided it; the "
        "quantizer now also tries more ways where the usual one misses (docs/quantization.md).",
        "",
    ]
    for setting in MEASURED:
        found = kept(setting)
        if found:
            parts += _section(setting, found)
    if _priced():
        parts += [_pays(_priced()), "", "![energy against error](results/hardware.svg)", ""]
    return "\n".join(parts)


def kept(setting: str) -> dict[str, list[Json]]:
    """By row of a setting, the answers that are there."""
    return rows.kept(_jobs(setting))


def _section(setting: str, found: dict[str, list[Json]]) -> list[str]:
    """Table and sentences of one setting."""
    asked = MEASURED[setting]
    how = (
        f"On `{asked.target}`, {asked.digits:,} test digits, scales chosen on "
        f"{asked.calibration:,} training digits, {len(asked.seeds)} seeds."
    )
    verdicts = sorted({one["verdict"] for each in found.values() for one in each} - {""})
    refused = [f"> {CHIP}: {sentence}" for sentence in verdicts]
    if refused:
        refused = [f"What `{CHIP}` says of it:", "", *refused, ""]
    return [
        SETTINGS[setting].heading,
        "",
        how,
        "",
        _table(found),
        "",
        _goal(setting, found),
        "",
        *refused,
    ]


def _table(found: dict[str, list[Json]]) -> str:
    priced = all(_is_priced(one) for answers in found.values() for one in answers)
    columns: dict[str, Callable[[list[Json]], str]] = {
        "float error": lambda a: mean_sd([one["float_error"] for one in a], 2),
        "fixed error": lambda a: mean_sd([one["fixed_error"] for one in a], 2),
        "fixed / float": lambda a: mean_sd([ratio(one) for one in a], 4),
        "worst": lambda a: f"{max(map(ratio, a)):.4f}",
        "spikes": lambda a: mean_sd([one["spikes"] for one in a], 0),
        "million operations": lambda a: mean_sd([one["synops"] / 1e6 for one in a], 2),
    }
    if priced:
        columns |= {f"µJ, {model}": _column("joules", model, 1e6, 1) for model in MODELS}
        columns |= {f"µs a step, {model}": _column("step_s", model, 1e6, 1) for model in MODELS}
        columns |= {f"ms a digit, {model}": _column("sample_s", model, 1e3, 2) for model in MODELS}
    lines = [[row, *(cell(answers) for cell in columns.values())] for row, answers in found.items()]
    return markdown(("model", *columns), lines)


def _column(key: str, model: str, factor: float, digits: int) -> Callable[[list[Json]], str]:
    return lambda answers: mean_sd([one[key][model] * factor for one in answers], digits)


def ratio(answer: Json) -> float:
    """Fixed over float error."""
    return float(answer["fixed_error"] / answer["float_error"])


def _goal(setting: str, found: dict[str, list[Json]]) -> str:
    """How many regularized networks keep within the goal."""
    penalized = rows.regularized(setting)
    regular = [one for row, each in found.items() if row in penalized for one in each]
    others = [one for row, each in found.items() if row not in penalized for one in each]
    said = [
        f"{sum(ratio(one) <= GOAL for one in group)} of {len(group)} {name} networks keep within "
        f"{GOAL} times their float error (worst {max(map(ratio, group)):.4f})"
        for name, group in (("regularized", regular), ("unregularized", others))
        if group
    ]
    means = {row: np.mean([ratio(one) for one in found[row]]) for row in found if row in penalized}
    worst = max(means, key=lambda row: means[row])
    return (
        f"{'; '.join(said)}. Of the regularized rows, by their means, {worst} loses most: "
        f"{means[worst]:.4f}."
    )


def _is_priced(answer: Json) -> bool:
    return all(answer["joules"].get(model) is not None for model in MODELS)


def _priced() -> dict[str, list[Json]]:
    """Rows of our architecture whose joules are known."""
    found = kept("chip")
    return {row: each for row, each in found.items() if all(map(_is_priced, each))}


def _pays(found: dict[str, list[Json]]) -> str:
    """Each regularized row against its unregularized one, seed by seed."""
    values: dict[str, Callable[[Json], float]] = {
        "error": lambda one: one["fixed_error"],
        "energy by davies2018": lambda one: one["joules"]["davies2018"],
        "energy by boyle2025": lambda one: one["joules"]["boyle2025"],
    }
    lines = [
        [row, plain,
         *(change_words(*([value(one) for one in found[r]] for r in (row, plain)))
           for value in values.values())]
        for row, plain in rows.baselines("chip").items()
        if row in found and plain in found
    ]  # fmt: skip
    return (
        "Does regularization pay in joules? Changes against the row without it, seed by seed, with "
        "the 95 % interval of the mean:\n\n" + markdown(("model", "against", *values), lines)
    )


def draw(folder: Path) -> None:
    """Energy against error, a dot a network, by both models."""
    found = _priced()
    if not found:
        return
    figure, axes = panels(len(MODELS), width=5.2)
    for ax, model in zip(axes, MODELS, strict=True):
        places = []
        for row, answers in found.items():
            x = [one["fixed_error"] for one in answers]
            y = [one["joules"][model] * 1e6 for one in answers]
            ax.plot(x, y, linestyle="", alpha=0.7, **drawn(row))
            places.append((*max(zip(x, y, strict=True)), row, STYLES[row][0]))
        ax.set(title=model, xlabel="squared error an image, fixed", xlim=(0, 60))
        ax.set(ylabel="modelled energy a digit (µJ)", ylim=(0, None))
        named(ax, places)
    save(figure, folder / "hardware.svg")
