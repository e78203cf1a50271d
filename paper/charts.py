"""Pictures: the same figures give the same file.

In:  a matplotlib figure.
Out: an SVG without dates and with reproducible ids.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

from neurocompile.formats.whole import write_file

matplotlib.rcParams.update(
    {"svg.hashsalt": "neurocompile", "svg.fonttype": "none", "font.size": 9, "axes.grid": True}
    | {"axes.spines.top": False, "axes.spines.right": False, "grid.alpha": 0.3}
)

# Okabe and Ito's colours, which people who are blind to some tell apart.
SAFE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")


def panels(count: int, *, width: float = 4.2, height: float = 3.4) -> tuple[Any, Any]:
    """A figure with `count` axes in a row; sizes in inches."""
    return plt.subplots(1, count, figsize=(width * count, height), layout="constrained")


def save(figure: Any, path: Path) -> None:
    """Write the figure and close it."""
    content = io.BytesIO()
    figure.savefig(content, format="svg", metadata={"Date": None})
    write_file(path, content.getvalue())
    plt.close(figure)
