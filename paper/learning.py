"""How fast the error falls, beside the published first and last epoch.

In:  kept curves of the replication, and errors at the end of the trainings of the table.
Out: a picture of the replication's section: error against digits seen.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from paper import table
from paper.charts import STYLES, named, panels, save
from paper.settings import SETTINGS
from paper.study import Json

# Squared error an image after epochs of 60,000 digits, as of paper/table.py and the learning
# curves of the same repository: the first epoch, and the last of ten.
EPOCH = 60_000
PUBLISHED = {"SAE, dense": (17.1, 6.75), "beta-VAE": (89.5, 5.94)}
# Of the replication, with all four rules: penalties, and the row whose colour they have.
CURVES = {
    "none": "SAE, no regularization",
    "dense": "SAE, dense",
    "rate band": "surrogate SAE, rate band",
}
ENDS = ("AE", "SAE, dense", "surrogate SAE, rate band")
PICTURE = "![error against digits seen](results/replication-learning.svg)"


def draw(folder: Path, curves: Callable[[str], list[Json]]) -> None:
    """Curves of the first digits, ends of longer trainings, published points.

    Args:
        folder: Of the picture.
        curves: Of penalties, the kept curves, one a seed.
    """
    figure, ax = panels(1, width=8, height=3.8)
    places = []
    for penalties, row in CURVES.items():
        points = curves(penalties)
        colour, mark = STYLES[row]
        seen = [one["seen"] for one in points[0]["points"]][1:]
        errors = np.mean([[p["error"] for p in one["points"]][1:] for one in points], axis=0)
        ax.plot(seen, errors, color=colour, marker=mark, markersize=3)
        places.append((seen[-1], errors[-1], f"{penalties}, the paper's gradient", colour))
    for row in ENDS:
        colour, mark = STYLES[row]
        ends = [
            (setting.epochs * table.digits_seen(), float(np.mean(table.errors(name, row))))
            for name, setting in SETTINGS.items()
            if setting.architecture == "chip" and (row in setting.rows or row in setting.plain)
        ]
        ax.plot(*zip(*ends, strict=True), linestyle="", color=colour, marker=mark)
        places.append((*ends[-1], f"{row}, at the end", colour))
    colour, mark = STYLES["published"]
    for row, (first, last) in PUBLISHED.items():
        ax.plot((EPOCH, 10 * EPOCH), (first, last), mark, color=colour)
        ax.annotate(f"published {row}, epoch 1", (EPOCH, first), (5, 4), fontsize=7, color=colour,
                    textcoords="offset points")  # fmt: skip
    ax.annotate("epoch 10", (10 * EPOCH, 6.75), (4, 5), fontsize=7, color=colour,
                textcoords="offset points")  # fmt: skip
    ax.set(
        xlabel="digits seen",
        ylabel="squared error an image",
        xscale="log",
        ylim=(0, 95),
        xlim=(100, 3e6),
    )
    named(ax, places)
    save(figure, folder / "replication-learning.svg")
