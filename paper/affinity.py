"""How narrow weights can be: error by width of the weights, with and without regularization.

In:  trained networks of our architecture; training digits to calibrate on, test digits to measure.
Out: error of the integers with 2 to 8 bits, and of the float network.
Every width is quantized as `neurocompile export --bits` does, with its search for the best choices.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neurocompile.chip.read import load_chip
from neurocompile.data.samples import load_data
from neurocompile.engines.results import results
from neurocompile.errors import DoesNotFit
from neurocompile.quantize.calibrate import calibrate
from neurocompile.quantize.quantize import Memo
from neurocompile.quantize.search import Trials, best
from neurocompile.simplify import simplify
from paper import rows
from paper.charts import STYLES, chance, drawn, named, panels, save
from paper.markdown import mean_sd
from paper.markdown import table as markdown
from paper.study import Job, Json
from paper.table import mean_image

CHIP = "loihi-sim"
BITS = (8, 7, 6, 5, 4, 3, 2)
SEEDS = (0, 1)
CALIBRATION, DIGITS = 100, 500
SMALL = 1.05  # an error that grows by less than this factor counts as kept


def jobs() -> list[Job]:
    """A job a network, all widths in it."""
    return list(_jobs().values())


def _jobs() -> dict[rows.Key, Job]:
    how = {
        "bits": BITS,
        "chip": {CHIP: rows.chip_digest(CHIP)},
        "calibration": CALIBRATION,
        "digits": DIGITS,
    }
    return rows.jobs("affinity", "chip", SEEDS, how, _errors)


def _errors(asked: Json) -> Json:
    """Squared errors an image: of the float network, and by width; None where it does not fit."""
    seed = asked["training"]["seed"]
    graph, chip = simplify(rows.float_graph(asked["training"])), load_chip(CHIP)
    calibration = load_data("mnist5k:train", samples=asked["calibration"])
    known = calibrate(graph, calibration, graph.settings.steps, seed)
    trials, data = Trials(graph, known), load_data("mnist5k", samples=asked["digits"])
    memo: Memo = {}
    found: dict[str, float | None] = {}
    for bits in asked["bits"]:
        try:
            fixed = best(graph, chip, known, bits, trials, memo).graph
            error = rows.image_error(results(fixed, data, seed=seed), data.values)
        except DoesNotFit:  # a register, at this width
            found[str(bits)] = None
            continue
        found[str(bits)] = error
    ideal = rows.image_error(results(graph, data, seed=seed), data.values)
    return {"float": ideal, "bits": found}


def text() -> str:
    """The section of the page."""
    found = kept()
    parts = [
        "## Error against weight bits",
        "",
        f"Networks of our architecture with weights of {min(BITS)} to {max(BITS)} bits on "
        f"`{CHIP}`, quantized after training on {CALIBRATION} training digits and measured on "
        f"{DIGITS} test digits: the fixed error over the float error, mean ± sd over seeds.",
        "",
    ]
    if found:
        parts += [_table(found), "", _narrowest(found), ""]
        parts += ["![error against weight bits](results/affinity.svg)", ""]
    return "\n".join(parts)


def _table(found: dict[str, list[Json]]) -> str:
    lines = [
        [row, mean_sd([one["float"] for one in answers], 2)]
        + [_cell(ratios(answers, bits)) for bits in BITS]
        for row, answers in found.items()
    ]
    return markdown(("model", "float error", *(f"{bits} bits" for bits in BITS)), lines)


def _cell(ratios: list[float]) -> str:
    """Mean over the networks that fit, and how many do not."""
    lost = int(np.isnan(ratios).sum())
    known = [each for each in ratios if not np.isnan(each)]
    return (mean_sd(known, 2) if known else "-") + (f" ({lost} do not fit)" if lost else "")


def _errors_of(answer: Json) -> list[float]:
    """By width, NaN where the network does not fit."""
    errors = (answer["bits"][str(bits)] for bits in BITS)
    return [float("nan") if error is None else error for error in errors]


def kept() -> dict[str, list[Json]]:
    """By row, the answers that are there."""
    return rows.kept(_jobs())


def ratios(answers: list[Json], bits: int) -> list[float]:
    """Error with weights of a width over the float one, a seed each."""
    at = BITS.index(bits)
    return [_errors_of(one)[at] / one["float"] for one in answers]


def narrowest(answers: list[Json]) -> int | None:
    """The smallest width so that it and all wider ones fit, with mean ratios below `SMALL`."""
    kept = None
    for bits in BITS:
        if not np.mean(ratios(answers, bits)) < SMALL:  # nor where it is NaN
            break
        kept = bits
    return kept


def _narrowest(found: dict[str, list[Json]]) -> str:
    said = []
    for row, answers in found.items():
        bits = narrowest(answers)
        said.append(f"{row}: {f'{bits} bits' if bits else 'none'}")
    return (
        f"The narrowest weights whose mean ratio, like that of all wider ones, is below {SMALL:g}: "
        f"{'; '.join(said)}."
    )


def draw(folder: Path) -> None:
    """A line a row, with its float error."""
    found = kept()
    if not found:
        return
    figure, ax = panels(1, width=7.5)
    places = []
    for row, answers in found.items():
        errors = np.array([_errors_of(one) for one in answers])
        spread = errors.std(axis=0, ddof=1) if len(errors) > 1 else None
        ax.errorbar(BITS, errors.mean(axis=0), spread, capsize=2, **drawn(row))
        ideal = np.mean([one["float"] for one in answers])
        ax.axhline(ideal, color=STYLES[row][0], linestyle="--", linewidth=0.8)
        places.append((BITS[0], float(errors.mean(axis=0)[0]), row, STYLES[row][0]))
    ax.set(xlabel="weight bits (dashed: float)", ylabel="squared error an image")
    ax.set(yscale="log", xticks=BITS[::-1])
    ax.set_yticks((10, 20, 30, 40, 50), ("10", "20", "30", "40", "50"))
    chance(ax, mean_image(), "mean image")
    named(ax, places)
    save(figure, folder / "affinity.svg")
