"""`make fuzz-files N=100000`: damaged files of every kind that neurocompile reads.

In:  `files.py [KIND ...] [--mutants N] [--seed SEED] [--commands K] [--skip ROUNDS]`; all kinds by
     default.
Out: a table by kind: mutants, refused, read as the sound file, read as another, harm; exit 1 where
     one does harm. Each of those is written to build/fuzz/files, and named with what it did.
Harm is a traceback, more than 10 s of the processor, more than 1 GiB beyond what the libraries
take, code or a program that runs, a file that is made, a message that names no file, or another
result against a digest.
K mutants of each kind are also given to the command that reads them, as a process of its own.
A campaign goes in rounds over all kinds. Ctrl-C ends it with the table so far.
"""

import argparse
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/support")]

from fuzz.kinds import KINDS  # noqa: E402
from fuzz.mutants import mutant, put  # noqa: E402

KEPT = ROOT / "build/fuzz/files"
ROUND = 5000  # mutants a process
PATIENCE_S = 600  # without a word of a process, which gives up sooner itself
GRACE_S = 10  # for a process that has closed its output
WORKER = ("-m", "fuzz.file_worker")
CODES = (0, 1, 2, 3, 4)
HEADS = ("mutants", "refused", "same", "other", "commands", "harm")


def main(arguments):
    """Read mutants; 1 if one does harm."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kinds", nargs="*", metavar="KIND")
    parser.add_argument("--mutants", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", type=int, default=0)
    parser.add_argument("--skip", type=int, default=0)
    options = parser.parse_args(arguments)
    kinds = [KINDS[name] for name in options.kinds or KINDS]
    begun, rows = time.perf_counter(), {kind.name: Counter() for kind in kinds}
    rounds, done = list(rounds_of(shares(kinds, options.mutants))), options.skip
    try:
        while done < len(rounds):
            show(read(options.seed, rounds[done], rows))
            done += 1
            sys.stderr.write(f"round {done}: {time.perf_counter() - begun:.0f} s\n")
        for kind in kinds:
            show(commanded(options.seed, kind, options.commands, rows[kind.name]))
    except KeyboardInterrupt:
        pass
    finally:
        report(rows, time.perf_counter() - begun)
        sys.stdout.write(f"{done} of {len(rounds)} rounds; --skip {done} goes on\n")
    return int(any(row["harm"] for row in rows.values()))


def show(harm):
    """Print what mutants did, as it is found."""
    for each in harm:
        sys.stdout.write(f"{each}\n")
        sys.stdout.flush()


def shares(kinds, total):
    """How many mutants each kind has, by its weight."""
    weights = sum(kind.weight for kind in kinds)
    return {kind.name: max(1, round(total * kind.weight / weights)) for kind in kinds}


def rounds_of(counts):
    """Lists of (kind, first, last), one for each process: the same part of every kind."""
    rounds = -(-sum(counts.values()) // ROUND)
    for at in range(rounds):
        ends = [(kind, n * at // rounds, n * (at + 1) // rounds) for kind, n in counts.items()]
        yield [(kind, first, last) for kind, first, last in ends if first < last]


def read(seed, some, rows):
    """Have a process read mutants; where one ends it, another goes on after that. Yields harm."""
    left = [(kind, number) for kind, first, last in some for number in range(first, last)]
    while left:
        for answer in answers(seed, tuple(left)):
            kind, number = left.pop(0)
            _, _, how, outcome, harm = answer
            rows[kind].update(["mutants", outcome] + ["harm"] * bool(harm))
            if harm:
                yield f"{keep(kind, seed, number)} ({how}): {harm}"


def answers(seed, mutants):
    """What a process says of each mutant, until it ends; then that it ended there."""
    jobs, paths = [], os.pathsep.join(str(ROOT / p) for p in (".", "tests", "tests/support"))
    for kind in dict.fromkeys(kind for kind, _ in mutants):
        numbers = [number for other, number in mutants if other == kind]
        jobs.append(f"{kind}:{numbers[0]}:{numbers[-1] + 1}")
    env = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [sys.executable, *WORKER, str(seed), *jobs],
            stdout=subprocess.PIPE, stderr=said, env=env, cwd=ROOT,
        ) as worker,
    ):  # fmt: skip
        answered, begun = 0, False
        for text in lines_of(worker):
            if text.startswith("begin "):
                begun = True
            else:
                answered += 1
                yield json.loads(text)
        with suppress(subprocess.TimeoutExpired):
            worker.wait(GRACE_S)
        worker.kill()  # one that is silent
        said.seek(0)
        words = said.read()[-2000:].decode(errors="replace")
        if not begun:
            raise SystemExit(f"no process begins with {', '.join(jobs)}: {words}")
        if answered < len(mutants):
            ended = f"the process ended with {worker.wait()}, or was silent: {words[-300:]}"
            yield [*mutants[answered], "", "", ended]


def lines_of(worker):
    """Lines of a process until it ends, or is silent for too long."""
    selector = selectors.DefaultSelector()
    selector.register(worker.stdout, selectors.EVENT_READ)
    buffered = b""
    while selector.select(PATIENCE_S):
        some = os.read(worker.stdout.fileno(), 1 << 16)
        if not some:
            return
        *whole, buffered = (buffered + some).split(b"\n")
        yield from (text.decode() for text in whole)


def commanded(seed, kind, count, row):
    """Give mutants to the command that reads them. Yields harm."""
    for number in range(count):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "mutant"
            folder.mkdir()
            put(KINDS["export"].seeds()[0], Path(name) / "export")
            put(mutant(kind, seed, number).files, folder)
            command = [sys.executable, "-m", "neurocompile.cli", *kind.command(folder)]
            found = wrong_with(command, Path(name) / kind.within)
        row["commands"] += 1
        if found:
            row["harm"] += 1
            yield f"{keep(kind.name, seed, number)}, {' '.join(command[2:])}: {found}"


def wrong_with(command, cwd):
    """What must not happen and did when a command ran, or ""."""
    try:
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=cwd, env=env, timeout=PATIENCE_S
        )
    except subprocess.TimeoutExpired:
        return f"it took more than {PATIENCE_S} s"
    if done.returncode not in CODES or "Traceback" in done.stderr:
        return f"it ended with {done.returncode}: {done.stderr[-500:]}"
    return "" if done.returncode in (0, 1) or done.stderr.strip() else "it said nothing"


def keep(kind, seed, number):
    """Write a mutant down."""
    folder = KEPT / f"{kind.replace(' ', '-')}-{seed}-{number}"
    if not folder.exists():
        folder.mkdir(parents=True)
        put(mutant(KINDS[kind], seed, number).files, folder)
    return folder


def report(rows, seconds):
    """Print the table."""
    total = Counter()
    for row in rows.values():
        total.update(row)
    sys.stdout.write(f"{'kind':<20}" + "".join(f"{head:>10}" for head in HEADS) + "\n")
    for kind, row in [*rows.items(), ("all", total)]:
        sys.stdout.write(f"{kind:<20}" + "".join(f"{row[head]:>10,}" for head in HEADS) + "\n")
    sys.stdout.write(f"{seconds:.0f} s\n")


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # a job in the background has SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
