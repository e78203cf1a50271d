"""Damage to HDF5 files through h5py: what HDF5 can say and no reader of ours should believe.

In:  the bytes of a file, random numbers, a folder to work in.
Out: the bytes of another HDF5 file that HDF5 itself opens.
"""

import h5py
import numpy as np

SHAPES = ((), (0,), (1,), (1, 1, 1), (2, 3, 4, 5), (1 << 40,), (1 << 20, 1 << 20))
DTYPES = ("f4", "f8", "i8", "u1", "?", "f2", "c8", "S3", "V4")
NUMBERS = (0, -1, 1, np.nan, np.inf, -np.inf, 1e308, 2.0**63, 1e-320, 0.5)
TEXTS = ("", "é", "x" * 5000, "\udcff", "LIF", "../..", "NIRGraph", "conv", "input")


def pick(rng, options):
    return options[int(rng.integers(len(options)))]


def hdf5_edit(data, rng, folder):
    """One to three edits of groups, datasets, links and attributes."""
    path = folder / "edited.h5"
    path.write_bytes(data)
    with h5py.File(path, "r+") as file:
        for _ in range(rng.integers(1, 4)):
            names = []
            file.visit(names.append)
            if names:
                _edit(file, pick(rng, names), names, rng)
    return path.read_bytes()


def _edit(file, name, names, rng):
    item = file[name]
    match int(rng.integers(12)):
        case 0:
            file.move(name, name + pick(rng, ("x", " ", "é", "_bias", ".0")))
        case 1:
            del file[name]
        case 2:
            file.copy(item, f"{name}_copy")
        case 3:
            del file[name]
            file[name] = h5py.SoftLink(pick(rng, ("/", f"/{name}", "/nowhere", *names)))
        case 4:
            del file[name]
            file[name] = h5py.ExternalLink("/etc/passwd", "/")
        case 5:
            item.attrs["dt"] = pick(rng, NUMBERS)
        case 6:
            del file[name]
            file[name] = _text(rng)
        case 7:
            _huge(file, name, rng)
        case 8:
            del file[name]
            kind = np.dtype([("a", "f4"), ("b", "i4")])
            file.create_dataset(name, (3,), dtype=kind)
        case _ if isinstance(item, h5py.Dataset):
            _values(file, name, item, rng)
        case _:
            del file[name]
            file.create_group(name)


def _text(rng):
    text = pick(rng, TEXTS)
    return text if "\udcff" not in text else np.bytes_(b"\xff\xfe")


def _huge(file, name, rng):
    """Much more than the file holds, of which HDF5 stores nothing."""
    del file[name]
    shape = pick(rng, SHAPES[1:])
    if rng.random() < 0.3:
        file.create_dataset(name, (10,), "u1", external=[("/etc/passwd", 0, 10)])
    elif 0 in shape:
        file.create_dataset(name, data=h5py.Empty("f4"))
    else:
        file.create_dataset(name, shape, pick(rng, DTYPES[:5]), chunks=(1,) * len(shape))


def _values(file, name, item, rng):
    """Another type, shape or number in a dataset."""
    old = item[()] if item.dtype.kind in "biuf" else np.zeros(1)
    values = np.array(old)
    del file[name]
    match int(rng.integers(4)):
        case 0:
            kind = pick(rng, DTYPES)
            values = np.zeros(values.shape, kind)
        case 1:
            values = np.full(pick(rng, SHAPES[:5]), pick(rng, NUMBERS))
        case 2:
            values = np.append(values, values.ravel()[:1])
        case _:
            values = values.astype(np.float64)
            if values.size:
                values.flat[int(rng.integers(values.size))] = pick(rng, NUMBERS)
    file[name] = values
