"""Samples in .npy and .npz files, whole and damaged."""

import io
import os
import re
import struct
import zipfile
from contextlib import suppress

import numpy as np
import pytest

from neurocompile.data import files
from neurocompile.data.rows import rows_of
from neurocompile.data.samples import Data, load_data
from neurocompile.errors import BadInput


def test_npy_and_npz_hold_values_spikes_and_labels(tmp_path):
    x = np.asfortranarray(np.random.default_rng(0).random((4, 3, 2)))
    spikes = x > 0.5
    np.save(tmp_path / "x.npy", x)
    np.savez_compressed(tmp_path / "x.npz", x=x, labels=np.arange(4))
    np.savez(tmp_path / "s.npz", spikes=spikes)
    plain, packed, spiking = (load_data(str(tmp_path / n)) for n in ("x.npy", "x.npz", "s.npz"))
    assert np.array_equal(plain.values, x.astype(np.float32))
    assert np.array_equal(packed.values, plain.values)
    assert (plain.labels, packed.labels.tolist()) == (None, [0, 1, 2, 3])
    assert (plain.kind, spiking.kind) == ("x", "spikes")
    assert np.array_equal(spiking.values, spikes.astype(np.float32))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": [[1.0, np.nan]]}, r"x holds nan at index \[0, 1\]: NaN, infinity"),
        (
            {"x": [[1.0, np.inf]]},
            r"x holds inf at index \[0, 1\]: NaN, infinity or a number beyond",
        ),
        ({"spikes": [[0, 1, 2]]}, "spikes holds 2, but spikes are 0 or 1"),
        ({"spikes": [[0, 0.5]]}, "spikes holds 0.5"),
        ({"y": [[1.0]]}, "has the keys"),
        ({"x": [[1.0]], "spikes": [[1]]}, "needs one of x"),
        ({"x": [1.0, 2.0]}, r"shape \[2\], but must be \(n, ...\)"),
        ({"x": np.zeros((0, 3))}, "at least one sample"),
        ({"x": [["a"]]}, "Use real numbers"),
        ({"x": [[1j]]}, "Use real numbers"),
        ({"x": [[1.0]], "labels": [1, 2]}, r"labels has shape \[2\]"),
        ({"x": [[1.0]], "labels": [0.5]}, "whole numbers"),
    ],
)
def test_a_file_with_unfit_content_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(BadInput, match=message):
        load_data(str(tmp_path / "a.npz"))


def test_pickled_objects_are_refused_and_never_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[{"any": "object"}]], dtype=object))
    with pytest.raises(BadInput, match="pickled objects"):
        load_data(str(tmp_path / "a.npy"))


def npy(shape, content):
    header = repr({"descr": "<f4", "fortran_order": False, "shape": shape}) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + content


@pytest.mark.parametrize(
    "header",
    [
        "(" * 3000,  # overflows the parser of Python: MemoryError
        "-" * 5000 + "1",
        "__import__('os').system('true')",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 4)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4)}",
        f"{{'descr': '<f4', 'fortran_order': False, 'shape': {(4, *[1] * 64)}}}",  # 65 axes
        f"{{'descr': '<f4', 'fortran_order': False, 'shape': {(10**4000, 10**4000)}}}",
        f"{{'descr': '<f4', 'fortran_order': False, 'shape': {(2**63, 4)}}}",
    ],
)
def test_a_header_that_describes_no_array_is_refused_in_a_sentence(tmp_path, header):
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(16)
    (tmp_path / "a.npy").write_bytes(content)
    said = f"{tmp_path}/a.npy: cannot be read (its header describes no array). Save it again with "
    for source in (f"{tmp_path}/a.npy", f"shards:{tmp_path}"):
        with pytest.raises(BadInput) as refused:
            load_data(source)
        assert str(refused.value) == said + "numpy."


def test_a_name_that_is_damaged_in_an_archive_takes_no_labels_away(tmp_path):
    """A name is there twice, before its content and in the directory at the end."""
    path = tmp_path / "a.npz"
    np.savez(path, x=np.ones((2, 3), np.float32), labels=np.array([0, 1]))
    head, _, tail = path.read_bytes().rpartition(b"labels.npy")
    path.write_bytes(head + b"labsls.npy" + tail)
    with pytest.raises(BadInput, match=r"a\.npz: cannot be read \(File name in directory"):
        load_data(str(path))


@pytest.mark.parametrize("shape", [(2, 3), (1, 1), (2**40, 2**20)])
def test_a_declared_size_that_is_not_the_files_is_refused_before_reading(tmp_path, shape):
    (tmp_path / "a.npy").write_bytes(npy(shape, bytes(16)))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", npy(shape, bytes(16)))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(BadInput, match=r"declares .* but the file holds 16"):
            load_data(str(tmp_path / name))


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"\x93NUMPY\x09\x00", b"text"])
def test_a_torn_or_foreign_file_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=name):
        load_data(str(tmp_path / name))


