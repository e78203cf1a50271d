"""Read TOML that a stranger may have written: a target or a sweep.

In:  a text.
Out: its tables, nested no deeper than any of ours, whole numbers of up to 64 bits as TOML 1.0 has
     them; or a ValueError that says what is wrong.
Python reads longer ones, but writes none of thousands of digits into a message.
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
LONGEST = 63  # bits of a whole number without its sign


def parse_toml(text: str) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        ValueError: If it is no TOML, is nested deeper than `DEEPEST`, has a key of `MOST_DOTS`
            dots or a whole number beyond 64 bits.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if max(part.count(".") for part in KEY_ENDS.split(line)) >= MOST_DOTS:
            raise ValueError(f"line {number} has {MOST_DOTS} dots in a row, and a key has a few")
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # of a number that Python does not even read
        raise ValueError("it holds a whole number of thousands of digits") from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    pending: list[tuple[tuple[str, ...], Any, int]] = [((), content, 0)]
    while pending:
        at, value, depth = pending.pop()
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")
        if isinstance(value, dict | list):
            if isinstance(value, dict):
                pending += [((*at, key), each, depth + 1) for key, each in value.items()]
            else:
                pending += [(at, each, depth + 1) for each in value]
        elif isinstance(value, int) and not -(1 << LONGEST) <= value < 1 << LONGEST:
            bits, where = value.bit_length() + 1, ".".join(at)[:200]
            raise ValueError(f"{where} has a whole number of {bits} bits, allowed are up to 64")
    return content
