"""The effect of faults on a network on the chip, with and without regularization.

In:  trained networks of our architecture in 8-bit integers; faults of sensor, memory and cores.
Out: error by fault and strength, mean over fault draws, with intervals over seeds.
A result is always compared with the digit before the fault. Draws have fixed seeds, the same for
every network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from neurocompile.compiled import Compiled
from neurocompile.compiler import compile_graph
from neurocompile.data.samples import Data, load_data
from neurocompile.data.sampling import Sampling
from neurocompile.engines.results import results
from neurocompile.errors import DoesNotFit
from neurocompile.ir.graph import Graph
from paper import faults, rows
from paper.charts import STYLES, chance, drawn, named, panels, save
from paper.intervals import half_width, lowest, with_interval
from paper.markdown import table as markdown
from paper.study import Job, Json
from paper.table import mean_image

CHIP, BITS = "loihi-sim", 8
SEEDS = (0, 1, 2)
CALIBRATION, DIGITS, DRAWS = 100, 200, 2
LEVELS: dict[str, tuple[float, ...]] = {
    "noise": (0.1, 0.2, 0.3, 0.5),
    "dead": (0.05, 0.1, 0.2, 0.4),
    "stuck": (0.01, 0.02, 0.05, 0.1),
    "flips": (1e-4, 1e-3, 1e-2, 5e-2),
    "cores": (1, 2, 3, 4),
}
TITLES = {
    "noise": "Gaussian noise on pixels (sd)",
    "dead": "pixels stuck at 0 (share)",
    "stuck": "pixels stuck at 1 (share)",
    "flips": "flipped weights (probability)",
    "cores": "silent cores",
}

Fault = Callable[[Compiled, Data, float, np.random.Generator], tuple[Graph, Data]]


def jobs() -> list[Job]:
    """A job a network, all faults in it."""
    return list(_jobs().values())


def _jobs() -> dict[rows.Key, Job]:
    how = {
        "bits": BITS,
        "chip": {CHIP: rows.chip_digest(CHIP)},
        "calibration": CALIBRATION,
        "digits": DIGITS,
        "draws": DRAWS,
        "levels": LEVELS,
    }
    return rows.jobs("robustness", "chip", SEEDS, how, _errors)


def _errors(asked: Json) -> Json:
    """Squared errors an image.

    Returns:
        `none` without a fault; `faults`, by fault, (levels, draws), None for a draw that left the
        registers, which the chip would not run as the integers say; `cores`, how many there are.
    """
    seed = asked["training"]["seed"]
    graph = rows.float_graph(asked["training"])
    calibration = load_data("mnist5k:train", samples=asked["calibration"])
    how = {"sampling": Sampling(seed=seed), "calibration": calibration, "bits": asked["bits"]}
    compiled = compile_graph(graph, CHIP, **how)
    data = load_data("mnist5k", samples=asked["digits"])

    def error(faulty: Graph, shown: Data) -> float | None:
        try:
            return rows.image_error(results(faulty, shown, seed=seed), data.values)
        except DoesNotFit:
            return None

    found = {
        name: [
            [
                error(*FAULTS[name](compiled, data, level, np.random.default_rng(draw)))
                for draw in range(asked["draws"])
            ]
            for level in levels
        ]
        for name, levels in asked["levels"].items()
    }
    none = error(compiled.fixed_graph, data)
    return {"none": none, "faults": found, "cores": len(compiled.placed.cores)}


def _shown(compiled: Compiled, data: Data, values: np.ndarray) -> tuple[Graph, Data]:
    """A sound network and other images."""
    return compiled.fixed_graph, replace(data, values=values, digest="")


FAULTS: dict[str, Fault] = {
    "noise": lambda c, d, level, random: _shown(c, d, faults.noisy(d.values, level, random)),
    "dead": lambda c, d, level, random: _shown(c, d, faults.stuck(d.values, level, 0.0, random)),
    "stuck": lambda c, d, level, random: _shown(c, d, faults.stuck(d.values, level, 1.0, random)),
    "flips": lambda c, d, level, random: (faults.flipped(c.fixed_graph, level, random), d),
    "cores": lambda c, d, level, random: (faults.without_cores(c.placed, int(level), random), d),
}


def text() -> str:
    """The section of the page."""
    found = kept()
    parts = [
        "## Faults",
        "",
        f"Networks of our architecture in {BITS}-bit integers on `{CHIP}`, {DIGITS} test digits, "
        f"{DRAWS} draws of each fault. Noise is cut to the range of a pixel. A flipped weight has "
        "one bit of its stored word turned over. The neurons of a silent core, drawn among those "
        "of the placement, send no spike, and its readouts stay at 0. Squared error an image "
        f"against the digit without fault: mean over the draws of a seed, then mean over "
        f"{len(SEEDS)} seeds ± half of its 95 % interval (Student's, of the seeds' means). All "
        "networks share the draws, so that the interval says how seeds differ under these draws; "
        "the next section has more draws. Below each table stands the row with the lowest mean at "
        "the strongest fault, and with it those whose interval overlaps its own: they cannot be "
        "told apart.",
        "",
    ]
    for name in LEVELS if found else ():
        parts += [f"### {TITLES[name][0].upper()}{TITLES[name][1:]}", ""]
        parts += [_cores(found)] if name == "cores" else []
        parts += [_table(found, name), "", _verdict(found, name), ""]
    if found:
        parts += ["![error by fault](results/robustness.svg)", ""]
    return "\n".join(parts)


def kept() -> dict[str, list[Json]]:
    """By row, the answers that are there."""
    return rows.kept(_jobs())


def _table(found: dict[str, list[Json]], name: str) -> str:
    lines = []
    for row, answers in found.items():
        cells = [_cell(curve) for curve in np.array([curve_of(a, name) for a in answers]).T]
        lines.append([row, *cells])
    return markdown(("model", "0", *(f"{level:g}" for level in LEVELS[name])), lines)


def _cores(found: dict[str, list[Json]]) -> str:
    count = sorted({answer["cores"] for answers in found.values() for answer in answers})
    return f"The networks take {' or '.join(map(str, count))} cores.\n"


def curve_of(answer: Json, name: str) -> list[float]:
    """Errors of a network without the fault and at each level; NaN where no draw has one."""
    curve = [float("nan") if answer["none"] is None else answer["none"]]
    for draws in answer["faults"][name]:
        known = [error for error in draws if error is not None]
        curve.append(float(np.mean(known)) if known else float("nan"))
    return curve


def _cell(errors: np.ndarray) -> str:
    known = errors[~np.isnan(errors)]
    return with_interval(known.tolist(), 2) if known.size else "-"


def _verdict(found: dict[str, list[Json]], name: str) -> str:
    """Which rows have the lowest error at the strongest fault, and what is in no mean."""
    curves = {row: np.array([curve_of(one, name) for one in each]) for row, each in found.items()}
    ends = {row: each[:, -1].tolist() for row, each in curves.items() if not np.isnan(each).any()}
    left = sum(
        error is None for answers in found.values() for a in answers for d in a["faults"][name]
        for error in d
    )  # fmt: skip
    said = []
    if ends:
        said.append(f"Lowest error at {LEVELS[name][-1]:g}: {' or '.join(lowest(ends))}.")
    if left:
        said.append(f"{left} draws left the registers of the chip and are in no mean.")
    return " ".join(said)


def draw(folder: Path) -> None:
    """A panel a fault, a line a row."""
    found = kept()
    if not found:
        return
    figure, axes = panels(len(LEVELS), width=3.2)
    for ax, (name, levels) in zip(axes, LEVELS.items(), strict=True):
        at, places = np.arange(len(levels) + 1), []
        for row, answers in found.items():
            curves = np.array([curve_of(answer, name) for answer in answers])
            half = [half_width(each.tolist()) for each in curves.T]
            ax.errorbar(at, curves.mean(axis=0), half, capsize=2, **drawn(row))
            places.append((len(levels), float(curves[:, -1].mean()), row, STYLES[row][0]))
        ax.set(xlabel=TITLES[name], ylim=(0, None))
        ax.set_xticks(at, ["0", *(f"{level:g}" for level in levels)])
        chance(ax, mean_image(), "mean image")
        if ax is axes[-1]:  # a row has its colour in every panel
            named(ax, places)
    axes[0].set_ylabel("squared error an image")
    save(figure, folder / "robustness.svg")
