"""The tables of what else `neurocompile energy` answers.

In:  the document that `--json` prints.
Out: rows and tables for people.
"""

from __future__ import annotations

from typing import Any

from neurocompile.terminal.tables import Facts, Part, Table
from neurocompile.terminal.words import joules, number_of, prefixed

REFUSED = "refused"


def streaming_rows(pricing: dict[str, Any]) -> list[tuple[str, str]]:
    """The events of a second of streaming input."""
    found = pricing["streaming"]
    names = {
        "spikes": "spikes",
        "synaptic_operations": "synaptic operations",
        "updates": "neuron updates",
        "messages": "messages",
    }
    listed = ", ".join(
        f"{'not known' if n is None else f'{n:,.0f}'} {names[event]}"
        for event, n in found["per_second"].items()
    )
    return [
        (
            "events per second",
            f"{listed} (real time, {found['samples_follow']}, a step "
            f"{prefixed(found['dt_s'], 's')})",
        )
    ]


def asked_parts(pricing: dict[str, Any]) -> list[Part]:
    """A table per answer that was asked for."""
    parts: list[Part] = []
    if pricing["rate"] is not None:
        parts += [_rate(pricing["rate"]), _static(pricing["rate"])]
    if pricing["by_step"] is not None:
        parts.append(_steps(pricing, pricing["by_step"]))
    return parts


def _rate(rate: dict[str, Any]) -> Table:
    """Dynamic power at a rate of samples, by model and by how samples follow each other."""
    table = Table(
        ("samples follow", "model", "per sample", "dynamic power", "at most"),
        labels=2,
        title=f"power at {rate['per_s']:g} samples per second",
        caption="Dynamic power is joules per sample times the rate. Modelled times are lower "
        "bounds, so the chip takes at most so many samples per second." + _judges(rate["rows"]),
    )
    for row in rate["rows"]:
        most = "not known" if row["most_per_s"] is None else f"{row['most_per_s']:,.4g}/s"
        table.add(
            row["samples_follow"],
            row["model"],
            joules(row["per_sample_j"]),
            power_of(row),
            most,
            note=too_fast(rate) if row["keeps"] is False else "",
        )
    return table


def power_of(row: dict[str, Any]) -> str:
    """The dynamic power of a row of `at_rate`, or why it has none."""
    if row["keeps"] is False:
        return REFUSED
    return "not known" if row["dynamic_w"] is None else prefixed(row["dynamic_w"], "W")


def too_fast(rate: dict[str, Any]) -> str:
    """The note of a row that is refused."""
    return f"{rate['per_s']:g}/s is more than its modelled time allows"


def _judges(rows: list[dict[str, Any]]) -> str:
    """Which latency models judge an energy model that has none of its own name; "" if all do."""
    named = {row["model"]: row["times_of"] for row in rows if row["times_of"] != [row["model"]]}
    return "".join(
        f" {model} has no times of its own name: those of {' and '.join(times)} count."
        for model, times in named.items()
        if times
    )


def _static(rate: dict[str, Any]) -> Facts:
    """Each static power by its name; no sum has it."""
    rows = [
        (row["name"], f"{prefixed(row['power_w'], 'W')} ({row['source']}, {row['kind']})")
        for row in rate["static"]
    ]
    return Facts(
        rows or [("", "the target states none")], title="static power, beside it at any rate"
    )


def _steps(pricing: dict[str, Any], found: dict[str, Any]) -> Table:
    """Joules and time of each step, as means over samples."""
    samples, model = pricing["samples"], pricing["model"]
    table = Table(
        ("step", "spikes", "operations", "joules", "time"),
        title=f"each step, means of {number_of(samples, 'sample')}"
        + (f", prices of {model}" if model is not None else ""),
        caption=f"{found['file']} has {found['rows']:,} rows, one per sample and chip step "
        f"({found['samples_follow']}).",
    )
    for row in found["steps"]:
        events = row["events"]
        operations = sum(
            n for event, n in events.items() if event.startswith("synaptic_operation") and n
        )
        spent, time = row["energy_j"].get(model), row["time_s"].get(model)
        table.add(
            str(row["step"]),
            f"{events.get('spike_out', 0) / samples:,.1f}",
            f"{operations / samples:,.1f}",
            joules(None if spent is None else spent / samples),
            "not known" if time is None else prefixed(time / samples, "s"),
        )
    return table
