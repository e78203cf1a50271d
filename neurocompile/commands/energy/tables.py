"""The tables of `neurocompile energy`.

In:  the document that `--json` prints.
Out: tables for people, made only from it.
A count, a price and a product are printed with all their digits, so that count x price is the
printed product. They are for all samples, since a count is whole; all other joules are per sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import Any

from neurocompile.chip.change import ANN, USER
from neurocompile.commands.energy.asks_tables import asked_parts, streaming_rows
from neurocompile.energy.latency import BOUND
from neurocompile.terminal.tables import Facts, Page, Part, Table
from neurocompile.terminal.words import exact, fewest, joules, made_names, prefixed


def print_energy(pricing: dict[str, Any]) -> None:
    """Print terms, totals, sensitivities, and comparisons."""
    page, energy = Page(), pricing["energy"]
    for change in pricing["set"]:
        was = "no price" if change["was"] is None else f"{change['was']}, {change['was_source']}"
        how = "" if change["how"] is None else f"{change['how']}; "
        key = change["key"] + (f" ({change['event']})" if change["event"] else "")
        page.say(f"{USER}: {key} = {change['value']} {change['unit']} ({how}was {was})")
    model = next((m for m in energy["models"] if m["name"] == pricing["model"]), None)
    if model is None:
        page.say(f"{pricing['target']} has no prices, so there are counts but no joules.")
    else:
        origins = _origins(model)
        letters = [(mark, _origin(*origin)) for origin, mark in origins.items()]
        page.show(_terms(pricing, model, origins), Facts(letters))
        names = made_names(term["layer"] for term in model["terms"])
        if names:
            page.show(Facts([("", words) for _, words in names], title="names"))
    page.show(Facts(_totals(pricing)), *_timed(pricing))
    page.show(Facts([*streaming_rows(pricing), *_others(pricing)]), *asked_parts(pricing))
    if model is not None and pricing["sensitivity"][model["name"]]:
        page.show(_sensitivity(pricing, model), _sweep(pricing["sweep"]))
    page.show(Facts([("", line) for line in energy["not_modelled"]], title="not modelled"))
    page.show(Facts([("", energy["evidence"])], title="against silicon"))
    used = {term["source"] for m in energy["models"] for term in m["terms"]} - {None}
    keys = [*sorted(used), "keras_spiking", "horowitz2014", "timcheck2023"]
    page.sources({key: pricing["sources"][key] for key in keys})


def all_samples(samples: int) -> str:
    """What a count is of."""
    return "1 sample" if samples == 1 else f"all {samples} samples"


def _origins(model: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """A letter for each source and kind of a model's prices, in the order of its terms."""
    terms = [t for t in model["terms"] if t["price_j"] is not None]
    return {
        origin: ascii_lowercase[i]
        for i, origin in enumerate(dict.fromkeys((t["source"], t["kind"]) for t in terms))
    }


def _origin(source: str, kind: str) -> str:
    """Source and kind of a price; a multiple of a sourced price names the kind of that one."""
    return source if source.startswith(f"{USER}, ") else f"{source}, {kind}"


