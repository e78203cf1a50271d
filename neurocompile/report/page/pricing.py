"""The page of `neurocompile energy`: the joules of an export at other prices, cores or data.

In:  the document of the command; the layers and synapses of report.json.
Out: a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurocompile.report.page import costs
from neurocompile.report.page.blocks import Card, Section, Table, energy, percent
from neurocompile.report.page.page import Page, page_html
from neurocompile.terminal.words import number_of


def pricing_page(pricing: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """The page as HTML."""
    shown = {
        "energy": pricing["energy"],
        "latency": {"modes": pricing["latency"]},
        "layers": report["layers"],
        "synapses": report["synapses"],
        "sources": pricing["sources"],
        "comparison": {"ann": pricing["ann"]},
    }
    sections = [costs.joules(shown), _changed(pricing), _cores(pricing)]
    sections += [costs.time(shown, None), costs.trust(shown)]
    lead = f"{pricing['artifact']} on {pricing['target']}, by {pricing['counts']}: "
    lead += f"{number_of(pricing['samples'], 'sample')}."
    return page_html(
        Page("Joules and seconds", lead, _cards(pricing),
             [section for section in sections if section is not None])
    )  # fmt: skip


def _cards(pricing: Mapping[str, Any]) -> list[Card]:
    each = pricing["energy"]["per_sample_j"]
    text = "No range is stated."
    if each["low_j"] is not None:
        text = f"{energy(each['low_j'])} to {energy(each['high_j'])} with the stated error."
    cores = number_of(pricing["chips"], "chip")
    changed = len(pricing["set"])
    return [
        Card("Energy per sample", energy(each["nominal_j"]), text),
        Card("Cores", f"{pricing['cores_used']:,}", f"On {cores}."),
        Card("Prices that you set", f"{changed}", "All others are the target's own."),
    ]


def _changed(pricing: Mapping[str, Any]) -> Section | None:
    if not pricing["set"]:
        return None
    keys = list(dict.fromkeys(key for row in pricing["set"] for key in row))
    rows = [tuple("-" if row.get(k) is None else str(row[k]) for k in keys)
            for row in pricing["set"]]  # fmt: skip
    table = Table(keys, rows, "Your prices, and what they replace.", texts=range(len(keys)))
    return Section("set", "What you set", [table])


def _cores(pricing: Mapping[str, Any]) -> Section | None:
    cores, model = pricing["cores"], pricing["model"]
    if cores is None or model is None:
        return None
    rows = []
    for row in cores["rows"]:
        spent = row["energy_j"].get(model)
        held = ", ".join(f"{layer} {count:,}" for layer, count in row["layers"].items())
        each = energy(None if spent is None else spent / pricing["samples"])
        rows.append((str(row["core"]), each, percent(row["share"].get(model)), held))
    caption = f"By {model}; {cores['how']}."
    table = Table(("core", "per sample", "share", "neurons of"), rows, caption, texts=(3,))
    return Section("cores", "Core by core", [table])
