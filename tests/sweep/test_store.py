"""The folder of a sweep: whole files, one sweep at a time, nothing of another version."""

import json
import os
import subprocess
import sys
import tempfile

import pytest
from full_disk import files_of_at_most

from neurocompile import installed
from neurocompile.errors import BadInput
from neurocompile.sweep.points import Known
from neurocompile.sweep.store import store

KNOWN = Known("ab" * 32, {"code": "c"})
GOOD = {"exit_code": 0, "reason": "", "metrics": {"mse": 0.5}, "report": {}, "warnings": []}


def test_an_outcome_is_read_as_it_was_written_and_named_by_its_key(tmp_path):
    with store(tmp_path / "s") as kept:
        assert kept.read(KNOWN.key) is None
        kept.write(KNOWN, GOOD)
        assert kept.read(KNOWN.key) == GOOD
        assert kept.path(KNOWN.key) == tmp_path / "s/points/ab" / f"{KNOWN.key}.json"


@pytest.mark.parametrize("code", [0, 2, 3])
def test_results_and_refusals_are_kept(code, tmp_path):
    with store(tmp_path) as kept:
        kept.write(KNOWN, GOOD | {"exit_code": code})
        assert kept.read(KNOWN.key)["exit_code"] == code


@pytest.mark.parametrize("code", [1, 4])
def test_what_another_run_may_find_otherwise_is_not_kept(code, tmp_path):
    with store(tmp_path) as kept:
        kept.write(KNOWN, GOOD | {"exit_code": code})
        assert kept.read(KNOWN.key) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"format": "neurocompile-sweep", "version": "1.0"}',
        "other key",
        "edited",
        "cut",
    ],
)
def test_a_broken_file_of_a_point_is_computed_again_and_named(content, tmp_path):
    with store(tmp_path) as kept:
        kept.write(KNOWN, GOOD)
        path = kept.path(KNOWN.key)
        whole = path.read_text()
        if content == "other key":
            content = whole.replace("ab" * 32, "cd" * 32)
        if content == "edited":
            content = whole.replace('"mse": 0.5', '"mse": 0.25')
            assert content != whole
        if content == "cut":
            content = whole[: len(whole) // 2]
        path.write_text(content)
        if content == "[]":
            with pytest.raises(BadInput, match="has no version of a sweep's files"):
                kept.read(KNOWN.key)
        else:
            assert kept.read(KNOWN.key) is None
            assert kept.broken == [path]


@pytest.mark.parametrize("which", ["sweep.json", "point"])
def test_files_of_another_version_are_refused_with_both_versions(which, tmp_path):
    with store(tmp_path) as kept:
        kept.write(KNOWN, GOOD)
        path = kept.path(KNOWN.key) if which == "point" else tmp_path / which
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"version": "2.0"}))
    words = r"has version 2\.0 of a sweep's files, and this neurocompile reads 1\.x"
    with pytest.raises(BadInput, match=words), store(tmp_path) as kept:
        kept.read(KNOWN.key)
    path.write_text(json.dumps(content | {"version": "1.7", "later": 1}))
    with store(tmp_path) as kept:
        assert kept.read(KNOWN.key) == GOOD


def test_a_folder_of_someone_else_is_not_taken(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with (
        pytest.raises(BadInput, match=r"files that no sweep wrote, such as thesis\.tex"),
        store(tmp_path),
    ):
        pass
    assert os.listdir(tmp_path) == ["thesis.tex"]
    with pytest.raises(BadInput, match="is a file"), store(tmp_path / "thesis.tex"):
        pass


HOLD = """
import sys
from pathlib import Path
from neurocompile.sweep.store import store
with store(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("name", ["sweep.json", "results.parquet", "pareto.html", "points"])
def test_a_sweep_writes_nothing_through_a_link_of_its_folder(name, tmp_path):
    (tmp_path / "s").mkdir()
    with store(tmp_path / "s") as kept:
        kept.write(KNOWN, GOOD)
    (tmp_path / "theirs").write_bytes(b"precious")
    if (there := tmp_path / "s" / name).exists():
        there.rename(tmp_path / "moved")
    there.symlink_to(tmp_path / "theirs")
    with pytest.raises(BadInput, match=rf"{name} leads to .*theirs, out of the folder of the swe"):
        store(tmp_path / "s").__enter__()
    assert (tmp_path / "theirs").read_bytes() == b"precious"


def test_a_point_is_not_written_through_a_link(tmp_path):
    (tmp_path / "theirs").write_bytes(b"precious")
    with store(tmp_path / "s") as kept:
        path = kept.path(KNOWN.key)
        path.parent.mkdir(parents=True)
        path.symlink_to(tmp_path / "theirs")
        with pytest.raises(BadInput, match=r"leads to .*theirs"):
            kept.write(KNOWN, GOOD)
    assert (tmp_path / "theirs").read_bytes() == b"precious"


def test_two_sweeps_never_have_one_folder_and_a_killed_one_leaves_it(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=installed.child_environment(),
    )  # fmt: skip
    with process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(BadInput, match="another sweep is running in"), store(tmp_path):
            pass
        process.kill()
        process.wait()
        with store(tmp_path) as kept:  # the lock ended with its process
            kept.write(KNOWN, GOOD)


def test_a_full_disk_leaves_no_part_of_a_file(tmp_path):
    with store(tmp_path) as kept:
        kept.write(KNOWN, GOOD)
        large = GOOD | {"reason": "x" * 5000}
        other = Known("cd" * 32, {})
        with files_of_at_most(4096), pytest.raises(BadInput, match="was not written"):
            kept.write(other, large)
        assert kept.read(other.key) is None
        assert kept.read(KNOWN.key) == GOOD
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()].count(
            "sweep.json"
        ) == 1
        assert not [path for path in tmp_path.rglob(".*") if path.name != ".lock"]


def test_a_sweep_removes_what_workers_of_a_killed_one_left_also_if_it_needs_none(
    tmp_path, monkeypatch
):
    temporary = tmp_path / "tmp"
    left = temporary / ".neurocompile-0123456789abcdef"
    (left / "new").mkdir(parents=True)
    (left / "lock").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with store(tmp_path / "sweep"):
        assert list(temporary.iterdir()) == []