def _terms(
    pricing: dict[str, Any], model: Mapping[str, Any], origins: Mapping[tuple[str, str], str]
) -> Table:
    table = Table(
        ("layer", "event", "count", "x pJ", "= nJ", "from"),
        labels=2,
        texts=("from",),
        title=f"{model['name']}, {all_samples(pricing['samples'])}",
        caption=f"Counts: {pricing['counts']}. from: source of the price. `neurocompile targets "
        f"{pricing['target']}` shows where in the source it is." + sent_by_host(model["terms"]),
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


def sent_by_host(terms: Sequence[Mapping[str, Any]]) -> str:
    """Why more messages arrive than cores send; "" if they are equal."""
    arrived, sent = (
        sum(term["count"] or 0 for term in terms if term["quantity"] == event)
        for event in ("message_in", "message_out")
    )
    if arrived <= sent:
        return ""
    return (
        f" message_in is {arrived - sent:,} more than message_out: the host sends these (input "
        "spikes, or a bias as an axon that is always on), and no core does."
    )


def _totals(pricing: dict[str, Any]) -> list[tuple[str, str]]:
    energy, samples = pricing["energy"], pricing["samples"]
    rows = []
    for model in energy["models"]:
        total = model["total_j"]
        per_sample = joules(None if total is None else total / samples)
        marks = ["nominal"] if model["name"] == pricing["nominal"] else []
        if has_own_prices(model):
            marks.append(f"prices {USER}")
        rows.append(
            (
                f"{model['name']}, per sample",
                per_sample + (f" ({', '.join(marks)})" if marks else ""),
            )
        )
    rows += [(f"error of {row['model']}", stated(row, energy)) for row in energy["errors"]]
    rows.append(("", f"({energy['name']}, model {energy['model_version']}, {energy['mode']})"))
    placed = f"placed for {fewest(pricing['fewest_of'])}"
    rows.append(("cores", f"{pricing['cores_used']}; chips: {pricing['chips']}; {placed}"))
    return rows


def has_own_prices(model: Mapping[str, Any]) -> bool:
    """Whether a price of a model was set by the user."""
    return any((term["source"] or "").startswith(USER) for term in model["terms"])


def stated(error: Mapping[str, Any], energy: Mapping[str, Any]) -> str:
    """What the authors of a model say of its error, and for energies the total with it."""
    low, high = (energy["per_sample_j"][key] for key in ("low_j", "high_j"))
    between = "" if error["of"] != "energy" or low is None else f", {joules(low)} to {joules(high)}"
    models = {model["name"]: model for model in energy["models"]}
    if error["of"] == "energy" and has_own_prices(models.get(error["model"], {"terms": ()})):
        between = f", not of this total, which has prices {USER}"
    return f"+-{error['part']:.0%} of {error['of']}{between}: {error['where']}"


def _timed(pricing: dict[str, Any]) -> list[Part]:
    """Modelled times, and the static joules that go with them."""
    known = [row for row in pricing["latency"] if row["step_s"] is not None]
    return [*([_times(known)] if known else []), *_static(pricing)]


def _times(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(
        ("samples", "by", "step", "slowest core", "barrier", "sample", "per second"),
        labels=2,
        title="modelled times",
        caption="step = work of the slowest core, with the core that is most often the slowest, + "
        "barrier; sample: the time of one, reset or pipelined; per second: samples.",
    )
    for row in rows:
        work, barrier = "-", "-"
        if row["core"] is not None:
            work = f"{prefixed(row['work_s'], 's')} ({row['core']})"
            barrier = prefixed(row["barrier_s"], "s")
        table.add(
            row["samples_follow"],
            row["model"] or row["mode"],
            prefixed(row["step_s"], "s"),
            work,
            barrier,
            prefixed(row["sample_s"], "s"),
            f"{row['samples_per_s']:,.1f}",
            note=f"the work is a {BOUND}" if row["work_is"] == BOUND else "",
        )
    return table


def _static(pricing: dict[str, Any]) -> list[Table]:
    """Joules of static power in the modelled time of a sample; in no total."""
    static = pricing["energy"]["static"]
    if not static:
        return []
    powers = ", ".join(
        f"{power['name']} {prefixed(power['chip_w'], 'W')} ({power['source']}, {power['kind']})"
        for power in static["powers"]
    )
    table = Table(
        ("mode", "by", "low", "high"),
        labels=2,
        title="static energy per sample, beside the totals",
        caption=f"Power of a chip: {powers}. low and high: {span(static)}.",
    )
    for row in static["times"]:
        if row["time_s"] is not None:
            low, high = (joules(row[key] / pricing["samples"]) for key in ("low_j", "high_j"))
            table.add(row["mode"], row["model"] or "-", low, high)
    return [table] if table.rows else []


def span(static: Mapping[str, Any]) -> str:
    """The powers of a running chip that static joules are between."""
    return " to ".join(dict.fromkeys((static["low_is"], static["high_is"])))


WITHOUT_A_PASS = (
    "none: something arrives steps later than it was sent (a delay, a loop, or LSNN neurons, whose "
    "current acts a step later), and a single pass has no steps"
)


def _others(pricing: dict[str, Any]) -> list[tuple[str, str]]:
    """Comparisons, each with what it omits."""
    rows = []
    ann, even = pricing["ann"], pricing["break_even"]
    if ann is None:
        rows.append(("without spikes", WITHOUT_A_PASS))
    else:
        rows.append(("without spikes, per sample", without_spikes(ann)))
    if even is not None:
        now = f"now {even['rate_now']:.4g} spikes per neuron and sample"
        rate = (
            "none: its neuron steps by themselves cost more"
            if even["rate"] is None
            else (f"{even['rate']:.4g} spikes per neuron and sample")
        )
        rows.append((f"break-even of {even['model']}", f"{rate}; {now}"))
    for counted in dict.fromkeys(row["counted"] for row in pricing["keras_spiking"]):
        listed = ", ".join(
            f"{row['device']} {joules(row['total_j'] / pricing['samples'])}"
            for row in pricing["keras_spiking"]
            if row["counted"] == counted
        )
        rows.append(("by keras-spiking, per sample", f"{listed}: {counted}; comparison only"))
    proxy = pricing["n_dns"]
    rows.append(
        (
            "N-DNS proxy",
            f"{proxy['per_second']:,.0f} operations/s, {proxy['per_sample']:,.1f} per sample: "
            f"{proxy['synaptic_operations']:,} synaptic + {proxy['neuron_operation_is']} x "
            f"{proxy['neuron_operations']:,} neuron operations ({proxy['source']}); no joules",
        )
    )
    bench = pricing["neurobench"]
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


def without_spikes(ann: Mapping[str, Any]) -> str:
    """Joules of the network without spikes, and what they are of."""
    passes = ann["passes_per_sample"]
    kept = ", ".join(f"{one['holds']} in {one['in']}" for one in ann["memory"])
    memory = (
        "arithmetic only, without memory, a lower bound"
        if ann["arithmetic_alone"]
        else f"arithmetic {joules(ann['arithmetic_j'])}, memory {joules(ann['memory_j'])} ({kept})"
    )
    counted = ", ".join(
        f"{t['count']:,} {t['quantity']} of {exact(t['price_j'], -12)} pJ ({ANN[t['quantity']]})"
        for t in ann["terms"]
    )
    return (
        f"{joules(ann['per_sample_j'])} in {passes:,} pass{'' if passes == 1 else 'es'}: {memory}; "
        f"{ann['activation_bits']}-bit activations; {counted}"
    )


def _sparsity(part: float | None) -> str:
    """A part of 1; "none" if the network has no weights, or no neuron that could spike."""
    return "none" if part is None else f"{part:.4f}"


def _sensitivity(pricing: dict[str, Any], model: Mapping[str, Any]) -> Table:
    """The part of each price in the total, and the total with other prices."""
    samples = pricing["samples"]
    table = Table(
        ("price", "share", "change by 10 %", "total at twice"),
        title=f"sensitivity of the total of {model['name']}, per sample",
        caption="Exact: the total is linear in each price.",
    )
    for row in pricing["sensitivity"][model["name"]]:
        change, doubled = row["change_10_percent_j"] / samples, row["total_doubled_j"] / samples
        table.add(row["price"], f"{row['share']:.2%}", f"+-{joules(change)}", joules(doubled))
    return table


def _sweep(spikes: dict[str, Any]) -> Table:
    table = Table(("spikes", "per sample"), caption=f"{spikes['model']}, {spikes['label']}.")
    for row in spikes["rows"]:
        table.add(f"x {row['factor']:g}", joules(row["per_sample_j"]))
    return table
