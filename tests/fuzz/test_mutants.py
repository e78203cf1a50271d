"""Damaged files of every kind give a sound network or one clear sentence, and nothing else.

FUZZ_N mutants in all (make fuzz N=10000); each kind has its share, those that are read in a child
process a small one: of 10,000 they are 250 a kind. FUZZ_SEED repeats a run. A mutant that does
harm is written to build/fuzz/mutants and named in the message.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.mutant_worker import make
from fuzz.seed_files import HDF5, NAMES, load, seeds

ROOT = Path(__file__).parents[2]
SHORT = "FUZZ_N" not in os.environ
TOTAL = int(os.environ.get("FUZZ_N", "240"))
SEED = int(os.environ.get("FUZZ_SEED", "0" if SHORT else str(random.randrange(10**6))))
SHARES = {"pt": 0.2, "float": 0.2, "fixed": 0.2, "plain": 0.2, "target": 0.1, "manifest": 0.05}
SHARES |= dict.fromkeys(HDF5, 0.025)
BATCH = 500  # mutants a process
PATIENCE_S = 600


def jobs() -> list[list[tuple[str, int, int]]]:
    """Kind, first and last number of mutants, by process."""
    found: list[list[tuple[str, int, int]]] = [[]]
    for kind in seeds():
        count = max(1, round(TOTAL * SHARES[kind]))
        for first in range(0, count, BATCH):
            last = min(count, first + BATCH)
            if found[-1] and sum(b - a for _, a, b in found[-1]) + last - first > BATCH:
                found.append([])
            found[-1].append((kind, first, last))
    return found


def test_damaged_files_give_sound_networks_or_clear_sentences():
    harm = [line for batch in jobs() for line in harm_of(batch)]
    assert not harm, "\n".join(harm[:20])


def harm_of(batch: list[tuple[str, int, int]]) -> list[str]:
    """What the mutants of a process did wrong."""
    names = [f"{kind}:{first}:{last}" for kind, first, last in batch]
    command = [sys.executable, "-m", "fuzz.mutant_worker", str(SEED), *names]
    paths = os.pathsep.join(str(ROOT / p) for p in (".", "tests", "tests/support"))
    env = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, env=env, timeout=PATIENCE_S, cwd=ROOT
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    harm = [f"{keep(kind, number)} ({how}): {wrong}" for kind, number, how, wrong in told if wrong]
    meant = [(kind, n) for kind, first, last in batch for n in range(first, last)]
    if len(told) < len(meant):
        harm.append(f"{keep(*meant[len(told)])}: the process ended with {done.returncode}")
    if done.stderr:
        harm.append(f"{', '.join(names)} printed: {done.stderr[-1500:]}")
    return harm


def keep(kind: str, number: int) -> Path:
    """Write a mutant down."""
    folder = ROOT / "build/fuzz/mutants" / f"{kind}-{SEED}-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NAMES[kind]).write_bytes(make(SEED, kind, number)[0])
    return folder / NAMES[kind]


@pytest.mark.parametrize("kind", NAMES)
def test_the_files_that_mutants_are_made_of_are_sound(kind, tmp_path):
    if kind not in seeds():
        pytest.skip(f"this version has no reader for .{kind} files")
    (tmp_path / "report.json").write_bytes(b"{}\n")
    for content in seeds()[kind]:
        (tmp_path / NAMES[kind]).write_bytes(content)
        assert load(kind, tmp_path / NAMES[kind]) is not None
