"""Odd command lines in narrow and wide terminals, in several locales, with stdout closed.

In:  on the command line a number of lines and a seed.
Out: a table on standard output, a row per locale; the exit code is 1 if anything was found: a
     traceback, a signal, a code that no command has, an error without a sentence.
A line runs in a fork of a process that was started in its locale and has imported everything, as
nobody if this is root; some run in fresh processes as well.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

WIDTHS = (40, 80, 200)
# Python would turn the first two into UTF-8 by itself, unless it is told not to.
PLAIN = {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
LOCALES = {"C": PLAIN, "POSIX": PLAIN, "C.UTF-8": {}}
LONGEST_S = 20  # then the line is asked to stop, and has to
QUICK_S = 0.4  # lines that take no longer run in every width and locale, others in three of nine
FRESH = 0.04  # part of the lines that run in fresh processes too
MEMORY = 8 << 30  # bytes of address space
NOBODY = 65534
PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 8, 47, 2  # linux/prctl.h
CAP_DAC_READ_SEARCH, CAPABILITY_VERSION = 2, 0x20080522  # linux/capability.h
CODES = {0, 1, 2, 3, 4}

TEXTS = (
    "", " ", "-", "--", "---", "\n", "a\nb", "\x1b[31mred", "ü", "雪", "\udcff", "x" * 300, "..",
    "/dev/null", "/dev/full", "/dev/zero", "%s%n", "$(x)", "{}", "[b]", "nan", "None", "0", "-1",
    "a=b", "=", "a=", "bits=", "bits=2,8", "1,2,3", "\u202eabc", "'", '"', "~", "*", "@x",
)  # fmt: skip
THERE = (
    "made", "small.pt", "made/fixed.onnx", "made/float.onnx", "made/network.net", "x.npz",
    "rows.npy", "made/report.json", "base.json", "empty", "folder", "loop", "locked", "fifo",
    "text.pt", "text.onnx", "text.net", "text.nir", "text.npz", "text.npy", "nowhere",
    "nowhere.pt", "half",
)  # fmt: skip
OUTPUTS = (
    "out", "new/out", "out.h5", "out.json", "out.html", "out.csv", "out.parquet", "out.npz", "made",
    "made/report.json", "small.pt", ".", "..", "folder", "locked/out", "loop/out", "empty/out", "",
    "/dev/full", "/dev/null", "fifo", "x" * 300, "\udcff.h5", "雪.json", "a\nb", "no\x1b[2J",
)  # fmt: skip
WHOLE = ("1", "2", "0", "-1", "3", "9" * 25, "1e3", "0x10", "\u0661", " 3", "1_0", "+1", "", "nan")
REAL = (
    "0.5",
    "0",
    "-0",
    "nan",
    "inf",
    "1e400",
    "0,5",
    "",
    "1e-3",
    "-1",
    "50%",
    "2%",
    "1/s",
    "1 Hz",
)
WORKERS = ("0", "-1", "999999", "x", "")
SCHEDULERS = ("nowhere.json", "", "made", "tcp://user:secret@127.0.0.1:1", "base.json", "\udcff")
WRITES = ("out", "to", "html", "results", "state", "by_step", "map_to", "keep_data", "keep_network")


def line(rng: random.Random, commands: dict[str, click.Command]) -> list[str]:
    """A command line that a hasty or hostile user may type."""
    name = rng.choice(sorted(commands))
    words = [rng.choice((name, name, name, name[:-1], name.upper(), *TEXTS[:3]))
             if rng.random() < 0.05 else name]  # fmt: skip
    for parameter in commands[name].params:
        if isinstance(parameter, click.Argument):
            if rng.random() < 0.95:
                good = "made" if parameter.name == "directory" else "small.pt"
                words.append(good if rng.random() < 0.6 else rng.choice(THERE + TEXTS))
        elif parameter.required or rng.random() < 0.2:
            words += _option(rng, parameter)
    if rng.random() < 0.15:
        words.insert(rng.randrange(len(words) + 1), rng.choice((*TEXTS, "--json", "-q", "--help")))
    return words


def _option(rng: random.Random, option: click.Parameter) -> list[str]:
    flag = rng.choice(option.opts)
    if rng.random() < 0.04:
        flag = flag[:-1]
    if getattr(option, "is_flag", False):
        return [flag]
    kind = option.type
    if option.name == "workers":
        words: tuple[str, ...] = WORKERS
    elif option.name == "scheduler":
        words = SCHEDULERS
    elif isinstance(kind, click.Choice):
        words = (*kind.choices, *kind.choices, *TEXTS)
    elif isinstance(kind, click.IntRange) or kind is click.INT:
        words = WHOLE
    elif option.name in WRITES:
        words = OUTPUTS
    elif isinstance(kind, click.FloatRange) or kind is click.FLOAT or kind.name in (
        "percent", "rate",
    ):  # fmt: skip
        words = REAL
    elif option.name == "target_name":
        words = ("loihi-sim", "loihi2-sim", "ideal", *THERE, *TEXTS)
    elif option.name == "source":
        words = ("x.npz", "digits", "idx:folder", "shards:folder", "shards:made", *THERE, *TEXTS)
    else:
        words = (*THERE, *TEXTS)
    value = rng.choice(words)
    return [f"{flag}={value}"] if rng.random() < 0.2 and flag.startswith("--") else [flag, value]


def prepare(folder: Path) -> None:
    """Write what the lines name."""
    from fuzz.campaigns.commands import prepare as small

    small(folder)
    shutil.rmtree(folder / "digits")
    given = folder / "given"
    given.mkdir()
    for name in ("small.pt", "made"):
        shutil.move(folder / name, given / name)
    shutil.copy(folder / "x.npz", given)
    base = ["check", "made", "--baseline", "base.json", "--update", "--quiet"]
    subprocess.run([sys.executable, "-m", "neurocompile.cli", *base], cwd=given, check=False,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    for name in ("text.pt", "text.onnx", "text.net", "text.nir", "text.npz", "text.npy", "half"):
        (given / name).write_text("not what its name says\n")
    (given / "empty").write_bytes(b"")
    (given / "folder").mkdir()
    (given / "locked").mkdir(mode=0)
    (given / "loop").symlink_to("loop")
    os.mkfifo(given / "fifo")
    script = "import numpy as np; np.save('rows.npy', np.random.default_rng(0).random((20, 6)))"
    subprocess.run([sys.executable, "-c", script], cwd=given, check=True)
    for path in (folder, *folder.rglob("*")):
        os.lchown(path, NOBODY, NOBODY) if os.getuid() == 0 else None


def serve(folder: Path) -> None:
    """Run lines, one by one, each in a fork: requests on standard input, answers on the output."""
    from fuzz.campaigns.commands import PR_SET_CHILD_SUBREAPER
    from fuzz.campaigns.processes import orphans

    for module in ("h5py", "norse.torch", "neurocompile.compiler", "neurocompile.cli",
                   "neurocompile.commands.compare.compare", "neurocompile.commands.simulate.run",
                   "neurocompile.report.page.page", "neurocompile.commands.check.gate",
                   "neurocompile.commands.compare.pictures"):  # fmt: skip
        __import__(module)
    from neurocompile.commands import doctor

    doctor.install = lambda group: None
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    requests, answers = os.dup(0), os.dup(1)
    place = folder / "place"
    for text in os.fdopen(requests, "rb"):
        asked = json.loads(text)
        subprocess.run(["chmod", "-R", "u+rwx", place], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run(["cp", "-a", folder / "given", place], check=True)
        begun = time.monotonic()
        code = _in_fork(asked, folder, place)
        answer = {"code": code, "seconds": time.monotonic() - begun}
        for name in ("stdout", "stderr"):
            answer[name] = (folder / name).read_bytes().decode(errors="replace")[-20_000:]
        answer["orphans"] = orphans()
        os.write(answers, json.dumps(answer).encode() + b"\n")


def _in_fork(asked: dict[str, Any], folder: Path, place: Path) -> int:
    """The exit code of a line; 1000 if it did not stop when it was asked to."""
    for name in ("stdout", "stderr"):
        (folder / name).write_bytes(b"")
        (folder / name).chmod(0o666)
    pid = os.fork()
    if pid == 0:
        _child(asked, folder, place)
    for number, seconds in ((signal.SIGTERM, LONGEST_S), (signal.SIGKILL, LONGEST_S)):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        os.kill(pid, number)
    os.waitpid(pid, 0)
    return 1000


def _child(asked: dict[str, Any], folder: Path, place: Path) -> None:
    os.setsid()
    os.chdir(place)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(folder / "stderr", os.O_WRONLY), 2)
    if asked["stdout"] == "closed":
        os.close(1)
        sys.stdout = None  # as Python starts then
    else:
        os.dup2(os.open(folder / "stdout", os.O_WRONLY), 1)
    os.environ.update(COLUMNS=str(asked["columns"]), BROWSER="true", HOME=str(folder / "cache"))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    as_nobody()
    code = 1
    try:
        from neurocompile.cli import main

        main([os.fsdecode(bytes.fromhex(word)) for word in asked["words"]], "neurocompile")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        threading._shutdown()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(code)


def as_nobody() -> None:
    """Let root be a user who may read everything and write only what is theirs."""
    if os.getuid():
        return
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    read = 1 << CAP_DAC_READ_SEARCH
    libc.capset(
        struct.pack("Ii", CAPABILITY_VERSION, 0), struct.pack("6I", read, read, read, 0, 0, 0)
    )
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0)


class Server:
    """A process in a locale, which runs lines."""

    def __init__(self, folder: Path, name: str):
        self.environment = {**os.environ, **LOCALES[name], "LC_ALL": name}
        command = [sys.executable, __file__, "--serve", str(folder)]
        self.process = subprocess.Popen(command, env=self.environment, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)  # fmt: skip

    def run(self, words: list[str], columns: int, stdout: str) -> dict[str, Any]:
        """What became of a line."""
        asked = {
            "words": [word.encode(errors="surrogateescape").hex() for word in words],
            "columns": columns,
            "stdout": stdout,
        }
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        """Let it end."""
        self.process.stdin.close()
        self.process.wait(60)


def wrong_with(done: dict[str, Any]) -> str:
    """What must not happen and did, or ""."""
    code, said = done["code"], done["stderr"]
    if "Traceback" in said + done["stdout"] or "Error ignored" in said or "Exception ign" in said:
        return "a traceback"
    if code == 128 + signal.SIGTERM:
        return ""  # it took long, and stopped when it was asked to
    if code not in CODES:
        return f"the code {code}"
    if code and not said.strip():
        return "an error without a sentence"
    return f"orphans {done['orphans']}" if done["orphans"] else ""


def fresh(folder: Path, server: Server, words: list[str], columns: int) -> dict[str, Any]:
    """The same in a process of its own, with stdout closed."""
    place = folder / "place"
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -m neurocompile.cli "$@" >&-', sys.executable,
         *[word.encode(errors="surrogateescape") for word in words]],
        cwd=place, env={**server.environment, "COLUMNS": str(columns), "BROWSER": "true"},
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=300, check=False,
        preexec_fn=as_nobody,
    )  # fmt: skip
    said = done.stderr.decode(errors="replace")
    return {"code": done.returncode, "stderr": said, "stdout": "", "orphans": []}


def main() -> None:
    """Run lines and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after these")
    asked = parser.parse_args()
    from neurocompile.cli import main as cli

    folder = Path(tempfile.mkdtemp(prefix="odd-"))
    names = ("lines", "runs", "stopped", "fresh", "wrong")
    rows = {name: dict.fromkeys(names, 0) for name in LOCALES}
    found = []
    servers: dict[str, Server] = {}
    begun = time.monotonic()
    try:
        prepare(folder)
        folder.chmod(0o755)
        servers = {name: Server(folder, name) for name in LOCALES}
        for number in range(asked.first, asked.first + asked.lines):
            if time.monotonic() - begun > 60 * asked.minutes:
                break
            rng = random.Random(f"{asked.seed} {number}")
            words = line(rng, cli.commands)
            seconds = 0.0
            for at, name in enumerate(LOCALES):
                row = rows[name]
                row["lines"] += 1
                wide = WIDTHS if seconds < QUICK_S else (WIDTHS[(number + at) % 3],)
                runs = [(columns, "read") for columns in wide]
                if seconds < QUICK_S or at == number % 3:
                    runs.append((rng.choice(WIDTHS), "closed"))
                for columns, stdout in runs:
                    done = servers[name].run(words, columns, stdout)
                    seconds = max(seconds, done["seconds"])
                    row["runs"] += 1
                    row["stopped"] += done["code"] == 128 + signal.SIGTERM
                    if wrong := wrong_with(done):
                        row["wrong"] += 1
                        found.append((number, name, columns, stdout, wrong))
                        sys.stderr.write(f"{number} {name} {columns} {stdout} {wrong}: {words}\n"
                                         f"{done['stderr'][-1500:]}\n")  # fmt: skip
                    if seconds > LONGEST_S:
                        break
                if at == number % 3 and rng.random() < FRESH * 3 and seconds < LONGEST_S and (
                    "--install" not in " ".join(words)
                ):  # fmt: skip
                    done = fresh(folder, servers[name], words, rng.choice(WIDTHS))
                    row["fresh"] += 1
                    if wrong := wrong_with(done):
                        row["wrong"] += 1
                        found.append((number, name, 0, "fresh", wrong))
                        sys.stderr.write(f"{number} {name} fresh {wrong}: {words}\n"
                                         f"{done['stderr'][-1500:]}\n")  # fmt: skip
                if seconds > LONGEST_S:
                    break
    finally:
        for server in servers.values():
            server.end()
        subprocess.run(["chmod", "-R", "u+rwx", folder], check=False)
        shutil.rmtree(folder, ignore_errors=True)
    click.echo(f"{'locale':10}" + "".join(f"{name:>9}" for name in names))
    for name, row in rows.items():
        click.echo(f"{name:10}" + "".join(f"{row[n]:9}" for n in names))
    click.echo(json.dumps({"seed": asked.seed, "wrong": len(found)}))
    sys.exit(bool(found))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]))
    else:
        main()
