"""The page of `neurocompile compare`: where the integers depart from the float network, and why.

In:  the document of the command.
Out: a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurocompile.report.page.blocks import Block, Card, Chart, Section, Table, Text, percent
from neurocompile.report.page.page import Page, page_html
from neurocompile.report.parting.words import CAUSES
from neurocompile.terminal.words import number_of

RUNS = {
    "weight": "weights",
    "threshold": "thresholds",
    "bias": "biases",
    "decay": "decays",
    "all": "all of them",
    "fixed": "on the chip",
}


def departures_page(comparison: Mapping[str, Any]) -> str:
    """The page as HTML."""
    ran = f"{number_of(comparison['samples'], 'sample')} of {comparison['data']}, "
    ran += number_of(comparison["steps"], "step")
    sections = [Section("summary", "In words", [Text(comparison["summary"])])]
    spiking = [row for row in comparison["layers"] if row["agreement"] is not None]
    if spiking:
        sections += [_spikes(comparison, spiking), _classes(comparison, spiking)]
        sections.append(_membranes(comparison))
    return page_html(
        Page("Where float and fixed part", f"{ran}, on {comparison['target']}.",
             _cards(comparison), sections)
    )  # fmt: skip


def _cards(comparison: Mapping[str, Any]) -> list[Card]:
    first = comparison["first"]
    cards = [
        Card("Spikes that agree", percent(comparison["agreement"]), "Of all neurons and steps.")
    ]
    if first is None:
        cards.append(Card("First difference", "none", "Every spike agrees.", "good"))
    else:
        text = f"Step {first['step']} of sample {first['sample']}: {CAUSES[first['cause']]}."
        cards.append(Card("First difference", first["path"], text))
    fixed = next(row for row in comparison["runs"] if row["run"] == "fixed")
    if fixed["ratio"] is not None:
        text = "Of the float network's reconstruction error."
        cards.append(Card("Error on the chip", f"x {fixed['ratio']:.4f}", text))
    elif fixed["accuracy"] is not None:
        text = f"Float {percent(comparison['float']['accuracy'])}."
        cards.append(Card("Accuracy on the chip", percent(fixed["accuracy"]), text))
    return cards


def _spikes(comparison: Mapping[str, Any], spiking: Any) -> Section:
    rows = [
        (
            row["name"],
            f"{row['neurons']:,}",
            f"{row['float_spikes']:,}",
            f"{row['fixed_spikes']:,}",
            percent(row["agreement"]),
            percent(row["agreement_alone"]),
            "-" if row["first_step"] is None else f"step {row['first_step']}",
            f"{row['samples_parted']:,}",
        )
        for row in spiking
    ]
    titles = ("layer", "neurons", "float spikes", "fixed spikes", "agree", "alone", "part in")
    caption = "Alone: with each layer given the float network's own spikes."
    table = Table((*titles, "samples"), rows, caption, texts=(6,))
    values = [[round(100 * (1 - part), 4) for part in row["agreement_by_step"]] for row in spiking]
    chart = Chart(
        "heat",
        "Part of the neurons of each layer whose spike differs, by step.",
        {
            "rows": [row["name"] for row in spiking],
            "columns": [str(t + 1) for t in range(comparison["steps"])],
            "values": values,
            "across": "step",
            "unit": "% differ",
        },
        "Part of the neurons that differ in each step. Spikes that differ are also a layer's "
        "input, so layers further down differ more.",
        table,
        height=90 + 34 * len(spiking),
    )
    return Section("parting", "By layer and step", [chart])


def _classes(comparison: Mapping[str, Any], spiking: Any) -> Section:
    runs = [row["run"] for row in comparison["runs"]]
    rows = [
        (
            RUNS.get(row["run"], row["run"]),
            percent(row["agreement"]),
            f"{row['samples_parted']:,}",
            "-" if row["ratio"] is None else f"x {row['ratio']:.4f}",
            percent(row["accuracy"]),
        )
        for row in comparison["runs"]
    ]
    caption = "The float network with one class of its parameters rounded as on the chip."
    table = Table(("rounded", "agree", "samples that part", "error", "accuracy"), rows, caption)
    chart = Chart(
        "heat",
        "Part of the spikes of each layer that differ, by what is rounded.",
        {
            "rows": [row["name"] for row in spiking],
            "columns": [RUNS.get(run, run) for run in runs],
            "values": [
                [round(100 * (1 - row["agreement_by_run"][run]), 4) for run in runs]
                for row in spiking
            ],
            "across": "rounded",
            "unit": "% differ",
        },
        "One class of parameters rounded at a time; then all of them, and the chip's arithmetic.",
        table,
        height=90 + 34 * len(spiking),
    )
    return Section("rounding", "By what is rounded", [chart])


def _membranes(comparison: Mapping[str, Any]) -> Section:
    """Sizes of the membrane errors while all spikes are still equal."""
    edges = comparison["histogram_edges"]
    rows = [
        (
            row["name"],
            row["membrane"]["unit"],
            *(
                _error(row["membrane"][when][k])
                for when in ("before", "all")
                for k in ("rms", "max")
            ),
            f"{row['saturations']:,}",
            f"{row['wraps']:,}",
        )
        for row in comparison["layers"]
    ]
    titles = ("layer", "unit", "rms", "largest", "all: rms", "all: largest", "cut", "wrapped")
    caption = "Errors of the membrane before any spike of a sample differs, then in all steps."
    table = Table(titles, rows, caption, texts=(1,))
    shown = [row for row in comparison["layers"] if sum(row["membrane"]["histogram"] or [0])]
    blocks: list[Block] = [table]
    if shown:
        values = []
        for row in shown:
            counts = row["membrane"]["histogram"]
            values.append([round(100 * count / sum(counts), 4) for count in counts])
        blocks = [
            Chart(
                "heat",
                "How large the errors of the membrane are, by layer.",
                {
                    "rows": [row["name"] for row in shown],
                    "columns": [f"{edge:.0e}" for edge in edges[1:]],
                    "values": values,
                    "across": "error / threshold, at most",
                    "unit": "% of values",
                },
                "Before any spike of the sample differs: all of it is rounding.",
                table,
                height=90 + 34 * len(shown),
            )
        ]
    return Section("membranes", "Errors of the membrane", blocks)


def _error(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
