"""Install packages at their pinned versions, each file held against its SHA-256 first.

In:  the arguments of a pip command; pins.txt and pins.hashes.txt.
Out: the packages in this environment; or one sentence, and nothing of another file.
pip says what it would install, from wheels only, so that nothing of a package runs before its file
is known. What pins.txt does not name, such as the CUDA libraries of PyTorch, has no hash: it is
named and installed by its version.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from neurocompile.commands.options import say
from neurocompile.errors import BadInput, NotInstalled
from neurocompile.installed import pinned

NO_DEPS = "--no-deps"


@dataclass(frozen=True)
class Wanted:
    """A package that pip would install.

    Attributes:
        name: Its name, as indexes spell it.
        version: Its version.
        sha256: What the index says of the file, or "".
    """

    name: str
    version: str
    sha256: str = ""

    @property
    def pin(self) -> str:
        """Name and version, without what follows a +, which names a build of that version."""
        return f"{self.name}=={self.version.partition('+')[0]}"


def install_pinned(arguments: Sequence[str]) -> None:
    """Install what `pip install` with these arguments would, at the pinned versions.

    Args:
        arguments: Names of packages, and options of pip.

    Raises:
        BadInput: If the index offers another file than one of those that were pinned.
        NotInstalled: If pip fails; its own message is printed before this one.
    """
    options = [word for word in arguments if word.startswith("--")]
    names = [word for word in arguments if not word.startswith("--")]
    if NO_DEPS in options:
        pins = pinned()
        wanted = [Wanted(canonical(name), pins[name.lower()]) for name in names]
    else:
        wanted = _resolved(names)
    known = hashes()
    for one in wanted:
        if one.sha256 and one.pin in known and one.sha256 not in known[one.pin]:
            raise BadInput(
                f"the package index offers a file of {one.name} {one.version} that is none of "
                f"those pinned (SHA-256 {one.sha256}). Use an index that serves PyPI's files. If "
                f"you trust this one, install it yourself (pip install --no-deps {one.name}=="
                f"{one.version}) and run the command again."
            )
    others = [one for one in wanted if one.pin not in known]
    if others:
        named = ", ".join(f"{one.name} {one.version}" for one in others)
        say(f"not in pins.txt, so installed without a check of their files: {named}", err=True)
    options = [word for word in options if word != NO_DEPS]
    _pip_install([f"{one.name}=={one.version}" for one in others], options)
    lines = [" ".join([one.pin, *(f"--hash=sha256:{h}" for h in sorted(known[one.pin]))])
             for one in wanted if one.pin in known]  # fmt: skip
    _pip_install(lines, [*options, "--require-hashes"])


def canonical(name: str) -> str:
    """A name as indexes spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def hashes() -> dict[str, set[str]]:
    """SHA-256 of the files of each pin, from pins.hashes.txt."""
    text = files("neurocompile").joinpath("pins.hashes.txt").read_text(encoding="utf-8")
    lines = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return {pin: {word.rpartition(":")[2] for word in words} for pin, *words in lines}


def _resolved(names: list[str]) -> list[Wanted]:
    """What pip would install for some packages, beside what is here already."""
    with (
        tempfile.TemporaryDirectory() as folder,
        as_file(files("neurocompile").joinpath("pins.txt")) as pins,
    ):
        report = Path(folder) / "report.json"
        _pip(["--dry-run", "--quiet", "--only-binary", ":all:", "--report", str(report),
              "--constraint", str(pins), *names])  # fmt: skip
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    return [
        Wanted(
            canonical(one["metadata"]["name"]),
            one["metadata"]["version"],
            one["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256", ""),
        )
        for one in found
    ]


def _pip_install(requirements: list[str], options: list[str]) -> None:
    """Install exactly some requirements, without what they depend on."""
    if not requirements:
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.txt"
        file.write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
        _pip([NO_DEPS, *options, "--requirement", str(file)])


def _pip(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "pip", "install", *arguments]
    code = subprocess.run(command, stdout=sys.stderr, check=False).returncode
    if code:
        raise NotInstalled(
            f"pip could not install this (exit code {code}). Its message is above. Check the "
            "network and run the command again; a hash that differs means that the index serves "
            "another file than the one that was pinned."
        )
