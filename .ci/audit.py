"""Ask for known vulnerabilities of the pinned versions, and say plainly what could not be asked.

In:  neurocompile/pins.txt; pip-audit on the command line, which asks PyPI, and OSV for the rest.
Out: what is known, a line each; exit code 1 if there is anything. Where no service is reachable, or
     pip-audit is missing, the code is 0, for nothing was found, and the last line says of how many
     packages nobody knows: pip-audit itself calls that "no known vulnerabilities". With --strict
     the code is 1 then too.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PINS = Path(__file__).parents[1] / "neurocompile" / "pins.txt"
SERVICES = ("pypi", "osv")
PATIENCE_S = 600
Pins = dict[str, str]  # version by name


def read(text: str) -> Pins:
    """The pins of a file."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return dict(line.split("==") for line in lines if line)


def asked(tool: str, service: str, pins: Pins) -> list[dict[str, Any]]:
    """What a service says of each package; nothing if it cannot be reached."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(f"{name}=={version}\n" for name, version in pins.items()))
        file.flush()
        try:
            done = subprocess.run(
                [tool, "--vulnerability-service", service, "--no-deps", "--disable-pip",
                 "--progress-spinner", "off", "--format", "json", "--requirement", file.name],
                capture_output=True, text=True, timeout=PATIENCE_S, check=False,
            )  # fmt: skip
            found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
        except (subprocess.TimeoutExpired, OSError, ValueError, KeyError):
            return []
    return found


def judged(pins: Pins, answers: dict[str, list[dict[str, Any]]]) -> tuple[list[str], list[str]]:
    """What is known, as sentences, and the packages of which no service said anything.

    Args:
        pins: Version by name.
        answers: What each service said of each package.
    """
    known, unknown = [], set(pins)
    for service, rows in answers.items():
        for row in rows:
            if "vulns" not in row:
                continue
            unknown = {name for name in unknown if _same(name) != _same(row["name"])}
            for one in row["vulns"]:
                fixed = ", ".join(one.get("fix_versions", [])) or "no version"
                known.append(f"{row['name']} {row['version']}: {one['id']} ({service}); {fixed} "
                             "mends it")  # fmt: skip
    return sorted(set(known)), sorted(unknown)


def _same(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def not_asked(unknown: list[str], tool: str) -> str:
    """The line on packages of which nobody said anything, and why."""
    some = ", ".join(unknown[:5]) + ", ..." * (len(unknown) > 5)
    if shutil.which(tool) is None:
        return (f"NOT ASKED: there is no {tool}, so no service was asked about {len(unknown)} of "
                f"them ({some}). Remove the folder build/supply, and run make audit where a "
                "package index can be reached.\n")  # fmt: skip
    return (f"NOT ASKED: no service answered about {len(unknown)} of them ({some}). "
            "Run make audit where PyPI or OSV can be reached.\n")  # fmt: skip


def main(tool: str, strict: bool) -> None:
    """Ask, print, and end with 1 if anything is known; if strict, also if anything is not."""
    pins = read(PINS.read_text())
    answers: dict[str, list[dict[str, Any]]] = {}
    unknown = list(pins)
    for service in SERVICES:
        if unknown:
            answers[service] = asked(tool, service, {name: pins[name] for name in unknown})
            unknown = judged(pins, answers)[1]
    known, unknown = judged(pins, answers)
    sys.stdout.write("".join(f"{line}\n" for line in known))
    sys.stdout.write(f"{len(pins) - len(unknown)} of {len(pins)} pinned packages were asked about, "
                     f"{len(known)} vulnerabilities are known.\n")  # fmt: skip
    if unknown:
        sys.stdout.write(not_asked(unknown, tool))
    sys.exit(bool(known) or (strict and bool(unknown)))


if __name__ == "__main__":
    main(sys.argv[1], strict="--strict" in sys.argv[2:])
