"""What a sample costs: joules by layer and term, prices with sources, time, and what to make of it.

In:  report.json; samples.npz for the time of each step.
Out: sections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from neurocompile.report.page.blocks import (
    Block,
    Chart,
    Facts,
    Section,
    Table,
    Text,
    energy,
    percent,
    seconds,
)
from neurocompile.report.page.values import by_layer, nominal_model, quantity_words
from neurocompile.report.samples_file import Samples
from neurocompile.terminal.words import number_of

LAYERS = 40


def joules(report: Mapping[str, Any]) -> Section | None:
    """Totals with whiskers, layers by term, prices with sources; None if nothing was run."""
    run = report["energy"]
    if run is None:
        return None
    title = "What it costs"
    if not run["models"]:
        return Section(
            "energy", title, [Text(["The target has no prices, so there are no joules."])]
        )
    blocks: list[Block] = [Text([_sum_words(report)]), _totals(report), stacked(report)]
    blocks += _prices(report)
    if run["static"] is not None:
        blocks.append(_static(run))
    return Section("energy", title, blocks)


def _sum_words(report: Mapping[str, Any]) -> str:
    run = report["energy"]
    name = run["name"][:1].upper() + run["name"][1:]
    words = f"{name}, model version {run['model_version']}: counts of "
    words += f"{number_of(run['samples'], 'sample')} times sourced prices. Each energy model is "
    return words + "complete and never mixed with another; static power is beside it, never added."


def _totals(report: Mapping[str, Any]) -> Chart:
    """The total of each model per sample, the nominal one with whiskers."""
    run = report["energy"]
    nominal, each = nominal_model(run), run["per_sample_j"]
    bars: list[dict[str, Any]] = []
    for model in sorted(run["models"], key=lambda m: m is not nominal):
        total = None if model["total_j"] is None else model["total_j"] / run["samples"]
        bar = {"name": model["name"], "value": total, "low": None, "high": None}
        if nominal is not None and model is nominal:
            bar = {**bar, "name": f"{model['name']} (nominal)", "low": each["low_j"],
                   "high": each["high_j"]}  # fmt: skip
        bars.append(bar)
    ann = (report.get("comparison") or {}).get("ann")
    if ann is not None and ann.get("per_sample_j"):
        bars.append({"name": "same layers without spikes", "value": ann["per_sample_j"],
                     "low": None, "high": None})  # fmt: skip
    rows = [
        (
            bar["name"],
            energy(bar["value"]),
            "not stated"
            if bar["low"] is None
            else f"{energy(bar['low'])} to {energy(bar['high'])}",
        )
        for bar in bars
    ]
    table = Table(("model", "per sample", "range"), rows, "Totals per sample.", texts=(2,))
    caption = "No error of the prices is stated."
    if any(bar["low"] is not None for bar in bars):
        caption = "The whiskers are the error that the authors of the prices state."
    if ann is not None and ann.get("per_sample_j"):
        caption += " Without spikes: one pass of the same layers in integers, at 45 nm."
    said = "; ".join(f"{name} {value}" for name, value, _ in rows)
    return Chart(
        "totals",
        f"Energy per sample by model: {said}.",
        {"bars": [{**bar, "text": row[1]} for bar, row in zip(bars, rows, strict=True)]},
        caption,
        table,
        height=44 + 44 * len(bars),
    )


def stacked(report: Mapping[str, Any]) -> Chart:
    """Bars of the layers, stacked by what is priced, for each model."""
    run = report["energy"]
    nominal = nominal_model(run)
    models, rows = [], []
    error = {row["model"]: row["part"] for row in run.get("errors", ()) if row["of"] == "energy"}
    for model in sorted(run["models"], key=lambda m: m is not nominal):
        spent = by_layer(report, model)
        total = sum(sum(terms.values()) for terms in spent.values())
        quantities = list(dict.fromkeys(q for terms in spent.values() for q in terms))
        layers = list(spent)[:LAYERS]
        models.append(
            {
                "name": model["name"],
                "layers": layers,
                "error": error.get(model["name"]),
                "terms": [
                    {
                        "name": quantity_words(quantity),
                        "values": [spent[n].get(quantity, 0.0) / run["samples"] for n in layers],
                    }
                    for quantity in quantities
                ],
            }
        )
        rows += [
            (model["name"], layer, quantity_words(q), energy(value / run["samples"]),
             percent(value / total if total else None))
            for layer, terms in spent.items()
            for q, value in sorted(terms.items(), key=lambda item: -item[1])
        ]  # fmt: skip
    table = Table(
        ("model", "layer", "term", "per sample", "part of the model"),
        rows,
        "Joules of each layer and term; synapses are counted at their target.",
        texts=(1, 2),
    )
    most = max(len(m["layers"]) for m in models)
    caption = "Synapses are counted at the layer they lead to. The whiskers take the error of the "
    caption += "model's total, which its authors state for whole applications, to each layer."
    if not any(m["error"] for m in models):
        caption = "Synapses are counted at the layer they lead to. No error of the model is stated."
    first = models[0]
    sums = [sum(t["values"][at] for t in first["terms"]) for at in range(len(first["layers"]))]
    said = ", ".join(f"{n} {energy(v)}" for n, v in zip(first["layers"], sums, strict=True))
    return Chart(
        "stacked",
        f"Energy per sample by layer and term, {first['name']}: {said}.",
        {"models": models},
        caption,
        table,
        height=110 + 40 * most,
        controls=True,
    )


def _prices(report: Mapping[str, Any]) -> list[Table]:
    """Each price once per model with its kind and source; then the sources."""
    run, sources = report["energy"], report.get("sources", {})
    seen: dict[tuple[str, str], list[Any]] = {}
    nominal = nominal_model(run)
    for model in sorted(run["models"], key=lambda m: m is not nominal):
        for term in model["terms"]:
            row = seen.setdefault((model["name"], term["quantity"]), [0, term, 0.0])
            row[0] += term["count"] or 0
            row[2] += term["energy_j"] or 0.0
    rows = [
        (
            model_name,
            quantity_words(quantity),
            f"{count:,}",
            "no price" if term["price_j"] is None else energy(term["price_j"]),
            energy(product),
            term["kind"] or "-",
            term["source"] or "-",
        )
        for (model_name, quantity), (count, term, product) in seen.items()
    ]
    titles = ("model", "priced", "count", "price", "product", "kind", "source")
    caption = f"Prices and counts of all {number_of(run['samples'], 'sample')} together."
    tables = [Table(titles, rows, caption, texts=(1, 5, 6))]
    named = [key for key in dict.fromkeys(row[6] for row in rows) if key in sources]
    if named:
        links = {s["title"]: s["link"] for s in (sources[k] for k in named) if _is_link(s)}
        rows_of = [(key, sources[key].get("title", "-")) for key in named]
        tables.append(Table(("source", "title"), rows_of, "The sources.", texts=(1,), links=links))
    return tables


def _is_link(source: Mapping[str, Any]) -> bool:
    """Whether its address may be a link: what else a target's file holds is only text."""
    address = source.get("link")
    web = isinstance(address, str) and address.startswith(("https://", "http://"))
    return web and "title" in source


