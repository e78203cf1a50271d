"""The tables of `neurocompile energy`.

In:  the document that `--json` prints.
Out: tables for people, made from it and from nothing else.
A count, a price and a product are printed with all their digits: whoever multiplies gets the
product that is printed. They are of all samples, for a count is whole; every other joule is per
sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from string import ascii_lowercase
from typing import Any

from neurocompile.chip.change import USER
from neurocompile.energy.latency import BOUND
from neurocompile.terminal.tables import Facts, Page, Table
from neurocompile.terminal.words import fewest, joules, prefixed


def print_energy(found: dict[str, Any]) -> None:
    """Terms, totals, what moves them, and what stands beside."""
    page, energy = Page(), found["energy"]
    for change in found["set"]:
        was = "no price" if change["was"] is None else f"{change['was']}, {change['was_source']}"
        page.say(f"{USER}: {change['key']} = {change['value']} {change['unit']} (was {was})")
    model = next((m for m in energy["models"] if m["name"] == found["model"]), None)
    if model is None:
        page.say(f"{found['target']} has no prices: counts, and no joules.")
    else:
        origins = _origins(model)
        letters = [(mark, f"{source}, {kind}") for (source, kind), mark in origins.items()]
        page.show(_terms(found, model, origins), Facts(letters))
    page.show(Facts([*_totals(found), *_times(found), *_others(found)]))
    if model is not None and found["sensitivity"][model["name"]]:
        page.show(_sensitivity(found, model), _sweep(found["sweep"]))
    page.show(Facts([("", line) for line in energy["not_modelled"]], title="not modelled"))
    used = {term["source"] for m in energy["models"] for term in m["terms"]} - {None}
    keys = [*sorted(used), "keras_spiking", "horowitz2014"]
    page.sources({key: found["sources"][key] for key in keys})


def exact(value: float, power: int) -> str:
    """A value in units of 10**power, in all its digits and none of binary arithmetic's.

    Of the 17 digits of a sum of products the first 15 are sure.
    """
    scaled = Decimal(f"{value:.14e}").scaleb(-power)
    rounded = scaled.quantize(Decimal(1).scaleb(-9))
    text = f"{rounded:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _origins(model: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """A letter for each source and kind of a model's prices, in the order of its terms."""
    terms = [t for t in model["terms"] if t["price_j"] is not None]
    return {
        origin: ascii_lowercase[i]
        for i, origin in enumerate(dict.fromkeys((t["source"], t["kind"]) for t in terms))
    }


def _terms(
    found: dict[str, Any], model: Mapping[str, Any], origins: Mapping[tuple[str, str], str]
) -> Table:
    samples = "1 sample" if found["samples"] == 1 else f"all {found['samples']} samples"
    table = Table(
        ("layer", "event", "count", "x pJ", "= nJ", "from"),
        labels=2,
        texts=("from",),
        title=f"{model['name']}, {samples}",
        caption=f"Counts: {found['counts']}. from: where a price is from. `neurocompile targets "
        f"{found['target']}` shows its place in the source.",
    )
    for term in model["terms"]:
        count = "not known" if term["count"] is None else f"{term['count']:,}"
        price = "no price" if term["price_j"] is None else exact(term["price_j"], -12)
        product = "-" if term["energy_j"] is None else exact(term["energy_j"], -9)
        mark = origins.get((term["source"], term["kind"]), "-")
        table.add(term["layer"], term["quantity"], count, price, product, mark)
    total = "not known" if model["total_j"] is None else exact(model["total_j"], -9)
    table.section()
    table.add("total", "", "", "", total, "")
    return table


def _totals(found: dict[str, Any]) -> list[tuple[str, str]]:
    energy, samples = found["energy"], found["samples"]
    rows = []
    for model in energy["models"]:
        total = model["total_j"]
        each = joules(None if total is None else total / samples)
        marks = ["nominal"] if model["name"] == found["nominal"] else []
        if any(term["source"] == USER for term in model["terms"]):
            marks.append(f"prices {USER}")
        rows.append(
            (f"{model['name']}, per sample", each + (f" ({', '.join(marks)})" if marks else ""))
        )
    if energy["models"]:
        low, high = (joules(energy["per_sample_j"][key]) for key in ("low_j", "high_j"))
        rows.append(("low and high, per sample", f"{low}, {high}: totals of models"))
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
            rows.append(("static, beside it", f"{low} to {high} per sample ({row['mode']}{model})"))
    for row in found["latency"]:
        if row["step_s"] is None:
            continue
        parts = ""
        if row["core"] is not None:
            work, barrier = prefixed(row["work_s"], "s"), prefixed(row["barrier_s"], "s")
            least = f", a {BOUND}" if row["work_is"] == BOUND else ""
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
                "without spikes, per sample",
                f"{joules(ann['per_sample_j'])}{alone}; {ann['activation_bits']}-bit activations; "
                f"{counted}",
            )
        )
    if even is not None:
        now = f"now {even['rate_now']:.4g} spikes per neuron and sample"
        rate = (
            "none: its neuron steps alone cost more"
            if even["rate"] is None
            else (f"{even['rate']:.4g} spikes per neuron and sample")
        )
        rows.append((f"break-even of {even['model']}", f"{rate}; {now}"))
    listed = ", ".join(
        f"{row['device']} {joules(row['total_j'] / found['samples'])}"
        for row in found["keras_spiking"]
    )
    rows.append(("by keras-spiking, per sample", f"{listed} (comparison only)"))
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


def _sensitivity(found: dict[str, Any], model: Mapping[str, Any]) -> Table:
    """Of each price its part of the total, and what other prices would make of the total."""
    samples = found["samples"]
    table = Table(
        ("price", "part of it", "10 % more or less", "at twice it"),
        title=f"what moves the total of {model['name']}, per sample",
        caption="Exact: the total is linear in each price.",
    )
    for row in found["sensitivity"][model["name"]]:
        change, doubled = row["change_10_percent_j"] / samples, row["total_doubled_j"] / samples
        table.add(row["price"], f"{row['share']:.2%}", f"+-{joules(change)}", joules(doubled))
    return table


def _sweep(found: dict[str, Any]) -> Table:
    table = Table(("spikes", "per sample"), caption=f"{found['model']}, {found['label']}.")
    for row in found["rows"]:
        table.add(f"x {row['factor']:g}", joules(row["per_sample_j"]))
    return table
