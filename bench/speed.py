"""Measure how fast the fixed engine is, compared with other simulators.

In:  the shipped checkpoint, this machine, the peers that `make bench-peers` installed.
Out: bench/speed.json, docs/speed.svg and tables in docs/benchmarks.md.
All run the same network and samples in one session, in turns. The best turn of each counts, since
other work on a machine only adds time. The ratios matter; absolute times are this machine's.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import scaling
import table as tables
from contestants import CONTESTANTS, Contestant, Entry, Running
from exchange import write
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
ROOT = HERE.parent
MODEL = ROOT / "examples" / "models" / "mnist_autoencoder.pt"
FOLDER = ROOT / "build" / "speed"
PLOT = ROOT / "docs" / "speed.svg"
SAMPLES = 100
PEERS = ("nengo", "netx", "sanafe")
LINEAR = 1.1  # an exponent up to here is linear: caches leave their mark on 32 times the size
console = Console()


def main() -> None:
    """Run every measurement."""
    options = arguments()
    chosen = [c for c in CONTESTANTS if not options.only or c.key in options.only]
    console.print(f"writing the network to {FOLDER}")
    latent = write(MODEL, FOLDER, SAMPLES).latent
    entries = {entry.contestant.key: entry for entry in race(chosen, options)}
    growth = memory = None
    if not options.race:
        console.print("growth")
        growth = scaling.growth(options.rounds)
        console.print("100 million synapses")
        memory = scaling.hundred_million()
    results = {
        "machine": tables.machine(),
        "python": platform.python_version(),
        "packages": tables.versions("neurocompile", "torch", "numpy") | packages(entries),
        "rounds": options.rounds,
        "entries": [line(entry, entries, latent) for entry in entries.values()],
        "growth": growth,
        "memory": memory,
        "figures": [f.as_json() for f in figures(entries, growth, memory)],
    }
    show(results)
    if options.dry:
        return
    (HERE / "speed.json").write_text(json.dumps(results, indent=2) + "\n")
    if growth is not None:
        scaling.plot(growth, PLOT)
    tables.put(markdown(results), "speed")


def arguments() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant")
    parser.add_argument("--only", nargs="*", default=[], help="keys of contestants to run")
    parser.add_argument("--race", action="store_true", help="leave growth and memory out")
    parser.add_argument("--dry", action="store_true", help="write no file of the repository")
    return parser.parse_args()


def race(chosen: list[Contestant], options: argparse.Namespace) -> list[Entry]:
    """Start all contestants, time them in turns, end all."""
    entries = [Entry(one) for one in chosen]
    running: list[Running] = []
    try:
        for entry in entries:
            console.print(f"making ready: {entry.contestant.title}")
            running.append(Running(entry, FOLDER))
        for number in range(1, options.rounds + 1):
            for each in running:
                for _ in range(each.entry.contestant.asks):
                    each.ask(each.entry.contestant.samples)
            console.print(f"round {number} of {options.rounds}")
    finally:
        for each in running:
            each.end()
    return entries


def packages(entries: Mapping[str, Entry]) -> dict[str, str]:
    """Versions that the contestants reported, apart from packages that we report ourselves."""
    versions: dict[str, str] = {}
    for entry in entries.values():
        versions |= {
            name: n for name, n in entry.packages.items() if name not in ("torch", "numpy")
        }
    return versions


def line(entry: Entry, entries: Mapping[str, Entry], latent: Any) -> dict[str, Any]:
    """A contestant as JSON: its time, also relative to ours on the same part of the network."""
    one = entry.contestant
    return {
        "key": one.key,
        "name": one.title,
        "part": one.part,
        "samples": one.samples,
        "answers": len(entry.answers),
        "seconds_a_sample": entry.best,
        "median_over_best": entry.spread,
        "times_ours": ratio(entries, one.key, "ours" if one.part == "whole" else "encoder"),
        "latent_spikes": entry.latent,
        "latent_spikes_ours": float(latent[: one.samples].mean()),
        "how": entry.how,
        "packages": entry.packages,
        "absent": entry.absent,
    }


def ratio(entries: Mapping[str, Entry], above: str, below: str) -> float | None:
    """Time of one contestant over the time of another, or None."""
    if above not in entries or below not in entries:
        return None
    top, bottom = entries[above].best, entries[below].best
    return None if top is None or bottom is None else top / bottom


def figures(
    entries: Mapping[str, Entry],
    growth: Mapping[str, Any] | None,
    memory: Mapping[str, Any] | None,
) -> list[tables.Figure]:
    """The figures with a goal."""
    peers = [r for r in (ratio(entries, peer, "encoder") for peer in PEERS) if r is not None]
    stock = [r for r in (ratio(entries, k, "ours") for k in ("stock", "stock_conv")) if r]
    figures = [
        tables.Figure("Lava, end to end / ours", ratio(entries, "lava", "ours"), 100, True),
        tables.Figure("Lava, stock one-sample use / ours", min(stock, default=None), 100, True),
        tables.Figure("best peer / ours, encoder half", min(peers, default=None), 10, True),
        tables.Figure("Norse / ours", ratio(entries, "norse", "ours"), 1, True),
        tables.Figure("snnTorch / ours", ratio(entries, "snntorch", "ours"), 1, True),
    ]
    if growth is not None:
        figures += [
            tables.Figure(f"exponent of growth in {what}", series["exponent"], LINEAR, False)
            for what, series in growth.items()
        ]
    if memory is not None:
        peak = memory["peak_gb"] if memory["finished"] else None
        name = "100 million synapses, compiled and run, peak memory"
        figures.append(tables.Figure(name, peak, scaling.LIMIT_GB, False, "GB"))
    return figures


def markdown(results: Mapping[str, Any]) -> str:
    """The tables of the page."""
    rows = [figure["texts"] for figure in results["figures"]]
    lines = tables.markdown(("figure", "measured", "goal"), rows)
    head = (
        "on the same samples",
        "network",
        "ms per sample",
        "times ours",
        "latent spikes (ours)",
        "how",
    )
    lines += ["", *tables.markdown(head, [cells(entry) for entry in results["entries"]])]
    if results["memory"]:
        lines += ["", memory_by_stage(results["memory"])]
    lines += ["", about(results)]
    if results["growth"]:
        lines += ["", "![growth in neurons, synapses, steps and samples](speed.svg)"]
    return "\n".join(lines)


def cells(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """A contestant's row: time with median over best, ratio, how close its network is."""
    network = "whole" if entry["part"] == "whole" else "encoder half"
    if entry["absent"] or entry["seconds_a_sample"] is None:
        return entry["name"], network, entry["absent"] or "not measured", "", "", ""
    milliseconds = tables.number(1000 * entry["seconds_a_sample"])
    time = f"{milliseconds} (median x {entry['median_over_best']:.2f})"
    times = "" if entry["times_ours"] is None else tables.number(entry["times_ours"])
    latent = "" if entry["latent_spikes"] is None else latent_spikes(entry)
    return entry["name"], network, time, times, latent, entry["how"]


