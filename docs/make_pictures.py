"""Draw the pictures of docs/index.md, and of docs/number-formats.md from the constants of the code.

In:  the limits of `ir/registers.py`, the arithmetic of `ir/ops.py`, the example of the page.
Out: docs/pictures/*.svg; the same constants give the same bytes, which a test compares.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from neurocompile.ir.ops import NumpyOps
from neurocompile.ir.registers import (
    ALIGN_BITS,
    BIAS_EXPONENTS,
    MANTISSA_BITS,
    STATE_BITS,
    STATE_LIMIT,
    THRESHOLD_BITS,
    UNITY,
    WEIGHT_RANGE,
    WEIGHT_WIDTHS,
    Grid,
)

DOCS = Path(__file__).parent
PAGE = DOCS / "number-formats.md"
OUT = DOCS / "pictures"
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#777777"  # apart for the colour-blind
STYLE: dict[str, Any] = {
    "svg.hashsalt": "neurocompile", "svg.fonttype": "none", "font.size": 9,
    "axes.spines.top": False, "axes.spines.right": False,
}  # fmt: skip


def main() -> int:
    """Draw every picture."""
    for path in draw(OUT):
        sys.stdout.write(f"written: {path}\n")
    return 0


def draw(out: Path) -> list[Path]:
    """Draw every picture into a folder, and return their paths."""
    out.mkdir(exist_ok=True)
    paths = []
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever another program in this process prefers
        matplotlib.rcParams.update(STYLE)
        for name, make in PICTURES.items():
            paths.append(out / name)
            make().savefig(paths[-1], format="svg", metadata={"Date": None})
    return paths


def figure(height: float) -> tuple[Figure, Any]:
    """An empty picture as wide as a page."""
    made = Figure(figsize=(7.2, height), layout="constrained")
    return made, made.add_subplot()


def pipeline() -> Figure:
    """What a network becomes on its way, and what takes it there."""
    made, axes = figure(1.35)
    stages = (
        ("trained\nnetwork", "frontend", GREY),
        ("FLOAT\ngraph", "simplify,\nquantize", BLUE),
        ("FIXED graph:\nintegers", "place", BLUE),
        ("neurocores,\nlimits checked", "run: lava =\nfixed = onnx", BLUE),
        ("spikes and\npotentials", "counts\nx prices", BLUE),
        ("joules,\nseconds", "", ORANGE),
    )
    for number, (stage, step, colour) in enumerate(stages):
        box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": colour}
        axes.text(number, 0, stage, ha="center", va="center", fontsize=8, bbox=box)
        if step:
            axes.text(number + 0.5, 0.4, step, ha="center", va="bottom", fontsize=7, color=GREY)
            arrow = {"arrowstyle": "->", "color": GREY}
            axes.annotate("", (number + 0.61, 0), (number + 0.4, 0), arrowprops=arrow)
    axes.set(xlim=(-0.5, len(stages) - 0.5), ylim=(-0.6, 1))
    axes.set_axis_off()
    return made


def weight_grid() -> Figure:
    """The weights that memory holds, a row per width."""
    made, axes = figure(2.6)
    low, high = WEIGHT_WIDTHS
    for bits in range(low, high + 1):
        grid = Grid(bits)
        first, last = grid.used
        weights = np.arange(first, last + 1, grid.step)
        axes.plot(weights, np.full(len(weights), bits), "|", color=BLUE, markersize=10)
        axes.annotate(f"step {grid.step}", (WEIGHT_RANGE + 12, bits), va="center", color=GREY)
    axes.set(xlim=(-WEIGHT_RANGE - 12, WEIGHT_RANGE + 70), ylim=(low - 0.6, high + 0.6))
    axes.set(xlabel="weight on the grid", ylabel="bits of a weight", yticks=range(low, high + 1))
    axes.set_xticks(range(-WEIGHT_RANGE, WEIGHT_RANGE + 1, WEIGHT_RANGE // 2))
    return made


def alignment() -> Figure:
    """Which bits of a 24-bit register each number occupies."""
    made, axes = figure(3.3)
    weight = WEIGHT_RANGE.bit_length()  # bits of -256..254: the sign and 8 more
    rows = (
        ("current u, potential v", 0, STATE_BITS, GREY),
        (f"weight, exponent 0: w 2^{ALIGN_BITS}", ALIGN_BITS, weight, BLUE),
        (f"weight, exponent 2: w 2^2 2^{ALIGN_BITS}", ALIGN_BITS + 2, weight, BLUE),
        (f"weight, exponent 7: w 2^7 2^{ALIGN_BITS}", ALIGN_BITS + 7, weight, BLUE),
        (f"threshold: vth 2^{ALIGN_BITS}", ALIGN_BITS, THRESHOLD_BITS, ORANGE),
        ("bias, exponent 0: mant 2^0", BIAS_EXPONENTS[0], MANTISSA_BITS, GREEN),
        ("bias, exponent 7: mant 2^7", BIAS_EXPONENTS[1], MANTISSA_BITS, GREEN),
    )
    for row, (name, lowest, bits, colour) in enumerate(rows):
        for bit in range(lowest, lowest + bits):
            left = STATE_BITS - 1 - bit
            axes.barh(row, 0.92, left=left + 0.04, height=0.72, color=colour, alpha=0.75)
        axes.annotate(name, (-0.4, row), ha="right", va="center")
    axes.axvline(STATE_BITS - ALIGN_BITS, color="black", linewidth=0.8, linestyle=":")
    axes.set(xlim=(-10.5, STATE_BITS), ylim=(len(rows) - 0.4, -0.6), yticks=[])
    axes.set_xticks([STATE_BITS - 0.5 - bit for bit in range(0, STATE_BITS, 3)])
    axes.set_xticklabels([str(bit) for bit in range(0, STATE_BITS, 3)])
    axes.set_xlabel("bit of the register; the dotted line is the alignment by 6 bits")
    axes.spines["left"].set_visible(False)
    return made


def decay() -> Figure:
    """A small potential that decays, exactly and cut to whole numbers."""
    made, axes = figure(2.5)
    lost, start, steps = 410, 60, 40  # dv of 10 ms at 1 ms
    whole = [np.array(start)]
    for _ in range(steps):
        whole.append(NumpyOps().decay(whole[-1], UNITY - lost))
    exact = start * ((UNITY - lost) / UNITY) ** np.arange(steps + 1)
    axes.plot(exact, color=GREY, label="v (4096 - 410) / 4096, exact")
    axes.plot(whole, ".", color=BLUE, label="fraction cut off in each step")
    axes.set(xlabel="step", ylabel="v")
    axes.legend(frameon=False)
    return made


def beyond() -> Figure:
    """What becomes of a current and of a potential that leave 24 bits."""
    made, axes = figure(2.7)
    asked = np.linspace(-1.9 * STATE_LIMIT, 1.9 * STATE_LIMIT, 1521).astype(np.int64)
    ops = NumpyOps()
    current = ops.wrap(asked).astype(float)
    current[1:][np.abs(np.diff(current)) > STATE_LIMIT] = np.nan  # no line where it jumps
    cut = ops.clip(asked, -(STATE_LIMIT - 1), STATE_LIMIT - 1)
    million = 1e6
    axes.plot(asked / million, cut / million, color=ORANGE, linewidth=3, label="v saturates")
    axes.plot(asked / million, current / million, color=BLUE, label="u wraps")
    axes.set(xlabel="sum before, millions", ylabel="register after, millions")
    axes.set_yticks([-STATE_LIMIT / million, 0, STATE_LIMIT / million], ["-2^23", "0", "2^23"])
    axes.legend(frameon=False)
    return made


def example() -> Figure:
    """The worked example: the potential of the float network and of the integers."""
    made, axes = figure(2.7)
    rows = steps_of(PAGE.read_text())
    time = [row["step"] for row in rows]
    axes.plot(time, [row["float v"] for row in rows], color=GREY, label="float")
    axes.plot(time, [row["v / unit"] for row in rows], ".", color=BLUE, label="integers / unit")
    axes.axhline(0.2, color="black", linewidth=0.8, linestyle=":")
    axes.annotate("threshold", (time[-1], 0.2), ha="right", va="bottom")
    for row in rows:
        if row["spike"]:
            axes.annotate("spike", (row["step"], 0), ha="center", va="top", xytext=(0, -6),
                          textcoords="offset points", color=ORANGE)  # fmt: skip
    axes.set(xlabel="step", ylabel="v after the reset", xticks=time, ylim=(-0.035, 0.23))
    axes.legend(frameon=False, loc="lower right")
    return made


def steps_of(page: str) -> list[dict[str, float]]:
    """The table of steps of the worked example, a row per step; an empty cell is 0."""
    (table,) = re.findall(r"^\| step \|.*\n(?:\|.*\n)+", page, flags=re.MULTILINE)
    head, _, *lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()
    ]
    return [
        dict(zip(head, (float(cell.replace(",", "") or 0) for cell in cells), strict=True))
        for cells in lines
    ]


PICTURES: dict[str, Callable[[], Figure]] = {
    "pipeline.svg": pipeline,
    "weight-grid.svg": weight_grid,
    "alignment.svg": alignment,
    "decay.svg": decay,
    "beyond.svg": beyond,
    "example.svg": example,
}

if __name__ == "__main__":
    sys.exit(main())
