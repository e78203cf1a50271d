"""A comparison as pictures: agreement by step, membrane errors, classes of rounding.

In:  the document that `--json` prints.
Out: three SVG files.
The same figures give the same bytes.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neurocompile import installed
from neurocompile.commands.compare.tables import ROUNDED
from neurocompile.errors import BadInput, printable
from neurocompile.formats.whole import check_inside, write_files

NAMES = ("agreement.svg", "membrane.svg", "rounding.svg")
MANY = 8  # layers whose names do not fit beside each other


def check_pictures(out: Path, force: bool) -> None:
    """Refuse what cannot be written before any work is done.

    Raises:
        NotInstalled: If matplotlib is missing.
        BadInput: If a file exists and must not be replaced, or cannot be written.
    """
    installed.require("pictures")
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file. Give --out a directory for the pictures.")
    for name in NAMES:  # a folder of a stranger's may have links
        check_inside(out / name, out, f"the pictures {out}")
    there = [name for name in NAMES if (out / name).exists()]
    if there and not force:
        raise BadInput(
            f"{out / there[0]} exists. Choose another --out, or replace it with --force."
        )
    parent = out.absolute()
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise BadInput(f"{out} cannot be written: {parent} is not a writable directory.")


def write_pictures(comparison: Mapping[str, Any], out: Path, force: bool) -> list[Path]:
    """Draw the three pictures and return their paths.

    Raises:
        BadInput: If one cannot be written, as on a full disk; older ones then stay.
    """
    import matplotlib

    settings: Any = {"svg.hashsalt": "neurocompile", "svg.fonttype": "none"}
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a style of the user's own would change the bytes
        matplotlib.rcParams.update(settings)
        drawn = (_agreement(comparison), _membrane(comparison), _rounding(comparison))
        contents = {out / name: _svg(figure) for name, figure in zip(NAMES, drawn, strict=True)}
    write_files(contents, replace=force)
    return list(contents)


def _svg(figure: Any) -> bytes:
    """A figure as a file, without a date."""
    content = io.BytesIO()
    figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()


def _agreement(comparison: Mapping[str, Any]) -> Any:
    """Part of the spikes that agree by step, one line per layer."""
    figure, axes = _figure()
    steps = np.arange(1, comparison["steps"] + 1)
    for row in comparison["layers"]:
        if row["agreement_by_step"] is not None:
            axes.plot(
                steps, 100 * np.array(row["agreement_by_step"]), ".-", label=_shown(row["name"])
            )
    axes.set(xlabel="step", ylabel="equal spikes, % of neurons", title="Fixed against float")
    _legend(axes)
    return figure


def _membrane(comparison: Mapping[str, Any]) -> Any:
    """Size of the membrane errors while all spikes are still equal."""
    figure, axes = _figure()
    edges = np.array(comparison["histogram_edges"])
    for row in comparison["layers"]:
        counts = np.array(row["membrane"]["histogram"] or [], dtype=float)
        if counts.sum():
            axes.stairs(100 * counts / counts.sum(), edges, label=_shown(row["name"]))
    axes.set(
        xscale="log",
        xlabel="membrane error / threshold",
        ylabel="% of the values that are not equal",
        title="Before any spike of the sample differs",
    )
    _legend(axes)
    return figure


def _rounding(comparison: Mapping[str, Any]) -> Any:
    """What each class of rounding does to the spikes, by layer."""
    figure, axes = _figure()
    rows = [row for row in comparison["layers"] if row["agreement"] is not None]
    place = np.arange(len(rows))
    runs = [run["run"] for run in comparison["runs"]]
    wide = 0.8 / len(runs)
    for number, run in enumerate(runs):
        differ = [100 * (1 - row["agreement_by_run"][run]) for row in rows]
        axes.bar(place + wide * (number - (len(runs) - 1) / 2), differ, wide, label=ROUNDED[run])
    turn = 90 if len(rows) > MANY else 0
    axes.set_xticks(place, [_shown(row["name"]) for row in rows], rotation=turn)
    axes.set(ylabel="spikes that differ, % of neurons and steps", title="One class at a time")
    _legend(axes)
    return figure


def _shown(name: str) -> str:
    """A name as it is: matplotlib reads formulas between dollars, and hides what begins with _."""
    return " " * name.startswith("_") + printable(name).replace("$", r"\$")


def _figure() -> Any:
    """A figure that needs no window system."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasSVG(figure)
    return figure, figure.add_subplot()


def _legend(axes: Any) -> None:
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=8)
