"""A comparison in plain English: what a reader should know, in single sentences.

In:  the figures of `document`.
Out: sentences; the first says where the networks first differ and why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from neurocompile.report.parting.words import CAUSES
from neurocompile.terminal.words import number_of

NOTICEABLE = 0.05  # a layer whose spikes change by more than this part is worth a sentence
CLASSES = {
    "weight": "weights",
    "threshold": "thresholds",
    "bias": "biases",
    "decay": "decays",
    "start": "early starts",
    "sum": "rounded sums",
}


def summary(comparison: Mapping[str, Any]) -> list[str]:
    """All sentences.

    Args:
        comparison: The document without its summary.
    """
    first = comparison["first"]
    if first is None:
        return [_no_difference(comparison), *_each_layer(comparison)]
    return [
        _first(first),
        *_others(first),
        *_costly(comparison),
        *_alone(comparison),
        *_each_layer(comparison),
    ]


def beside_one(ratio: float) -> str:
    """A ratio with four decimals, or with as many as are needed to tell it from 1."""
    digits = 4
    while digits < 12 and round(ratio, digits) == 1 and ratio != 1:
        digits += 1
    return f"{ratio:.{digits}f}"


def percent(part: float) -> str:
    """A part of 1 in percent; never 100 if it is less."""
    return f"{min(100 * part, 99.99) if part < 1 else 100:.2f} %"


def _no_difference(comparison: Mapping[str, Any]) -> str:
    neurons = sum(row["neurons"] for row in comparison["layers"] if row["agreement"] is not None)
    values = neurons * comparison["steps"] * comparison["samples"]
    return (
        f"Every spike agrees: {number_of(neurons, 'neuron')}, "
        f"{number_of(comparison['steps'], 'step')}, "
        f"{number_of(comparison['samples'], 'sample')}, {number_of(values, 'value')}."
    )


def _first(first: Mapping[str, Any]) -> str:
    neuron = ", ".join(map(str, first["neuron"]))
    values = first["of_threshold"]
    if values["float"] is None or values["fixed"] is None:
        who = ("float", "fixed") if first["float_spike"] else ("fixed", "float")
        reached = f"the {who[0]} neuron spikes, the {who[1]} one does not"
    else:
        reached = (
            f"float membrane {beside_one(values['float'])} of the threshold, "
            f"fixed {beside_one(values['fixed'])}"
        )
    return (
        f"They first differ in layer '{first['path']}' at step {first['step']} of sample "
        f"{first['sample']} (neuron ({neuron})): {reached}. Cause: {CAUSES[first['cause']]}."
    )


def _others(first: Mapping[str, Any]) -> Iterator[str]:
    """The other spikes that differ in that layer and step of that sample."""
    if first["differ_there"] > 1:
        causes = ", ".join(f"{cause} {count:,}" for cause, count in first["causes_there"].items())
        yield f"{first['differ_there']:,} of its neurons differ in that step; causes: {causes}."


def _costly(comparison: Mapping[str, Any]) -> Iterator[str]:
    """The class that by itself does the most harm to the result, or to the spikes."""
    runs = {row["run"]: row for row in comparison["runs"]}
    all_of_them = runs["fixed"]
    classes = [run for run in CLASSES if run in runs]
    if comparison["float"]["ratio"] is not None:
        worst = max(classes, key=lambda run: runs[run]["ratio"])
        if runs[worst]["ratio"] > 1:
            yield (
                f"Of the single classes, the chip's {CLASSES[worst]} cost most: reconstruction "
                f"error x {runs[worst]['ratio']:.4f}; everything as on the chip: x "
                f"{all_of_them['ratio']:.4f}."
            )
        return
    worst = min(classes, key=lambda run: runs[run]["agreement"])
    if runs[worst]["agreement"] < 1:
        yield (
            f"Of the single classes, the chip's {CLASSES[worst]} cost most: "
            f"{percent(runs[worst]['agreement'])} of all spikes agree; everything as on the chip: "
            f"{percent(all_of_them['agreement'])}."
        )


def _alone(comparison: Mapping[str, Any]) -> Iterator[str]:
    """The layer that differs most by itself, apart from differences in its input."""
    rows = [row for row in comparison["layers"] if row["agreement_alone"] is not None]
    worst = min(rows, key=lambda row: row["agreement_alone"])
    if len(rows) > 1 and worst["agreement_alone"] < 1:
        yield (
            f"Given the float network's own spikes, layer '{worst['name']}' differs most: "
            f"{percent(worst['agreement_alone'])} agree."
        )


def _each_layer(comparison: Mapping[str, Any]) -> Iterator[str]:
    for row in comparison["layers"]:
        yield from _rates(row)
        advice = "Calibrate on data like these, or lower the weights before it."
        if row["wraps"]:
            yield (
                f"Layer '{row['name']}': a synaptic current wrapped around 24 bits "
                f"{row['wraps']:,} times. {advice}"
            )
        if row["saturations"]:
            yield (
                f"Layer '{row['name']}': a membrane was cut to 24 bits {row['saturations']:,} "
                f"times. {advice}"
            )


def _rates(row: Mapping[str, Any]) -> Iterator[str]:
    """A layer that went silent, bursts, or spikes much less or more, and the class behind it."""
    change = row["rate_change"]
    if row["float_spikes"] == 0 and row["fixed_spikes"]:
        yield (
            f"Layer '{row['name']}' never spikes in the float network, but {row['fixed_spikes']:,} "
            "times on the chip."
        )
    if change is None or (abs(change) < NOTICEABLE and row["changed"] is None):
        return
    text = f"Layer '{row['name']}' "
    if row["changed"] == "silent":
        text += "went silent"
    else:
        text += f"spikes {100 * abs(change):.1f} % {'more' if change > 0 else 'less'}"
        text += ", and so bursts" if row["changed"] == "bursting" else ""
    if row["silenced"]:
        text += f"; {row['silenced']:,} of its {row['neurons']:,} neurons never spike any more"
    alone = {run: change for run, change in row["rate_change_by_run"].items() if run in CLASSES}
    most = max(alone, key=lambda run: abs(alone[run]))
    yield f"{text}. The chip's {CLASSES[most]} by themselves make {100 * alone[most]:+.1f} %."
