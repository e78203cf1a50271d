"""A process that reads mutants and says of each what became of it; its parent survives it.

In:  on the command line a seed, then KIND:FIRST:LAST for the mutants that it makes.
Out: a line of JSON a mutant: kind, number, what was done, "refused", "same" or "other", and "" or
     the harm that it did; "begin" before the line, so that the parent knows where it died.
Memory and time are limited, every warning is an error, nothing may be written, no program may
start, and pickled code leaves a canary.
"""

import hashlib
import io
import json
import os
import re
import resource
import signal
import sys
import tempfile
import warnings
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from fuzz.kinds import KINDS
from fuzz.mutants import mutant, put
from fuzz.mutations_code import CANARY

from neurocompile.data.shards import apart
from neurocompile.errors import Doubtful, NeurocompileError
from neurocompile.formats.hdf5 import child as hdf5_child
from neurocompile.formats.hdf5 import read as hdf5_read
from neurocompile.formats.onnx import large as onnx_large

MORE_BYTES = 1 << 30  # of address space, beside what the libraries take
LONGEST_S, SILENT_S = 10, 300  # of the processor; by the clock, on a machine that others use too
LARGE, SMALL = onnx_large.LARGE, 64  # bytes of tensors that stay in the file; here some do
TRACE = re.compile(r'Traceback|File ".*line|object at 0x')
LEFT = (".lock", "page.html")  # what a command may leave where it reads
STARTS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn", "socket.connect",
          "subprocess.Popen")  # fmt: skip


class TooSlowError(BaseException):
    """Past every `except Exception`."""


class Forked:
    """In the place of a new process for HDF5's reader: a fork, which has imported everything.

    It has the limits of that process, and may crash as it may. Starting it takes a tenth as long.
    """

    def __init__(self, command, **_):
        end, begin = os.pipe()
        self.process = os.fork()
        if not self.process:
            code = 1
            try:
                os.dup2(begin, 1)
                with open(1, "w", closefd=False) as sys.stdout:
                    hdf5_child.main(command[-1])
                code = 0
            finally:
                os._exit(code)
        os.close(begin)
        self.stdout = os.fdopen(end, "rb")

    def __enter__(self):
        return self

    def kill(self):
        os.kill(self.process, signal.SIGKILL)

    def __exit__(self, *_):
        self.stdout.close()
        os.waitpid(self.process, 0)


started: list[str] = []  # programs and connections that a mutant began


def watch(event, arguments):
    """Python tells what it is about to do; that the reader of shards is started anew is allowed."""
    if event in STARTS and (event != "subprocess.Popen" or tuple(arguments[1]) != apart.COMMAND):
        started.append(f"{event} {str(arguments)[:200]}")
    elif event == "open" and str(arguments[0]).startswith("/etc/passwd"):
        started.append(f"opened {arguments[0]}")


def print_of(value):
    """SHA-256 of a result: arrays bit by bit, records by their fields; paths do not count."""
    digest = hashlib.sha256()
    pending = [value]
    while pending:
        one = pending.pop()
        digest.update(type(one).__name__.encode())
        if isinstance(one, np.ndarray | np.generic):
            digest.update(
                f"{one.shape}{one.dtype.str}".encode() + np.ascontiguousarray(one).tobytes()
            )
        elif isinstance(one, dict) or hasattr(one, "items"):
            pending += [part for pair in one.items() for part in pair]
        elif isinstance(one, list | tuple | set | frozenset):
            pending += sorted(one, key=repr) if isinstance(one, set | frozenset) else one
        elif is_dataclass(one):
            pending += [getattr(one, field.name) for field in fields(one)]
        elif not isinstance(one, Path):
            digest.update(repr(one).encode(errors="surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()


def outcome_of(kind, folder, made, sound):
    """What became of a mutant, and what it did that must not happen, or ""."""
    put(made.files, folder)
    before = sorted(folder.rglob("*"))
    outcome = harm = ""
    screen = io.StringIO()
    timed(LONGEST_S, SILENT_S)
    try:
        with redirect_stdout(screen), redirect_stderr(screen):
            result = kind.read(folder)
        timed(0, 0)
        outcome = "same" if print_of(result) == sound[made.seed] else "other"
    except NeurocompileError as error:
        outcome, harm = "refused", _sentence(str(error), folder, made)
    except TooSlowError:
        harm = f"it took more than {LONGEST_S} s of the processor, or {SILENT_S} s"
    except BaseException as error:
        harm = f"{type(error).__name__}: {str(error)[:300]}"
    finally:
        timed(0, 0)
    guards = kind.guarded == "digest" or (kind.guarded == "checksum" and made.blind)
    if outcome == "other" and guards and not made.renewed:
        harm = f"it is accepted as another {kind.name}, against its {kind.guarded}"
    created = [path for path in folder.rglob("*") if path.name not in LEFT and path not in before]
    if created:
        harm += f" it created {created[0]}"
    if started or os.path.exists(os.environ[CANARY]):
        harm += f" it ran {started or 'its pickled code'}"
        started.clear()
        Path(os.environ[CANARY]).unlink(missing_ok=True)
    if "Traceback" in screen.getvalue():
        harm += f" it printed {screen.getvalue()[-300:]}"
    return outcome, harm.strip()


def _sentence(message, folder, made):
    """What is wrong with the message of an error, or ""."""
    names = (str(folder), *(Path(name).name for name in made.files))
    if not any(name in message for name in names):
        return f"the message names no file: {message[:300]}"
    if not message.replace("\n", "").isprintable() or TRACE.search(message):
        return f"the message is no sentence: {message[:300]!r}"
    return ""


def timed(processor, clock):
    """Set both timers, or stop them."""
    signal.setitimer(signal.ITIMER_PROF, processor)
    signal.setitimer(signal.ITIMER_REAL, clock)


def _stop(*_):
    raise TooSlowError


def limit_memory():
    """What is allocated from now on is limited; a child process may set its own limit."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MORE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def empty(folder):
    """Remove what is in a folder, which stays."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def main(seed, jobs):
    """Read mutants and report on standard output."""
    for timer in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(timer, _stop)
    sys.addaudithook(watch)
    hdf5_read.subprocess = SimpleNamespace(Popen=Forked, PIPE=None, DEVNULL=None)
    tell = sys.stdout
    with tempfile.TemporaryDirectory() as name:
        os.environ[CANARY] = str(Path(name) / "canary")
        folder = Path(name) / "mutant"
        folder.mkdir()
        os.chdir(name)
        sound = {}
        for kind, _, _ in jobs:
            sound[kind] = []
            for files in KINDS[kind].seeds():
                put(files, folder)
                KINDS[kind].read(folder)  # what is imported late is no part of the limit
                sound[kind].append(print_of(KINDS[kind].read(folder)))
                empty(folder)
        started.clear()
        limit_memory()
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", Doubtful)  # which a command prints as a sentence
        for kind, first, last in jobs:
            for number in range(first, last):
                tell.write(f"begin {kind}:{number}\n")
                tell.flush()
                made = mutant(KINDS[kind], seed, number)
                onnx_large.LARGE = SMALL if number % 2 else LARGE
                outcome, harm = outcome_of(KINDS[kind], folder, made, sound[kind])
                tell.write(json.dumps([kind, number, made.how, outcome, harm]) + "\n")
                tell.flush()
                empty(folder)


if __name__ == "__main__":
    parts = [job.split(":") for job in sys.argv[2:]]
    main(int(sys.argv[1]), [(kind, int(first), int(last)) for kind, first, last in parts])
