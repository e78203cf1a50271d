"""The tables of docs/results.md.

In:  a head and rows of text, or numbers of several seeds.
Out: Markdown.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose first column is text and whose others are numbers."""
    rule = ["---"] + ["--:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *rows))


def mean_sd(values: ArrayLike, digits: int) -> str:
    """Mean ± sample standard deviation."""
    found = np.asarray(values, dtype=float)
    spread = found.std(ddof=1) if found.size > 1 else 0.0
    return f"{found.mean():.{digits}f} ± {spread:.{digits}f}"
