"""A file is there whole, or as it was before: a full disk, an interrupt, links, devices."""

import errno
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from neurocompile.errors import BadInput
from neurocompile.formats import scratch
from neurocompile.formats.scratch import uninterrupted
from neurocompile.formats.whole import WRITTEN, whole_file, write_file, write_files

LIMITED = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # a disk with 100 kB left
from neurocompile.errors import BadInput
{lines}
try:
    write(Path(sys.argv[1]))
except BadInput as error:
    print(error)
"""
WRITERS = {
    "bytes": """
from neurocompile.formats.whole import write_file
write = lambda path: write_file(path, bytes(200_000))""",
    "torch": """
import torch
from neurocompile.formats.checkpoint.write import save_whole
write = lambda path: save_whole({"a": torch.zeros(100_000)}, path)""",
    "HDF5": """
import h5py, numpy as np
from neurocompile.formats.whole import whole_file
def write(path):
    with whole_file(path) as building, h5py.File(building, "w") as file:
        file.create_dataset("x", data=np.random.default_rng(0).random(100_000))""",
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_that_does_not_fit_leaves_the_old_one_and_one_sentence(writer, tmp_path):
    path = tmp_path / "kept"
    path.write_bytes(b"old")
    program = LIMITED.format(lines=WRITERS[writer])
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, timeout=120
    )
    said = f"{path} was not written: it is larger than a file may be here. Raise the limit"
    assert said in done.stdout, done.stderr
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"old", ["kept"])


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, r"the disk is full\. Free some space and try again\.$"),
        (errno.EDQUOT, r"your quota on this disk is used up\. Free some space, or have it raised"),
    ],
)
def test_a_disk_without_room_is_called_so(number, said, tmp_path):
    with (
        pytest.raises(BadInput, match=f"x was not written: {said}"),
        whole_file(tmp_path / "x"),
    ):
        raise OSError(number, os.strerror(number))
    assert os.listdir(tmp_path) == []


def test_folders_that_were_made_for_a_file_go_with_it(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "there").mkdir()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInput, match="the disk is full"):
        write_file(tmp_path / "there" / "new" / "newer" / "x", b"content")
    assert list(tmp_path.rglob("*")) == [tmp_path / "there"]


def test_a_fault_of_ours_keeps_its_traceback_and_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError, match="a bug"), whole_file(tmp_path / "x"):
        raise RuntimeError("a bug")
    assert os.listdir(tmp_path) == []


HALF = """
import os, signal, sys
from pathlib import Path
from neurocompile.formats.whole import whole_file
with whole_file(Path(sys.argv[1])) as building:
    building.write_bytes(b"half of it")
    {then}
