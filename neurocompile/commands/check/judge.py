"""Judge a run by a baseline: what differs, and whether every metric is within its tolerance.

In:  the baseline, the differences of the integers, the measurements of the run.
Out: JSON-ready values that every format is made from.
A tolerance is a part of the baseline's metric, and comes from the baseline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurocompile.commands.check.differences import Finding
from neurocompile.commands.check.measure import Measured
from neurocompile.data.samples import Data

SHOWN = ("reconstruction_error", "accuracy")  # metrics that show the effect of a difference


@dataclass(frozen=True, eq=False)
class CheckRequest:
    """What to check; see gate.check_artifact."""

    directory: Path
    file: Path
    engine: str
    mode: str
    data: Data
    renew: str


def judge(
    request: CheckRequest,
    baseline: Mapping[str, Any],
    findings: list[Finding],
    now: Measured | None,
    trouble: str,
    alone: Mapping[str, float | None],
) -> dict[str, Any]:
    """Everything that a format shows.

    Args:
        request: What to check.
        baseline: Content of the baseline.
        findings: Differences of the integers; empty in mode "tolerance".
        now: Measurements of the run, or None if the network did not run.
        trouble: Why it did not run, or "".
        alone: Error (or accuracy) of the old network with only one changed population.
    """
    metrics = []
    if now is not None:
        metrics = [
            _judged(name, old, now.metrics[name], baseline["tolerances"].get(name, {}))
            for name, old in baseline["metrics"].items()
            if name in now.metrics and (old is not None or now.metrics[name] is not None)
        ]
    changed = _changed_runs(baseline, now) if now is not None and request.mode == "exact" else []
    return {
        "passed": not findings
        and not changed
        and not trouble
        and all(m["passed"] for m in metrics),
        "updated": False,
        "mode": request.mode,
        "engine": request.engine,
        "artifact": str(request.directory),
        "baseline": str(request.file),
        "renew": request.renew,
        "made_by": baseline["neurocompile"],
        "data": request.data.name,
        "samples": len(request.data),
        "energy": dict(baseline["energy"]),
        "findings": [{**vars(f), "where": f.where} for f in findings],
        "runs": changed,
        "effect": next((row["text"] for row in metrics if row["name"] in SHOWN), ""),
        "trouble": trouble,
        "alone": _alone(alone, metrics),
        "metrics": metrics,
        "layers": _layers(baseline, now),
        "golden": None,
        "golden_missing": False,
    }


def _alone(
    alone: Mapping[str, float | None], metrics: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The effect of each changed population by itself; the layer with the largest comes first."""
    row = next((m for m in metrics if m["name"] in SHOWN), None)
    if row is None or row["baseline"] is None:
        return []
    rows = []
    for layer, now in alone.items():
        one = _judged(row["name"], row["baseline"], now, row["bounds"])
        text = one["text"] if now is not None else "the old network does not run with it"
        rows.append({"layer": layer, "now": now, "change": one["change"], "text": text})
    worse = -1 if row["name"] == "accuracy" else 1
    return sorted(rows, key=lambda one: -worse * (one["change"] or 0.0))


def _changed_runs(baseline: Mapping[str, Any], now: Measured) -> list[dict[str, str]]:
    """What was computed differently, in the order of the network: input, spikes, result."""
    old = baseline["digests"]
    rows = [
        {"layer": name, "what": "encoded input", "change": "differs from the baseline"}
        for name in {**old["input"], **now.digests["input"]}
        if old["input"].get(name) != now.digests["input"].get(name)
    ]
    for name in {**now.digests["spikes"], **old["spikes"]}:
        if old["spikes"].get(name) != now.digests["spikes"].get(name):
            before, after = baseline["spikes"].get(name), now.spikes.get(name)
            change = f"{before} -> {after}"
            if before == after:
                change = f"{after} as before, but at other neurons or steps"
            rows.append({"layer": name, "what": "spikes", "change": change})
    if old["result"] != now.digests["result"]:
        name = list(now.spikes)[-1]
        rows.append({"layer": name, "what": "result", "change": "has other potentials"})
    return rows


def _judged(
    name: str, old: float | None, now: float | None, bounds: Mapping[str, float]
) -> dict[str, Any]:
    """A metric compared with its tolerance."""
    words = name.replace("_", " ")
    if old is None or now is None:
        what = "has none now" if now is None else "had none"
        text = f"{words}: {_number(old)} -> {_number(now)}; this network {what}"
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
        "text": f"{words} {_number(old)} -> {_number(now)}{percent}",
    }


def _number(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def _layers(baseline: Mapping[str, Any], now: Measured | None) -> list[dict[str, Any]]:
    """Number of spikes of each layer, in the baseline and now."""
    after = {} if now is None else now.spikes
    return [
        {"name": name, "baseline": baseline["spikes"].get(name), "now": after.get(name)}
        for name in {**baseline["spikes"], **after}
    ]
