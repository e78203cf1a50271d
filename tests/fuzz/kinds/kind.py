"""A kind of file that a stranger may hand over: sound ones, who reads them, what guards them.

In:  nothing.
Out: a record per kind, from which mutants are made (mutants.py), read (worker.py) and counted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Files = Mapping[str, bytes]  # by their path in a folder


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: Name in tables and on the command line.
        seeds: Makes sound folders.
        read: Reads a folder by the function that a command calls; what it returns is compared.
        command: Arguments of `neurocompile` that read a folder, beside which export/ is sound.
        within: Working folder of that command, from the one that holds both.
        damaged: Patterns of the files that are damaged; the others only stand beside them.
        renewed: The same files with every digest as it should be, as someone makes them who wants
            to deceive; None where no file has a digest.
        guarded: Whether a damaged file that is accepted must read as the sound one, unless its
            digests are renewed: "digest", "checksum" (of bytes, not of what a tool writes), "".
        weight: Share of a campaign, against 1 of the others.
    """

    name: str
    seeds: Callable[[], tuple[Files, ...]]
    read: Callable[[Path], Any]
    command: Callable[[Path], list[str]]
    damaged: tuple[str, ...] = ("*",)
    renewed: Callable[[Files], Files] | None = None
    guarded: str = ""
    weight: float = 1.0
    within: str = "mutant"


def files_of(folder: Path) -> dict[str, bytes]:
    """The files of a folder, by their path in it."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
