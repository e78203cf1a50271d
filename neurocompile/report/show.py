"""A report for people: the same rows in a terminal and in a notebook.

In:  the JSON-ready values of report.json.
Out: tables and facts for a terminal, plain text, or HTML.
Names come from users' files: each is shown as it is, never read as markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from statistics import mode
from textwrap import shorten
from typing import Any

from neurocompile.terminal.tables import Facts, Part, Table
from neurocompile.terminal.words import ALL_ASSUMED, exactness, fewest, joules, number_of, prefixed

KIB = 8 * 1024  # bits
TEXT_WIDTH = 100  # columns of plain text
NET = 300  # characters of why there is no network.net


def parts(report: Mapping[str, Any]) -> list[Part]:
    """Layers, points and summary, for a terminal of any width."""
    return [*_tables(report), Facts(summary(report))]


def to_text(report: Mapping[str, Any]) -> str:
    """The same as plain text."""
    blocks = ("\n".join(str(line) for line in part.lines(TEXT_WIDTH)) for part in parts(report))
    return "\n\n".join(blocks)


def to_html(report: Mapping[str, Any]) -> str:
    """The same for a notebook."""
    rows = [
        f'<tr><th style="text-align: left">{escape(name)}</th>'
        f'<td style="text-align: left">{escape(text)}</td></tr>'
        for name, text in summary(report)
    ]
    return "\n".join([*map(_html, _tables(report)), f"<table>{''.join(rows)}</table>"])


def _html(table: Table) -> str:
    """A table of names in the first column and numbers in the others."""
    align = ['style="text-align: left"', *['style="text-align: right"'] * (len(table.titles) - 1)]

    def line(row: Sequence[str], tag: str) -> str:
        cells = zip(row, align, strict=True)
        return f"<tr>{''.join(f'<{tag} {a}>{escape(text)}</{tag}>' for text, a in cells)}</tr>"

    body = "".join(line(row.cells, "td") for row in table.rows)
    head = line(table.titles, "th")
    caption = f"<caption>{escape(table.caption)}</caption>"
    return f"<table>{caption}<thead>{head}</thead><tbody>{body}</tbody></table>"


def _tables(report: Mapping[str, Any]) -> list[Table]:
    tables = [] if report["energy"] is None else [_layers(report)]
    points = (report["quantization"] or {}).get("points")
    return [*tables, _points(points)] if points else tables


def _layers(report: Mapping[str, Any]) -> Table:
    """Spikes, operations and nominal joules of each layer, as means over the samples."""
    nominal = _nominal(report["energy"])
    samples = report["energy"]["samples"]
    spent: dict[str, float] = {}
    into = {s["name"]: s["target"] for s in report["synapses"]}
    for term in nominal["terms"]:
        layer = into.get(term["layer"], term["layer"])
        spent[layer] = spent.get(layer, 0.0) + (term["energy_j"] or 0.0)
    by = f"energy by {nominal['name']}" if nominal["terms"] else "no nominal energy model"
    table = Table(
        ("layer", "neurons", "spikes", "rate", "synops", "updated", "idle", "energy"),
        caption=f"Means over {samples} samples; {by}, synapses at their target; rate in spikes "
        "per neuron and step.",
    )
    for row in report["layers"]:
        counts = (row[key] for key in ("spikes", "synops", "updated", "idle"))
        spikes, synops, updated, idle = (_mean(count, samples) for count in counts)
        energy = joules(spent[row["name"]] / samples) if row["name"] in spent else "-"
        neurons, rate = f"{row['neurons']:,}", f"{row['rate']:.4f}"
        table.add(row["name"], neurons, spikes, rate, synops, updated, idle, energy)
    return table


def _points(points: Sequence[Mapping[str, Any]]) -> Table:
    """The steps to the narrowest weights, the widest first: what each bit of memory costs."""
    table = Table(
        ("bits", "error", "over float", "weights", "synapse memory", "energy"),
        caption="On calibration data, energy per sample. No network tried has less memory and "
        "less error.",
    )
    for point in points:
        memory = point["memory_bits"]
        table.add(
            _widths(point["bits"]) + (" <- taken" if point["chosen"] else ""),
            f"{point['error']:.6f}",
            f"{100 * point['increase']:+.2f} %",
            f"{point['weight_bits'] / KIB:,.1f} KiB",
            "-" if memory is None else f"{memory / KIB:,.1f} KiB",
            joules(point["energy_j"]),
        )
    return table


def _widths(bits: Mapping[str, int]) -> str:
    """The width of most layers, and the layers of another width: "5, latent 4"."""
    usual = mode(bits.values())
    others = [f"{name} {n}" for name, n in bits.items() if n != usual]
    return ", ".join([str(usual), *others])


def summary(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a user wants to know first, by name."""
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
    if energy is None:
        rows.append(
            ("energy per sample", "unknown: nothing was run. Give data (--data SOURCE, data=)")
        )
    else:
        rows.append(("energy per sample", _totals(energy)))
        rows += [("", text) for text in _beside_the_total(energy)]
        rows.append(("", f"({energy['name']}, model {energy['model_version']})"))
        rows += _static(energy, report["latency"])
        rows += _without_spikes(report)
    rows.append(("fits the chip", _fit(report["fit"])))
    rows.append(("scales", report["provenance"]["calibration"]))
    if report.get("not_stock"):  # which older reports do not have
        rows.append(("own processes", _not_stock(report["not_stock"])))
    net = report["network_net"]
    if not report["network_net_written"]:
        net = f"not written: {shorten(net, NET, placeholder=' ... (the rest is in report.json)')}"
    rows.append(("network.net", net))
    rows += [("assumed", sentence) for sentence in report["provenance"]["assumed"]]
    rows += [("note", sentence) for sentence in report.get("notes", ())]  # since 1.4
    return rows


