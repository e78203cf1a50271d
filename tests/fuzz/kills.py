"""Commands that are killed at random moments, in a table: what is half done, left or orphaned.

In:  on the command line a seed, a number of kills and the commands; by default all of them.
Out: a table on standard output, a row per command; the exit code is 1 if anything was found.
Commands run in forks of this process, which has imported everything, and some in fresh processes.
This process takes over what they leave behind (PR_SET_CHILD_SUBREAPER), so that none hides.
"""

from __future__ import annotations

import argparse
import atexit
import ctypes
import hashlib
import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
PATIENCE_S = 120  # for a command to end
GONE_S = 15  # for what a killed command has started to end
FRESH = 0.1  # part of the kills whose process is a new one, not a fork
TOLD = 25  # kills between two tables on stderr
AGAIN = 0.1  # part of the kills after which the command runs again although nothing was left
LATE = 1.05  # kills come within so many times the duration of the command
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
# SIGKILL of the command, of its parent, and of all that it has started at once, as for want of
# memory; the others of the command, or of its group, as from a terminal.
HOWS = ("one", "parent", "tree", *("one", "group") * 3)
THEIRS = ".neurocompile-00112233445566ff"  # named as a scratch folder, and somebody else's: no lock


@dataclass
class Row:
    """What came of the kills of a command."""

    kills: int = 0
    ended: int = 0  # before the signal came
    half: int = 0
    orphans: int = 0
    littered: int = 0  # something was left that only the next run can remove
    left: int = 0  # after that
    touched: int = 0
    unsaid: int = 0  # a traceback, or not the sentence and the code of a command that is stopped
    failed: int = 0  # the next run

    @property
    def found(self) -> int:
        """How much is wrong."""
        return self.half + self.orphans + self.left + self.touched + self.unsaid + self.failed


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


def cli(words: Sequence[str]) -> None:
    """Run a command of neurocompile in this process."""
    from neurocompile.cli import main

    main(list(words), prog_name="neurocompile")


def train(words: Sequence[str]) -> None:
    """Run the program of `make train` in this process."""
    sys.path.insert(0, str(ROOT / "examples"))
    import train_mnist_autoencoder

    from neurocompile.errors import NeurocompileError

    try:
        train_mnist_autoencoder.main(list(words))
    except NeurocompileError as error:
        sys.exit(str(error))


def paper(words: Sequence[str]) -> None:
    """Answer two small questions as `make paper` does, with a small network that is trained."""
    from types import SimpleNamespace

    import torch

    sys.path.insert(0, str(ROOT))

    from neurocompile.errors import NeurocompileError
    from neurocompile.nn import SpikingAutoencoder, TrainingPlan
    from neurocompile.nn import train as fit
    from paper import make, study, weights

    (folder,) = map(Path, words)
    study.RESULTS, weights.WEIGHTS = folder, folder
    weights.CHECKPOINTS = folder / "none"
    images = torch.rand(64, 1, 28, 28, generator=torch.Generator().manual_seed(0))

    def compute(question: dict[str, int]) -> dict[str, float]:
        network = SpikingAutoencoder(latent=10, steps=4, encoder="current", seed=question["seed"])
        plan = TrainingPlan(2, 16, seed=question["seed"])
        weights.fitted(
            "small-", question, network, lambda state: fit(network, images, plan, state=state)
        )
        return {"sum": float(sum(p.sum() for p in network.state_dict().values()))}

    jobs = [study.Job("small", f"seed {n}", {"seed": n}, compute) for n in range(2)]
    try:
        make.answer([SimpleNamespace(jobs=lambda: jobs)])
    except NeurocompileError as error:
        sys.exit(str(error))


@dataclass(frozen=True)
class Case:
    """A command that writes something.

    Attributes:
        name: Name of its row.
        words: Its arguments; OUT stands for what it writes, which ends with `ending`.
        ending: Ending of OUT.
        force: Options with which it replaces what is there.
        share: Its part of all kills, in parts of the others'.
        program: What runs it in a fresh process: words of a command, before the arguments.
        inside: What runs it in a fork; None if it runs afresh always.
        parts: Whether what it writes are finished parts, any of which may be there.
    """

    name: str
    words: tuple[str, ...]
    ending: str = ""
    force: tuple[str, ...] = ("--force",)
    share: float = 1.0
    program: tuple[str, ...] = (sys.executable, "-m", "neurocompile.cli")
    inside: Callable[[Sequence[str]], object] | None = cli
    parts: bool = False


