"""What the network returns, beside what the float network does.

In:  report.json; samples.npz.
Out: a section of pictures with error maps, or of confusion and flipped samples, or none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.report.page.blocks import Block, Chart, Section, Table, Text, percent
from neurocompile.report.page.packed import levels
from neurocompile.report.samples_file import Samples
from neurocompile.terminal.words import number_of

MOST_CLASSES = 50  # that a picture of the confusion shows
SIDE = 96  # pixels of a picture; larger ones are thinned out
CHANNELS = 4  # of a picture, beside each other
PICTURED = 20
Pictured = tuple[str, str, Array]  # title, kind of its colours, (n, height, width)


def results(report: Mapping[str, Any], samples: Samples | None) -> Section | None:
    """The section; None if nothing was run."""
    blocks: list[Block] = []
    if report["classification"] is not None:
        blocks += _classes(report["classification"], samples)
    elif report["reconstruction"] is not None:
        blocks += _reconstruction(report["reconstruction"], samples)
    if not blocks:
        return None
    return Section("results", "Float and fixed side by side", blocks)


def _reconstruction(error: Mapping[str, Any], samples: Samples | None) -> list[Block]:
    floating = "-" if error["mse_float"] is None else f"{error['mse_float']:.6f}"
    words = f"Mean squared error over {number_of(error['samples'], 'sample')}: float {floating}, "
    words += f"fixed {error['mse_fixed']:.6f}"
    words += "." if error["ratio"] is None else f", ratio {error['ratio']:.4f}."
    if samples is None or "fixed_result" not in samples.arrays:
        return [Text([words, "No samples were recorded, so there are no pictures."])]
    pictured = _pictured(samples)
    if not pictured:
        return [Text([words, "The results are no pictures that can be shown here."])]
    return [Text([words]), _pictures(pictured, _errors(samples))]


def _pictured(samples: Samples) -> list[Pictured]:
    """Originals, results and their differences as pictures."""
    arrays = samples.arrays
    fixed = arrays["fixed_result"]
    shown: list[Pictured] = []
    original = arrays.get("values")
    if original is not None and original.size == fixed.size:
        original = original.reshape(fixed.shape).astype(np.float64)
        shown.append(("original", "value", original))
    else:
        original = None
    floating = arrays.get("float_result")
    if floating is not None and floating.shape == fixed.shape:
        shown.append(("float", "value", floating))
    shown.append(("fixed", "value", fixed))
    if original is not None:
        shown.append(("error", "error", fixed - original))
    if floating is not None and floating.shape == fixed.shape:
        shown.append(("fixed - float", "error", fixed - floating))
    flat = [(title, kind, _flat(values[:PICTURED])) for title, kind, values in shown]
    return [(title, kind, values) for title, kind, values in flat if values is not None]


def _flat(values: Array) -> Array | None:
    """(n, height, width) of results of any shape; None if they have no values."""
    if not values.size:
        return None
    if values.ndim == 2:
        values = values[:, None, :]
    if values.ndim >= 4:  # channels beside each other
        values = values.reshape(len(values), -1, *values.shape[-2:])[:, :CHANNELS]
        values = np.concatenate(list(np.moveaxis(values, 1, 0)), axis=2)
    if values.ndim != 3:
        values = values.reshape(len(values), 1, -1)
    thin = [-(-size // (SIDE * (CHANNELS if axis else 1))) for axis, size in
            enumerate(values.shape[1:])]  # fmt: skip
    return np.asarray(values[:, :: thin[0], :: thin[1]])


def _errors(samples: Samples) -> list[tuple[str, ...]]:
    """Per sample: mean squared errors of float and fixed against the original, and between them."""
    arrays, rows = samples.arrays, []
    fixed, floating, original = (arrays.get(k) for k in ("fixed_result", "float_result", "values"))
    assert fixed is not None, "a page without results has no pictures"
    for at in range(len(fixed)):
        row = [str(at)]
        for one, other in ((floating, original), (fixed, original), (fixed, floating)):
            if one is None or other is None or one[at].size != other[at].size:
                row.append("-")
            else:
                error = np.square(one[at].ravel() - other[at].ravel().astype(np.float64)).mean()
                row.append(f"{error:.6f}")
        rows.append(tuple(row))
    return rows


def _pictures(
    pictured: Sequence[Pictured],
    rows: Sequence[tuple[str, ...]],
    names: Sequence[str] = (),
    each_step: bool = False,
) -> Chart:
    values = np.concatenate([v.ravel() for _, kind, v in pictured if kind == "value"])
    low, high = float(values.min()), float(values.max())
    errors = [np.abs(v).max(initial=0.0) for _, kind, v in pictured if kind == "error"]
    most = float(max(errors, default=0.0)) or 1.0
    kinds = [
        {
            "title": title,
            "kind": kind,
            "high": v.shape[1],
            "wide": v.shape[2],
            "data": levels(v, *((low, high) if kind == "value" else (-most, most))),
        }
        for title, kind, v in pictured
    ]
    kept = len(pictured[0][2])
    table = None
    if rows:
        titles = ("sample", "float error", "fixed error", "between them")
        table = Table(titles, rows, "Mean squared error per value of each sample.")
    titles_of = [title for title, _, _ in pictured]
    caption = "A row is a step, a column an input. " if each_step else ""
    caption += f"White is {high:.3g}, black {low:.3g}. "
    if errors:
        caption += "Error is fixed - original. "
        caption += f"Orange is higher, by up to {most:.3g}, blue lower, white equal."
    return Chart(
        "pictures",
        f"Pictures of {number_of(kept, 'sample')}: {', '.join(titles_of)}.",
        {
            "kinds": kinds,
            "samples": kept,
            "names": list(names) or [f"sample {row[0]}" for row in rows],
            "notes": [f"float {r[1]} · fixed {r[2]}" for r in rows if len(r) > 2],
        },
        caption,
        table,
        controls=True,
    )


def _classes(right: Mapping[str, Any], samples: Samples | None) -> list[Block]:
    floating = "-" if right["accuracy_float"] is None else percent(right["accuracy_float"])
    words = f"Accuracy over {number_of(right['samples'], 'sample')}: float {floating}, "
    words += f"fixed {percent(right['accuracy_fixed'])}."
    blocks: list[Block] = []
    if "confusion_fixed" not in right:
        return [Text([words, "Reports before 1.6 do not tell which classes were confused."])]
    flipped = right["flipped_in_all"]
    if right["accuracy_float"] is not None:
        words += f" They choose another class for {number_of(flipped, 'sample')}."
    blocks.append(Text([words]))
    if right["confusion_fixed"] is None or len(right["confusion_fixed"]) > MOST_CLASSES:
        blocks.append(Text(["There are too many classes for a picture of their confusion."]))
    else:
        blocks.append(_confusion(right))
    if right["flipped"]:
        rows = [tuple(str(row[k]) for k in ("sample", "label", "float", "fixed"))
                for row in right["flipped"]]  # fmt: skip
        caption = f"The samples that flipped, {len(rows)} of {flipped}."
        blocks.append(Table(("sample", "label", "float", "fixed"), rows, caption))
    pictures = _inputs(samples)
    return [*blocks, *pictures]


def _confusion(right: Mapping[str, Any]) -> Chart:
    both = [("float", right["confusion_float"]), ("fixed", right["confusion_fixed"])]
    both = [(name, counts) for name, counts in both if counts is not None]
    rows = [
        (name, str(label), str(chosen), f"{count:,}")
        for name, counts in both
        for label, row in enumerate(counts)
        for chosen, count in enumerate(row)
        if count
    ]
    table = Table(("network", "label", "class chosen", "samples"), rows, "Samples by class.")
    return Chart(
        "confusion",
        "Confusion: the class chosen for each label, for " + " and ".join(n for n, _ in both),
        {"networks": [{"name": name, "counts": counts} for name, counts in both]},
        "Rows are labels, columns the classes chosen; on the diagonal both are the same.",
        table,
        height=90 + max(200, 22 * min(20, len(both[0][1]))),  # as in charts.js
    )


def _inputs(samples: Samples | None) -> list[Block]:
    """The samples that were classified, with what was chosen, where they are pictures."""
    if samples is None:
        return []
    values, labels, fixed = (samples.arrays.get(k) for k in ("values", "labels", "fixed_result"))
    if values is None or labels is None or fixed is None or values.ndim < 3:
        return []
    shown = _flat(values[:PICTURED].astype(np.float64))
    if shown is None:
        return []
    chosen = fixed.reshape(len(fixed), -1).argmax(axis=1)
    names = [f"sample {at}: label {labels[at]}, fixed {chosen[at]}" for at in range(len(shown))]
    floating = samples.arrays.get("float_result")
    if floating is not None:
        theirs = floating.reshape(len(floating), -1).argmax(axis=1)
        names = [
            f"{name}, float {theirs[at]}" + ("" if theirs[at] == chosen[at] else ": flipped")
            for at, name in enumerate(names)
        ]
    each_step = values.ndim == 3 and values.shape[1] == samples.about["steps"]
    return [_pictures([("input", "value", shown)], [], names, each_step)]
