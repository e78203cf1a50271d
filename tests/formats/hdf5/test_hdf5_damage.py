"""A dataset that HDF5 cannot unpack is refused whatever its size, never filled with other bytes."""

import shlex
import subprocess
import sys

import h5py
import numpy as np
import pytest

from neurocompile import installed
from neurocompile.errors import BadInput
from neurocompile.formats.hdf5.read import read_hdf5


@pytest.mark.parametrize("count", [1, 8, 64, 4096])
def test_a_damaged_chunk_is_refused(tmp_path, count):
    path = tmp_path / "damaged.nir"
    with h5py.File(path, "w") as file:
        file["before"] = np.arange(3)
        data = file.create_dataset("last", (count,), "f8", chunks=(count,), compression="gzip")
        data[()] = np.arange(count)
        place = data.id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[place.byte_offset : place.byte_offset + place.size] = b"\xff" * place.size
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"damaged\.nir"):
        read_hdf5(path)


@pytest.mark.parametrize("chunks", [None, (7, 1000), (300, 3)])
@pytest.mark.parametrize("kind", ["<f4", ">f8", "i2", "?"])
def test_a_dataset_of_many_rows_arrives_whole(tmp_path, chunks, kind):
    """More than one piece is sent: 400 x 1000 numbers."""
    values = np.random.default_rng(0).integers(0, 2, (400, 1000)).astype(kind)
    with h5py.File(tmp_path / "large.h5", "w") as file:
        file.create_dataset("values", data=values, chunks=chunks)
    found = read_hdf5(tmp_path / "large.h5")["values"]
    assert found.dtype == values.dtype.newbyteorder("=")
    assert np.array_equal(found, values)
    assert not found.flags.writeable


@pytest.mark.parametrize(
    "read",
    [
        "from neurocompile.formats.hdf5.read import read_hdf5; print(read_hdf5('x.h5')['x'].sum())",
        "from neurocompile.data.samples import load_data\n"
        "print(load_data('shards:x.h5').values[:].sum())",
    ],
    ids=["nir", "shards"],
)
def test_a_shell_that_allows_less_than_a_reader_may_take_reads_too(read, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.ones((3, 4), np.float32)
    limited = f"ulimit -v 3000000 -t 50; exec {shlex.quote(sys.executable)} -c {shlex.quote(read)}"
    done = subprocess.run(
        ["bash", "-c", limited], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=installed.child_environment(),
    )  # fmt: skip
    assert done.stdout == "12.0\n", done.stderr