SMALL = ("--latent", "10", "--steps", "4", "--rate-epochs", "1", "--epochs", "2")
LOIHI = ("--target", "loihi-sim", "--samples", "4")
CASES = (
    Case("export", ("export", "small.pt", *LOIHI, "--out", "OUT", "--engine", "fixed"), share=1.5),
    Case("simulate --to", ("simulate", "made", "--record", "spikes,membrane", "--to", "OUT"), ".h5",
         share=1.5),
    Case("check --update", ("check", "made", "--baseline", "OUT", "--update"), ".json", (), 1.2),
    Case("compare --out", ("compare", "made", "--samples", "2", "--out", "OUT"), share=1.2),
    Case("report", ("report", "made", "--out", "OUT"), ".html", share=1.2),
    Case("bundle --to c", ("bundle", "made", "--to", "c", "--out", "OUT"), share=0.8),
    Case("bundle --to lava", ("bundle", "made", "--to", "lava", "--out", "OUT"), share=0.4),
    Case("make train", ("--data", "digits", *SMALL, "--out", "OUT"), ".pt", (), 0.5,
         (sys.executable, str(ROOT / "examples/train_mnist_autoencoder.py")), train),
    Case("make paper", ("OUT",), "", (), 0.5, (sys.executable, __file__, "--paper"), paper, True),
    Case("export, with Lava", ("export", "small.pt", *LOIHI, "--out", "OUT", "--engine", "lava",
                               "--engine", "fixed", "--steps", "4"), share=0.3),
    Case("sweep", ("sweep", "small.pt", *LOIHI, "--grid", "bits=2,8", "--out", "OUT", "--workers",
                   "1"), "", (), 0.1, inside=None, parts=True),
)  # fmt: skip


