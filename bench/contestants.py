"""The contestants of the speed benchmark, and how each is started, timed and ended.

In:  the folder of the exchanged network.
Out: for each its best seconds per sample, note and versions; or why there is no figure.
A contestant is a process in its own group: whatever it starts ends with it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

ROOT = Path(__file__).parent.parent
ENVIRONMENTS = ROOT / "build" / "peers"
PATIENCE_S = 180.0  # for one answer; the slowest, making ready included, takes a tenth


@dataclass(frozen=True)
class Contestant:
    """A program to time.

    Attributes:
        key: Name in the code and in JSON.
        title: Name in the table.
        part: Part of the network that it runs.
        script: File in bench/peers, with its arguments after the folder.
        samples: Number of samples per request.
        asks: Requests per round; more for fast contestants, which noise disturbs more.
        environment: Folder in build/peers whose Python runs it; ours if "".
    """

    key: str
    title: str
    part: Literal["whole", "encoder"]
    script: tuple[str, ...]
    samples: int
    asks: int = 1
    environment: str = ""

    @property
    def python(self) -> Path:
        """The Python that runs it."""
        if not self.environment:
            return Path(sys.executable)
        return ENVIRONMENTS / self.environment / "bin" / "python"


CONTESTANTS = (
    Contestant("ours", "ours: counts and result", "whole", ("ours.py", "whole"), 100, 3),
    Contestant(
        "everything", "ours: every spike and potential kept", "whole",
        ("ours.py", "everything"), 100, 3,
    ),
    Contestant("floor", "dense floor, float32", "whole", ("dense_floor.py", "whole"), 100, 3),
    Contestant("norse", "Norse, float32", "whole", ("norse_float.py",), 100, 3),
    Contestant(
        "snntorch", "snnTorch, float32", "whole", ("snntorch_float.py",), 100, 3, "snntorch"
    ),
    Contestant("lava", "Lava, 40 samples per run", "whole", ("lava_driven.py",), 40),
    Contestant("lava10", "Lava, 10 samples per run", "whole", ("lava_driven.py",), 10),
    Contestant("stock", "Lava, stock use, Sparse", "whole", ("lava_stock.py", "sparse"), 2),
    Contestant("stock_conv", "Lava, stock use, Conv", "whole", ("lava_stock.py", "conv"), 2),
    Contestant("encoder", "ours: encoder half", "encoder", ("ours.py", "encoder"), 100, 3),
    Contestant(
        "nengo", "nengo-loihi's emulator", "encoder",
        ("nengo_loihi_emulator.py",), 10, 1, "nengo-loihi",
    ),
    Contestant("netx", "lava-dl's netx on Lava", "encoder", ("netx_on_lava.py",), 10),
    Contestant("sanafe", "SANA-FE", "encoder", ("sanafe_chip.py",), 10, 1, "sanafe"),
)  # fmt: skip


@dataclass
class Entry:
    """A contestant and its results.

    Attributes:
        contestant: The program that is timed.
        answers: For each answer the seconds per sample, and how it ran.
        latent: Spikes of the latent layer per sample, or None if it does not report them.
        note, packages: Note and package versions that it reported.
        absent: Why there is no figure, or "".
    """

    contestant: Contestant
    answers: list[tuple[float, str]] = field(default_factory=list)
    latent: float | None = None
    note: str = ""
    packages: dict[str, str] = field(default_factory=dict)
    absent: str = ""

    @property
    def best(self) -> float | None:
        """Best seconds per sample; noise only adds time."""
        return min(self.answers)[0] if self.answers and not self.absent else None

    @property
    def how(self) -> str:
        """How the best answer was run."""
        return ", ".join(filter(None, (self.note, min(self.answers)[1] if self.answers else "")))

    @property
    def spread(self) -> float | None:
        """Median over best, for the answers that ran in the same way as the best one."""
        if not self.answers:
            return None
        best, how = min(self.answers)
        return median(seconds for seconds, ran in self.answers if ran == how) / best


class Running:
    """The process of a contestant, started and ready."""

    def __init__(self, entry: Entry, folder: Path) -> None:
        self.entry = entry
        self.log = folder / f"{entry.contestant.key}.log"
        self.process: subprocess.Popen[str] | None = None
        one = entry.contestant
        if not one.python.exists():
            entry.absent = "not installed"
            return
        script, *arguments = one.script
        command = [one.python, ROOT / "bench" / "peers" / script, folder, *arguments]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, text=True, cwd=folder, start_new_session=True,
            )  # fmt: skip
        answer = self._answer()
        if answer is not None:
            entry.note, entry.packages = answer["note"], answer["packages"]
            self.ask(min(one.samples, 10), keep=False)  # compilers and caches warm up

    def ask(self, samples: int, *, keep: bool = True) -> None:
        """Run it once and keep its time; a failure makes it absent."""
        if self.process is None or self.entry.absent:
            return
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended: the answer will say so
            self.process.stdin.write(f"{samples}\n")
            self.process.stdin.flush()
        answer = self._answer()
        if answer is not None and keep:
            self.entry.answers.append((answer["seconds"] / samples, answer.get("how", "")))
            self.entry.latent = answer.get("latent")

    def end(self) -> None:
        """End the process and everything that it started."""
        if self.process is None:
            return
        self._kill()
        self.process.wait()

    def _answer(self) -> dict[str, Any] | None:
        assert self.process is not None
        assert self.process.stdout is not None
        timer = threading.Timer(PATIENCE_S, self._kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if not line:
            self.entry.absent = f"failed: {self._last_words()}"
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _kill(self) -> None:
        assert self.process is not None
        with suppress(ProcessLookupError):  # it has ended already
            os.killpg(self.process.pid, signal.SIGKILL)

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return said[-1][:200] if said else f"no answer in {PATIENCE_S:.0f} s"
