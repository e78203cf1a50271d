"""A dataset that HDF5 cannot unpack is refused whatever its size, never filled with other bytes."""

import h5py
import numpy as np
import pytest

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
