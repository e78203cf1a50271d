"""Commands on a disk that fills up or cannot be written, and two commands on one output.

In:  on the command line a seed, a number of tries and the commands; by default all of them.
Out: the table of `kills.py`, without kills; the exit code is 1 if anything was found.
A disk is a file system in memory, of a random size, where mounting is permitted; elsewhere a limit
on the size of files.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from fuzz.campaigns.campaign import PATIENCE_S, Campaign  # noqa: E402
from fuzz.campaigns.commands import CASES, Case, cli  # noqa: E402
from fuzz.campaigns.processes import Running, orphans  # noqa: E402
from fuzz.campaigns.run import main  # noqa: E402

READ_ONLY = 0.15  # part of the disks that cannot be written
PAIRS = 0.35  # part of the tries with two commands
PAGE = 4096
ALONE = ("sweep", "make train", "make paper")  # whose output one holds, or both make alike


class Crowded(Campaign):
    """Tries of some commands, on small disks and in pairs."""

    def __init__(self, folder: Path, seed: int):
        super().__init__(folder, seed)
        self.mounted = False

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
        there, ro = rng.random() < 0.5, rng.random() < READ_ONLY
        room = int(rng.uniform(0, 1.5) * sum(map(len, known.kept.values())))
        self.reset(case, known.kept if there else None)
        before, old = self.others(), self.out(case)
        limited = not self._shrink(room, ro)
        if limited and ro:
            return
        inside = case.inside or cli

        def small(words: Sequence[str]) -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
            inside(words)

        tried = replace(case, inside=small) if limited else case
        running = Running(tried, self.words(case, there), self.place, False, False)
        code, said = running.wait(PATIENCE_S), running.said()
        self._shrink(1 << 30, False)
        how = "read-only" if ro else f"room for {room}"
        what = f"{case.name} {number}: {how}, {'limit' if limited else 'disk'}, code {code}"
        row.kills += 1
        row.ended += code == 0
        last = (said.strip().splitlines() or [""])[-1]
        good = "Traceback" not in said and (code == 0 or (code in (1, 2) and last))
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
        self.end()
        self.place.mkdir(exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={1 << 30}", "tmpfs", str(self.place)]
        self.mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        super().reset(case, old)

    def _shrink(self, room: int, read_only: bool) -> bool:
        """Leave so many bytes on the disk; False where there is none."""
        if self.mounted:
            found = os.statvfs(self.place)
            used = (found.f_blocks - found.f_bfree) * found.f_frsize
            size = used + room // PAGE * PAGE
            options = f"remount,size={max(size, PAGE)},{'ro' if read_only else 'rw'}"
            subprocess.run(["mount", "-o", options, str(self.place)], check=True)
        return self.mounted

    def end(self) -> None:
        """Take the disk away."""
        if self.mounted:
            subprocess.run(["umount", str(self.place)], check=True)
            self.mounted = False


if __name__ == "__main__":
    main("tries", Crowded, [case for case in CASES if case.inside is not None])
