"""The tables of `neurocompile energy`.

In:  the document that `--json` prints.
Out: tables for people, made from it and from nothing else.
A count, a price and a product are printed with all their digits: whoever multiplies gets the
product that is printed.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from neurocompile.terminal.words import fewest, joules, prefixed

WIDTH = 110  # of a table of terms; a narrower terminal wraps its lines


def print_energy(found: dict[str, Any]) -> None:
    """Terms, totals, what moves them, and what stands beside."""
    console = Console(highlight=False, width=max(WIDTH, Console().width))
    energy = found["energy"]
    for change in found["set"]:
        was = "no price" if change["was"] is None else f"{change['was']}, {change['was_source']}"
        console.print(f"set by the user: {change['key']} = {change['value']} {change['unit']} "
                      f"(was {was})")  # fmt: skip
    model = next((m for m in energy["models"] if m["name"] == found["model"]), None)
    if model is None:
        console.print(f"{found['target']} has no prices: counts, and no joules.")
    else:
        console.print(_terms(found, model))
    summary = Table(show_header=False, box=None, pad_edge=False)
    for name, value in [*_totals(found), *_times(found), *_others(found)]:
        summary.add_row(name, value)
    console.print(summary)
    if model is not None and found["sensitivity"][model["name"]]:
        console.print(_sensitivity(found, model["name"]))
        console.print(_sweep(found["sweep"]))
        console.print(f"{found['sweep']['model']}, {found['sweep']['label']}.")
    console.print("not modelled:")
    for line in energy["not_modelled"]:
        console.print(f"  {line}")
    used = {term["source"] for m in energy["models"] for term in m["terms"]} - {None}
    for key in [*sorted(used), "keras_spiking", "horowitz2014"]:
        source = found["sources"][key]
        console.print(f"source {key}: {source['title']} {source.get('link', '')}".rstrip())


def exact(value: float, power: int) -> str:
    """A value in units of 10**power, in all its digits and none of binary arithmetic's.

    Of the 17 digits of a sum of products the first 15 are sure.
    """
    scaled = Decimal(f"{value:.14e}").scaleb(-power)
    rounded = scaled.quantize(Decimal(1).scaleb(-9))
    text = f"{rounded:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _terms(found: dict[str, Any], model: dict[str, Any]) -> Table:
    table = Table(
        "layer",
        Column("event", no_wrap=True),
        *map(_right, ("count", "x pJ", "= nJ")),
        "source",
        "kind",
        box=SIMPLE_HEAD,
    )
    for term in model["terms"]:
        count = "not known" if term["count"] is None else f"{term['count']:,}"
        price = "no price" if term["price_j"] is None else exact(term["price_j"], -12)
        product = "-" if term["energy_j"] is None else exact(term["energy_j"], -9)
        table.add_row(term["layer"], term["quantity"], count, price, product,
                      term["source"] or "-", term["kind"] or "-")  # fmt: skip
    total = "not known" if model["total_j"] is None else exact(model["total_j"], -9)
    table.add_section()
    table.add_row(f"{found['samples']} samples", f"total of {model['name']}", "", "", total)
    table.caption = f"Counts: {found['counts']}. Prices and sources: `targets {found['target']}`."
    return table


def _totals(found: dict[str, Any]) -> list[tuple[str, str]]:
    energy, samples = found["energy"], found["samples"]
    rows = []
    for model in energy["models"]:
        total = model["total_j"]
        each = joules(None if total is None else total / samples)
        marks = ["nominal"] if model["name"] == found["nominal"] else []
        if any(term["source"] == "set by the user" for term in model["terms"]):
            marks.append("prices set by the user")
        rows.append(
            (f"{model['name']}, a sample", each + (f" ({', '.join(marks)})" if marks else ""))
        )
    if energy["models"]:
        low, high = (joules(energy["per_sample_j"][key]) for key in ("low_j", "high_j"))
        rows.append(("low and high, a sample", f"{low}, {high}: totals of models"))
    rows.append(("", f"({energy['name']}, model {energy['model_version']}, {energy['mode']})"))
    placed = f"placed for {fewest(found['fewest_of'])}"
    rows.append(("cores", f"{found['cores_used']}; chips: {found['chips']}; {placed}"))
    return rows


def _times(found: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    static = found["energy"]["static"]
    for row in static["times"] if static else ():
        if row["time_s"] is not None:
            low, high = (joules(row[key] / found["samples"]) for key in ("low_j", "high_j"))
            model = f", {row['model']}" if row["model"] else ""
            rows.append(("static, beside it", f"{low} to {high} a sample ({row['mode']}{model})"))
    for row in found["latency"]:
        if row["step_s"] is None:
            continue
        parts = ""
        if row["core"] is not None:
            work, barrier = prefixed(row["work_s"], "s"), prefixed(row["barrier_s"], "s")
            least = ", a lower bound" if row["work_is"] == "lower bound" else ""
            parts = f" = slowest core {work} (most often {row['core']}{least}) + barrier {barrier}"
        step, sample = prefixed(row["step_s"], "s"), prefixed(row["sample_s"], "s")
        rows.append(
            (
                f"time, {row['samples_follow']}",
                f"step {step}{parts}; a sample {sample}; {row['samples_per_s']:,.1f} samples/s "
                f"({row['model'] or row['mode']})",
            )
        )
    return rows


def _others(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Comparisons, each with what it leaves out."""
    rows = []
    ann, even = found["ann"], found["break_even"]
    if ann is None:
        rows.append(("without spikes", "none: a network with delays is no single pass"))
    else:
        alone = ", arithmetic alone, a lower bound" if ann["arithmetic_alone"] else ""
        counted = ", ".join(f"{t['count']:,} {t['quantity']}" for t in ann["terms"])
        rows.append(
            (
                "without spikes, a sample",
                f"{joules(ann['per_sample_j'])}{alone}; {ann['activation_bits']}-bit activations; "
                f"{counted}",
            )
        )
    if even is not None:
        now = f"now {even['rate_now']:.4g} spikes a neuron and sample"
        rate = (
            "none: its neuron steps alone cost more"
            if even["rate"] is None
            else (f"{even['rate']:.4g} spikes a neuron and sample")
        )
        rows.append((f"break-even of {even['model']}", f"{rate}; {now}"))
    listed = ", ".join(
        f"{row['device']} {joules(row['total_j'] / found['samples'])}"
        for row in found["keras_spiking"]
    )
    rows.append(("by keras-spiking, a sample", f"{listed} (comparison only)"))
    bench = found["neurobench"]
    operations = bench["SynapticOperations"]
    rows.append(
        (
            "by NeuroBench's names",
            f"Footprint {bench['Footprint']:,} B, "
            f"ConnectionSparsity {_sparsity(bench['ConnectionSparsity'])}, "
            f"ActivationSparsity {_sparsity(bench['ActivationSparsity'])}, "
            f"Effective_ACs {operations['Effective_ACs']:,.1f}, Dense {operations['Dense']:,.0f}",
        )
    )
    return rows


def _sparsity(part: float | None) -> str:
    """A part of 1; "none" where the network has no weights, or no neuron that could spike."""
    return "none" if part is None else f"{part:.4f}"


def _sensitivity(found: dict[str, Any], model: str) -> Table:
    table = Table(
        "price", *map(_right, ("part of the total", "10 % more or less", "total at twice it")),
        box=SIMPLE_HEAD,
    )  # fmt: skip
    for row in found["sensitivity"][model]:
        change = joules(row["change_10_percent_j"])
        table.add_row(row["price"], f"{row['share']:.2%}", f"+-{change}",
                      joules(row["total_doubled_j"]))  # fmt: skip
    table.caption = f"Of all {found['samples']} samples; exact, the total is linear in each price."
    return table


def _sweep(found: dict[str, Any]) -> Table:
    table = Table("spikes", _right("a sample"), box=SIMPLE_HEAD)
    for row in found["rows"]:
        table.add_row(f"x {row['factor']:g}", joules(row["per_sample_j"]))
    return table


def _right(title: str) -> Column:
    return Column(title, justify="right", no_wrap=True)
