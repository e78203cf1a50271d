"""Commands that are killed at random moments, in a table: what is half done, left or orphaned.

In:  on the command line a seed, a number of kills and the commands; by default all of them.
Out: a table on standard output, a row per command; the exit code is 1 if anything was found.
Commands run in forks of this process, which has imported everything, and some in fresh processes.
This process takes over what they leave behind (PR_SET_CHILD_SUBREAPER), so that none hides.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from fuzz.campaigns.campaign import PATIENCE_S, Campaign  # noqa: E402
from fuzz.campaigns.commands import Case  # noqa: E402
from fuzz.campaigns.processes import (  # noqa: E402
    SIGNALS,
    Running,
    command_of,
    descendants,
    orphans,
)
from fuzz.campaigns.run import main  # noqa: E402

FRESH = 0.1  # part of the kills whose process is a new one, not a fork
AGAIN = 0.1  # part of the kills after which the command runs again although nothing was left
LATE = 1.05  # kills come within so many times the duration of the command
# SIGKILL of the command, of its parent, and of all that it has started at once, as for want of
# memory; the others of the command, or of its group, as from a terminal.
HOWS = ("one", "parent", "tree", *("one", "group") * 3)


class Kills(Campaign):
    """Kills of some commands."""

    def once(self, case: Case, number: int) -> None:
        """Kill a command once, and look at what is there then."""
        rng = random.Random(f"{self.seed} {case.name} {number}")
        known, row = self.known[case], self.rows[case]
        there, fresh = rng.random() < 0.5, rng.random() < FRESH or case.inside is None
        how = rng.choice(HOWS)
        kind = signal.SIGKILL if how in ("tree", "parent") else rng.choice(SIGNALS)
        after = rng.uniform(0, LATE) * (known.fresh_s if fresh else known.seconds)
        self.reset(case, known.kept if there else None)
        before, old = self.others(), self.out(case)
        running = Running(case, self.words(case, there), self.place, fresh, how == "parent")
        time.sleep(after)
        self._kill(running.pid, kind, how)
        code = running.wait(PATIENCE_S)
        said = running.said()
        what = f"{case.name} {number}: {kind.name} to {how} after {after:.3f} s, code {code}"
        row.kills += 1
        row.ended += code == 0 and how != "parent"
        stays = [] if code is not None else [command_of(pid) for pid in descendants(running.pid)]
        if stays:
            self._kill(running.pid, signal.SIGKILL, "tree")
            running.wait(PATIENCE_S)
        row.unsaid += self.note(what, f"runs on: {stays}" if stays else "")
        names = [] if how == "parent" and self._finishes() else orphans()
        row.orphans += self.note(what, f"orphans: {names}" if names else "")
        heard = kind is not signal.SIGKILL
        wrong = self._wrong_words(said, code, kind) if heard and code is not None else ""
        wrong = wrong or ("a traceback" if "Traceback" in said and not heard else "")
        row.unsaid += self.note(what, f"{wrong}: {said[-900:]}" if wrong else "")
        row.half += self.note(what, self._half(case, self.out(case), old, known.whole))
        left = self.litter(case)
        row.littered += bool(left)
        by_itself = heard and code is not None and code >= 0  # it was there to tidy up
        if (left and not by_itself) or rng.random() < AGAIN:
            again = Running(case, self.words(case, True), self.place, False, False)
            code = again.wait(PATIENCE_S)
            half = self._half(case, self.out(case), known.whole, known.whole)
            good = code == 0 and not half
            told = f"next: {code}, {half}, {again.said()[-900:]}"
            row.failed += self.note(what, "" if good else told)
            orphans()
            left = self.litter(case)
        row.left += self.note(what, f"left: {left}" if left else "")
        for name in left:
            shutil.rmtree(name, ignore_errors=True)
            with suppress(OSError):
                os.unlink(name)
        row.touched += self.note(what, "files of others were touched" * (self.others() != before))

    def _finishes(self) -> bool:
        """Wait for a command whose parent was killed: it may run to its end."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    time.sleep(0.01)
            except ChildProcessError:
                return True
        return False

    @staticmethod
    def _kill(pid: int, number: signal.Signals, how: str) -> None:
        victims = descendants(pid) if how == "tree" else [pid]
        try:
            if how == "group":
                os.killpg(pid, number)
            else:
                for victim in victims:
                    os.kill(victim, number)
        except ProcessLookupError:
            pass

    @staticmethod
    def _wrong_words(said: str, code: int, number: signal.Signals) -> str:
        """What is wrong with the end of a command that was asked to stop."""
        if code in (0, -number):  # it was done, or not yet ours to say anything
            return ""
        last = (said.strip().splitlines() or [""])[-1]
        if "Traceback" in said and last != "KeyboardInterrupt":  # Python's own, as it starts
            return "a traceback"
        return "" if code in (128 + number, 1) else f"the code {code}"


if __name__ == "__main__":
    main("kills", Kills)
