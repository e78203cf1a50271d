"""HDF5 files of strangers: read whole, or refused in one sentence, in a process that may die."""

import os
import signal

import h5py
import numpy as np
import pytest

from neurocompile.errors import BadInput
from neurocompile.formats.hdf5 import read as hdf5
from neurocompile.formats.hdf5.read import read_hdf5


@pytest.fixture
def made(tmp_path):
    """A function that writes a file by calling another with it, and gives its path."""

    def write(fill, **options):
        path = tmp_path / "made.h5"
        with h5py.File(path, "w", **options) as file:
            fill(file)
        return path

    return write


def test_groups_numbers_and_texts_come_back_as_they_were_written(made):
    weight = np.arange(12, dtype=">f4").reshape(3, 4)

    def fill(file):
        file["layer/0/weight"] = weight
        file["layer/0/type"] = "dense"
        file["layer/0/graded"] = True
        file["layer/0/decay"] = np.int64(4096)
        file["layer/none"] = np.zeros((0, 3), np.int16)
        file["edges"] = [["a", "b"], ["b", "ü"]]
        file["old"] = np.array([b"dense"], dtype="S10")
        file.create_group("empty")

    tree = read_hdf5(made(fill))
    layer = tree["layer"]["0"]
    np.testing.assert_array_equal(layer["weight"], weight)
    assert layer["weight"].dtype == np.float32
    assert layer["type"] == "dense"
    assert layer["graded"].dtype == bool
    assert layer["graded"]
    assert layer["decay"].dtype == np.int64
    assert layer["decay"] == 4096
    assert tree["layer"]["none"].shape == (0, 3)
    assert tree["edges"].tolist() == [["a", "b"], ["b", "ü"]]
    assert tree["old"].tolist() == ["dense"]
    assert tree["empty"] == {}


def test_compressed_numbers_come_back_whole(made):
    values = np.tile(np.arange(1000, dtype=np.float32), 100)
    path = made(lambda file: file.create_dataset("w", data=values, compression="gzip"))
    np.testing.assert_array_equal(read_hdf5(path)["w"], values)


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (lambda f: f.create_dataset("w", (1 << 31,), "f4"), r"declares 8589934592 bytes"),
        (lambda f: f.create_dataset("w", (1 << 21,), "S1"), r"declares 2097152 texts"),
        # an axis of 0 leaves no text, but the lists around them
        (lambda f: f.create_dataset("w", (1 << 21, 0), "S1"), r"declares 2097152 texts"),
        (
            lambda f: f.create_dataset("w", data=["a" * (1 << 16), *[""] * (1 << 10)]),
            r"1025 texts in '/w', one of 65536 letters. An array of them takes over 67108864",
        ),
        (lambda f: f.__setitem__("w", h5py.SoftLink("/x")), r"'/w', a link to another object"),
        (
            lambda f: f.__setitem__("w", h5py.ExternalLink("/etc/passwd", "/")),
            r"'/w', a link to another object",
        ),
        (
            lambda f: f.create_dataset("w", (4,), "u1", external=[("/etc/passwd", 0, 4)]),
            r"keeps the data of '/w' in another file",
        ),
        (lambda f: f.__setitem__("w", h5py.Empty("f4")), r"the empty dataset '/w'"),
        (lambda f: f.__setitem__("w", np.complex64(1)), r"'/w' of type complex64"),
        (lambda f: f.__setitem__("w", f.ref), r"'/w' of type object"),
        (lambda f: f.__setitem__("w", np.dtype("i4")), r"'/w', which is neither"),
        (lambda f: f.create_group("/".join("a" * 20)), r"groups over 16 deep"),
        (lambda f: f.__setitem__("loop", f["/"]), r"groups over 16 deep"),
        (
            lambda f: f.create_dataset("w", data=b"\xff", dtype=h5py.string_dtype()),
            r"a text in '/w' that is not UTF-8",
        ),
    ],
)
def test_what_no_network_holds_is_refused_by_its_place(made, fill, said):
    with pytest.raises(BadInput, match=said):
        read_hdf5(made(fill))


def test_a_file_that_is_cut_off_or_no_hdf5_is_refused(made, tmp_path):
    path = made(lambda file: file.__setitem__("w", np.zeros(10_000)))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(BadInput, match="damaged"):
        read_hdf5(path)
    path.write_bytes(b"no file of any kind")
    with pytest.raises(BadInput, match="is not an HDF5 file"):
        read_hdf5(path)
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        read_hdf5(tmp_path / "missing.nir")


def test_a_reader_that_takes_too_long_is_ended(made, monkeypatch):
    path = made(lambda file: file.__setitem__("w", np.zeros(10)))
    monkeypatch.setattr(hdf5, "TIMEOUT_S", 0.001)
    with pytest.raises(BadInput, match=r"took more than 0\.001 s"):
        read_hdf5(path)


def test_a_reader_that_is_killed_is_reported_and_gone(made, monkeypatch):
    path = made(lambda file: file.__setitem__("w", np.zeros(10)))
    children = []
    start = hdf5.subprocess.Popen

    def killed(*args, **kwargs):
        child = start(*args, **kwargs)
        os.kill(child.pid, signal.SIGKILL)
        children.append(child)
        return child

    monkeypatch.setattr(hdf5.subprocess, "Popen", killed)
    with pytest.raises(BadInput, match="HDF5's reader crashed"):
        read_hdf5(path)
    assert children[0].returncode is not None
