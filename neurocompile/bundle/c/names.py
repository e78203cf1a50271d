"""Names of a network as C writes them, and lines of text.

In:  names of layers, any text; lines.
Out: identifiers, string literals and comments; indented lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

LONGEST = 40  # characters of a layer's name that an identifier keeps


def identifiers(names: Iterable[str]) -> dict[str, str]:
    """An identifier for each name, each different: the name itself where C allows it.

    An identifier is only used after a prefix such as `v_`, so a digit may lead and no keyword of C
    is met.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:LONGEST] or "layer"
        made, count = plain, 1
        while made.lower() in taken:
            count += 1
            made = f"{plain}_{count}"
        taken.add(made.lower())
        found[name] = made
    return found


def literal(text: str) -> str:
    """A string literal: what is not plain ASCII is written as an octal number."""
    plain = re.compile(r"[A-Za-z0-9 _.,:;+*/()<>=-]")
    return (
        '"'
        + "".join(chr(b) if plain.fullmatch(chr(b)) else f"\\{b:03o}" for b in text.encode())
        + '"'
    )


def comment(text: str) -> str:
    """Text that no comment of C ends at."""
    return re.sub(r"[^\w .,:;()'+=-]", "_", text, flags=re.ASCII)


def indented(lines: Iterable[str], levels: int = 1) -> list[str]:
    """Lines further to the right."""
    return ["    " * levels + line for line in lines]