def _not_stock(rows: list[dict[str, Any]]) -> str:
    """The layers for which Lava has no process of its own."""
    layers = ", ".join(row["layer"] for row in rows)
    return f"{layers}: {rows[0]['why']}, which is not one of Lava's stock processes"


def _totals(energy: Mapping[str, Any]) -> str:
    """The total of the chip's nominal model, with its authors' error; without one, why not."""
    per_sample = energy["per_sample_j"]
    if per_sample["nominal_j"] is not None:
        nominal = f"{joules(per_sample['nominal_j'])} by {_nominal(energy)['name']}"
        if per_sample["low_j"] is None:
            return f"{nominal}, whose error is not known"
        low, high = (joules(per_sample[key]) for key in ("low_j", "high_j"))
        return f"{nominal}; {low} to {high} with the error that its authors state"
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
    kinds = {t["kind"] for m in energy["models"] for t in m["terms"] if t["price_j"] is not None}
    guess = f" ({ALL_ASSUMED})" if kinds == {"assumed"} else ""
    return f"no total: the target has no prices of its own; {', '.join(models)}{guess}"


def _beside_the_total(energy: Mapping[str, Any]) -> list[str]:
    """The totals of the other complete models."""
    if energy["nominal_j"] is None:
        return []
    name, samples = _nominal(energy)["name"], energy["samples"]
    return [
        f"{joules(None if m['total_j'] is None else m['total_j'] / samples)} by {m['name']}, "
        "another complete model"
        for m in energy["models"]
        if m["name"] != name
    ]


def _without_spikes(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the same layers take without spikes, and why the spiking network takes more or less."""
    ann = (report.get("comparison") or {}).get("ann")
    if ann is None or "memory_j" not in ann:  # which older reports do not have
        return []
    arithmetic, memory = joules(ann["arithmetic_j"]), joules(ann["memory_j"])
    text = f"{joules(ann['per_sample_j'])} per sample in one pass: {arithmetic} of arithmetic, "
    text += f"{memory} of memory (45 nm)."
    energy = report["energy"]
    nominal, samples = energy["per_sample_j"]["nominal_j"], energy["samples"]
    if nominal is None or not ann["per_sample_j"]:
        return [("without spikes", text)]
    times = nominal / ann["per_sample_j"]
    much = f"{times:.3g} times as much" if times >= 1 else f"1/{1 / times:.3g} as much"
    synops = sum(row["synops"] for row in report["synapses"])
    visits = sum((row["updated"] or 0) + (row["idle"] or 0) for row in report["layers"])
    text += (
        f" With spikes it is {much}: {_mean(synops, samples)} synaptic operations and "
        f"{_mean(visits, samples)} neuron steps, each priced with its own memory, stand against "
        f"{ann['terms'][0]['count']:,} multiply-accumulates and one reading of each weight."
    )
    return [("without spikes", text)]


def _static(energy: Mapping[str, Any], latency: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Static power is listed beside the energy of events and never added to it."""
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
    if rows and "powers" in energy["static"]:  # which older reports do not have
        rows.append(("", _powers(energy["static"])))
    return rows


def _powers(static: Mapping[str, Any]) -> str:
    """The powers of one chip that static joules are between, and the others that sources state."""
    named = {p["name"]: f"{p['name']} {prefixed(p['chip_w'], 'W')}" for p in static["powers"]}
    ends = list(dict.fromkeys((static["low_is"], static["high_is"])))
    taken = " to ".join(named.pop(name) for name in ends)
    return "; not taken: ".join([f"per chip {taken}", *filter(None, [", ".join(named.values())])])


def _mean(count: int | None, samples: int) -> str:
    return "-" if count is None else f"{count / samples:,.0f}"


def _nominal(energy: Mapping[str, Any]) -> Mapping[str, Any]:
    """The model whose total is the nominal one."""
    for model in energy["models"]:
        if model["total_j"] == energy["nominal_j"] is not None:
            return dict(model)
    return {"name": "none", "terms": []}


def _fit(fit: Mapping[str, Any]) -> str:
    cores = next(row for row in fit["limits"] if row["resource"] == "cores")
    limit = "without limit" if cores["limit"] is None else f"of {cores['limit']}"
    if fit["chips_limit"] > 1:
        limit += f" (on {fit['chips']} of {fit['chips_limit']} chips)"
    word = "yes" if fit["fits"] else "NO"
    least = max(fit["least_cores"].values(), default=None)
    bound = "" if least is None else f", at least {least} by counting"
    asked = f"placed for {fewest(fit['fewest_of'])}"
    return f"{word}: {number_of(fit['cores_used'], 'core')} {limit}{bound}; {asked}"
