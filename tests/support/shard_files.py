"""Data sets of many files, in every format that is read."""

import gzip
from itertools import pairwise

import numpy as np

CUTS = (0, 10, 11, 60, 61, 100, 130, 137)  # shards of 1 to 49 samples: no batch ends with one


def samples(count=137):
    """(count, 1, 4, 4) values and (count,) labels."""
    draw = np.random.default_rng(5)
    return draw.random((count, 1, 4, 4), np.float32), draw.integers(0, 3, count)


def npy(path, x, labels):
    np.save(path.with_suffix(".npy"), x)


def npz(path, x, labels):
    np.savez_compressed(path.with_suffix(".npz"), x=x, labels=labels)


def hdf5(path, x, labels):
    import h5py

    with h5py.File(path.with_suffix(".h5"), "w") as file:
        file.create_dataset("x", data=x, chunks=(min(7, len(x)), 1, 4, 4), compression="gzip")
        file["labels"] = labels


def zarr2(path, x, labels):
    zarr_group(path, x, labels, 2)


def zarr3(path, x, labels):
    zarr_group(path, x, labels, 3)


def zarr_group(path, x, labels, version):
    import zarr

    group = zarr.open_group(path.with_suffix(".zarr"), mode="w", zarr_format=version)
    for name, rows in (("x", x), ("labels", labels)):
        chunks = (7, *rows.shape[1:])
        made = group.create_array(name, shape=rows.shape, dtype=rows.dtype, chunks=chunks)
        made[:] = rows


def idx(path, x, labels):
    """Images of bytes; x holds multiples of 1 / 255."""
    pixels = np.rint(x * 255).astype(np.uint8)
    head = b"".join(n.to_bytes(4, "big") for n in (0x803, len(x), *x.shape[2:]))
    images = path.with_name(path.name + "-images-idx3-ubyte.gz")
    with gzip.open(images, "wb") as stream:
        stream.write(head + pixels.tobytes())
    head = (0x801).to_bytes(4, "big") + len(x).to_bytes(4, "big")
    name = path.name + "-labels-idx1-ubyte.gz"
    with gzip.open(path.with_name(name), "wb") as stream:
        stream.write(head + labels.astype(np.uint8).tobytes())


def write(folder, make, x, labels, cuts=CUTS):
    """Seven shards in a folder, and its name as a source."""
    folder.mkdir()
    for at, (first, last) in enumerate(pairwise(cuts)):
        make(folder / f"part-{at}", x[first:last], labels[first:last])
    return f"shards:{folder}"
