"""Commands on a disk that fills up, has a quota or cannot be written, and two on one output.

In:  on the command line a seed, a number of tries and the commands; by default all of them.
Out: the table of `kills.py`, without kills; the exit code is 1 if anything was found.
A disk is a file system in memory or a quota on one of btrfs, with a random room, where mounting is
permitted; elsewhere a limit on the size of files.
"""

from __future__ import annotations

import random
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from fuzz.campaigns.campaign import PATIENCE_S, Campaign  # noqa: E402
from fuzz.campaigns.commands import Case, cli  # noqa: E402
from fuzz.campaigns.disks import Memory, Quota, Quotas  # noqa: E402
from fuzz.campaigns.processes import Running, orphans  # noqa: E402
from fuzz.campaigns.run import main  # noqa: E402

READ_ONLY = 0.15  # part of the disks that cannot be written
QUOTA = 0.5  # part of the others that are a quota
PAIRS = 0.35  # part of the tries with two commands
TREES = 1 << 20  # bytes that btrfs itself counts for what a command changes, at the most
PLENTY = 200 << 20  # bytes for who is not to be short of room
ALONE = ("sweep", "make train", "make paper")  # whose output one holds, or both make alike


class Crowded(Campaign):
    """Tries of some commands, on small disks and in pairs."""

    def __init__(self, folder: Path, seed: int):
        super().__init__(folder, seed)
        self.disks: list[Memory | Quota] = []  # the last one lies on the others
        self.quotas: Quotas | None = None
        with suppress(OSError):
            self.quotas = Quotas(folder)

    def once(self, case: Case, number: int) -> None:
        """Try a command once: in two thirds of the tries on a small disk, else beside its like."""
        rng = random.Random(f"{self.seed} {case.name} {number}")
        if rng.random() < PAIRS and case.name not in ALONE:
            self._pair(case, number, rng)
        else:
            self._disk(case, number, rng)

    def _pair(self, case: Case, number: int, rng: random.Random) -> None:
        """Two at once, without leave to replace: one wins, and the other says so."""
        known, row = self.known[case], self.rows[case]
        self.reset(case, None)
        before = self.others()
        pair = [Running(case, self.words(case, False), self.place, False, False, log)
                for log in ("stderr", "other")]  # fmt: skip
        codes = [one.wait(PATIENCE_S) for one in pair]
        said = "\n".join(one.said() for one in pair)
        what = f"{case.name} {number}: two at once, codes {codes}"
        row.kills += 1
        row.ended += codes == [0, 0]
        good = sorted(codes, key=str) in ([0, 2], [0, 0] if not case.force else [0, 2])
        row.unsaid += self.note(what, "" if good and "Traceback" not in said else said[-1500:])
        kept = [path for path in self.place.rglob("*") if ".new-" in path.name]
        told = all(path.name in said for path in kept)
        row.unsaid += self.note(what, "" if told else f"{kept} is not named")
        for path in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        row.half += self.note(what, self._half(case, self.out(case), known.whole, known.whole))
        self._look(case, what, before)

    def _disk(self, case: Case, number: int, rng: random.Random) -> None:
        """On a disk with some room, down to none."""
        known, row = self.known[case], self.rows[case]
        there, ro, quota = rng.random() < 0.5, rng.random() < READ_ONLY, rng.random() < QUOTA
        written = sum(map(len, known.kept.values()))
        self.reset(case, known.kept if there else None)
        before, old = self.others(), self.out(case)
        room = int(rng.uniform(0, 1.5) * written)
        if quota and not ro and self.quotas is not None:
            room += int(rng.uniform(0, 1) * TREES)
            theirs = [self.folder / name for name in ("place", "tmp", "cache")]
            self.disks.append(Quota(self.quotas, theirs))
        elif not self.disks and (ro or case.inside is None):
            return
        kind = type(self.disks[-1]).__name__.lower() if self.disks else "limit"
        if self.disks:
            self.disks[-1].leave(room, read_only=ro)
        tried = case if self.disks else replace(case, inside=limited(case, room))
        fresh = case.inside is None
        running = Running(tried, self.words(case, there), self.place, fresh, False)
        code, said = running.wait(PATIENCE_S), running.said()
        if self.disks:
            self.disks[-1].leave(PLENTY)
        what = f"{case.name} {number}: {'read-only' if ro else room} {kind}, code {code}"
        row.kills += 1
        row.ended += code == 0
        last = (said.strip().splitlines() or [""])[-1]
        refused = 1 if case.program[1].endswith(".py") else 2
        good = "Traceback" not in said and (code == 0 or (code == refused and last))
        row.unsaid += self.note(what, "" if good else said[-1500:])
        if code == 0:
            old = known.whole
        row.half += self.note(what, self._half(case, self.out(case), old, known.whole))
        self._look(case, what, before)

    def _look(self, case: Case, what: str, before: dict[str, str]) -> None:
        """What is left, and what was touched."""
        row = self.rows[case]
        names = orphans()
        row.orphans += self.note(what, f"orphans: {names}" if names else "")
        left = self.litter(case)
        row.left += self.note(what, f"left: {left}" if left else "")
        row.touched += self.note(what, "files of others were touched" * (self.others() != before))

    def reset(self, case: Case, old: dict[str, bytes] | None) -> None:
        """A disk of its own for the place, if there may be one."""
        self._away()
        self.place.mkdir(exist_ok=True)
        with suppress(OSError):
            self.disks.append(Memory(self.place))
        super().reset(case, old)

    def _away(self) -> None:
        while self.disks:
            self.disks.pop().away()

    def end(self) -> None:
        """Take the disks away."""
        self._away()
        if self.quotas is not None:
            self.quotas.away()


def limited(case: Case, room: int) -> Callable[[Sequence[str]], object]:
    """What runs a command whose files have a limit."""

    def small(words: Sequence[str]) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        (case.inside or cli)(words)

    return small


if __name__ == "__main__":
    main("tries", Crowded)
