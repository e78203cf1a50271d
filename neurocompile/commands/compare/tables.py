"""What a user sees of a comparison: three tables and a few sentences.

In:  the document that `--json` prints.
Out: tables for people, made only from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurocompile.commands.compare.sentences import beside_one, percent
from neurocompile.terminal.tables import Page, Table
from neurocompile.terminal.words import number_of

ROUNDED = {
    "weight": "weights",
    "threshold": "thresholds",
    "bias": "biases",
    "decay": "decays",
    "start": "early starts",
    "sum": "sums",
    "all": "all of them",
    "fixed": "on the chip",
}


def print_comparison(comparison: Mapping[str, Any]) -> None:
    """Spikes by layer, membranes by layer, classes of rounding; then the sentences."""
    page = Page()
    page.show(_spikes(comparison), _membrane(comparison), _runs(comparison))
    for sentence in comparison["summary"]:
        page.say(sentence)


def _spikes(comparison: Mapping[str, Any]) -> Table:
    table = Table(
        ("layer", "neurons", "float", "fixed", "change", "agree", "alone", "parts", "samples"),
        title="Spikes",
    )
    for row in comparison["layers"]:
        if row["agreement"] is None:
            table.add(row["name"], f"{row['neurons']:,}", *["-"] * 7)
            continue
        spikes = (
            f"{row[k] / comparison['samples']:,.0f}" for k in ("float_spikes", "fixed_spikes")
        )
        table.add(
            row["name"], f"{row['neurons']:,}", *spikes, _signed(row["rate_change"]),
            percent(row["agreement"]), percent(row["agreement_alone"]),
            "-" if row["first_step"] is None else f"step {row['first_step']}",
            f"{row['samples_parted']:,}",
        )  # fmt: skip
    table.caption = (
        f"Spikes per sample, mean of {number_of(comparison['samples'], 'sample')} of "
        f"{comparison['data']}, {number_of(comparison['steps'], 'step')}. "
        "agree: part of the neurons and steps that are equal; alone: the same, with each layer "
        "given the float network's spikes. parts: the first step in which a spike "
        "differs; samples: number of samples in which one does."
    )
    return table


def _membrane(comparison: Mapping[str, Any]) -> Table:
    titles = ("rms", "largest", "all: rms", "largest", "cut", "wrapped", "silent", "bursting")
    table = Table(("layer", *titles), title="Membrane: error / threshold")
    readout = False
    for row in comparison["layers"]:
        before, after = row["membrane"]["before"], row["membrane"]["all"]
        mark = "" if row["membrane"]["unit"] == "threshold" else "*"
        readout = readout or bool(mark)
        table.add(
            row["name"] + mark, _error(before["rms"]), _error(before["max"]), _error(after["rms"]),
            _error(after["max"]), f"{row['saturations']:,}", f"{row['wraps']:,}",
            _both(row, "silent"), _both(row, "bursting"),
        )  # fmt: skip
    table.caption = (
        "Error before any spike of the sample differs, then in all steps. "
        "cut, wrapped: how often v was cut, and u wrapped, to 24 bits. silent, bursting: neurons "
        "that never spike, and that spike in more than half of all steps."
        + (" * relative to its largest float potential." if readout else "")
    )
    return table


def _runs(comparison: Mapping[str, Any]) -> Table:
    first = comparison["first"]
    result = _result_column(comparison)
    titles = ["rounded", "parts in", "at", "samples", "agree"]
    titles += ([result[1]] if result else []) + (["v / threshold"] if first else [])
    table = Table(titles, texts=("parts in", "at"), title="Rounding: one at a time")
    for row in ({"run": "nothing", "float": True, **comparison["float"]}, *comparison["runs"]):
        values = ["-", "-", "0", percent(1.0)]
        if "float" not in row:
            place = row["first"]
            where = [place["layer"], f"step {place['step']}"] if place else ["-", "-"]
            values = [*where, f"{row['samples_parted']:,}", _part(row["agreement"])]
        if result:
            values.append(result[2](row))
        if first:
            ratio = first["of_threshold"]["float" if "float" in row else row["run"]]
            values.append("-" if ratio is None else beside_one(ratio))
        table.add(ROUNDED.get(row["run"], row["run"]), *values)
    table.caption = (
        "The float network with one class of its parameters rounded as on the chip. on the chip: "
        "all classes, and the chip's integer arithmetic."
        + (" sums: rounded down, by a negative weight exponent." if _sums(comparison) else "")
    )
    if any(row["run"] == "start" for row in comparison["runs"]):
        table.caption += (
            " early starts: not rounded; what biases send before step 1 counts as sent."
        )
    if first:
        neuron = ", ".join(map(str, first["neuron"]))
        table.caption += (
            f" v / threshold: of neuron ({neuron}) of '{first['layer']}' in step {first['step']} "
            f"of sample {first['sample']}, the first spike that differs; above 1 it spikes."
        )
    return table


def _sums(comparison: Mapping[str, Any]) -> bool:
    """Whether the chip rounds sums of weights."""
    return any(row["run"] == "sum" for row in comparison["runs"])


def _result_column(comparison: Mapping[str, Any]) -> Any:
    """(key, title, how a row shows it) of the decoder's result; None if nothing is decoded."""
    ideal = comparison["float"]
    if ideal["ratio"] is not None:
        return "ratio", "error", lambda row: f"x {row['ratio']:.4f}"
    if ideal["accuracy"] is not None:
        return "accuracy", "accuracy", lambda row: percent(row["accuracy"])
    if ideal["difference_rms"] is not None:
        return "difference_rms", "result, rms", lambda row: f"{row['difference_rms']:.4g}"
    return None


def _both(row: Mapping[str, Any], what: str) -> str:
    """A count of float and fixed; only one number where they are equal."""
    if row["float"] is None:
        return "-"
    before, after = row["float"][what], row["fixed"][what]
    return f"{before:,}" if before == after else f"{before:,} to {after:,}"


def _error(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.5f}" if value >= 1e-4 or value == 0 else f"{value:.1e}"


def _part(part: float | None) -> str:
    return "-" if part is None else percent(part)


def _signed(change: float | None) -> str:
    return "-" if change is None else f"{change:+.2%}".replace("%", " %")
