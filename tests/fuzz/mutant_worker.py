"""A process that loads mutants and says of each what became of it; the parent survives it.

In:  on the command line a seed, then KIND:FIRST:LAST for the mutants that it makes.
Out: a line of JSON a mutant: its kind and number, what was done, and "" or what is wrong.
Memory is limited, time is limited, every warning is an error, and nothing may be written.
"""

import json
import os
import re
import resource
import signal
import sys
import tempfile
import warnings
from pathlib import Path

from fuzz.mutations import generator, mutant, pick
from fuzz.seed_files import NAMES, load, seeds

from neurocompile.errors import NeurocompileError
from neurocompile.formats.onnx import large as onnx_large

MORE_BYTES = 1 << 30  # of address space, beside what the libraries take
LONGEST_S = 5
LARGE, SMALL = onnx_large.LARGE, 64  # bytes of tensors that stay in the file; here some do


def make(seed: int, kind: str, number: int) -> tuple[bytes, str]:
    """A mutant, and what was done to it; the same for the same numbers."""
    rng = generator(seed, kind, number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numpy and PyTorch, at what is done to their values
        return mutant(kind, pick(rng, seeds()[kind]), rng)


TRACE = re.compile(r'Traceback|File ".*line|object at 0x')


class TooSlowError(BaseException):
    """Past every `except Exception`."""


def wrong_with(kind: str, folder: Path, content: bytes) -> str:
    """What must not happen and did when a file was loaded, or ""."""
    path = folder / NAMES[kind]
    path.write_bytes(content)
    before = sorted(folder.rglob("*"))
    found = ""
    signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
    try:
        load(kind, path)
    except NeurocompileError as error:
        message = str(error)
        if str(folder) not in message:
            found = f"the message does not name the file: {message[:300]}"
        elif not message.replace("\n", "").isprintable() or TRACE.search(message):
            found = f"the message is no sentence: {message[:300]!r}"
    except TooSlowError:
        found = f"it took more than {LONGEST_S} s"
    except BaseException as error:
        found = f"{type(error).__name__}: {str(error)[:300]}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if sorted(folder.rglob("*")) != before:
        found = f"{found} it created a file".strip()
    return found


def _stop(*_: object) -> None:
    raise TooSlowError


def limit_memory() -> None:
    """What is allocated from now on is limited; a child process may set its own limit."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MORE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def main(seed: int, jobs: list[tuple[str, int, int]]) -> None:
    """Load mutants and report on standard output."""
    signal.signal(signal.SIGALRM, _stop)
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        folders = {}
        for kind, _, _ in jobs:
            folders[kind] = folder = Path(name) / kind
            folder.mkdir()
            if kind == "manifest":
                (folder / "report.json").write_bytes(b"{}\n")
            (folder / NAMES[kind]).write_bytes(seeds()[kind][0])
            load(kind, folder / NAMES[kind])  # what is imported late is no part of the limit
        limit_memory()
        warnings.simplefilter("error")
        for kind, first, last in jobs:
            for number in range(first, last):
                content, done = make(seed, kind, number)
                onnx_large.LARGE = SMALL if number % 2 else LARGE
                wrong = wrong_with(kind, folders[kind], content)
                if len(os.listdir(name)) != len(folders):
                    raise SystemExit(f"{kind} {number} created a file in the working directory")
                sys.stdout.write(json.dumps([kind, number, done, wrong]) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    parts = [job.split(":") for job in sys.argv[2:]]
    main(int(sys.argv[1]), [(kind, int(first), int(last)) for kind, first, last in parts])