def prepare(folder: Path) -> None:
    """Import what commands import, and write what they read; nothing here starts a thread."""
    os.environ.update(
        TMPDIR=str(folder / "tmp"), XDG_CACHE_HOME=str(folder / "cache"), COLUMNS="80",
        OMP_NUM_THREADS="1", MPLCONFIGDIR=str(folder / "matplotlib"),
        PYTHONPATH=os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
    )  # fmt: skip
    for name in ("tmp", "cache", "matplotlib", "digits"):
        (folder / name).mkdir()
    tempfile.tempdir = None
    script = f"""
import numpy as np, torch
import norse.torch as norse
from neurocompile.frontend.save import save
from neurocompile.ir.settings import Decoder, Encoder, Settings
torch.manual_seed(0)
box = norse.LIFBoxParameters(v_th=torch.as_tensor(0.1))
network = norse.SequentialState(norse.LIFBoxCell(box), torch.nn.Linear(6, 6, bias=False),
                                norse.LIBoxCell())
np.savez("x.npz", x=np.random.default_rng(0).random((40, 6), np.float32))
settings = Settings(steps=8, encoder=Encoder("current", 0.5),
                    decoder=Decoder("last", task="reconstruction"), data=r"{folder / "x.npz"}")
save(network, "small.pt", torch.zeros(1, 6), settings=settings)
rng = np.random.default_rng(0)
for part, count in (("train", 100), ("t10k", 20)):
    images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    head = lambda kind, *shape: bytes([0, 0, 8, len(shape)]) + b"".join(
        n.to_bytes(4, "big") for n in shape)
    open(f"digits/{{part}}-images-idx3-ubyte", "wb").write(head(3, count, 28, 28)
                                                          + images.tobytes())
    open(f"digits/{{part}}-labels-idx1-ubyte", "wb").write(head(1, count) + bytes(count))
"""
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True)
    made = ["export", "small.pt", *LOIHI, "--out", "made", "--engine", "fixed", "--quiet"]
    subprocess.run([sys.executable, "-m", "neurocompile.cli", *made], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    for module in (
        "h5py", "matplotlib.backends.backend_svg", "norse.torch", "numba", "onnx", "onnxruntime",
        "neurocompile.commands.check.gate", "neurocompile.commands.compare.compare",
        "neurocompile.commands.simulate.run", "neurocompile.compiler", "neurocompile.nn",
        "neurocompile.bundle.c.folder", "neurocompile.bundle.lava.folder",
        "neurocompile.report.page.page", "neurocompile.frontend.torch", "neurocompile.cli",
        "neurocompile.commands.compare.pictures", "neurocompile.engines.lava", "scipy.sparse",
    ):  # fmt: skip
        __import__(module)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def import_all(names: Path) -> None:
    """Import what a fork has imported, so that the next one need not.

    Those of paper/ are left out, for they set how matplotlib draws.
    """
    for name in names.read_text().split("\n"):
        if name.partition(".")[0] not in ("__main__", "__mp_main__", "paper"):
            with suppress(ImportError):
                importlib.import_module(name)


class Running:
    """A command at work, in a fork or in a process of its own."""

    def __init__(
        self, case: Case, words: list[str], place: Path, fresh: bool, parent: bool,
        log: str = "stderr",
    ):  # fmt: skip
        self.log = place.parent / log
        self.begun = time.monotonic()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS[1:])
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                code = self._child(case, words, place, fresh, parent)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(code)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS[1:])

    def _child(self, case: Case, words: list[str], place: Path, fresh: bool, parent: bool) -> int:
        """The exit code of the command; signals are heard once it may be ended by them."""
        os.setsid()
        if parent and os.fork():
            os.wait()
            return 0
        os.chdir(place)
        for number, name in ((0, os.devnull), (1, os.devnull), (2, str(self.log))):
            file = os.open(name, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT, 0o644)
            os.dup2(file, number)
        os.ftruncate(2, 0)
        for number in SIGNALS[1:]:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = 0
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS[1:])
            if fresh:
                os.execvp(case.program[0], [*case.program, *words])
            (case.inside or cli)(words)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        (place.parent / "modules").write_text("\n".join(sys.modules))
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stderr.flush()
        return code

    def said(self) -> str:
        """What it has written on stderr."""
        return self.log.read_text(errors="replace")

    def wait(self, seconds: float) -> int | None:
        """Its exit code, negative after a signal; None if it runs on."""
        end = time.monotonic() + seconds
        while (found := os.waitpid(self.pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > end:
                return None
            time.sleep(0.002)
        return os.waitstatus_to_exitcode(found[1])


def descendants(pid: int) -> list[int]:
    """A process and all that it has started."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                continue
    return found


def orphans() -> list[str]:
    """Wait until no process is left that a command has started; those that stay are ended."""
    end = time.monotonic() + GONE_S
    while time.monotonic() < end:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
        except ChildProcessError:
            return []
    stay = descendants(os.getpid())[1:]
    names = [_command_of(pid) for pid in stay]
    for pid in stay:
        os.kill(pid, signal.SIGKILL)
    while stay:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    return names


def _command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return "?"


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
        and (p.name.startswith((".neurocompile-", "tmp", "neurocompile-lava")) or ".part" in p.name)
    ]


class Campaign:
    """Kills of some commands, in a folder of their own."""

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
        stays = [] if code is not None else [_command_of(pid) for pid in descendants(running.pid)]
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

    def end(self) -> None:
        """Give back what the place has taken."""

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
    def note(what: str, found: str) -> bool:
        """Tell what was found; whether anything was."""
        if found:
            sys.stderr.write(f"{what}: {found}\n")
        return bool(found)

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


def shares(kills: int, cases: Sequence[Case]) -> list[int]:
    """How many kills of each command, by its share."""
    total = sum(case.share for case in cases)
    found = [int(kills * case.share / total) for case in cases]
    for at in range(kills - sum(found)):
        found[at % len(found)] += 1
    return found


COLUMNS = (
    "kills", "ended", "half", "orphans", "littered", "left", "touched", "unsaid", "failed",
)  # fmt: skip


def table(rows: dict[Case, Row]) -> str:
    """A row per command, and their sum."""
    lines = [f"{'command':18}" + "".join(f"{name:>9}" for name in COLUMNS)]
    for case, row in rows.items():
        lines.append(f"{case.name:18}" + "".join(f"{getattr(row, n):9}" for n in COLUMNS))
    sums = (sum(getattr(row, name) for row in rows.values()) for name in COLUMNS)
    return "\n".join([*lines, f"{'all':18}" + "".join(f"{total:9}" for total in sums)])


def asked_for(what: str) -> argparse.Namespace:
    """The options of a campaign."""
    parser = argparse.ArgumentParser()
    parser.add_argument(f"--{what}", dest="number", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="names of commands, by commas")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after these")
    return parser.parse_args()


def main(what: str, kind: type[Campaign], cases: Sequence[Case] = CASES) -> None:
    """Run a campaign and print its table."""
    asked = asked_for(what)
    only = [name for name in asked.only.split(",") if name]
    cases = [case for case in cases if not only or case.name in only]
    jobs = [
        (case, number)
        for case, some in zip(cases, shares(asked.number, cases), strict=True)
        for number in range(some)
    ]
    random.Random(asked.seed).shuffle(jobs)
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    begun = time.monotonic()
    campaign = kind(folder, asked.seed)
    try:
        prepare(folder)
        for at, (case, number) in enumerate(jobs):
            if time.monotonic() - begun > 60 * asked.minutes:
                break
            if case not in campaign.known:
                campaign.rows[case] = Row()
                campaign.learn(case)
            campaign.once(case, number)
            if at % TOLD == TOLD - 1:
                sys.stderr.write(f"{at + 1} of {len(jobs)}\n{table(campaign.rows)}\n")
    finally:
        campaign.end()
        shutil.rmtree(folder, ignore_errors=True)
        click.echo(table(campaign.rows))
        click.echo(json.dumps({"seed": asked.seed, "seconds": round(time.monotonic() - begun)}))
    sys.exit(any(row.found for row in campaign.rows.values()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--paper"]:
        paper(sys.argv[2:])
    else:
        main("kills", Campaign)
