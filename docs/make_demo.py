"""Write the demo of README.md: the end of what its export prints, shortened.

In:  the first command of README.md, run as it stands on Lava and the fixed engine.
Out: what stands between the marks `demo` in README.md: the table of layers, and of the lines after
     it those that `KEPT` names.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- demo -->\n).*?(<!-- /demo -->)", flags=re.DOTALL)
KEPT = (
    "reconstruction",
    "exactness",
    "energy",
    "without",
    "fits",
    "written",
)  # first words of a line


def main() -> int:
    """Write the page."""
    page = PAGE.read_text()
    PAGE.write_text(filled(page, run(command(page))))
    return 0


def command(page: str) -> list[str]:
    """The words of the first command of the page."""
    found = re.search(r"^    neurocompile (export .*)$", page, flags=re.MULTILINE)
    assert found is not None
    return shlex.split(found[1])


def run(words: list[str]) -> str:
    """What a command prints, in a folder that holds nothing but the examples."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "examples").symlink_to(ROOT / "examples")
        done = subprocess.run(
            [sys.executable, "-m", "neurocompile.cli", *words],
            cwd=folder, env={**os.environ, "COLUMNS": "80"}, stdout=subprocess.PIPE, text=True,
            check=True,
        )  # fmt: skip
    return done.stdout


def filled(page: str, printed: str) -> str:
    """The page with what a run of its command prints."""
    made, times = BLOCK.subn(lambda block: block[1] + shortened(printed) + block[2], page)
    assert times == 1
    return made


def shortened(printed: str) -> str:
    """The table of layers, and the lines of `KEPT` with what continues them."""
    text = "\n".join(line.rstrip() for line in printed.splitlines()).strip("\n")
    table, _, rest = text.partition("\n\n")
    entries = re.findall(r"^\S.*(?:\n .*)*", rest, flags=re.MULTILINE)
    kept = [entry for entry in entries if entry.split()[0] in KEPT]
    assert len(kept) == len(KEPT), kept
    return "\n".join(["```", table, "", *kept, "```", ""])


if __name__ == "__main__":
    sys.exit(main())
