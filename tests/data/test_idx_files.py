"""MNIST's IDX files, whole and damaged."""

import gzip
import struct
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest

from neurocompile.data.samples import load_data
from neurocompile.errors import BadInput


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
