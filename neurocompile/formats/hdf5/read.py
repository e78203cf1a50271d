"""Read an untrusted HDF5 file without running HDF5's own reader in this process.

In:  a path.
Out: its groups as dicts, its datasets as numpy arrays and texts, or one BadInput sentence.
A child process with limits on memory and time reads the file; its output is checked here
before memory is allocated. Attributes are not read: neither NIR nor netx uses any.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from neurocompile.errors import BadInput
from neurocompile.installed import child_environment, require
from neurocompile.ir.arrays import Array

Tree = dict[str, Any]  # values: Tree, Array, str, or Array of str

MAX_BYTES = 1 << 30  # bytes of all numbers in a file: 268 million float32 weights
MAX_HEADER = 1 << 26  # bytes of all names and texts
MAX_AXES = 32
TIMEOUT_S = 60.0
LENGTH = 8  # bytes of the number before the header
START = b"\x89HDF\r\n\x1a\n"  # first bytes of an HDF5 file without a user block
NUMBERS = "?bhilqBHILQefd"  # kinds of numbers that numpy and HDF5 share


def read_hdf5(path: str | Path) -> Tree:
    """The content of an HDF5 file.

    Args:
        path: Path of the file; nothing to which it links is opened.

    Returns:
        A dict per group. A dataset is an array of numbers or bools of its shape, a `str` for
        one text, or an array of `str` for several.

    Raises:
        BadInput: If the file cannot be read, holds links or other values than numbers and texts
            (references or compounds, for example), or would take too much memory or time.
        NotInstalled: If h5py is missing, or the system cannot limit a process.
    """
    what = f"'{path}'"
    try:
        with open(path, "rb") as file:
            start = file.read(len(START))
    except (OSError, ValueError) as error:
        raise BadInput(f"{what} cannot be read: {getattr(error, 'strerror', error)}.") from None
    if start != START:
        raise BadInput(f"{what} is not an HDF5 file.")
    require("front ends .nir and .net")
    command = [sys.executable, "-P", "-m", "neurocompile.formats.hdf5.child", str(path)]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # a file may name a filter plugin; none is loaded
        env=child_environment(HDF5_PLUGIN_PRELOAD="::"),
        start_new_session=True,
    ) as child:
        late = threading.Timer(TIMEOUT_S, child.kill)
        late.start()
        try:
            assert child.stdout is not None
            return _received(child.stdout, what)
        finally:
            late.cancel()
            child.kill()


def _received(stream: IO[bytes], what: str) -> Tree:
    """The tree that the child sends: a header that describes everything, then the numbers."""
    length = int.from_bytes(_exactly(stream, LENGTH, what), "little")
    if length > MAX_HEADER:
        raise BadInput(f"{what} holds {length} bytes of names and texts, allowed are {MAX_HEADER}.")
    header = json.loads(_exactly(stream, length, what))
    if "error" in header:
        raise BadInput(f"{what} {header['error']}")
    tree: Tree = header["tree"]
    datasets = list(_datasets(tree))
    declared = sum(_bytes(entry, what) for _, _, entry in datasets if entry["kind"] != "text")
    if declared > MAX_BYTES:
        raise BadInput(
            f"{what} declares {declared} bytes of numbers, but at most {MAX_BYTES} are read."
        )
    for group, name, entry in datasets:
        group[name] = _value(entry, stream, what)
    return tree


def _datasets(tree: Tree) -> Iterator[tuple[Tree, str, Any]]:
    """Every dataset's group, name and description; unwraps groups, whose content is under "/"."""
    pending = [tree]
    while pending:
        group = pending.pop(0)
        for name, entry in list(group.items()):
            if "/" in entry:
                group[name] = entry["/"]
                pending.append(group[name])
            else:
                yield group, name, entry


def _bytes(entry: Any, what: str) -> int:
    shape, kind = entry["shape"], entry["kind"]
    if kind not in NUMBERS or len(shape) > MAX_AXES or min(shape, default=0) < 0:
        raise BadInput(f"{what} declares a dataset of type {kind!r} and shape {shape}.")
    return prod(shape) * np.dtype(kind).itemsize


def _value(entry: Any, stream: IO[bytes], what: str) -> Any:
    shape = tuple(entry["shape"])
    if entry["kind"] == "text":
        return np.array(entry["texts"], dtype=np.str_).reshape(shape) if shape else entry["texts"]
    values: Array = np.empty(shape, entry["kind"])
    _fill(stream, values, what)
    values.setflags(write=False)  # so that a node may keep it without a copy
    return values


def _fill(stream: IO[bytes], values: Array, what: str) -> None:
    view = memoryview(values.data).cast("B") if values.size else memoryview(b"")
    while view:
        count = stream.readinto(view)  # type: ignore[attr-defined]
        if not count:
            raise _gone(what)
        view = view[count:]


def _exactly(stream: IO[bytes], length: int, what: str) -> bytes:
    data = stream.read(length)
    if len(data) != length:
        raise _gone(what)
    return data


def _gone(what: str) -> BadInput:
    return BadInput(
        f"{what} could not be read: HDF5's reader crashed, or took more than {TIMEOUT_S:g} s or "
        "more memory than allowed. The file is damaged or malicious. Write it again."
    )
