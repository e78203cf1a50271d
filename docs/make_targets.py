"""Write the table of docs/targets.md: every target that ships.

In:  targets/*/target.toml.
Out: the text between the marks `targets` in docs/targets.md.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from neurocompile.chip.read import load_chip

PAGE = Path(__file__).parent / "targets.md"
FOLDER = Path(__file__).parents[1] / "targets"
BLOCK = re.compile(r"(<!-- begin targets -->\n).*?(<!-- end targets -->)", flags=re.DOTALL)


def main() -> int:
    """Write the page."""
    PAGE.write_text(filled(PAGE.read_text()))
    return 0


def filled(page: str) -> str:
    """The page with its table."""
    made, times = BLOCK.subn(lambda block: block[1] + table() + block[2], page)
    assert times == 1
    return made


def table() -> str:
    """One row per target."""
    lines = ["| target | what it is | cores | energy models |", "|---|---|--:|---|"]
    for folder in sorted(path.parent for path in FOLDER.glob("*/target.toml")):
        chip = load_chip(folder)
        cores = "no limit" if chip.limits.cores is None else str(chip.limits.cores.value)
        models = [m + (" (nominal)" if m == chip.nominal else "") for m in chip.energy]
        lines.append(f"| `{chip.name}` | {chip.title} | {cores} | {', '.join(models) or 'none'} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
