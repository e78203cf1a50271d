"""Text as C writes it.

In:  any text; lines.
Out: string literals and comments; indented lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


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
