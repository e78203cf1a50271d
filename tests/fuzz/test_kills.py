"""The campaign of kills finds what careless commands do, and nothing in a careful one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
KILLS = 4
PROGRAM = """
import ctypes, hashlib, json, os, sys, time
from dataclasses import asdict
from pathlib import Path
from fuzz import kills
from fuzz.campaigns import commands, processes
from fuzz.campaigns.campaign import Known
from fuzz.campaigns.table import Row
from neurocompile.formats.whole import write_file

processes.GONE_S, kills.FRESH, kills.AGAIN, kills.LATE = 0.2, 0, 0.5, 0.9
ctypes.CDLL(None).prctl(commands.PR_SET_CHILD_SUBREAPER, 1)

def careful(words):
    time.sleep(0.2)
    write_file(Path("out"), b"whole")

def half(words):
    with open("out", "wb") as file:
        file.write(b"who")
        file.flush()
        time.sleep(0.2)
        file.write(b"le")

def orphan(words):
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    time.sleep(0.2)

def touching(words):
    Path("notes.txt").write_text("mine now")
    time.sleep(0.2)

def littering(words):
    Path(".neurocompile-of-mine").mkdir(exist_ok=True)
    time.sleep(0.2)

def clumsy(words):
    try:
        time.sleep(0.2)
    except BaseException:
        raise RuntimeError("a fault")

found = {}
for command in (careful, half, orphan, touching, littering, clumsy):
    (folder := Path(sys.argv[1]) / command.__name__).mkdir()
    case = commands.Case("case", (), force=(), inside=command)
    campaign = kills.Kills(folder, 7)
    row = campaign.rows[case] = Row()
    whole = {"out": hashlib.sha256(b"whole").hexdigest()}
    campaign.known[case] = Known(whole, {}, 0.2, 0.2)
    for number in range(int(sys.argv[2])):
        campaign.once(case, number)
    found[command.__name__] = asdict(row)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What the campaign finds in each command."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path_factory.mktemp("kills"), str(KILLS)],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(TESTS)}, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_it_finds_nothing_in_a_command_that_writes_whole_files(found):
    row = found["careful"]
    assert row["kills"] == KILLS
    wrong = ("half", "orphans", "left", "touched", "unsaid", "failed")
    assert {name: row[name] for name in wrong if row[name]} == {}


@pytest.mark.parametrize(
    ("command", "wrong"),
    [("half", "half"), ("orphan", "orphans"), ("touching", "touched"), ("littering", "left"),
     ("clumsy", "unsaid")],
)  # fmt: skip
def test_it_finds_what_a_careless_command_does(command, wrong, found):
    assert found[command][wrong] > 0