def memory_by_stage(memory: Mapping[str, Any]) -> str:
    """The peak memory until each stage, and the last stage if it did not finish."""
    stages = [f"{stage['stage']} {stage['peak_gb']:.1f} GB" for stage in memory["stages"]]
    ended = "" if memory["finished"] else f", then it ended (exit code {memory['exit']})"
    return f"{memory['synapses']:,} synapses, peak until: {'; '.join(stages)}{ended}."


def latent_spikes(entry: Mapping[str, Any]) -> str:
    """Latent spikes of a contestant, and ours on the same samples."""
    return f"{entry['latent_spikes']:.1f} ({entry['latent_spikes_ours']:.1f})"


def about(results: Mapping[str, Any]) -> str:
    """Machine, versions, method."""
    return (
        f"{results['machine']}, Python {results['python']}, {tables.listed(results['packages'])}. "
        f"Best of {results['rounds']} rounds in turns. Latent spikes per sample show how "
        "near each is to the same network: only Lava keeps the same integers."
    )


def show(results: Mapping[str, Any]) -> None:
    """Print the same in a terminal."""
    timed = Table("contestant", "network", "ms per sample", "times ours", "latent", "how",
                  box=SIMPLE_HEAD)  # fmt: skip
    for entry in results["entries"]:
        timed.add_row(*cells(entry))
    reached = Table("figure", "measured", "goal", box=SIMPLE_HEAD)
    for figure in results["figures"]:
        reached.add_row(*figure["texts"])
    console.print(timed, reached, about(results))


if __name__ == "__main__":
    main()
