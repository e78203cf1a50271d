"""Weigh a run against a baseline: what differs, and what every metric may be.

In:  the baseline, what differs in the integers, what the run showed.
Out: JSON-ready values that every format is made from.
A metric is judged as a part of the baseline's own, by the tolerances that stand in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurocompile.commands.check.differences import Finding
from neurocompile.commands.check.measure import Measured
from neurocompile.data.samples import Data

SHOWN = ("reconstruction_error", "accuracy")  # what a difference is weighed by


@dataclass(frozen=True, eq=False)
class Run:
    """What was asked for; see gate.check_artifact."""

    directory: Path
    file: Path
    engine: str
    mode: str
    data: Data


def judge(
    run: Run,
    known: Mapping[str, Any],
    found: list[Finding],
    now: Measured | None,
    trouble: str,
    alone: Mapping[str, float | None],
) -> dict[str, Any]:
    """Everything that a format shows.

    Args:
        run: What was asked for.
        known: The baseline.
        found: Differences of the integers; empty in mode "tolerance".
        now: The run, or None where the network did not run.
        trouble: Why it did not run, or "".
        alone: Error (or accuracy) of each changed population alone in the old network.
    """
    metrics = []
    if now is not None:
        metrics = [
            _judged(name, old, now.metrics[name], known["tolerances"].get(name, {}))
            for name, old in known["metrics"].items()
            if name in now.metrics and (old is not None or now.metrics[name] is not None)
        ]
    changed = _changed_runs(known, now) if now is not None and run.mode == "exact" else []
    return {
        "passed": not found and not changed and not trouble and all(m["passed"] for m in metrics),
        "updated": False,
        "mode": run.mode,
        "engine": run.engine,
        "artifact": str(run.directory),
        "baseline": str(run.file),
        "made_by": known["neurocompile"],
        "data": run.data.name,
        "samples": len(run.data),
        "energy": dict(known["energy"]),
        "findings": [{**vars(f), "where": f.where} for f in found],
        "runs": changed,
        "effect": next((row["text"] for row in metrics if row["name"] in SHOWN), ""),
        "trouble": trouble,
        "alone": _alone(alone, metrics),
        "metrics": metrics,
        "layers": _layers(known, now),
    }


def _alone(
    alone: Mapping[str, float | None], metrics: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """What each changed population alone does to the error, with the layer that does most first."""
    row = next((m for m in metrics if m["name"] in SHOWN), None)
    if row is None or row["baseline"] is None:
        return []
    done = []
    for layer, now in alone.items():
        one = _judged(row["name"], row["baseline"], now, row["bounds"])
        text = one["text"] if now is not None else "cannot stand alone in the old network"
        done.append({"layer": layer, "now": now, "change": one["change"], "text": text})
    worse = -1 if row["name"] == "accuracy" else 1
    return sorted(done, key=lambda one: -worse * (one["change"] or 0.0))


def _changed_runs(known: Mapping[str, Any], now: Measured) -> list[dict[str, str]]:
    """What was computed otherwise, in the order of the network: input, spikes, result."""
    old = known["digests"]
    rows = [
        {"layer": name, "what": "encoded input", "change": "is not the one of the baseline"}
        for name in {**old["input"], **now.digests["input"]}
        if old["input"].get(name) != now.digests["input"].get(name)
    ]
    for name in {**now.digests["spikes"], **old["spikes"]}:
        if old["spikes"].get(name) != now.digests["spikes"].get(name):
            before, after = known["spikes"].get(name), now.spikes.get(name)
            change = f"{before} -> {after}"
            if before == after:
                change = f"{after} as before, at other neurons or steps"
            rows.append({"layer": name, "what": "spikes", "change": change})
    if old["result"] != now.digests["result"]:
        name = list(now.spikes)[-1]
        rows.append({"layer": name, "what": "result", "change": "has other potentials"})
    return rows


def _judged(
    name: str, old: float | None, now: float | None, bounds: Mapping[str, float]
) -> dict[str, Any]:
    """A metric against its tolerance."""
    said = name.replace("_", " ")
    if old is None or now is None:
        what = "has none now" if now is None else "had none"
        text = f"{said}: {_number(old)} -> {_number(now)}; this network {what}"
        return {"name": name, "baseline": old, "now": now, "change": None, "bounds": dict(bounds),
                "passed": False, "text": text}  # fmt: skip
    change = (now - old) / old if old else (0.0 if now == old else None)
    above = "above" not in bounds or now <= old + bounds["above"] * abs(old)
    below = "below" not in bounds or now >= old - bounds["below"] * abs(old)
    percent = "" if change is None else f" ({change:+.2%})"
    return {
        "name": name,
        "baseline": old,
        "now": now,
        "change": change,
        "bounds": dict(bounds),
        "passed": above and below,
        "text": f"{said} {_number(old)} -> {_number(now)}{percent}",
    }


def _number(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def _layers(known: Mapping[str, Any], now: Measured | None) -> list[dict[str, Any]]:
    """Spikes of each layer, then and now."""
    after = {} if now is None else now.spikes
    return [
        {"name": name, "baseline": known["spikes"].get(name), "now": after.get(name)}
        for name in {**known["spikes"], **after}
    ]
