"""Text as C writes it.

In:  any text; lines.
Out: string literals and comments; indented lines; source whose own names begin otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from neurocompile.errors import BadInput


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


def check_prefix(prefix: str) -> None:
    """Refuse a prefix with which a program could not be compiled.

    Raises:
        BadInput: If it is no small letter followed by small letters and digits, or `step`, with
            which other names of the program begin.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]{0,19}", prefix) or prefix == "step":
        raise BadInput(
            f"the names of a program cannot begin with {prefix!r}. Use up to 20 small letters and "
            "digits, a letter first, such as --prefix gait; not step."
        )


def prefixed(source: str, prefix: str) -> str:
    """C source in which `nc_` and `NC_`, which all its names begin with, are another prefix.

    What stands in quotes is left: names of layers, texts and files.
    """

    def other(found: re.Match[str]) -> str:
        small, large = found["small"], found["large"]
        return f"{prefix}_" if small else f"{prefix.upper()}_" if large else found[0]

    quoted = r'"(?:[^"\\]|\\.)*"'
    return re.sub(rf"{quoted}|(?P<small>\bnc_)|(?P<large>\bNC_)", other, source)


def indented(lines: Iterable[str], levels: int = 1) -> list[str]:
    """Lines further to the right."""
    return ["    " * levels + line for line in lines]
