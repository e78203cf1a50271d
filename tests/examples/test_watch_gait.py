"""A fault in one sensor is marked while the recording runs through the network."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]


def watched(*options, cwd):
    """What the example prints."""
    command = [sys.executable, str(ROOT / "examples/watch_gait.py"), *map(str, options)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_fault_is_marked_soon_and_nothing_beside_it(tmp_path):
    text = watched("--fault", "dropout", "--speed", 0, "--seconds", 16, cwd=tmp_path)
    found = re.search(r"marked (\d+\.\d+) s after it began; 0 marks beside it", text)
    assert found is not None, text[-300:]
    assert float(found[1]) <= 1
    assert re.search(r"^ 1[0-4]\.\d\d s .*  fault\?$", text, re.MULTILINE)


def test_a_sound_recording_is_not_marked_and_its_rows_are_written_for_other_programs(tmp_path):
    rows = tmp_path / "rows.npy"
    text = watched("--fault", "none", "--speed", 0, "--seconds", 6, "--rows", rows, cwd=tmp_path)
    assert "no fault; 0 marks" in text
    assert "fault?" not in text
    assert np.load(rows).shape == (6 * 64, 72)


def test_a_program_in_c_says_the_same_through_a_pipe(tmp_path):
    options = ("--fault", "dropout", "--at", 4, "--speed", 0, "--seconds", 9)
    expected = watched(*options, cwd=tmp_path).splitlines()
    text = watched(*options, "--program", "built", cwd=tmp_path)
    assert re.search(r"^all \d+ values equal", text)
    lines = text[text.index("    time  error") :].splitlines()
    assert len(lines) == 9 * 4 + 2
    assert lines == expected[:-1]  # the engine counts messages as well
    assert "the fault of sensor 8 of 9 was marked" in lines[-1]
    assert max(map(len, expected)) <= 80


def test_it_keeps_to_the_time_of_the_recording(tmp_path):
    text = watched("--fault", "none", "--speed", 2, "--seconds", 3, cwd=tmp_path)
    assert "  3.00 s  " in text