"""


def test_what_a_killed_process_left_goes_with_the_next_run(tmp_path):
    path = tmp_path / "kept"
    path.write_bytes(b"old")
    program = HALF.format(then="os.kill(os.getpid(), signal.SIGKILL)")
    done = subprocess.run([sys.executable, "-c", program, path], timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert len(os.listdir(tmp_path)) == 2
    write_file(tmp_path / "another", b"new")
    assert sorted(os.listdir(tmp_path)) == ["another", "kept"]


def test_what_a_living_process_writes_is_not_taken_for_left_behind(tmp_path):
    program = HALF.format(then="print(); sys.stdout.flush(); sys.stdin.read()")
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path / "theirs"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        other.stdout.readline()
        write_file(tmp_path / "ours", b"new")
        other.communicate()
    assert sorted(os.listdir(tmp_path)) == ["ours", "theirs"]
    assert (tmp_path / "theirs").read_bytes() == b"half of it"


def test_folders_that_only_look_like_ours_are_left_alone(tmp_path):
    mine = tmp_path / ".neurocompile-0123456789abcdef"  # no lock: nobody knows whose it is
    mine.mkdir()
    (mine / "notes").write_text("mine")
    linked = tmp_path / ".neurocompile-fedcba9876543210"
    (tmp_path / "lock").write_text("mine")
    linked.mkdir()
    (linked / "lock").symlink_to(tmp_path / "lock")
    (tmp_path / ".neurocompile-notes").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    write_file(tmp_path / "x", b"new")
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "x"])


@pytest.mark.parametrize("part", ["", "was", "new"])
def test_links_in_the_place_of_ours_lead_nowhere(part, tmp_path):
    theirs, given = tmp_path / "theirs", tmp_path / "given"  # an archive of a stranger's, unpacked
    for name in ("was", "new", "."):
        (theirs / name).mkdir(parents=True, exist_ok=True)
        (theirs / name / "precious").write_text("theirs")
    (theirs / "lock").touch()
    planted = given / ".neurocompile-0123456789abcdef"
    given.mkdir()
    if part:
        planted.mkdir()
        (planted / "lock").touch()
        (planted / part).symlink_to(theirs)
    else:
        planted.symlink_to(theirs)
    before = sorted(theirs.rglob("*"))
    write_file(given / "x", b"new")
    assert sorted(theirs.rglob("*")) == before
    assert [path.name for path in sorted(given.iterdir())] == ([] if part else [planted.name]) + [
        "x"
    ]


def test_a_name_as_long_as_a_file_system_allows_is_written(tmp_path):
    write_file(tmp_path / ("x" * 255), b"new")
    assert os.listdir(tmp_path) == ["x" * 255]


def test_a_signal_waits_until_a_file_is_in_its_place(tmp_path, monkeypatch):
    replace = os.replace

    def interrupted(*places):
        signal.raise_signal(signal.SIGINT)
        replace(*places)

    monkeypatch.setattr(os, "replace", interrupted)
    WRITTEN.clear()
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "x", b"new")
    assert os.listdir(tmp_path) == ["x"]
    assert [tmp_path / "x"] == WRITTEN


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupt_as_tidying_begins_or_ends_leaves_nothing(when, tmp_path, monkeypatch):
    calls = []

    @contextmanager
    def parted():
        calls.append(None)
        tidying = len(calls) == 2  # after the making
        if tidying and when == "before":
            raise KeyboardInterrupt
        with uninterrupted():
            yield
        if tidying:
            raise KeyboardInterrupt

    monkeypatch.setattr(scratch, "uninterrupted", parted)
    with pytest.raises(KeyboardInterrupt), scratch.scratch(tmp_path):
        pass
    assert len(calls) == 3
    assert os.listdir(tmp_path) == []


def test_a_link_stays_a_link_and_what_it_points_to_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "real").write_bytes(b"old")
    link, dangling = tmp_path / "link", tmp_path / "dangling"
    link.symlink_to(tmp_path / "there" / "real")
    dangling.symlink_to(tmp_path / "there" / "later")
    for path in (link, dangling):
        write_file(path, b"new")
        assert path.is_symlink()
        assert path.resolve().read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path / "there")) == ["later", "real"]


@pytest.mark.parametrize("what", ["a folder", "a device"])
def test_a_folder_or_a_device_is_not_replaced_by_a_file(what, tmp_path):
    path = tmp_path / "x"
    path.mkdir() if what == "a folder" else os.mkfifo(path)
    with pytest.raises(BadInput, match="x is a folder or a device"):
        write_file(path, b"new")
    assert os.listdir(tmp_path) == ["x"]
    assert not path.is_file()


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_who_may_read_a_file_is_what_the_users_umask_says(umask, mode, tmp_path):
    before = os.umask(umask)
    try:
        write_file(tmp_path / "x", b"new")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == mode


def test_a_file_that_appears_meanwhile_is_kept_and_so_is_the_new_one(tmp_path):
    path = tmp_path / "kept"

    def ours():
        with whole_file(path, replace=False) as building:
            building.write_bytes(b"ours")
            path.write_bytes(b"theirs")  # by another command that was quicker

    with pytest.raises(BadInput, match="kept appeared while this ran; it was not touched") as error:
        ours()
    assert path.read_bytes() == b"theirs"
    (new,) = (file for file in tmp_path.iterdir() if file != path)
    assert new.read_bytes() == b"ours"
    assert f"is in {new}." in str(error.value)


def test_of_files_that_belong_together_none_is_lost_where_one_has_appeared(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"

    def late(*what):
        second.write_bytes(b"theirs")

    monkeypatch.setattr(os, "fsync", late)
    with pytest.raises(BadInput, match="second appeared while this ran") as error:
        write_files({first: b"1", second: b"2", tmp_path / "third": b"3"}, replace=False)
    assert (first.read_bytes(), second.read_bytes()) == (b"1", b"theirs")
    others = [path for path in tmp_path.iterdir() if path not in (first, second)]
    assert sorted(path.read_bytes() for path in others) == [b"2", b"3"]
    assert all(str(path) in str(error.value) for path in others)


def test_a_free_name_is_taken_also_on_a_disk_without_links(tmp_path, monkeypatch):
    def refused(*places):
        raise OSError(errno.EPERM, "Operation not permitted")

    write_file(tmp_path / "linked", b"new", replace=False)
    monkeypatch.setattr(os, "link", refused)
    write_file(tmp_path / "moved", b"new", replace=False)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {
        "linked": b"new", "moved": b"new",
    }  # fmt: skip
    assert (tmp_path / "linked").stat().st_nlink == 1


def test_files_that_belong_together_are_all_new_or_all_old(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"old")
    second.mkdir()
    with pytest.raises(BadInput, match="second is a folder or a device"):
        write_files({first: b"new", second: b"new"})
    assert first.read_bytes() == b"old"
    second.rmdir()
    write_files({first: b"new", second: b"newer"})
    assert (first.read_bytes(), second.read_bytes()) == (b"new", b"newer")
    assert sorted(os.listdir(tmp_path)) == ["first", "second"]


KILLED_TIDYING = """
import os, signal, sys
from pathlib import Path
from neurocompile.formats.whole import whole_file
left = [int(sys.argv[2])]
def counted(call):
    def one(*places, **how):
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        call(*places, **how)
    return one
with whole_file(Path(sys.argv[1])) as building:
    (building.parent / "more").write_bytes(b"")
    os.unlink, os.rmdir = counted(os.unlink), counted(os.rmdir)
"""


@pytest.mark.parametrize("steps", range(4))  # more, new, lock, the folder
def test_a_kill_at_any_step_of_tidying_up_leaves_what_the_next_run_removes(steps, tmp_path):
    program = [sys.executable, "-c", KILLED_TIDYING, tmp_path / "kept", str(steps)]
    assert subprocess.run(program, timeout=60).returncode == -signal.SIGKILL
    (left,) = tmp_path.glob(".neurocompile-*")
    assert (left / "lock").exists() or not list(left.iterdir())
    write_file(tmp_path / "another", b"new")
    assert sorted(os.listdir(tmp_path)) == ["another", "kept"]


def test_an_output_may_lie_a_thousand_folders_deep(tmp_path):
    deep = tmp_path.joinpath(*["z"] * 1200, "out.txt")  # Python calls itself no more than that
    write_file(deep, b"all")
    assert deep.read_bytes() == b"all"
    deep.unlink()
    for folder in deep.parents[:1199]:  # pytest does call itself for each
        folder.rmdir()
    (tmp_path / "z" / "file").write_text("")
    with pytest.raises(BadInput, match="was not written: Not a directory"):
        write_file(tmp_path / "z" / "file" / "new" / "out.txt", b"")
