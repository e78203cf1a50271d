"""Pictures: the same figures give the same file, and the same row has the same colour in all.

In:  a matplotlib figure.
Out: an SVG without dates and with reproducible ids.
Colours are Okabe and Ito's, which people who are blind to some tell apart; a mark beside each says
the same without any. Lines and groups of dots are named where they end, not in a legend.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("svg")
import matplotlib.pyplot as plt

from neurocompile.formats.whole import write_file

matplotlib.rcParams.update(
    {"svg.hashsalt": "neurocompile", "svg.fonttype": "none", "font.size": 9, "axes.grid": True}
    | {"axes.spines.top": False, "axes.spines.right": False, "grid.alpha": 0.3}
)

BLACK, GREY = "#000000", "#777777"
ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
SAFE = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, BLACK)
# By the name of a row, layer or method: its colour and its mark, in every picture.
STYLES = {
    "AE": (BLACK, "x"),
    "VAE": (GREY, "X"),
    "SAE, no regularization": (VERMILION, "o"),
    "SAE, sparse": (SKY, "s"),
    "SAE, dense": (BLUE, "D"),
    "surrogate SAE, no regularization": (ORANGE, "^"),
    "surrogate SAE, potential and spikes": (PURPLE, "v"),
    "surrogate SAE, rate band": (GREEN, "P"),
    "VAE, mean": (SKY, "o"),
    "VAE, sampled": (VERMILION, "s"),
    "published": (GREY, "*"),
    "spiking, in the chip's integers": (BLUE, "o"),
    "the same layers without spikes": (ORANGE, "^"),
    "lif1": (BLUE, "o"),
    "lif2": (SKY, "s"),
    "latent": (VERMILION, "^"),
    "lif3": (PURPLE, "v"),
    "lif4": (GREEN, "D"),
    "output": (BLACK, "x"),
    "spiking autoencoder, loihi-sim": (BLUE, "o"),
    "spiking autoencoder, loihi-sim, 8 bits": (BLUE, "o"),
    "spiking autoencoder, loihi-sim, 4 bits": (PURPLE, "v"),
    "spiking autoencoder, float": (SKY, "s"),
    "plain autoencoder": (BLACK, "D"),
    "principal components": (ORANGE, "^"),
    "T2 + Q of principal components, no network": (ORANGE, "^"),
    "isolation forest": (VERMILION, "X"),
    "covariance of the raw windows, no network": (GREEN, "P"),
}
GAP = 0.075  # between two names beside a panel, as a share of its height


def panels(
    count: int, *, width: float = 4.2, height: float = 3.4, rows: int = 1
) -> tuple[Any, Any]:
    """A figure with `count` axes, in one row or in several of equal length; sizes in inches."""
    size = width * count / rows, height * rows
    figure, axes = plt.subplots(rows, count // rows, figsize=size, layout="constrained")
    return figure, axes.ravel() if rows > 1 else axes


def drawn(row: str) -> dict[str, Any]:
    """Colour and mark of a row, as options of a plot."""
    colour, mark = STYLES[row]
    return {"color": colour, "marker": mark}


Place = tuple[float, float, str, str]  # x, y, what stands there, its colour


def named(ax: Any, places: Sequence[Place], gap: float = GAP, at: float = 1.03) -> None:
    """Write names to the right of a panel, each at the height of its place or as near as fits.

    Limits and scales of the panel have to be set before.

    Args:
        ax: The panel.
        places: What is named.
        gap: Between two names, as a share of the panel's height.
        at: Where the names begin, as a share of its width; inside of it where there is room.
    """
    to_axes = ax.transData + ax.transAxes.inverted()
    heights = [float(to_axes.transform((x, y))[1]) for x, y, *_ in places]
    order = np.argsort(heights, kind="stable")
    apart = spread([heights[i] for i in order], gap)
    for place, height in zip(order, apart, strict=True):
        x, y, words, colour = places[place]
        ax.annotate(
            words, (x, y), (at, height), textcoords="axes fraction", color=colour, fontsize=8,
            va="center", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.6,
                        "relpos": (0, 0.5)},
        )  # fmt: skip


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Rising heights, moved as little as possible until each is a gap above the one before."""
    found: list[list[float]] = []  # groups that touch: their wanted lowest place, and their number
    for height in heights:
        found.append([height, 1])
        while len(found) > 1 and found[-1][0] < found[-2][0] + gap * found[-2][1]:
            low, count = found.pop()
            before, many = found[-1]
            found[-1] = [(before * many + (low - gap * many) * count) / (many + count),
                         many + count]  # fmt: skip
    return [low + gap * i for low, count in found for i in range(int(count))]


def chance(ax: Any, level: float, words: str) -> None:
    """A line at what is reached without any skill."""
    ax.axhline(level, color=GREY, linestyle=":", linewidth=1.2)
    ax.annotate(words, (0.02, level), xycoords=("axes fraction", "data"), xytext=(0, -2), va="top",
                textcoords="offset points", color=GREY, fontsize=7)  # fmt: skip


def save(figure: Any, path: Path) -> None:
    """Write the figure and close it."""
    content = io.BytesIO()
    figure.savefig(content, format="svg", metadata={"Date": None})
    write_file(path, content.getvalue())
    plt.close(figure)
