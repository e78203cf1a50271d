"""What changed between two exports: integers, spikes, error, joules, placement.

In:  two reports, and their recorded samples where there are any.
Out: JSON-ready values, A first.
Counts and joules are per sample. Spikes are compared one by one only where both exports recorded
the same samples of the same data; a ratio is left out where one side is 0 or not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from neurocompile.report.page_input import Reported
from neurocompile.report.samples_file import Samples

Report = Mapping[str, Any]


def changes(a: Reported, b: Reported) -> dict[str, Any]:
    """The whole document."""
    return {
        "a": _about(a),
        "b": _about(b),
        "integers": _integers(a.report, b.report),
        "spikes": _spikes(a, b),
        "results": _results(a.report, b.report),
        "joules": _joules(a.report, b.report),
        "placement": _placement(a.report, b.report),
    }


def _about(one: Reported) -> dict[str, Any]:
    report, run = one.report, one.report["energy"]
    return {
        "artifact": str(one.artifact.path),
        "target": report["provenance"]["target"],
        "samples": None if run is None else run["samples"],
        "engines": report["provenance"]["engines"],
        "neurocompile": report["provenance"]["neurocompile"],
    }


def _integers(a: Report, b: Report) -> dict[str, Any]:
    """Whether the integers are the same, and which nodes differ; by 1.6 reports also in what."""
    digests = [one["provenance"]["digests"]["fixed_graph"] for one in (a, b)]
    nodes = [{row["name"]: row for row in one.get("graph", ())} for one in (a, b)]
    only = [[n for n in nodes[i] if n not in nodes[1 - i]] for i in (0, 1)]
    differ = []
    for name in nodes[0]:
        if name not in nodes[1]:
            continue
        one, other = nodes[0][name], nodes[1][name]
        keys = dict.fromkeys([*one["parameters"], *other["parameters"]])
        what = [k for k in ("kind", "shape", "before") if one[k] != other[k]]
        what += [k for k in keys if one["parameters"].get(k) != other["parameters"].get(k)]
        values = {"a": _values(one, what), "b": _values(other, what)}
        if what:
            differ.append({"node": name, "what": what, **values})
    return {
        "same": digests[0] == digests[1],
        "only_a": only[0],
        "only_b": only[1],
        "differ": differ,
        "described": all(nodes),
    }


def _values(row: Mapping[str, Any], what: Iterable[str]) -> list[Any]:
    return [row[k] if k in ("kind", "shape", "before") else row["parameters"].get(k) for k in what]


def _spikes(a: Reported, b: Reported) -> list[dict[str, Any]]:
    """A row per layer of either: spikes per sample, and how many recorded spikes differ."""
    rows = [{row["name"]: row for row in one.report["layers"]} for one in (a, b)]
    samples = [(one.report["energy"] or {}).get("samples") for one in (a, b)]
    differ = _differ(a.samples, b.samples)
    return [
        {
            "layer": name,
            "a": _each(rows[0].get(name), "spikes", samples[0]),
            "b": _each(rows[1].get(name), "spikes", samples[1]),
            "synops_a": _each(rows[0].get(name), "synops", samples[0]),
            "synops_b": _each(rows[1].get(name), "synops", samples[1]),
            "differ": differ.get(name),
        }
        for name in dict.fromkeys([*rows[0], *rows[1]])
    ]


def _each(row: Mapping[str, Any] | None, key: str, samples: int | None) -> float | None:
    return None if row is None or not samples else row[key] / samples


def _differ(a: Samples | None, b: Samples | None) -> dict[str, float]:
    """Part of the recorded spikes that differ, by layer; {} where other samples were recorded."""
    if a is None or b is None or not min(a.about["samples"], b.about["samples"]):
        return {}
    if any(a.about[key] != b.about[key] for key in ("data", "seed", "steps")):
        return {}
    kept = min(a.about["samples"], b.about["samples"])
    theirs = {row["name"]: row for row in b.about["layers"]}
    found = {}
    for row in a.about["layers"]:
        other = theirs.get(row["name"])
        if other is not None and other["shape"] == row["shape"] and not row["silent"]:
            one, two = a.arrays[row["fixed"]][:kept], b.arrays[other["fixed"]][:kept]
            found[row["name"]] = float(np.mean(one != two))
    return found


def _results(a: Report, b: Report) -> list[dict[str, Any]]:
    """Errors, accuracies, and whether the engines agreed."""
    rows = []
    for part, key, name in (
        ("reconstruction", "mse_float", "mean squared error, float"),
        ("reconstruction", "mse_fixed", "mean squared error, fixed"),
        ("classification", "accuracy_float", "accuracy, float"),
        ("classification", "accuracy_fixed", "accuracy, fixed"),
        ("exactness", "mismatches", "values in which engines differ"),
    ):
        values = [(one[part] or {}).get(key) for one in (a, b)]
        if values != [None, None]:
            rows.append({"what": name, "a": values[0], "b": values[1]})
    return rows


def _joules(a: Report, b: Report) -> list[dict[str, Any]]:
    """Totals per sample of each model that either has; the nominal one with its range."""
    runs = [one["energy"] for one in (a, b)]
    rows = []
    for key in ("nominal_j", "low_j", "high_j"):
        values = [None if run is None else run["per_sample_j"][key] for run in runs]
        if values != [None, None]:
            rows.append({"what": key.removesuffix("_j"), "a": values[0], "b": values[1]})
    totals = [
        {}
        if run is None
        else {
            m["name"]: None if m["total_j"] is None else m["total_j"] / run["samples"]
            for m in run["models"]
        }
        for run in runs
    ]
    rows += [
        {"what": name, "a": totals[0].get(name), "b": totals[1].get(name)}
        for name in dict.fromkeys([*totals[0], *totals[1]])
    ]
    return rows


def _placement(a: Report, b: Report) -> list[dict[str, Any]]:
    """Cores, chips, the fullest use of each limit, and messages per sample."""
    fits = [one["fit"] for one in (a, b)]
    rows = [
        {"what": name, "a": fits[0].get(key), "b": fits[1].get(key)}
        for key, name in (("cores_used", "cores"), ("chips", "chips"), ("fewest_of", "placed for"))
    ]
    limits = [{row["resource"]: row["used"] for row in fit["limits"]} for fit in fits]
    rows += [
        {"what": f"fullest core: {name.replace('_', ' ')}", "a": limits[0].get(name),
         "b": limits[1].get(name)}
        for name in dict.fromkeys([*limits[0], *limits[1]])
        if name != "cores"
    ]  # fmt: skip
    for key, name in (("messages", "messages per sample"), ("synapses", "synapses")):
        sums = []
        for one in (a, b):
            samples = (one["energy"] or {}).get("samples")
            total = sum(row[key] for row in one["synapses"])
            known = bool(one["synapses"]) and samples
            sums.append((total / samples if key == "messages" else total) if known else None)
        rows.append({"what": name, "a": sums[0], "b": sums[1]})
    return rows
