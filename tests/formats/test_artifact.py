"""What `export` may replace: the files of an earlier export, and nothing that anyone else wrote."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from manifests import rewrite

from neurocompile.errors import BadInput
from neurocompile.formats import artifact, swap
from neurocompile.formats.artifact import check_target, read_artifact, write_artifact

FILES = {"fixed.onnx": b"integers", "report.json": b"{}"}
ABOUT = {"target": "ideal", "data": {"source": "", "samples": 0, "steps": 1, "seed": 0}}


def content(folder):
    """Every file below a folder, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refused(out, *words, force=True):
    """Both the check before the work and the writer refuse, and touch nothing."""
    before = content(out.parent)
    for attempt in (
        lambda: check_target(out, force),
        lambda: write_artifact(out, FILES, ABOUT, force=force),
    ):
        with pytest.raises(BadInput) as error:
            attempt()
        for word in words:
            assert word in str(error.value)
        assert content(out.parent) == before


def test_force_replaces_the_files_of_an_earlier_export_whatever_is_in_them(tmp_path):
    out = tmp_path / "out"
    write_artifact(out, {"fixed.onnx": b"old", "network.net": b"old"}, ABOUT)
    (out / "fixed.onnx").write_bytes(b"changed since")
    (out / "network.net").unlink()
    check_target(out, force=True)
    write_artifact(out, FILES, ABOUT, force=True)
    assert read_artifact(out).file("fixed.onnx").read_bytes() == b"integers"
    assert set(content(tmp_path)) == {"out/fixed.onnx", "out/report.json", "out/manifest.json"}


@pytest.mark.parametrize("version", ["0.9", "1.0", "2.0"])
def test_an_export_of_any_version_can_be_replaced(version, tmp_path):
    out = tmp_path / "out"
    write_artifact(out, FILES, ABOUT)
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps({**manifest, "version": version}))
    write_artifact(out, FILES, ABOUT, force=True)
    assert read_artifact(out).manifest["version"] == artifact.VERSION


def test_a_folder_with_the_manifest_of_another_program_is_refused_with_its_files(tmp_path):
    out = tmp_path / "extension"
    (out / ".git").mkdir(parents=True)
    (out / ".git" / "HEAD").write_text("ref: refs/heads/main")
    (out / "manifest.json").write_text('{"manifest_version": 3, "files": {"code.js": ""}}')
    (out / "code.js").write_text("work")
    refused(
        out,
        "no export wrote: .git/, code.js, manifest.json.",
        "or choose another directory (--out)",
    )


def test_notes_beside_an_export_are_refused_by_name_the_first_few(tmp_path):
    out = tmp_path / "out"
    write_artifact(out, FILES, ABOUT)
    for number in range(7):
        (out / f"note{number}.txt").write_text("mine")
    refused(out, "note0.txt, note1.txt, note2.txt, note3.txt, note4.txt and 2 more")


@pytest.mark.parametrize("what", ["a folder", "a link"])
def test_what_only_has_the_name_of_a_file_of_the_export_is_not_one(what, tmp_path):
    out = tmp_path / "out"
    write_artifact(out, FILES, ABOUT)
    (out / "report.json").unlink()
    if what == "a folder":
        (out / "report.json").mkdir()
        (out / "report.json" / "mine").write_text("mine")
    else:
        (tmp_path / "mine").write_text("mine")
        (out / "report.json").symlink_to(tmp_path / "mine")
    refused(out, "no export wrote: report.json")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"format": "neurocompile-artifact", "files": {"../x": ""}}']
)
def test_a_broken_manifest_makes_no_folder_ours(text, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "manifest.json").write_text(text)
    refused(out, "no export wrote: manifest.json")


