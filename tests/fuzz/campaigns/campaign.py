"""A campaign against some commands: what they write when nobody disturbs them, and what is there.

In:  a folder that `prepare` has filled, a seed.
Out: `Campaign`, whose `once` a campaign of some kind fills in.
What a command leaves is held against its own output, the files of others beside it, and what
nobody asked for.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from fuzz.campaigns.commands import Case, import_all
from fuzz.campaigns.processes import Running, orphans
from fuzz.campaigns.table import Row

PATIENCE_S = 120  # for a command to end
THEIRS = ".neurocompile-00112233445566ff"  # named as a scratch folder, and somebody else's: no lock


@dataclass(frozen=True)
class Known:
    """What a command does that nobody kills.

    Attributes:
        whole: Digests of what it writes.
        kept: Content of that.
        seconds, fresh_s: How long it takes in a fork, and in a process of its own.
    """

    whole: dict[str, str]
    kept: dict[str, bytes]
    seconds: float
    fresh_s: float


def content(path: Path) -> dict[str, str]:
    """Digests of a file, or of all files below a folder; what a scratch folder holds is not."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {
        str(file.relative_to(path.parent)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.name != ".lock" and file.suffix != ".lock"
    }


def scratch_in(*folders: Path) -> list[str]:
    """What is left in folders by its name: scratch folders, and parts of files."""
    names = (p for folder in folders for p in folder.rglob("*") if folder.is_dir())
    return [
        str(p)
        for p in names
        if p.name != THEIRS
        and (p.name.startswith((".neurocompile-", "tmp", "dask-")) or ".part" in p.name)
    ]


class Campaign:
    """Some commands, disturbed one by one, in a folder of their own."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.seed = folder, seed
        self.place = folder / "place"
        self.known: dict[Case, Known] = {}
        self.start_s = 0.0
        self.rows: dict[Case, Row] = {}

    def words(self, case: Case, force: bool) -> list[str]:
        """The arguments of a command in its place."""
        names = {"small.pt": "../small.pt", "made": "../made", "digits": "../digits"}
        words = [names.get(word, word) for word in case.words]
        words = [f"out{case.ending}" if word == "OUT" else word for word in words]
        return [*words, *(case.force if force else ())]

    def reset(self, case: Case, old: dict[str, bytes] | None) -> None:
        """A place with files of others, and with what an earlier run wrote."""
        shutil.rmtree(self.place, ignore_errors=True)
        (self.place / "theirs").mkdir(parents=True)
        (self.place / THEIRS / "new").mkdir(parents=True)
        for name in ("notes.txt", "theirs/work.bin", f"{THEIRS}/new/half"):
            (self.place / name).write_text(f"{name} is somebody's")
        for name, data in (old or {}).items():
            file = self.place / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)

    def others(self) -> dict[str, str]:
        """What is in the place and not of the command."""
        found = content(self.place)
        return {name: d for name, d in found.items() if name.split("/")[1] in
                ("notes.txt", "theirs", THEIRS)}  # fmt: skip

    def out(self, case: Case) -> dict[str, str]:
        """What is there of the command's own."""
        out = self.place / f"out{case.ending}"
        return content(out) if out.exists() else {}

    def litter(self, case: Case) -> list[str]:
        """What nobody asked for, here, among the temporary files and in the cache."""
        known = {f"out{case.ending}", "notes.txt", "theirs", THEIRS}
        strays = [
            str(path)
            for path in self.place.iterdir()
            if path.name not in known and path.suffix != ".state"  # from which training goes on
        ]
        below = scratch_in(self.place, self.folder / "tmp", self.folder / "cache")
        return sorted({*strays, *below})

    def learn(self, case: Case) -> None:
        """Run a command whole: what it writes, and its time.

        How much longer a process of its own takes is known from the first one of all.
        """
        times = []
        for fresh in (False, True)[: 1 if self.known and case.inside else 2]:
            self.reset(case, None)
            running = Running(case, self.words(case, False), self.place, fresh, False)
            code = running.wait(PATIENCE_S)
            times.append(time.monotonic() - running.begun)
            import_all(self.folder / "modules")
            assert code == 0, (case.name, code, running.said())
            assert orphans() == [], case.name
        if len(times) == 2:
            self.start_s = max(0.0, times[1] - times[0])
        out = self.place / f"out{case.ending}"
        files = [out] if out.is_file() else [p for p in out.rglob("*") if p.is_file()]
        kept = {str(p.relative_to(self.place)): p.read_bytes() for p in files}
        self.known[case] = Known(self.out(case), kept, times[0], times[0] + self.start_s)

    def once(self, case: Case, number: int) -> None:
        """Disturb a command once, and look at what is there then."""
        raise NotImplementedError

    def end(self) -> None:
        """Give back what the place has taken."""

    @staticmethod
    def note(what: str, found: str) -> bool:
        """Tell what was found; whether anything was."""
        if found:
            sys.stderr.write(f"{what}: {found}\n")
        return bool(found)

    @staticmethod
    def _half(case: Case, now: dict[str, str], old: dict[str, str], whole: dict[str, str]) -> str:
        """What of the output is neither as it was nor as it is to be."""
        if now in (old, whole) or not now:
            return "" if now or not old else "what was there is gone"
        if not case.parts:
            extra = {name for name in now if now[name] != whole.get(name)}
            return f"half done: {sorted(extra) or sorted(set(whole) - set(now))}"
        other = [n for n, d in now.items() if whole.get(n) != d and not n.endswith(".state")]
        return f"half done: {other}" if other else ""