def _static(run: Mapping[str, Any]) -> Table:
    static = run["static"]
    rows = [
        (
            row["mode"] + (f", {row['model']}" if row["model"] else ""),
            seconds(None if row["time_s"] is None else row["time_s"] / run["samples"]),
            *(energy(None if row[k] is None else row[k] / run["samples"])
              for k in ("low_j", "high_j")),
        )
        for row in static["times"]
    ]  # fmt: skip
    caption = f"Static energy per sample of {number_of(static['chips'], 'chip')}, beside the "
    caption += "joules of events and never added"
    caption += f": {static['low_is']} to {static['high_is']}." if "low_is" in static else "."
    return Table(("samples", "time per sample", "low", "high"), rows, caption)


def time(report: Mapping[str, Any], samples: Samples | None) -> Section | None:
    """The modelled time of a sample, and of each of its steps."""
    latency = report["latency"]
    if latency is None:
        return None
    blocks: list[Block] = []
    arrays = {} if samples is None else samples.arrays
    models = [key.removeprefix("time_s.") for key in arrays if key.startswith("time_s.")]
    if models:
        blocks.append(_by_step(models, samples))
    rows = [
        (
            f"{row['mode']}, {row['samples_follow']}",
            row["model"] or "-",
            seconds(row["work_s"]),
            seconds(row["barrier_s"]),
            seconds(row["step_s"]),
            seconds(row["sample_s"]),
            "-" if row["samples_per_s"] is None else f"{row['samples_per_s']:,.1f}",
            "-" if row["core"] is None else str(row["core"]),
        )
        for row in latency.get("modes", ())
    ]
    titles = ("mode", "model", "work", "barrier", "step", "sample", "samples/s", "slowest core")
    caption = "Modelled time. Reset: samples wait for each other; pipelined: they overlap. A step "
    caption += "lasts as long as its slowest core works, and the barrier that closes it."
    blocks.append(Table(titles, rows, caption, texts=(1,)))
    return Section("time", "How long it takes", blocks)


