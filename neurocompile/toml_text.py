"""Read TOML that a stranger may have written: a target or a sweep.

In:  a text.
Out: its tables, nested no deeper than any of ours; or a ValueError that says what is wrong.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

DEEPEST = 16  # tables and lists inside each other
# A key of more parts: tomllib takes memory for the square of their number, and keys nest tables
# without the calls whose depth Python limits.
MOST_DOTS = 64
KEY_ENDS = re.compile("[=,]")


def parse_toml(text: str) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        ValueError: If it is no TOML, is nested deeper than `DEEPEST`, or has a key of `MOST_DOTS`
            dots or a number of thousands of digits.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if max(part.count(".") for part in KEY_ENDS.split(line)) >= MOST_DOTS:
            raise ValueError(f"line {number} has {MOST_DOTS} dots in a row, and a key has a few")
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    pending: list[tuple[Any, int]] = [(content, 0)]
    while pending:
        value, depth = pending.pop()
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")
        if isinstance(value, dict | list):
            inner = value.values() if isinstance(value, dict) else value
            pending += [(each, depth + 1) for each in inner]
    return content
