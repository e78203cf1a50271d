"""What a user sees at the end of `neurocompile export`.

In:  the JSON-ready values that `--json` prints.
Out: tables for people, made from them and from nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from neurocompile.commands.export.points import points_table
from neurocompile.terminal.words import (
    console,
    exactness,
    fewest,
    joules,
    plain_table,
    prefixed,
    right,
)


def print_report(report: dict[str, Any], out: Path) -> None:
    """The end of `export`: errors, spikes, operations, energy by layer, fit."""
    screen = console()
    if report["energy"] is None:
        screen.print("no data: nothing was run (--data SOURCE).")
    else:
        screen.print(_layers(report))
    points = (report["quantization"] or {}).get("points")
    if points:
        screen.print(points_table(points))
    summary = plain_table()
    for name, value in _summary(report):
        summary.add_row(name, value)
    screen.print(summary)
    screen.print(f"written to {out}; every count, price and source: {out / 'report.json'}")


def _summary(report: dict[str, Any]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    errors = report["reconstruction"]
    if errors is not None:
        floating = "-" if errors["mse_float"] is None else f"{errors['mse_float']:.6f}"
        ratio = "" if errors["ratio"] is None else f", ratio {errors['ratio']:.4f}"
        rows.append(
            ("reconstruction error", f"float {floating}, fixed {errors['mse_fixed']:.6f}{ratio}")
        )
    accuracy = report["classification"]
    if accuracy is not None:
        floating = accuracy["accuracy_float"]
        text = "-" if floating is None else f"{floating:.2%}"
        rows.append(("accuracy", f"float {text}, fixed {accuracy['accuracy_fixed']:.2%}"))
    if report["exactness"] is not None:
        rows.append(("exactness", exactness(report["exactness"])))
    energy = report["energy"]
    if energy is not None:
        rows.append(("energy a sample", _totals(energy)))
        rows.append(("", f"({energy['name']}, model {energy['model_version']})"))
        rows += _static(energy, report["latency"])
    fit = report["fit"]
    rows.append(("fits the chip", _fit(fit)))
    rows.append(("scales", report["provenance"]["calibration"]))
    if report.get("network_net"):
        written = not report["network_net"].startswith("layer ")
        rows.append(
            (
                "network.net",
                report["network_net"] if written else "not written: " + report["network_net"],
            )
        )
    rows += [("assumed", sentence) for sentence in report["provenance"]["assumed"]]
    return rows


def _totals(energy: dict[str, Any]) -> str:
    """The totals of a chip whose file names models for them; else why there is none."""
    each = energy["per_sample_j"]
    if set(each.values()) != {None}:
        low, nominal, high = (joules(each[key]) for key in ("low_j", "nominal_j", "high_j"))
        return f"low {low}, nominal {nominal}, high {high}"
    models = [
        f"{model['name']} {joules(None if total is None else total / energy['samples'])}"
        for model in energy["models"]
        for total in [model["total_j"]]
    ]
    if not models:
        return "no total: the target has no prices"
    unpriced = {t["quantity"] for m in energy["models"] for t in m["terms"] if t["price_j"] is None}
    if unpriced:
        which = " and ".join(f"'{quantity}'" for quantity in sorted(unpriced))
        return f"no total: {which} has no price; energy.not_modelled in report.json says more"
    return f"no total: the target has no prices of its own; {', '.join(models)}"


def _static(energy: dict[str, Any], latency: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Static power stands beside the energy of events, never inside."""
    if energy["static"] is None or latency is None:
        return []
    rows = []
    for now, row in zip(latency["per_sample"], energy["static"]["times"], strict=True):
        if now["time_s"] is None:
            continue
        model = f", {row['model']}" if row["model"] else ""
        low, high = (joules(row[key] / energy["samples"]) for key in ("low_j", "high_j"))
        time = prefixed(now["time_s"], "s")
        rows.append(("static, beside it", f"{low} to {high} in {time} ({row['mode']}{model})"))
    return rows


def _layers(report: dict[str, Any]) -> Table:
    """Spikes, operations and nominal joules of each layer, as means over the samples."""
    nominal = _nominal(report["energy"])
    samples = report["energy"]["samples"]
    spent: dict[str, float] = {}
    into = {s["name"]: s["target"] for s in report["synapses"]}
    for term in nominal["terms"]:
        layer = into.get(term["layer"], term["layer"])
        spent[layer] = spent.get(layer, 0.0) + (term["energy_j"] or 0.0)
    table = Table(
        "layer", *map(right, ("neurons", "spikes", "rate", "synops", "updated", "idle", "energy")),
        box=SIMPLE_HEAD,
    )  # fmt: skip
    for row in report["layers"]:
        counts = (row[key] for key in ("spikes", "synops", "updated", "idle"))
        spikes, synops, updated, idle = (_mean(count, samples) for count in counts)
        energy = joules(spent[row["name"]] / samples) if row["name"] in spent else "-"
        neurons, rate = f"{row['neurons']:,}", f"{row['rate']:.4f}"
        table.add_row(row["name"], neurons, spikes, rate, synops, updated, idle, energy)
    by = f"energy by {nominal['name']}" if nominal["terms"] else "no nominal energy model"
    table.caption = (
        f"Means over {samples} samples; {by}, synapses at their target; "
        "rate in spikes a neuron and step."
    )
    return table


def _mean(count: int | None, samples: int) -> str:
    return "-" if count is None else f"{count / samples:,.0f}"


def _nominal(energy: dict[str, Any]) -> dict[str, Any]:
    """The model whose total is the nominal one."""
    for model in energy["models"]:
        if model["total_j"] == energy["nominal_j"] is not None:
            return dict(model)
    return {"name": "none", "terms": []}


def _fit(fit: dict[str, Any]) -> str:
    cores = next(row for row in fit["limits"] if row["resource"] == "cores")
    limit = "without limit" if cores["limit"] is None else f"of {cores['limit']}"
    if fit["chips_limit"] > 1:
        limit += f" (on {fit['chips']} of {fit['chips_limit']} chips)"
    word = "yes" if fit["fits"] else "NO"
    least = max(fit["least_cores"].values(), default=None)
    bound = "" if least is None else f", at least {least} by counting"
    asked = f"placed for {fewest(fit['fewest_of'])}"
    return f"{word}: {fit['cores_used']} cores {limit}{bound}; {asked}"
