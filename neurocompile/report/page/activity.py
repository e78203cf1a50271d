"""What the layers did: rasters, rates, and where float and fixed part.

In:  report.json; samples.npz.
Out: sections; what is left out of a chart is said below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.report.page.blocks import Block, Chart, Section, Table, Text, percent
from neurocompile.report.page.packed import bits, evenly
from neurocompile.report.page.values import arrows
from neurocompile.report.parting.words import CAUSES
from neurocompile.report.samples_file import Samples
from neurocompile.terminal.words import number_of

LAYERS = 24  # that are drawn; all are in the tables
ROWS = 128  # neurons of a layer in the raster
CELLS = 6_000_000  # bits of all rasters together: 1 MB in base64
BINS = 20
BURSTING = 0.5  # as in `compare`: above it a neuron says little more than "on"
NONE = "No samples were recorded (samples.npz), so there are no rasters and no rates of neurons."


class Recorded:
    """The layers of samples.npz that send something.

    Attributes:
        rows: Their rows.
        fixed, ideal: By name, (n, steps, neurons) bool; float where it is known.
    """

    def __init__(self, samples: Samples) -> None:
        self.about = samples.about
        self.rows = [row for row in samples.about["layers"] if not row["silent"]]
        self.fixed: dict[str, Array] = {}
        self.ideal: dict[str, Array] = {}
        for row in self.rows:
            self.fixed[row["name"]] = _sent(samples.arrays[row["fixed"]])
            if row["float"] is not None:
                self.ideal[row["name"]] = _sent(samples.arrays[row["float"]])

    @property
    def samples(self) -> int:
        """How many there are."""
        return int(self.about["samples"])

    @property
    def steps(self) -> int:
        """Steps per sample."""
        return int(self.about["steps"])


def _sent(values: Array) -> Array:
    """(n, steps, neurons) whether each neuron sent something."""
    return (values != 0).reshape(*values.shape[:2], -1)


def activity(report: Mapping[str, Any], samples: Samples | None) -> list[Section]:
    """Where the networks part, the rasters, and the rates; few words if nothing was recorded."""
    if report["energy"] is None:
        return []
    if samples is None or not samples.about["samples"]:
        left = [] if samples is None else [f"Left out: {x}." for x in samples.about["left_out"]]
        return [Section("spikes", "Spikes", [Text([NONE, *left])])]
    recorded = Recorded(samples)
    sections = [_parting(report, samples, recorded), _raster(recorded), _rates(recorded)]
    return [section for section in sections if section is not None]


def _parting(report: Mapping[str, Any], samples: Samples, recorded: Recorded) -> Section | None:
    """The first spike that differs with its cause; the part that differs by layer and step."""
    title = "Where float and fixed part"
    if not recorded.ideal:
        words = "The model was fixed already, so there is no float network to compare with."
        return Section("parting", title, [Text([words])])
    names = list(recorded.ideal)
    differ = {n: recorded.fixed[n] != recorded.ideal[n] for n in names}
    blocks: list[Block] = [Text(_first(samples))]
    rows, parts = [], []
    for name in names:
        here = differ[name]
        by_step = here.mean(axis=(0, 2))
        steps = np.flatnonzero(by_step)
        rows.append(
            (
                name,
                percent(1 - float(here.mean())),
                f"step {steps[0] + 1}" if len(steps) else "nowhere",
                f"{int(here.any(axis=(1, 2)).sum())} of {recorded.samples}",
                f"{int(recorded.ideal[name].sum()):,}",
                f"{int(recorded.fixed[name].sum()):,}",
                "-" if not len(steps) else f"step {int(by_step.argmax()) + 1}",
            )
        )
        parts.append([round(100 * float(p), 4) for p in by_step])
    table = Table(
        (
            "layer",
            "agree",
            "part in",
            "samples",
            "float spikes",
            "fixed spikes",
            "most in",
        ),
        rows,
        f"The first {number_of(recorded.samples, 'sample')}; of all neurons and steps.",
        texts=(2, 6),
    )
    shown = names[:LAYERS]
    worst = max(range(len(names)), key=lambda at: max(parts[at]))
    caption = (
        "Part of the neurons that differ in each step. Spikes that differ are a layer's input "
    )
    caption += "too, so layers further down differ more." + _left(len(names), len(shown), "layer")
    blocks.append(
        Chart(
            "heat",
            "Part of the neurons of each layer whose spike differs, by step. It is largest in "
            f"{names[worst]}, {max(parts[worst]):.2f} %.",
            {
                "rows": shown,
                "columns": [str(t + 1) for t in range(recorded.steps)],
                "values": parts[:LAYERS],
                "across": "step",
                "unit": "% differ",
            },
            caption,
            table,
            height=90 + 34 * len(shown),
        )
    )
    agreement = report["agreement"]
    if agreement and agreement["samples"] > recorded.samples:
        of_all = [
            (row["name"], percent(row["equal_spikes"]), f"{row['rate_float']:.4f}",
             f"{row['rate_fixed']:.4f}")
            for row in agreement["layers"]
        ]  # fmt: skip
        caption = f"All {number_of(agreement['samples'], 'sample')}."
        blocks.append(Table(("layer", "agree", "float rate", "fixed rate"), of_all, caption))
    return Section("parting", title, blocks)


def _first(samples: Samples) -> list[str]:
    """The first spike that differs, and why, in sentences."""
    first = samples.about["parting"]
    if first is None:
        unknown = [x for x in samples.about["left_out"] if x.startswith("the cause of")]
        kept = number_of(samples.about["samples"], "sample")
        return [f"Not known: {x}." for x in unknown] or [f"Every spike agrees in the first {kept}."]
    neuron = ", ".join(map(str, first["neuron"]))
    who = "float" if first["float_spike"] else "fixed"
    words = (
        f"They first differ in layer {arrows(first['path'])}, at step {first['step']} of sample "
    )
    words += f"{first['sample']}: of neuron ({neuron}) only the {who} one spikes."
    reached = first["of_threshold"]
    if reached.get("float") is not None and reached.get("fixed") is not None:
        words += f" Its potential is {reached['float']:.4f} of the threshold in float and "
        words += f"{reached['fixed']:.4f} in fixed."
    cause = f"Cause: {CAUSES.get(first['cause'], first['cause'])}."
    if first["differ_there"] > 1:
        causes = ", ".join(f"{cause} {count}" for cause, count in first["causes_there"].items())
        cause += f" {first['differ_there']:,} neurons of the layer differ in that step ({causes})."
    return [words, f"{cause} The command compare tells more."]


def _raster(recorded: Recorded) -> Section:
    """Spikes of every layer over the steps, float and fixed, with sliders for step and sample."""
    rows = recorded.rows[:LAYERS]
    chosen = {r["name"]: evenly(prod(r["shape"]), ROWS) for r in rows}
    cells = sum(map(len, chosen.values())) * recorded.steps * 2
    kept = max(1, min(recorded.samples, CELLS // max(1, cells)))
    layers = []
    for row in rows:
        name, neurons = row["name"], chosen[row["name"]]
        fixed, ideal = recorded.fixed[name][:kept], recorded.ideal.get(name)
        ideal = None if ideal is None else ideal[:kept]
        layers.append(
            {
                "name": name,
                "neurons": prod(row["shape"]),
                "rows": len(neurons),
                "every": [int(n) for n in neurons] if len(neurons) < prod(row["shape"]) else None,
                "fixed": bits(fixed[:, :, neurons]),
                "float": None if ideal is None else bits(ideal[:, :, neurons]),
                "fixed_counts": fixed.sum(axis=2).tolist(),
                "float_counts": None if ideal is None else ideal.sum(axis=2).tolist(),
                "differ": None if ideal is None else (fixed != ideal).sum(axis=2).tolist(),
            }
        )
    thinned = [row["name"] for row in rows if len(chosen[row["name"]]) < prod(row["shape"])]
    caption = "Each mark is a spike; a column is a step, a row a neuron. "
    if thinned:
        caption += f"Of layers with more than {ROWS} neurons, {ROWS} evenly apart are drawn; the "
        caption += "numbers beside the names are of all."
    caption += _left(len(recorded.rows), len(rows), "layer")
    caption += _left(recorded.samples, kept, "sample")
    counts = [
        (
            row["name"],
            *(f"{int(recorded.fixed[row['name']][:, t].sum()):,}" for t in range(recorded.steps)),
        )
        for row in recorded.rows
    ]
    steps = tuple(str(t + 1) for t in range(recorded.steps))
    table = Table(
        ("layer", *steps),
        counts,
        f"Fixed spikes by step, the first {number_of(recorded.samples, 'sample')} together.",
    )
    first = recorded.about["parting"]
    start = {"sample": 0, "step": 0}
    if first is not None and first["sample"] < kept:
        start = {"sample": first["sample"], "step": first["step"] - 1}
    chart = Chart(
        "raster",
        f"Rasters of the spikes of {number_of(len(rows), 'layer')}, float and fixed.",
        {"layers": layers, "steps": recorded.steps, "samples": kept, "start": start},
        caption,
        table if recorded.steps <= 64 else None,
        height=78 + 132 * len(rows),
        controls=True,
    )
    return Section("spikes", "Spikes step by step", [chart])


def _rates(recorded: Recorded) -> Section:
    """Histograms of the neurons' rates, with those that never spike and those that burst."""
    blocks: list[Block] = []
    rows, layers = [], []
    total = recorded.samples * recorded.steps
    for row in recorded.rows:
        name = row["name"]
        fixed = recorded.fixed[name].sum(axis=(0, 1))
        ideal = recorded.ideal.get(name)
        ideal = None if ideal is None else ideal.sum(axis=(0, 1))
        dead, bursting = _dead(fixed), _bursting(fixed, total)
        rows.append(
            (
                name,
                f"{len(fixed):,}",
                f"{fixed.mean() / total:.4f}",
                f"{dead:,}",
                f"{bursting:,}",
                *(("-", "-") if ideal is None else
                  (f"{_dead(ideal):,}", f"{_bursting(ideal, total):,}")),
            )
        )  # fmt: skip
        layers.append(
            {
                "name": name,
                "neurons": len(fixed),
                "dead": dead,
                "bursting": bursting,
                "fixed": _histogram(fixed, total),
                "float": None if ideal is None else _histogram(ideal, total),
            }
        )
    titles = ("layer", "neurons", "mean rate", "never spike", "burst")
    table = Table(
        (*titles, "float: never", "float: burst"),
        rows,
        f"Over {number_of(recorded.samples, 'sample')} of {number_of(recorded.steps, 'step')}.",
    )
    shown = layers[:LAYERS]
    caption = "How many neurons have which rate, in spikes per step: bars fixed, dots float. "
    caption += (
        "The first bar, striped, has the neurons that never spike; striped bars on the right "
    )
    caption += f"burst, in more than half of all steps.{_left(len(layers), len(shown), 'layer')}"
    blocks.append(
        Chart(
            "rates",
            "Histograms of rates by layer. "
            + "; ".join(f"{r[0]}: {r[3]} never spike, {r[4]} burst" for r in rows[:LAYERS]),
            {"layers": shown, "edges": [round(at / BINS, 4) for at in range(BINS + 1)]},
            caption,
            table,
            height=230 * -(-len(shown) // 2),
        )
    )
    return Section("rates", "Rates of the neurons", blocks)


def _dead(spikes: Array) -> int:
    return int((spikes == 0).sum())


def _bursting(spikes: Array, total: int) -> int:
    return int((spikes > BURSTING * total).sum())


def _histogram(spikes: Array, total: int) -> list[int]:
    """Neurons that never spike, then those in each bin (low, high] of the rate."""
    bins = np.ceil(spikes * BINS / total).astype(np.int64)
    return np.bincount(np.minimum(bins, BINS), minlength=BINS + 1).tolist()


def _left(there: int, shown: int, thing: str) -> str:
    """What a chart leaves out, as a sentence, or ""."""
    more = there - shown
    if more <= 0:
        return ""
    return f" Not drawn: {number_of(more, 'more ' + thing)}."