def test_a_file_that_is_not_there_is_refused(tmp_path, monkeypatch):
    with pytest.raises(BadInput, match=r"there is no file /.*missing\.npy\. Check the path"):
        load_data(str(tmp_path / "missing.npy"))
    monkeypatch.chdir(tmp_path)
    said = f"there is no file in/missing.npz in {tmp_path}. A relative path is read from the folder"
    with pytest.raises(BadInput, match=re.escape(said)):
        load_data("in/missing.npz")


def test_spikes_with_time_first_get_a_hint_beside_the_labels(tmp_path):
    path, spikes = tmp_path / "swapped.npz", np.zeros((20, 6, 3))
    np.savez(path, spikes=spikes, labels=np.arange(6))
    with pytest.raises(BadInput, match=r"must be \(20,\).*save spikes\.swapaxes\(0, 1\)\."):
        load_data(str(path))
    np.savez(path, spikes=spikes.swapaxes(0, 1), labels=np.arange(6))
    assert load_data(str(path)).values.shape == (6, 20, 3)
    np.savez(path, spikes=spikes, labels=np.arange(7))
    with pytest.raises(BadInput) as caught:
        load_data(str(path))
    assert "swapaxes" not in str(caught.value)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_flipped_bit_anywhere_in_a_compressed_file_is_one_sentence(compression, tmp_path):
    path, array = tmp_path / "x.npz", io.BytesIO()
    np.save(array, np.random.default_rng(0).random((4, 9)).astype(np.float32))
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x.npy", array.getvalue())
    whole, rng = path.read_bytes(), np.random.default_rng(1)
    for _ in range(120):
        damaged = bytearray(whole)
        damaged[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with suppress(BadInput):  # nothing else, such as zlib's own errors
            load_data(str(path))


@pytest.mark.parametrize("number", [1e300, -3.5e38, np.inf, np.nan])
def test_numbers_that_float32_does_not_reach_are_refused_and_not_made_infinite(number, tmp_path):
    values = np.zeros((2, 3), np.float64)
    values[1, 2] = number
    np.savez(tmp_path / "x.npz", x=values)
    words = re.escape(f"x holds {number:g} at index [1, 2]: NaN, infinity or a number beyond")
    with pytest.raises(BadInput, match=words):
        load_data(str(tmp_path / "x.npz"))
    with pytest.raises(BadInput, match=words):
        Data("own", "x", values)


def test_the_largest_float32_is_a_sample(tmp_path):
    np.save(tmp_path / "x.npy", np.full((1, 2), np.finfo(np.float32).max, np.float64))
    assert np.isfinite(load_data(str(tmp_path / "x.npy")).values).all()


@pytest.mark.parametrize("name", ["x.npz", "x.npy"])
def test_a_pipe_is_not_waited_for(name, tmp_path):
    os.mkfifo(tmp_path / name)
    with pytest.raises(BadInput, match="is a folder, a pipe or a device"):
        load_data(str(tmp_path / name))


def test_only_the_arrays_that_are_used_are_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        content = io.BytesIO()
        np.save(content, np.zeros((2, 3)))
        archive.writestr("x.npy", content.getvalue())
        archive.writestr("notes.txt", "no array")
    assert load_data(str(tmp_path / "x.npz")).values.shape == (2, 3)


def test_samples_that_take_too_much_as_floats_are_refused_before_they_are_read(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(files, "MAX_BYTES", 1 << 20)
    monkeypatch.setattr(files.np, "frombuffer", None)  # nothing is read
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((1 << 10, 1 << 9), np.uint8))
    with pytest.raises(BadInput, match="x declares 2097152 bytes as float32"):
        load_data(str(tmp_path / "x.npz"))


@pytest.mark.parametrize("source", ["{}/x.npz", "shards:{}"])
def test_an_archive_that_lists_an_array_many_times_is_refused_before_they_are_read(
    source, tmp_path
):
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 3), np.float32))
    with zipfile.ZipFile(tmp_path / "x.npz", "a") as archive:
        archive.filelist += archive.filelist * 1_000  # which is written at the end
        archive.writestr("labels.npy", b"")
    with pytest.raises(BadInput, match="lists 1002 entries, and at most 1000 are read"):
        load_data(source.format(tmp_path))


def test_a_header_of_python_2_is_read_without_a_warning(tmp_path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }"
    header += b" " * (117 - len(header)) + b"\n"
    x = np.arange(6, dtype="<f4")
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + x.tobytes()
    (tmp_path / "x.npy").write_bytes(content)
    np.testing.assert_array_equal(load_data(str(tmp_path / "x.npy")).values, x.reshape(2, 3))


@pytest.mark.parametrize("size", [1 << 63, 10**4000])
def test_a_size_that_no_array_can_have_is_refused_wherever_an_array_is_read(size, tmp_path):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': (1, {size}, {size}), }}".encode()
    content = b"\x93NUMPY\x02\x00" + len(header).to_bytes(4, "little") + header + bytes(4)
    (tmp_path / "x.npy").write_bytes(content)
    for source in (str(tmp_path / "x.npy"), f"shards:{tmp_path}"):
        with pytest.raises(BadInput, match=r"x\.npy: cannot be read \(its header describes no arr"):
            load_data(source)
    with pytest.raises(BadInput, match=r"x\.npy.*its header describes no array"):
        next(rows_of(io.BytesIO(content), "x.npy", at_once=1))
