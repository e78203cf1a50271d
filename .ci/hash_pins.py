"""Write neurocompile/pins.hashes.txt: the SHA-256 of every file of every pinned version.

In:  neurocompile/pins.txt; what the package index says of it, by uv; wheels that are on no index
     of PyPI's kind, such as torch's CPU builds, on the command line.
Out: the file, a line per package. It is what the index served on that day: later files of the same
     versions are refused by `neurocompile doctor --install`.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "neurocompile"
UV = ("pip", "compile", "--quiet", "--generate-hashes", "--no-deps", "--no-annotate", "--no-header")
PYTHON = {"lava-nc": "3.10", "lava-dl": "3.10"}  # what their metadata allows
HEAD = """\
# The SHA-256 of every file of every package in pins.txt, as the index served them to `make hashes`.
# `neurocompile doctor --install` takes no other file. Generated: change pins.txt instead.
"""


def canonical(name: str) -> str:
    """A name as indexes spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def asked(lines: list[str], python: str, uv: str) -> str:
    """What the index says of some pins."""
    done = subprocess.run(
        [uv, *UV, "--python-version", python, "-"],
        input="\n".join(lines), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"uv could not ask the index: {done.stderr.strip()}")
    return done.stdout.replace("\\\n", "")


def main(uv: str, wheels: list[str]) -> None:
    """Ask the index for all pins, and write the file."""
    pins = [line.split("#")[0].strip() for line in (PACKAGE / "pins.txt").read_text().splitlines()]
    by_python: dict[str, list[str]] = {}
    for pin in filter(None, pins):
        by_python.setdefault(PYTHON.get(pin.partition("==")[0], "3.11.7"), []).append(pin)
    found: dict[str, set[str]] = {}
    for python, some in by_python.items():
        for line in asked(some, python, uv).splitlines():
            pin, *hashes = line.split()
            name, _, version = pin.partition("==")
            found[f"{canonical(name)}=={version}"] = set(hashes)
    for wheel in map(Path, wheels):
        name, version, *_ = wheel.name.split("-")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        found[f"{canonical(name)}=={version.partition('+')[0]}"].add(f"--hash=sha256:{digest}")
    without = sorted(pin for pin, hashes in found.items() if not hashes)
    if without:
        sys.exit(f"the index has no hashes of {', '.join(without)}")
    lines = [" ".join([pin, *sorted(hashes)]) for pin, hashes in sorted(found.items())]
    (PACKAGE / "pins.hashes.txt").write_text(HEAD + "\n".join(lines) + "\n")
    sys.stdout.write(f"{len(lines)} packages, {sum(map(len, found.values()))} files\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
