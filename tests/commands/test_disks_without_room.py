"""A disk without room: one sentence, exit code 2, the old output as it was, and nothing else.

The disks are real ones where mounting is permitted: one in memory that is full, and one whose quota
is used up. Elsewhere fsync refuses, as it does where a disk is far away, or files have a limit.
"""

import errno
import os
from contextlib import contextmanager

import pytest
from full_disk import files_of_at_most
from fuzz.campaigns.disks import Memory, Quota, Quotas

OUTPUTS = {  # words of a command, the name of what it writes, and what lets it replace that
    "export": (
        ("export", "MADE/fixed.onnx", "--target", "ideal", "--engine", "fixed", "--out"), "new/out",
        ("--force",),
    ),
    "recording": (
        ("simulate", "MADE", "--samples", 2, "--record", "spikes,membrane", "--to"), "out.h5",
        ("--force",),
    ),
    "baseline": (("check", "MADE", "--update", "--baseline"), "out.json", ()),
    "pictures": (("compare", "MADE", "--samples", 2, "--out"), "new/out", ("--force",)),
    "comparison": (("compare", "MADE", "--samples", 2, "--html"), "out.html", ("--force",)),
    "page": (("report", "MADE", "--out"), "out.html", ("--force",)),
    "faults": (
        ("faults", "MADE", "--kind", "dead-neurons", "--draws", 2, "--samples", 2, "--out"),
        "out.json", ("--force",),
    ),
    "C": (("bundle", "MADE", "--to", "c", "--samples", 2, "--out"), "new/out", ("--force",)),
    "Lava": (("bundle", "MADE", "--to", "lava", "--samples", 2, "--out"), "out", ("--force",)),
}  # fmt: skip
FULL, QUOTA = "the disk is full. Free some space", "your quota on this disk is used up. Free some"
LARGE = "it is larger than a file may be here. Raise the limit (ulimit -f)"


@contextmanager
def refusing(folder, monkeypatch):
    """A disk that says only at fsync that its quota is used up."""

    def fsync(_):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        yield QUOTA


@contextmanager
def limited(folder, monkeypatch):
    """No file may have more than 100 bytes."""
    with files_of_at_most(100):
        yield LARGE


@contextmanager
def full(folder, monkeypatch):
    """A file system in memory on which nothing is free."""
    folder.disk.leave(0)
    yield FULL
    folder.disk.leave(1 << 30)


@contextmanager
def used_up(folder, monkeypatch):
    """A quota of which nothing is left."""
    folder.disk.leave(0)
    yield QUOTA
    folder.disk.leave(1 << 30)


class Place:
    """A folder for outputs, on a disk of its own where there may be one."""

    def __init__(self, path, disk=None):
        self.path, self.disk = path, disk

    def content(self):
        """Every file by its path, hidden ones included."""
        found = {p: p.read_bytes() for p in self.path.rglob("*") if p.is_file()}
        return found, sorted(p for p in self.path.rglob("*") if p.is_dir())


@pytest.fixture(params=[refusing, limited, full, used_up], ids=lambda room: room.__name__)
def place(request, tmp_path):
    """A folder, and the block in which it has no room."""
    path, room = tmp_path / "place", request.param
    path.mkdir()
    disk = quotas = None
    try:
        if room is full:
            disk = Memory(path)
        elif room is used_up:
            quotas = Quotas(tmp_path)
            disk = Quota(quotas, [path])
    except OSError as error:
        pytest.skip(f"no such disk can be mounted here: {error}")
    yield Place(path, disk), room
    for each in (disk, quotas):
        if each is not None:
            each.away()


@pytest.mark.parametrize("output", OUTPUTS)
def test_what_finds_no_room_leaves_a_sentence_and_the_old_output(
    output, place, exported, call, monkeypatch
):
    (folder, room), (words, name, force) = place, OUTPUTS[output]
    words = [str(word).replace("MADE", str(exported[0])) for word in words]
    out = folder.path / name
    (folder.path / "notes.txt").write_text("mine")
    before = folder.content()
    for again in (False, True):
        with room(folder, monkeypatch) as said:
            code, _, error = call(*words, out, *(force if again else ()), "--quiet")
        assert code == 2, error
        assert len(error.strip().splitlines()) == 1
        assert said in error
        assert name in error
        assert folder.content() == before
        if not again:
            assert call(*words, out, "--quiet")[0] == 0
            before = folder.content()
