"""Damaged files of every kind read as sound ones or end in one clear sentence, and do nothing else.

FUZZ_N mutants in all (make fuzz N=10000; make fuzz-files N=100000 has a table). FUZZ_SEED repeats a
run. A mutant that does harm is written to build/fuzz/files and named in the message.
"""

import os
import pickle
import random
import signal
from collections import Counter

import numpy as np
import pytest
from fuzz import file_worker, files
from fuzz.files import read, rounds_of, shares
from fuzz.kinds import KINDS
from fuzz.kinds.kind import Kind
from fuzz.mutants import Mutant
from fuzz.mutations_code import CANARY, PICKLED

from neurocompile.errors import BadInput

SHORT = "FUZZ_N" not in os.environ
TOTAL = int(os.environ.get("FUZZ_N", "200"))
SEED = int(os.environ.get("FUZZ_SEED", "0" if SHORT else str(random.randrange(10**6))))


def test_damaged_files_do_no_harm():
    counts = shares(KINDS.values(), TOTAL)
    rows = {name: Counter() for name in counts}
    harm = [line for some in rounds_of(counts) for line in read(SEED, some, rows)]
    assert not harm, "\n".join(harm[:20])
    assert {name: row["mutants"] for name, row in rows.items()} == counts


def test_a_campaign_has_part_of_every_kind_in_each_round_and_all_mutants_once():
    assert list(rounds_of({"a": 9000, "b": 1501})) == [
        [("a", 0, 3000), ("b", 0, 500)],
        [("a", 3000, 6000), ("b", 500, 1000)],
        [("a", 6000, 9000), ("b", 1000, 1501)],
    ]


def test_a_process_that_dies_is_harm_of_its_mutant_and_the_others_are_read(monkeypatch):
    program = """
import json, os, sys
kind, first, last = sys.argv[2].split(":")
for number in range(int(first), int(last)):
    print(f"begin {kind}:{number}", flush=True)
    if number == 2:
        os._exit(3)
    print(json.dumps([kind, number, "blind", "refused", ""]), flush=True)
"""
    monkeypatch.setattr(files, "WORKER", ("-c", program))
    monkeypatch.setattr(files, "keep", lambda kind, seed, number: f"{kind}-{number}")
    rows = {"a": Counter()}
    harm = list(read(0, [("a", 0, 5)], rows))
    assert len(harm) == 1
    assert harm[0].startswith("a-2 (): the process ended with 3")
    assert rows["a"] == {"mutants": 5, "refused": 4, "": 1, "harm": 1}


def unpickle(folder):
    return pickle.loads((folder / "x").read_bytes())


def write(folder):
    (folder / "more").write_bytes(b"")


def refuse(message):
    def read(folder):
        raise BadInput(message)

    return read


@pytest.mark.parametrize(
    ("reader", "guarded", "outcome", "harm"),
    [
        (lambda folder: 7, "digest", "same", ""),
        (lambda folder: 8, "", "other", ""),
        (lambda folder: 8, "digest", "other", "accepted as another"),
        (refuse("x is damaged"), "digest", "refused", ""),
        (refuse("it is damaged"), "digest", "refused", "names no file"),
        (refuse("x holds <object at 0x7f>"), "", "refused", "no sentence"),
        (lambda folder: {}["key"], "", "", "KeyError"),
        (lambda folder: np.empty(1 << 62, np.uint8), "", "", "MemoryError"),
        (lambda folder: signal.pause(), "", "", "it took more than"),
        (unpickle, "", "other", "its pickled code"),
        (write, "", "other", "it created"),
    ],
)
def test_each_harm_is_seen(reader, guarded, outcome, harm, tmp_path, monkeypatch):
    (tmp_path / "mutant").mkdir()
    monkeypatch.setenv(CANARY, str(tmp_path / "canary"))
    if harm.startswith("it took"):
        monkeypatch.setattr(file_worker, "SILENT_S", 0.2)
    before = signal.signal(signal.SIGALRM, file_worker._stop)
    try:
        kind = Kind("kind", tuple, reader, list, guarded=guarded)
        made = Mutant({"x": PICKLED[0]}, 0, "pickled", blind=False, renewed=False)
        sound = [file_worker.print_of(7)]
        found = file_worker.outcome_of(kind, tmp_path / "mutant", made, sound)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert found[0] == outcome
    assert (harm in found[1]) if harm else found[1] == ""
