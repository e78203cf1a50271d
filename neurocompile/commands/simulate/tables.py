"""What a user sees at the end of `neurocompile simulate`.

In:  the JSON-ready values that `--json` prints.
Out: tables for people, made only from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from neurocompile.terminal.tables import Facts, Page, Table
from neurocompile.terminal.words import exactness, golden, joules, number_of, prefixed, whole


def print_simulation(simulation: dict[str, Any]) -> None:
    """Print the spikes by layer, and a summary."""
    table = Table(("layer", "neurons", "spikes", "rate"))
    for row in simulation["layers"]:
        table.add(row["name"], whole(row["neurons"]), whole(row["spikes"]), f"{row['rate']:.4f}")
    Page().show(table, Facts(list(_summary(simulation))))


def print_stream(done: dict[str, Any]) -> None:
    """Print the spikes by layer of a stream, and what a step costs."""
    table = Table(("layer", "neurons", "spikes", "rate"))
    for row in done["layers"]:
        table.add(row["name"], whole(row["neurons"]), whole(row["spikes"]), f"{row['rate']:.4f}")
    Page().show(table, Facts(list(_of_stream(done))))


def print_verified(done: dict[str, Any]) -> None:
    """Print that engines did what export recorded."""
    facts = [
        (
            "data",
            f"{number_of(done['samples'], 'sample')} of {done['data']}, "
            f"{number_of(done['steps'], 'step')}, as export recorded them",
        )
    ]
    facts += [(f"golden vectors, {row['engine']}", golden(row)) for row in done["golden"]]
    Page().show(Facts(facts))


def _of_stream(done: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What was run, what it costs, how fast it was."""
    yield "data", f"{number_of(done['rows'], 'row')} of {done['data']}"
    going_on = f", after {done['began_at_step']:,} before" if done["began_at_step"] else ""
    yield "steps", f"{done['steps']:,} of {prefixed(done['dt_s'], 's')}{going_on}"
    if done["mse_fixed"] is not None:
        yield "reconstruction error", f"{done['mse_fixed']:.6f} (mean squared, fixed)"
    energy, power = done["energy_per_step"], done["power_w"]
    if energy["nominal_j"] is None:
        yield "energy of a step", "without a total: the target lacks a price"
    else:
        watts = prefixed(power["nominal_j"], "W")
        yield (
            "energy of a step",
            f"{joules(energy['nominal_j'])} on average, {watts} in real time (modelled neurocore "
            "event energy)",
        )
    for row in done["latency"]:
        if row["step_s"] is not None:
            least = "at least " if row["work_is"] != "exact" else ""
            yield "time of a step", f"{least}{prefixed(row['step_s'], 's')} by {row['model']}"
    speed = f"{done['steps_per_second']:,.0f} steps/s, {done['times_real_time']:,.1f} x real time"
    yield "speed here", speed
    for sentence in done["notes"]:
        yield "note", sentence
    for name in ("state", "results"):
        if done[name]:
            yield name, done[name]


def _summary(simulation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "engines", ", ".join(simulation["engines"])
    yield (
        "data",
        f"{number_of(simulation['samples'], 'sample')} of {simulation['data']}, "
        f"{number_of(simulation['steps'], 'step')}",
    )
    if simulation["mse_fixed"] is not None:
        yield "reconstruction error", f"{simulation['mse_fixed']:.6f} (mean squared, fixed)"
    if simulation["accuracy_fixed"] is not None:
        yield "accuracy", f"{simulation['accuracy_fixed']:.2%} (fixed)"
    if len(simulation["engines"]) > 1:
        yield "exactness", exactness(simulation)
    yield "speed", f"{simulation['samples_per_second']:.1f} samples/s on {simulation['engines'][0]}"
    for sentence in simulation["notes"]:
        yield "note", sentence
    if simulation["recording"]:
        yield "recording", simulation["recording"]
