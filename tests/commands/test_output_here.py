"""Outputs that are the folder in which the command runs: nothing of the user's is lost."""

import os
import shutil

import pytest

FOLDER = ("is the current directory, or holds it, which cannot be replaced as a whole",)
FILE = ("is a folder or a device", "the name of a file")
WORDS = {
    "export": (("export", "fixed.onnx", "--target", "ideal", "--force", "--out"), FOLDER),
    "export, without --force": (("export", "fixed.onnx", "--target", "ideal", "--out"), FOLDER),
    "bundle": (("bundle", ".", "--to", "c", "--samples", 2, "--force", "--out"), FOLDER),
    "bundle, without --force": (("bundle", ".", "--to", "c", "--samples", 2, "--out"), FOLDER),
    "simulate --to": (("simulate", ".", "--record", "spikes", "--force", "--to"), FILE),
    "report": (("report", ".", "--force", "--out"), FILE),
    "compare --html": (("compare", ".", "--force", "--html"), FILE),
    "faults": (("faults", ".", "--kind", "dead-neurons", "--draws", 2, "--force", "--out"), FILE),
    "check": (
        ("check", ".", "--update", "--baseline"),
        ("is a folder. Choose another --baseline",),
    ),
    "check --keep-data": (
        ("check", ".", "--baseline", "b.json", "--update", "--keep-data"),
        ("name a file that ends in .npz",),
    ),
    "sweep": (
        ("sweep", "fixed.onnx", "--target", "ideal", "--grid", "bits=2,8", "--out"),
        ("holds files that no sweep wrote",),
    ),
}


@pytest.fixture
def here(exported, tmp_path, monkeypatch):
    """The current folder: an export, and a file that is the user's."""
    shutil.copytree(exported[0], tmp_path / "here")
    (tmp_path / "here" / "notes.txt").write_text("mine")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def content(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("out", [".", "./", "../here", ".."])
@pytest.mark.parametrize("command", WORDS)
def test_the_current_folder_as_an_output_is_refused_in_one_sentence(command, out, here, call):
    words, said = WORDS[command]
    before = content(here.parent)
    code, _, error = call(*words, out, "--quiet")
    assert code == 2
    assert all(part in error for part in said), error
    assert len(error.strip().splitlines()) == 1
    assert "or replace it" not in error  # which would be refused next
    assert content(here.parent) == before
    assert os.path.samefile(".", here)


def test_pictures_join_what_is_in_the_current_folder(here, call):
    before = content(here)
    assert call("compare", ".", "--samples", 2, "--out", ".", "--quiet")[0] == 0
    after = content(here)
    assert {name: after[name] for name in before} == before
    assert {name.rpartition(".")[2] for name in after.keys() - before.keys()} == {"svg"}


def test_a_picture_of_the_users_is_not_replaced(here, call):
    (here / "membrane.svg").write_text("mine too")
    before = content(here)
    code, _, error = call("compare", ".", "--samples", 2, "--out", "./", "--quiet")
    said = "BadInput: membrane.svg exists. Choose another --out, or replace it with --force.\n"
    assert (code, error) == (2, said)
    assert content(here) == before


@pytest.mark.parametrize(
    "words",
    [
        ("simulate", ".", "--record", "spikes", "--samples", 2, "--to"),
        ("report", ".", "--out"),
        ("faults", ".", "--kind", "dead-neurons", "--draws", 2, "--samples", 2, "--out"),
    ],
)
def test_a_file_of_the_users_in_the_current_folder_is_not_replaced(words, here, call):
    code, _, error = call(*words, "./notes.txt", "--quiet")
    assert (code, "notes.txt exists. Choose another" in error) == (2, True), error
    assert (here / "notes.txt").read_text() == "mine"