@pytest.mark.parametrize("force", [False, True])
def test_an_empty_folder_is_taken_for_nothing_is_lost(force, tmp_path):
    (tmp_path / "out").mkdir()  # as mktemp -d does
    check_target(tmp_path / "out", force)
    write_artifact(tmp_path / "out", FILES, ABOUT, force=force)
    assert read_artifact(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_is_put_into_an_empty_folder_meanwhile_is_kept(tmp_path, monkeypatch):
    out, fill = tmp_path / "out", artifact.fill_folder
    out.mkdir()

    def meanwhile(building, files):
        fill(building, files)
        (out / "mine").write_text("precious")

    monkeypatch.setattr(artifact, "fill_folder", meanwhile)
    with pytest.raises(BadInput, match="out appeared while the export ran; nothing in it was"):
        write_artifact(out, FILES, ABOUT)
    assert [path.name for path in out.iterdir()] == ["mine"]


def test_a_file_is_never_replaced_by_a_folder(tmp_path):
    (tmp_path / "out").write_text("mine")
    for force in (False, True):
        refused(tmp_path / "out", "out is a file, which is never replaced", force=force)


def test_the_current_folder_is_refused_for_it_would_be_gone_under_the_users_feet(
    tmp_path, monkeypatch
):
    out = tmp_path / "out"
    write_artifact(out, FILES, ABOUT)
    monkeypatch.chdir(out)
    refused(out, "is the current directory", f"for example {out / 'export'}")
    monkeypatch.chdir(tmp_path)
    write_artifact(out, FILES, ABOUT, force=True)


def test_a_linked_out_stays_a_link_to_the_new_export(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    write_artifact(link, FILES, ABOUT)
    write_artifact(link, {"fixed.onnx": b"new"}, ABOUT, force=True)
    assert link.is_symlink()
    assert sorted(content(tmp_path / "real")) == ["fixed.onnx", "manifest.json"]
    assert sorted(os.listdir(tmp_path)) == ["link", "real"]


def test_a_folder_that_appears_during_the_work_is_kept_and_so_is_the_work(tmp_path, monkeypatch):
    out = tmp_path / "out"
    moved = swap._moved

    def late(source, there):
        out.mkdir(exist_ok=True)
        (out / "theirs.txt").write_text("theirs")
        return moved(source, there)

    monkeypatch.setattr(swap, "_moved", late)
    with pytest.raises(BadInput, match=r"out appeared while the export ran") as error:
        write_artifact(out, FILES, ABOUT)
    assert (out / "theirs.txt").read_text() == "theirs"
    (kept,) = (path for path in tmp_path.iterdir() if path != out)
    assert f"The finished export is in {kept}." in str(error.value)
    assert read_artifact(kept).file("fixed.onnx").read_bytes() == b"integers"


@pytest.mark.parametrize("when", ["before it moves", "while it moves"])
def test_notes_that_appear_in_an_earlier_export_during_the_work_are_kept(
    when, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    write_artifact(out, {"fixed.onnx": b"old"}, ABOUT)
    look, looks = artifact._refuse_foreign, []

    def late(folder, named):
        looks.append(folder)
        if len(looks) == (2 if when == "before it moves" else 3):  # the first was before the work
            (folder / "notes.txt").write_text("mine")
        look(folder, named)

    monkeypatch.setattr(artifact, "_refuse_foreign", late)
    with pytest.raises(BadInput, match=r"out holds what no export wrote: notes\.txt") as error:
        write_artifact(out, FILES, ABOUT, force=True)
    assert (out / "notes.txt").read_text() == "mine"
    assert read_artifact(out).file("fixed.onnx").read_bytes() == b"old"
    (kept,) = (path for path in tmp_path.iterdir() if path != out)
    assert f"The finished export is in {kept}." in str(error.value)


def test_a_folder_that_takes_the_place_of_an_export_being_replaced_loses_nobody_anything(
    tmp_path, monkeypatch
):
    out = tmp_path / "out"
    write_artifact(out, {"fixed.onnx": b"old"}, ABOUT)
    moved = swap._moved

    def late(source, there):
        out.mkdir(exist_ok=True)
        (out / "theirs.txt").write_text("theirs")
        return moved(source, there)

    monkeypatch.setattr(swap, "_moved", late)
    with pytest.raises(BadInput) as error:
        write_artifact(out, FILES, ABOUT, force=True)
    assert (out / "theirs.txt").read_text() == "theirs"
    others = [path for path in tmp_path.iterdir() if path != out]
    assert {(path / "fixed.onnx").read_bytes() for path in others} == {b"old", b"integers"}
    assert all(str(path) in str(error.value) for path in others)


KILLED = """
import os, signal, sys
from pathlib import Path
from neurocompile.formats.artifact import write_artifact
about = {"target": "ideal", "data": {"source": "", "samples": 0, "steps": 1, "seed": 0}}
rename, left = os.rename, [int(sys.argv[2])]
def counted(*places):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    rename(*places)
os.rename = counted
write_artifact(Path(sys.argv[1]), {"fixed.onnx": b"new"}, about, force=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("renames", "left"), [(0, b"old"), (1, b"old"), (2, b"new")])
def test_after_a_kill_at_any_rename_the_next_run_finds_a_whole_export_and_nothing_else(
    renames, left, tmp_path
):
    out = tmp_path / "out"
    write_artifact(out, {"fixed.onnx": b"old"}, ABOUT)
    done = subprocess.run([sys.executable, "-c", KILLED, out, str(renames)], timeout=60)
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(BadInput, match="out exists"):
        check_target(out, force=False)
    assert os.listdir(tmp_path) == ["out"]
    assert read_artifact(out).file("fixed.onnx").read_bytes() == left


def test_an_interrupt_while_the_old_copy_is_removed_comes_after_it(tmp_path, monkeypatch):
    out = tmp_path / "out"
    write_artifact(out, {"fixed.onnx": b"old"}, ABOUT)
    written = artifact._written_by_export

    def interrupted(folder):
        if folder.parent != tmp_path:
            signal.raise_signal(signal.SIGINT)
        return written(folder)

    monkeypatch.setattr(artifact, "_written_by_export", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_artifact(out, FILES, ABOUT, force=True)
    assert os.listdir(tmp_path) == ["out"]
    assert read_artifact(out).file("fixed.onnx").read_bytes() == b"integers"


@pytest.mark.parametrize(
    "edit",
    [
        {"data": {**ABOUT["data"], "seed": 1}},
        {"data": {**ABOUT["data"], "steps": 2}},
        {"target": "loihi-sim"},
        {"bits": 4},
        {"placement": {"fewest_of": "cores", "chips": 1}},
        {"files": {"fixed.onnx": artifact.digest(b"other integers")}},
        {"version": "1.2"},
        {"version": "1.4", "more": 1},
    ],
)
def test_an_edited_manifest_is_refused_and_not_obeyed(edit, tmp_path):
    manifest = dict(write_artifact(tmp_path / "out", FILES, ABOUT).manifest)
    (tmp_path / "out/manifest.json").write_text(json.dumps({**manifest, **edit}))
    with pytest.raises(BadInput, match=r"manifest\.json was changed since it was exported"):
        read_artifact(tmp_path / "out")


def test_a_manifest_of_the_present_form_without_its_digest_is_refused(tmp_path):
    manifest = dict(write_artifact(tmp_path / "out", FILES, ABOUT).manifest)
    del manifest["digest"]
    (tmp_path / "out/manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BadInput, match="its content differs from its own digest"):
        read_artifact(tmp_path / "out")


def test_a_manifest_whose_lines_and_order_an_editor_changed_says_the_same(tmp_path):
    manifest = dict(write_artifact(tmp_path / "out", FILES, ABOUT).manifest)
    text = json.dumps(dict(reversed(manifest.items())), indent=7)
    (tmp_path / "out/manifest.json").write_text(text)
    assert read_artifact(tmp_path / "out").file("report.json").read_bytes() == b"{}"


@pytest.mark.parametrize("version", ["1", "1.x", "1.", "1.3.1", 1.3, None])
def test_a_version_that_is_none_is_refused(version, tmp_path):
    manifest = dict(write_artifact(tmp_path / "out", FILES, ABOUT).manifest)
    rewrite(tmp_path / "out", {**manifest, "version": version})
    with pytest.raises(BadInput, match="version"):
        read_artifact(tmp_path / "out")


def test_a_file_that_another_export_replaces_while_it_is_read_is_refused(tmp_path):
    """As two exports on one output do it: all names are the same, and the content is another."""
    write_artifact(tmp_path / "out", {"fixed.onnx": b"one"}, ABOUT)
    artifact = read_artifact(tmp_path / "out")
    assert artifact.read("fixed.onnx", Path.read_bytes) == b"one"

    def reader(path):
        write_artifact(tmp_path / "out", {"fixed.onnx": b"other"}, ABOUT, force=True)
        return path.read_bytes()

    with pytest.raises(BadInput, match=r"fixed\.onnx was changed since it was exported"):
        artifact.read("fixed.onnx", reader)


def test_a_file_that_may_not_be_read_is_one_sentence(tmp_path, monkeypatch):
    write_artifact(tmp_path / "out", FILES, ABOUT)
    found = read_artifact(tmp_path / "out")

    def opened(path, mode):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(BadInput, match=r"fixed\.onnx cannot be read: Permission denied\. Export"):
        found.file("fixed.onnx")


def test_a_file_is_held_against_its_digest_without_being_in_memory(tmp_path):
    write_artifact(tmp_path / "out", FILES, ABOUT)
    found = read_artifact(tmp_path / "out")
    os.truncate(tmp_path / "out" / "fixed.onnx", 1 << 29)  # zeros that take no room
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadInput, match="was changed since it was exported"):
        found.file("fixed.onnx")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 << 10  # KiB
