"""One damaged folder: which of its files is damaged, how, and whether digests are renewed.

In:  a kind, and a generator of random numbers.
Out: a mutant. The same numbers give the same mutant.
What is damaged is mostly one file, by what its format says or blindly; at times files are taken
away, emptied, exchanged, or made links.
"""

import tempfile
import warnings
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from fuzz.mutations_arrays import gzip_edit, idx_edit, npy_edit, npz_edit, zarr_edit
from fuzz.mutations_code import PICKLED, code_edit
from fuzz.mutations_hdf5 import hdf5_edit
from fuzz.mutations_onnx import message_edit
from fuzz.mutations_pt import checkpoint_edit, directory_edit, entry_edit
from fuzz.mutations_text import WORDS, blind, json_edit, pick, text_edit

RENEWED = 0.5  # part of the mutants with new digests, where a kind has some
FOLDER = 0.08  # part of the mutants that are made of whole files
LINK = b"\0link to "  # how a link is written among contents


def in_a_file(data, rng):
    with tempfile.TemporaryDirectory() as folder:
        return hdf5_edit(data, rng, Path(folder))


def pickled(data, rng):
    return pick(rng, PICKLED)


AWARE = (
    ("*.pt", (checkpoint_edit, checkpoint_edit, entry_edit, entry_edit, directory_edit, code_edit)),
    ("*.onnx", (message_edit, message_edit, message_edit)),
    ("*.toml", (text_edit, text_edit)),
    ("*.zarr/*.json", (zarr_edit, zarr_edit, text_edit)),
    ("*.zarr/*.z*", (zarr_edit, zarr_edit, text_edit)),
    ("*.zarr/*", (pickled,)),
    ("*.json", (text_edit, json_edit, json_edit, json_edit)),
    ("*SUMS", (text_edit, text_edit)),
    ("*.npz", (npz_edit, npz_edit, npz_edit, directory_edit)),
    ("*.npy", (npy_edit, npy_edit, npy_edit)),
    ("*.nir", (in_a_file, in_a_file, in_a_file)),
    ("*.net", (in_a_file, in_a_file, in_a_file)),
    ("*.h5", (in_a_file, in_a_file, in_a_file)),
    ("*.gz", (gzip_edit, gzip_edit, gzip_edit)),
    ("*-ubyte", (idx_edit, idx_edit)),
)


@dataclass(frozen=True)
class Mutant:
    """A damaged folder.

    Attributes:
        files: Content by path; a link begins with LINK.
        seed: Number of the sound folder that it was made of.
        how: What was done to which file.
        blind: Whether bytes were damaged without knowledge of the format.
        renewed: Whether its digests are those of what it holds.
    """

    files: dict
    seed: int
    how: str
    blind: bool
    renewed: bool


def generator(seed, kind, number):
    """Random numbers for one mutant."""
    return np.random.default_rng([seed, *kind.encode(), number])


def mutant(kind, seed, number):
    """The mutant of these numbers."""
    rng = generator(seed, kind.name, number)
    seeds = kind.seeds()
    at = int(rng.integers(len(seeds)))
    files = dict(seeds[at])
    names = [name for name in files if any(fnmatch(name, p) for p in kind.damaged)]
    renewed = kind.renewed is not None and rng.random() < RENEWED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numpy and PyTorch, at what is done to their values
        if len(names) > 1 and rng.random() < FOLDER:
            how, guarded = _of_files(files, names, rng), False
        else:
            name = pick(rng, names)
            operator = pick(rng, (*_aware(name), blind))
            try:
                content = operator(files[name], rng)
            except Exception:  # what a library does not write, or an edit of an edit
                content, operator = blind(files[name], rng), blind
            guarded = operator is blind
            for _ in range(int(rng.integers(3)) if guarded else 0):
                content = blind(content, rng)
            files[name] = content
            how = f"{operator.__name__} of {name}"
        if renewed:
            files = dict(kind.renewed(files))
    return Mutant(files, at, how + (", digests renewed" if renewed else ""), guarded, renewed)


def _aware(name):
    return next((operators for pattern, operators in AWARE if fnmatch(name, pattern)), ())


def _of_files(files, names, rng):
    """Change which files there are; what was done."""
    name, other = pick(rng, names), pick(rng, names)
    match int(rng.integers(6)):
        case 0:
            del files[name]
            return f"{name} is gone"
        case 1:
            files[name] = b""
            return f"{name} is empty"
        case 2:
            files[name], files[other] = files[other], files[name]
            return f"{name} and {other} exchanged"
        case 3:
            files[name] = LINK + pick(rng, (b"/etc/passwd", b"/dev/zero", b".", name.encode()))
            return f"{name} is a link to {files[name].removeprefix(LINK).decode()}"
        case 4:
            content = files.pop(name)
            files[f"{name}/{Path(name).name}"] = content
            return f"{name} is a folder"
        case _:
            more = pick(rng, (".hidden", "more.npz", "x.zarr", "z-images-idx3-ubyte", *WORDS[2:4]))
            files[more[:200]] = files[name]
            return f"{name} is also {more[:20]}"


def put(files, folder):
    """Write a mutant into a folder."""
    for name, content in files.items():
        path = folder / name
        if path.is_dir() or any(parent.is_file() for parent in path.parents):
            continue  # two names of which one is the folder of the other
        path.parent.mkdir(parents=True, exist_ok=True)
        if content.startswith(LINK):
            path.symlink_to(content.removeprefix(LINK).decode())
        else:
            path.write_bytes(content)
