"""What faults of sensor and chip do, with and without spikes, over twenty draws each.

In:  the networks of `twin`, beside rows of the table; faults of the sensor, and those of the chip
     from `neurocompile faults`.
Out: error by fault and strength, of every draw; means with intervals over draws.
A result is always compared with the digit before the fault. Draws have fixed seeds, the same for
every network. Each row is one network: what other seeds of a training do is in `robustness`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from textwrap import fill

import numpy as np
import torch
from torch import nn

from neurocompile.compiled import Compiled
from neurocompile.compiler import compile_graph
from neurocompile.data.samples import Data, load_data
from neurocompile.data.stimulus import Stimulus
from neurocompile.engines.batches import batches
from neurocompile.engines.decode import last_layer, result_of
from neurocompile.engines.results import results
from neurocompile.errors import DoesNotFit
from neurocompile.faults import FACTOR, KINDS
from neurocompile.faults.draw import Faulty, faulty
from neurocompile.faults.membrane import run_upset
from neurocompile.frontend.torch import trace
from neurocompile.ir.arrays import Array
from neurocompile.nn.network import read_out
from paper import faults, plain, rows, twin
from paper.charts import STYLES, chance, drawn, named, panels, save
from paper.intervals import half_width, lowest, with_interval
from paper.markdown import table as markdown
from paper.settings import PLAIN, spiking_question
from paper.study import KINDS as CODE
from paper.study import ON_CHIP, TRAINER, Job, Json
from paper.table import mean_image, plain_question

CHIP, BITS, DATA = "loihi-sim", 8, "MNIST"
DIGITS, DRAWS = 100, 20
CALIBRATION = {"twin": twin.CHOSEN, "table": 100}  # training digits
BAND_ROW = "surrogate SAE, rate band"
WITHOUT_SPIKES = (twin.WITHOUT, "AE", "VAE")
SENSOR = ("noise", "dead", "stuck")
CORES = "silent-cores"
LEVELS: dict[str, tuple[float, ...]] = {
    "noise": (0.1, 0.3, 0.5),
    "dead": (0.1, 0.2, 0.4),
    "stuck": (0.01, 0.05, 0.1),
    "weight-flips": (1e-3, 1e-2, 5e-2),
    "membrane-flips": (1e-3, 1e-2, 1e-1),
    "threshold-flips": (1e-3, 1e-2, 1e-1),
    "threshold-drift": (1e-2, 1e-1, 1.0),
    CORES: (1, 2, 3),
}
WITHOUT_CHIP = (*SENSOR, "weight-flips")  # what a network without spikes can have
TITLES = {
    "noise": "Gaussian noise on pixels (sd)",
    "dead": "pixels stuck at 0 (share)",
    "stuck": "pixels stuck at 1 (share)",
    "weight-flips": "flipped weights (share)",
    "membrane-flips": "flipped potentials (share)",
    "threshold-flips": "flipped thresholds (share)",
    "threshold-drift": f"thresholds off by {FACTOR:g} (share)",
    CORES: "silent cores",
}
COLUMNS = 4  # of panels in the picture

Errors = Callable[[str, float, int], float | None]  # of a kind, a level, the number of a draw


def jobs() -> list[Job]:
    """A job a network, all faults in it."""
    return list(_jobs().values())


def _jobs() -> dict[str, Job]:
    how = {"bits": BITS, "data": DATA, "digits": DIGITS, "draws": DRAWS}
    on_chip = {"chip": {CHIP: rows.chip_digest(CHIP)}, "factor": FACTOR, "levels": LEVELS}
    without = {"levels": {name: LEVELS[name] for name in WITHOUT_CHIP}}

    def job(row: str, training: Json, rest: Json, code: tuple[str, ...] = TRAINER) -> Job:
        compute = _without_spikes if row in WITHOUT_SPIKES else _spiking
        return Job("draws", row, {"training": training, **how, **rest}, compute, code)

    def asked(kind: str) -> Json:
        training: Json = twin.question(DATA, kind, 0)["training"]
        return training

    def calibrated(by: str) -> Json:
        return {**on_chip, "calibration": CALIBRATION[by]}

    found = [
        job(twin.SPIKING, asked("spiking"), calibrated("twin"), CODE),
        job(twin.WITHOUT, asked("plain"), without),
        job(BAND_ROW, spiking_question("chip", BAND_ROW, 0), calibrated("table"), ON_CHIP),
        *(job(row, plain_question("chip", PLAIN[row], 0), without) for row in ("AE", "VAE")),
    ]
    return {one.name: one for one in found}


def _spiking(asked: Json) -> Json:
    """Squared errors an image of a network on the chip.

    Returns:
        `none` without a fault; `faults`, by fault, (levels, draws), None for a draw that left the
        registers, which the chip would not run as the integers say; `cores`, how many there are.
    """
    training, chosen = asked["training"], asked["calibration"]
    if "data" in training:
        graph = trace(twin.trained(training), torch.zeros(1, 1, 28, 28))
        calibration = twin.images(training["data"], "train", chosen)
    else:
        graph = rows.float_graph(training)
        calibration = load_data("mnist5k:train", samples=chosen)
    compiled = compile_graph(graph, CHIP, calibration=calibration, bits=asked["bits"])
    data = twin.images(asked["data"], "test", asked["digits"])
    sound = Faulty(compiled.fixed_graph, None, 0, 0)

    def error(found: Faulty, shown: Data) -> float | None:
        try:
            return rows.image_error(_results(found, shown), data.values)
        except DoesNotFit:
            return None

    def of(kind: str, level: float, draw: int) -> float | None:
        if kind in SENSOR:
            return error(sound, _seen(data, kind, level, draw))
        return error(_broken(compiled, kind, level, draw, asked["factor"]), data)

    return {
        "none": error(sound, data),
        "faults": _drawn(asked, of),
        "cores": len(compiled.placed.cores),
    }


def _broken(compiled: Compiled, kind: str, level: float, draw: int, factor: float) -> Faulty:
    """The network with a fault of the chip; a level is a share of places, of cores their number."""
    share = level / len(compiled.placed.cores) if kind == CORES else level
    return faulty(compiled.placed, kind, share, draw=draw, factor=factor)


def _results(found: Faulty, data: Data) -> Array:
    """What a network with or without faults makes of some digits."""
    disturbed, read = found.upset, (last_layer(found.graph),)
    if disturbed is None:
        return results(found.graph, data)
    stimulus = Stimulus(data, found.graph.settings.steps)
    did = batches(
        found.graph, stimulus, lambda batch: run_upset(found.graph, batch, disturbed, read=read)
    )
    return np.concatenate([np.asarray(result_of(found.graph, batch.did)) for batch in did])


def _without_spikes(asked: Json) -> Json:
    """As `_spiking` of layers without spikes, for the faults that these can have."""
    training, bits = asked["training"], asked["bits"]
    limited = "data" in training  # to the range of a pixel
    model: nn.Module = twin.plain(training) if limited else plain.trained(training).eval()
    data = twin.images(asked["data"], "test", asked["digits"])

    def error(network: nn.Module, shown: Data) -> float:
        with torch.no_grad():
            made = network(torch.tensor(shown.values))
            made = read_out(twin.LIMITS, made) if limited else made
        return rows.image_error(made.numpy(), data.values)

    def of(kind: str, level: float, draw: int) -> float:
        if kind in SENSOR:
            return error(sound, _seen(data, kind, level, draw))
        return error(faults.flipped_words_of(model, level, bits, np.random.default_rng(draw)), data)

    sound = faults.flipped_words_of(model, 0.0, bits, np.random.default_rng(0))
    return {"none": error(sound, data), "faults": _drawn(asked, of)}


def _seen(data: Data, kind: str, level: float, draw: int) -> Data:
    """Digits as a faulty sensor sees them."""
    random = np.random.default_rng(draw)
    values = (
        faults.noisy(data.values, level, random)
        if kind == "noise"
        else faults.stuck(data.values, level, float(kind == "stuck"), random)
    )
    return replace(data, values=values, digest="")


def _drawn(asked: Json, of: Errors) -> dict[str, list[list[float | None]]]:
    """By kind, (levels, draws) errors."""
    return {
        kind: [[of(kind, level, draw) for draw in range(asked["draws"])] for level in levels]
        for kind, levels in asked["levels"].items()
    }


def text() -> str:
    """The section of the page."""
    found = kept()
    parts = ["## Faults, with and without spikes", "", _head(), ""]
    for name in LEVELS if found else ():
        parts += [f"### {TITLES[name][0].upper()}{TITLES[name][1:]}, {DRAWS} draws", ""]
        parts += [_about(found, name), "", _table(found, name), "", _verdict(found, name), ""]
    if found:
        parts += ["![error by fault, with and without spikes](results/draws.svg)", ""]
    return "\n".join(parts)


def _head() -> str:
    """What was measured, and how to read it."""
    measured = f"""Five networks, and the first {DIGITS} official test digits. *{twin.SPIKING}* and
        *{twin.WITHOUT}* are those above: as many passes over 60,000 digits, results limited to the
        range of a pixel. *{BAND_ROW}*, *AE* and *VAE* are the first seed of rows of the table: 8
        epochs of 4,000 digits. Weights are words of {BITS} bits; without spikes they are rounded
        to such words, and activations stay floats. Faults of the chip are those of `neurocompile
        faults` ([kinds](faults.md#kinds)). A network without spikes has no potentials, thresholds
        and cores of this chip: these cells are empty (-)."""
    numbers = f"""Squared error an image against the digit without fault: mean of {DRAWS} draws ±
        half of its 95 % interval (Student's, over draws, which all networks share). It says how
        well the draws tell the error of this network, and nothing about other seeds of its
        training: these are in the section before. Below each table stands the row with the lowest
        mean; rows whose interval overlaps its own cannot be told from it, and are named with it."""
    return "\n\n".join(fill(" ".join(each.split()), 100) for each in (measured, numbers))


def kept() -> dict[str, Json]:
    """By row, the answers that are there."""
    return {row: job.answer() for row, job in _jobs().items() if job.done}


def drawn_errors(answer: Json, name: str, level: int) -> list[float]:
    """Errors of the draws that ran at a level, counted from 1; none where there is no such fault.

    At level 0 the one error without a fault.
    """
    if level == 0:
        return [answer["none"]]
    draws = answer["faults"][name][level - 1] if name in answer["faults"] else []
    return [error for error in draws if error is not None]


ABOUT = {
    "noise": "What is outside the range of a pixel is cut off.",
    "dead": "The same pixels in all digits.",
    "stuck": "The same pixels in all digits.",
}


def _about(found: dict[str, Json], name: str) -> str:
    """What the fault is."""
    said = ABOUT.get(name) or KINDS[name]
    if name == CORES:
        count = sorted({one["cores"] for one in found.values() if "cores" in one})
        said += f" The networks take {' or '.join(map(str, count))} cores."
    return said


def _table(found: dict[str, Json], name: str) -> str:
    lines = []
    for row, answer in found.items():
        cells = [f"{answer['none']:.2f}"]
        for level in range(1, 1 + len(LEVELS[name])):
            errors = drawn_errors(answer, name, level)
            cells.append(with_interval(errors, 2) if errors else "-")
        lines.append([row, *cells])
    return markdown(("model", "0", *(f"{level:g}" for level in LEVELS[name])), lines)


def best(found: dict[str, Json], name: str, level: int) -> list[str]:
    """The row with the lowest error at a level, and all rows that cannot be told from it."""
    errors = {row: drawn_errors(answer, name, level) for row, answer in found.items()}
    return lowest({row: each for row, each in errors.items() if each})


def _verdict(found: dict[str, Json], name: str) -> str:
    """Which rows have the lowest error at each level, and which draws are in no mean."""
    said = [
        f"{' or '.join(best(found, name, number)) or 'none'} at {level:g}"
        for number, level in enumerate(LEVELS[name], 1)
    ]
    left = _left(found, name)
    lost = f" Draws that left the registers, and are in no mean: {', '.join(left)}."
    return f"Lowest error: {'; '.join(said)}.{lost * bool(left)}"


def _left(found: dict[str, Json], name: str) -> list[str]:
    """Rows and levels with draws that left the registers, and how many did."""
    return [
        f"{lost} of {row} at {level:g}"
        for row, answer in found.items()
        for level, draws in zip(LEVELS[name], answer["faults"].get(name, []), strict=False)
        if (lost := draws.count(None))
    ]


def draw(folder: Path) -> None:
    """A panel a fault, a line a row, with its intervals."""
    found = kept()
    if not found:
        return
    figure, axes = panels(len(LEVELS), width=3.2, rows=len(LEVELS) // COLUMNS)
    for number, (ax, (name, levels)) in enumerate(zip(axes, LEVELS.items(), strict=True), 1):
        at, places = np.arange(len(levels) + 1), []
        for row, answer in found.items():
            errors = [drawn_errors(answer, name, level) for level in at]
            if not all(errors):
                continue
            middle = [float(np.mean(each)) for each in errors]
            ax.errorbar(at, middle, [half_width(each) for each in errors], capsize=2, **drawn(row))
            places.append((len(levels), middle[-1], row, STYLES[row][0]))
        ax.set(xlabel=TITLES[name], ylim=(0, max(ax.get_ylim()[1], 1.1 * mean_image())))
        ax.set_xticks(at, ["0", *(f"{level:g}" for level in levels)])
        chance(ax, mean_image(), "mean image")
        if number in (COLUMNS, len(LEVELS)):  # a row has its colour in every panel
            named(ax, places)
        if number % COLUMNS == 1:
            ax.set_ylabel("squared error an image")
    save(figure, folder / "draws.svg")
