"""The tables of `neurocompile energy --cores`: what each core holds, does and costs.

In:  the document that `--json` prints.
Out: two tables: a row per core, and a row per core and event with its product.
"""

from __future__ import annotations

from typing import Any

from neurocompile.commands.energy.tables import all_samples
from neurocompile.terminal.tables import Page, Table
from neurocompile.terminal.words import exact, joules, number_of


def print_cores(pricing: dict[str, Any]) -> None:
    """Print both tables, for the model that is shown in full."""
    page = Page()
    cores, model = pricing["cores"], pricing["model"]
    if cores is None:
        page.say("cores: nothing was counted by core.")
        return
    page.show(_overview(pricing, cores, model))
    if model is not None:
        page.show(_products(pricing, cores, model))


def _overview(pricing: dict[str, Any], cores: dict[str, Any], model: str | None) -> Table:
    """A row per core: joules per sample, how busy it is, and its layers."""
    clock = model if model in cores["rows"][0]["busy"] else None
    table = Table(
        ("core", "per sample", "share", "sends", "receives", "slowest in", "neurons of"),
        texts=("neurons of",),
        caption=f"Prices and times of {model}, {cores['mode']}; {cores['how']}.",
    )
    for row in cores["rows"]:
        busy = row["busy"].get(clock)
        slowest = row["slowest_steps"].get(clock)
        spent, share = row["energy_j"].get(model), row["share"].get(model)
        table.add(
            str(row["core"]),
            joules(None if spent is None else spent / pricing["samples"]),
            _percent(share),
            _percent(busy and busy["sending"]),
            _percent(busy and busy["receiving"]),
            "-" if slowest is None else number_of(slowest, "step"),
            ", ".join(f"{layer} {count:,}" for layer, count in row["layers"].items()),
        )
    rest = cores["no_core_j"].get(model)
    per_sample = joules(None if rest is None else rest / pricing["samples"])
    table.section()
    table.add("none", per_sample, "", "", "", "", "", note="hops, and messages between chips")
    return table


def _products(pricing: dict[str, Any], cores: dict[str, Any], model: str) -> Table:
    """A row per core and priced event: the products are the joules of the core."""
    (terms,) = (m["terms"] for m in pricing["energy"]["models"] if m["name"] == model)
    prices = {t["quantity"]: t["price_j"] for t in terms}
    table = Table(
        ("core", "event", "count", "x pJ", "= nJ"),
        labels=2,
        title=f"{model}, {all_samples(pricing['samples'])}",
    )
    for row in cores["rows"]:
        for event, count in row["events"].items():
            price = prices.get(event)
            if price is None or not count:
                continue
            product = exact(count * price, -9)
            table.add(str(row["core"]), event, f"{count:,}", exact(price, -12), product)
        spent = row["energy_j"][model]
        table.add(
            str(row["core"]), "all", "", "", "not known" if spent is None else exact(spent, -9)
        )
        table.section()
    return table


def _percent(part: float | None) -> str:
    return "-" if part is None else f"{part:.1%}"
