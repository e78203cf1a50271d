"""What to know first: what was compiled, is it exact, its error, its joules, does it fit.

In:  report.json; samples.npz if there is one.
Out: a title, a sentence, cards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurocompile.report.page.blocks import Card, energy, percent
from neurocompile.report.page.values import (
    arrows,
    borrowed_model,
    by_layer,
    neurons_of,
    nominal_model,
    quantity_words,
    synapses_of,
)
from neurocompile.report.parting.words import CAUSES
from neurocompile.report.samples_file import Samples
from neurocompile.terminal.words import number_of


def title(report: Mapping[str, Any]) -> str:
    """The heading of the page."""
    neurons, target = neurons_of(report), report["provenance"]["target"]
    what = "A network" if neurons is None else f"{number_of(neurons, 'neuron')}"
    return f"{what} on {target}"


def lead(report: Mapping[str, Any], samples: Samples | None) -> str:
    """What was compiled and run, in a sentence or two."""
    about = report["provenance"]
    synapses = synapses_of(report)
    has = "" if synapses is None else f" with {number_of(synapses, 'synapse')}"
    words = f"A spiking network{has}, compiled to the integers of {about['target']}"
    scales = about["calibration"]
    if scales:
        words += f"; {scales}" if scales.startswith("uncalibrated") else f"; scales: {scales}"
    words += "."
    run = report["energy"]
    if run is None:
        return f"{words} Nothing was run: there were no data."
    ran = number_of(run["samples"], "sample")
    of = "" if samples is None else f" of {samples.about['source']}"
    engines = about["engines"]
    word = "engine" if len(engines) == 1 else "engines"
    return f"{words} It ran {ran}{of}, simulated by the {word} {' and '.join(engines)}."


def cards(report: Mapping[str, Any], samples: Samples | None) -> list[Card]:
    """The cards, in the order in which people ask."""
    found = [
        _exact(report),
        _error(report),
        _joules(report),
        _fits(report),
        _costs(report),
        _parts(report, samples),
        _sure(report),
    ]
    return [card for card in found if card is not None]


def _exact(report: Mapping[str, Any]) -> Card:
    exact = report["exactness"]
    if exact is None:
        return Card("Exact?", "not run", "No engine ran, so none was compared with another.")
    compared = exact["spikes_compared"] + exact["membrane_values_compared"]
    engines = " = ".join(exact["engines"])
    if not compared:
        text = f"Only {engines} ran. Run lava or onnx beside it to compare every bit."
        return Card("Exact?", "not compared", text)
    who = "both" if len(exact["engines"]) == 2 else "all"
    text = f"Of {compared:,} spikes and potentials that {who} engines computed, "
    text += f"{exact['mismatches']:,} differ."
    if exact["mismatches"]:
        return Card("Exact?", f"no: {' ≠ '.join(exact['engines'])}", text, "bad")
    return Card("Exact?", f"yes: {engines}", text, "good")


def _error(report: Mapping[str, Any]) -> Card:
    error, right = report["reconstruction"], report["classification"]
    name = "What the integers lose"
    if error is not None:
        fixed = f"{error['mse_fixed']:.6f}"
        if error["mse_float"] is None:
            return Card("Error", fixed, "Mean squared error; there is no float network beside it.")
        text = f"Mean squared error: float {error['mse_float']:.6f}, fixed {fixed}."
        if error["ratio"] is None:
            return Card(name, fixed, text)
        return Card(name, f"{100 * (error['ratio'] - 1):+.2f} % error", text)
    if right is not None:
        fixed = percent(right["accuracy_fixed"])
        if right["accuracy_float"] is None:
            return Card("Accuracy", fixed, f"Of {number_of(right['samples'], 'sample')}.")
        change = 100 * (right["accuracy_fixed"] - right["accuracy_float"])
        text = f"Accuracy: float {percent(right['accuracy_float'])}, fixed {fixed}."
        return Card(name, f"{change:+.2f} points", text)
    agreement = report["agreement"]
    if agreement and agreement["layers"]:
        last = agreement["layers"][-1]
        text = f"Of the neurons and steps of '{last['name']}', float and fixed."
        return Card(name, f"{percent(last['equal_spikes'])} agree", text)
    return Card(name, "not known", "No result is decoded, or nothing was run.")


def _joules(report: Mapping[str, Any]) -> Card:
    run, name = report["energy"], "Energy per sample"
    if run is None:
        return Card(name, "not known", "Nothing was run. Give data (--data SOURCE).")
    each, model = run["per_sample_j"], nominal_model(run)
    if each["nominal_j"] is None or model is None:
        text = "The target has no complete set of prices of its own."
        borrowed = borrowed_model(run)
        if borrowed is None:
            return Card(name, "no total", text)
        each_j = float(f"{borrowed['total_j'] / run['samples']:.1e}")
        text = f"An order of magnitude, by {borrowed['name']}; no total. {text}"
        return Card(name, f"about {energy(each_j)}", text)
    if each["low_j"] is None:
        text = f"By {model['name']}, whose error is not known. {run['name']}."
    else:
        low, high = energy(each["low_j"]), energy(each["high_j"])
        text = f"{low} to {high} with the error that the authors of {model['name']} state."
    return Card(name, energy(each["nominal_j"]), text)


def _fits(report: Mapping[str, Any]) -> Card:
    fit = report["fit"]
    limit = next((row["limit"] for row in fit["limits"] if row["resource"] == "cores"), None)
    of = "" if limit is None else f" of {limit:,}"
    text = f"{number_of(fit['cores_used'], 'core')}{of} on {number_of(fit['chips'], 'chip')}."
    return Card(
        "Fits the chip?",
        "yes" if fit["fits"] else "no",
        text,
        "good" if fit["fits"] else "bad",
    )


def _costs(report: Mapping[str, Any]) -> Card | None:
    run = report["energy"]
    model = None if run is None else nominal_model(run) or borrowed_model(run)
    if model is None or not model["total_j"]:
        return None
    spent = by_layer(report, model)
    if not spent:
        return None
    layer = max(spent, key=lambda name: sum(spent[name].values()))
    part = sum(spent[layer].values()) / model["total_j"]
    quantity = max(spent[layer], key=lambda name: spent[layer][name])
    inside = spent[layer][quantity] / sum(spent[layer].values())
    text = f"Of that, {percent(inside)} are {quantity_words(quantity)}."
    if nominal_model(run) is None:
        text += f" By {model['name']}."
    return Card("What costs most", f"{layer}: {percent(part)}", text)


def _parts(report: Mapping[str, Any], samples: Samples | None) -> Card | None:
    name = "Where float and fixed part"
    if samples is None or not samples.about["samples"] or report["agreement"] is None:
        return None
    first = samples.about["parting"]
    if first is None:
        if any("cause of the first" in left for left in samples.about["left_out"]):
            return None
        kept = number_of(samples.about["samples"], "sample")
        return Card(name, "nowhere", f"Every spike agrees in the first {kept}.", "good")
    text = f"At step {first['step']} of sample {first['sample']}: "
    text += f"{CAUSES.get(first['cause'], first['cause'])}."
    return Card(name, arrows(first["path"]), text)


def _sure(report: Mapping[str, Any]) -> Card | None:
    run = report["energy"]
    if run is None or not run["models"]:
        return None
    model = nominal_model(run)
    kinds = sorted({t["kind"] for t in (model or run["models"][0])["terms"] if t["kind"]})
    of = [
        row["part"]
        for row in run.get("errors", ())
        if model is not None and row["of"] == "energy" and row["model"] == model["name"]
    ]
    large = f"± {percent(of[0])} stated" if of else "error not known"
    small = f"Not measured here: a count times prices ({', '.join(kinds)}). "
    small += "No bound for your network. The host, x86 cores and more are left out: see below."
    return Card("How sure are the joules?", large, small)
