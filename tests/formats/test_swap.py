"""A folder that is replaced is never lost, also where a disk refuses to move anything."""

import errno
import os

import pytest

from neurocompile.errors import BadInput
from neurocompile.formats.swap import put_folder
from neurocompile.formats.whole import beside, fill_folder, write_file


def replace(out):
    """Replace a folder."""
    with beside(out) as building:
        fill_folder(building, {"content": b"new"})
        put_folder(building, out, force=True, refuse=lambda folder: None, what="export")


def refuse_moves(monkeypatch, free):
    """Let renames fail, but for the first, until `free` says that there is room for them."""
    rename, done = os.rename, []

    def refused(*places):
        if done and not free():
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        done.append(places)
        rename(*places)

    monkeypatch.setattr(os, "rename", refused)


def test_what_was_moved_aside_is_moved_back_once_the_new_one_has_made_room(tmp_path, monkeypatch):
    fill_folder(out := tmp_path / "out", {"content": b"old"})
    refuse_moves(monkeypatch, free=lambda: not list(tmp_path.rglob("new")))
    with pytest.raises(BadInput, match="out was not written: your quota on this disk is used up"):
        replace(out)
    assert os.listdir(tmp_path) == ["out"]
    assert (out / "content").read_bytes() == b"old"


def test_where_even_that_is_refused_the_next_run_moves_it_back(tmp_path, monkeypatch):
    fill_folder(out := tmp_path / "out", {"content": b"old"})
    with monkeypatch.context() as patched:
        refuse_moves(patched, free=lambda: False)
        with pytest.raises(BadInput, match="out was not written"):
            replace(out)
        assert not out.exists()
    write_file(tmp_path / "another", b"")
    assert sorted(os.listdir(tmp_path)) == ["another", "out"]
    assert (out / "content").read_bytes() == b"old"
