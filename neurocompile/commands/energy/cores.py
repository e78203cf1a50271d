"""The tables of `neurocompile energy --cores`: what each core holds, does and costs.

In:  the document that `--json` prints.
Out: two tables: a row a core, and a row a core and event with its product.
"""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from neurocompile.commands.energy.tables import WIDTH, exact
from neurocompile.terminal.words import joules, right


def print_cores(found: dict[str, Any]) -> None:
    """Both tables, of the model that is shown in full."""
    console = Console(highlight=False, width=max(WIDTH, Console().width))
    cores, model = found["cores"], found["model"]
    if cores is None:
        console.print("cores: nothing was counted by core.")
        return
    console.print(_overview(found, cores, model))
    if model is not None:
        console.print(_products(found, cores, model))


def _overview(found: dict[str, Any], cores: dict[str, Any], model: str | None) -> Table:
    """A row a core: its layers, joules a sample, and how busy it is."""
    clock = model if model in cores["rows"][0]["busy"] else None
    titles = ("a sample", "share", "sends", "receives", "slowest in")
    table = Table(right("core"), "neurons of", *map(right, titles), box=SIMPLE_HEAD)
    for row in cores["rows"]:
        busy = row["busy"].get(clock)
        slowest = row["slowest_steps"].get(clock)
        spent, share = row["energy_j"].get(model), row["share"].get(model)
        table.add_row(
            str(row["core"]),
            ", ".join(f"{layer} {count:,}" for layer, count in row["layers"].items()),
            joules(None if spent is None else spent / found["samples"]),
            _percent(share),
            _percent(busy and busy["sending"]),
            _percent(busy and busy["receiving"]),
            "-" if slowest is None else f"{slowest:,} steps",
        )
    rest = cores["no_core_j"].get(model)
    table.add_section()
    each = joules(None if rest is None else rest / found["samples"])
    table.add_row("", "no core: hops, and messages between chips", each)
    table.caption = f"Prices and times of {model}, {cores['mode']}; {cores['how']}."
    return table


def _products(found: dict[str, Any], cores: dict[str, Any], model: str) -> Table:
    """A row a core and priced event: the products are the joules of the core."""
    (terms,) = (m["terms"] for m in found["energy"]["models"] if m["name"] == model)
    prices = {t["quantity"]: t["price_j"] for t in terms}
    columns = (right("core"), Column("event", no_wrap=True))
    table = Table(*columns, *map(right, ("count", "x pJ", "= nJ")), box=SIMPLE_HEAD)
    for row in cores["rows"]:
        for event, count in row["events"].items():
            price = prices.get(event)
            if price is None or not count:
                continue
            product = exact(count * price, -9)
            table.add_row(str(row["core"]), event, f"{count:,}", exact(price, -12), product)
        spent = row["energy_j"][model]
        total = "not known" if spent is None else exact(spent, -9)
        table.add_row(str(row["core"]), "all", "", "", total, end_section=True)
    table.caption = f"All {found['samples']} samples."
    return table


def _percent(part: float | None) -> str:
    return "-" if part is None else f"{part:.1%}"
