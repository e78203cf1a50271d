"""The result of a comparison, as JSON-ready figures.

In:  the sums over all samples, and the runs of the first neuron whose spike differs.
Out: one document; the tables and the pictures are made only from it.
Steps count from 1 and samples from 0; rates and agreement are parts of 1; membrane errors are in
units of the threshold, or of a readout's largest float potential.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from neurocompile.commands.compare.departures import BURSTING_RATE, Departures, Idle, idle
from neurocompile.commands.compare.sentences import summary
from neurocompile.engines.score import Score
from neurocompile.ir.fixed import ChipNeuron
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size
from neurocompile.report.parting.apart import EDGES, Apart, MembraneErrors
from neurocompile.report.parting.first import Parted, first_document, place_document
from neurocompile.report.parting.rounding import CLASSES, RoundedPopulation


def document(
    graph: Graph,
    kinds: Mapping[str, str],
    exact: Mapping[str, RoundedPopulation],
    chip: Mapping[str, RoundedPopulation],
    departures: Departures,
    scores: Mapping[str, Score],
    parted: Parted | None,
) -> dict[str, Any]:
    """The whole document.

    Args:
        graph: FIXED graph.
        kinds: Kind of neuron by layer.
        exact, chip: Populations with nothing rounded, and with everything rounded.
        departures: How every run differs from the float network, over all samples.
        scores: Score of each run over all samples, the float network's under "float".
        parted: The first spike that differs, or None.
    """
    layers = [_layer(n, kinds[n], exact[n], chip[n], departures) for n, _ in graph.of(ChipNeuron)]
    names = [row["name"] for row in layers]
    runs = {**departures.runs, "fixed": departures.chip}
    first = None if parted is None else first_document(graph, names, parted)
    figures = {
        "samples": departures.chip.samples,
        "steps": departures.steps,
        "agreement": agreement(departures.chip),
        "first": first,
        "parts_first": _parts_first(departures),
        "float": _result(scores, "float"),
        "runs": [
            {
                "run": run,
                "agreement": agreement(apart),
                "samples_parted": apart.parted,
                "first": place_document(names, apart.first),
                **_result(scores, run),
            }
            for run, apart in runs.items()
        ],
        "layers": layers,
        "histogram_edges": EDGES.tolist(),
        "float64_ties": departures.control.different,
    }
    return {"summary": summary(figures), **figures}


def agreement(apart: Apart) -> float | None:
    """Part of all values (spike or no spike) that are equal; None if no neuron can spike."""
    rows = [row for row in apart.layers.values() if row.compared]
    values = sum(row.compared * len(row.equal) for row in rows)
    return sum(int(row.equal.sum()) for row in rows) / values if values else None


def _parts_first(departures: Departures) -> str | None:
    """The class whose own run differs at the earliest step and, within it, the earliest layer.

    Of several such classes, the one whose spikes agree least. "combined" if only all classes
    together make a difference.
    """
    places = {run: apart.first for run, apart in departures.runs.items()}
    alone = {run: place for run, place in places.items() if place and run in CLASSES}
    if not alone:
        return "combined" if places["all"] else None
    return min(
        alone, key=lambda run: (alone[run].step, alone[run].layer, agreement(departures.runs[run]))
    )


def _layer(
    name: str, kind: str, exact: RoundedPopulation, chip: RoundedPopulation, departures: Departures
) -> dict[str, Any]:
    row = departures.chip.layers[name]
    spiking = departures.incoming[name].neuron.spiking
    unit = 1.0 if spiking else row.largest or 1.0
    total = departures.steps * departures.chip.samples
    figures: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "neurons": size(exact.node.shape),
        "float_spikes": None,
        "fixed_spikes": None,
        "rate_change": None,
        "agreement": None,
        "agreement_alone": None,
        "agreement_by_step": None,
        "agreement_by_run": None,
        "rate_change_by_run": None,
        "first_step": None,
        "samples_at_first_step": 0,
        "samples_parted": row.samples,
        "membrane": {
            "unit": "threshold" if spiking else "largest float potential",
            "before": _errors(row.before, unit),
            "all": _errors(row.after, unit),
            "histogram": row.histogram.tolist() if spiking else None,
        },
        "saturations": departures.saturations[name],
        "wraps": departures.wraps[name],
        "float": None,
        "fixed": None,
        "silenced": None,
        "woken": None,
        "changed": None,
    }
    if not spiking:
        return figures
    a, b = int(row.reference.sum()), int(row.other.sum())
    runs = {**departures.runs, "fixed": departures.chip}
    before = {n: r.reference for n, r in departures.chip.layers.items()}
    after = {n: r.other for n, r in departures.chip.layers.items()}
    floating = idle(exact, before, departures.driven, total, name)
    fixed = idle(chip, after, departures.driven, total, name)
    alone = departures.alone.layers[name]
    return figures | {
        "float_spikes": a,
        "fixed_spikes": b,
        "rate_change": b / a - 1 if a else None,
        "agreement": row.agreement,
        "agreement_alone": alone.agreement,
        "agreement_by_step": (row.equal / row.compared).tolist(),
        "agreement_by_run": {run: apart.layers[name].agreement for run, apart in runs.items()},
        "first_step": None if row.first is None else row.first.step + 1,
        "samples_at_first_step": row.samples_at_first,
        "float": asdict(floating),
        "fixed": asdict(fixed),
        "silenced": int(((row.reference > 0) & (row.other == 0)).sum()),
        "woken": int(((row.reference == 0) & (row.other > 0)).sum()),
        "rate_change_by_run": {
            run: int(apart.layers[name].other.sum()) / a - 1 if a else None
            for run, apart in runs.items()
        },
        "changed": _changed(a, b, total * row.reference.size, floating, fixed),
    }


def _changed(a: int, b: int, steps: int, before: Idle, after: Idle) -> str | None:
    """Whether a whole layer went silent, or now bursts."""
    if a and not b:
        return "silent"
    if b > BURSTING_RATE * steps >= a:
        return "bursting"
    return None


def _errors(errors: MembraneErrors, unit: float) -> dict[str, float | None]:
    rms = errors.rms
    if rms is None:
        return {"rms": None, "max": None}
    return {"rms": rms / unit, "max": errors.largest / unit}


def _result(scores: Mapping[str, Score], run: str) -> dict[str, Any]:
    """Errors of the decoded result; null if nothing is decoded or there is no target."""
    score, ideal = scores[run], scores["float"]
    difference = score.mean_difference
    return {
        "mse": score.mse,
        "ratio": score.squares / ideal.squares if ideal.squares else None,
        "accuracy": score.accuracy,
        "difference_rms": None if difference is None else difference**0.5,
    }
