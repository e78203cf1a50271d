"""Names of a network as programs write them.

In:  names of layers, any text.
Out: identifiers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

LONGEST = 40  # characters of a layer's name that an identifier keeps


def identifiers(names: Iterable[str]) -> dict[str, str]:
    """An identifier for each name, each different: the name itself where C and Python allow it.

    An identifier is only used after a prefix such as `v_`, so a digit may lead and no keyword is
    met.
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
