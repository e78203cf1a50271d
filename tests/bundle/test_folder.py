"""The folder of a bundle: an earlier one, and what somebody else puts there meanwhile."""

import pytest

from neurocompile.bundle.folder import write_folder
from neurocompile.errors import BadInput
from neurocompile.formats import swap


def test_a_folder_that_takes_the_place_of_a_bundle_loses_nobody_anything(tmp_path, monkeypatch):
    out = tmp_path / "out"
    write_folder(out, {"run.py": b"old"}, {})
    moved = swap._moved

    def late(source, there):
        out.mkdir(exist_ok=True)
        (out / "theirs.txt").write_text("theirs")
        return moved(source, there)

    monkeypatch.setattr(swap, "_moved", late)
    with pytest.raises(BadInput, match="out appeared while the bundle ran") as error:
        write_folder(out, {"run.py": b"new"}, {}, force=True)
    assert (out / "theirs.txt").read_text() == "theirs"
    others = [path for path in tmp_path.iterdir() if path != out]
    assert {(path / "run.py").read_bytes() for path in others} == {b"old", b"new"}
    assert all(str(path) in str(error.value) for path in others)