def _by_step(models: Sequence[str], samples: Any) -> Chart:
    lines = []
    for model in models:
        rows = samples.arrays[f"time_s.{model}"]
        lines.append(
            {"name": model, "mean": rows.mean(axis=0).tolist(), "low": rows.min(axis=0).tolist(),
             "high": rows.max(axis=0).tolist()}
        )  # fmt: skip
    steps = len(lines[0]["mean"])
    kept = number_of(samples.about["samples"], "sample")
    rows = [
        (str(t + 1), *(seconds(line[k][t]) for line in lines for k in ("mean", "low", "high")))
        for t in range(steps)
    ]
    titles = [f"{line['name']}: {k}" for line in lines for k in ("mean", "least", "most")]
    table = Table(("chip step", *titles), rows, f"Time of each chip step, the first {kept}.")
    slow = max(range(steps), key=lambda t: lines[0]["mean"][t])
    return Chart(
        "lines",
        f"Modelled time by chip step. By {lines[0]['name']} step {slow + 1} is the longest, "
        f"{seconds(lines[0]['mean'][slow])} on average.",
        {"lines": lines, "across": "chip step", "unit": "s"},
        f"Mean over the first {kept}; thin lines are the fastest and the slowest of them. A sample "
        "takes as many more steps than the network's own as its layers are deep.",
        table,
        height=300,
    )


def trust(report: Mapping[str, Any]) -> Section | None:
    """How far the joules can be trusted, and what they leave out."""
    run = report["energy"]
    if run is None:
        return None
    blocks: list[Block] = []
    if run.get("evidence"):
        evidence = run["evidence"]
        blocks.append(Text([evidence[0].upper() + evidence[1:] + "."]))
    kinds: dict[str, int] = {}
    model = nominal_model(run)
    for term in (model or {"terms": []})["terms"]:
        kinds[term["kind"]] = kinds.get(term["kind"], 0) + 1
    facts = []
    if model is not None:
        counted = ", ".join(f"{number_of(n, 'term')} {kind}" for kind, n in kinds.items())
        facts.append((f"prices of {model['name']}", counted))
    facts += [
        (f"stated error of {row['of']}, {row['model']}", f"{percent(row['part'])}: {row['where']}")
        for row in run.get("errors", ())
    ]
    others = [m for m in run["models"] if m is not model and m["total_j"] is not None]
    if model is not None and model["total_j"]:
        facts += [
            (f"{m['name']}, another complete model",
             f"{energy(m['total_j'] / run['samples'])} per sample, "
             f"{percent(m['total_j'] / model['total_j'])} of the nominal")
            for m in others
        ]  # fmt: skip
    if facts:
        blocks.append(Facts(facts))
    left = run["not_modelled"]
    blocks.append(Facts([(f"not modelled ({at})", text) for at, text in enumerate(left, 1)]))
    return Section("trust", "How far the joules can be trusted", blocks)
