"""The process that reads an HDF5 file for `read.py`; a crash of HDF5 ends only this process.

In:  a path on the command line.
Out: on standard output, the length of a header in 8 bytes, the header in JSON, then the numbers
     of every dataset in the order in which the header names them, breadth first.
Every dataset is checked before the first one is read.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from math import prod
from typing import Any

MEMORY = 4 << 30  # bytes of address space; libraries take 1 GiB of it
CPU_S = 60
MAX_OBJECTS = 100_000
MAX_DEPTH = 16
MAX_TEXTS = 1 << 20  # texts in all datasets
MAX_LETTERS = (
    1 << 26
)  # of a dataset's texts, each as long as its longest: what an array of it takes
TEXTS_AT_ONCE = 64  # several may be one and the same long text of the file
AT_ONCE = 1 << 20  # bytes that are read before they are sent
MAX_BYTES = 1 << 30  # as in read.py, which checks it again


class Refused(Exception):
    """A sentence that continues the file's name."""


def main(path: str) -> None:
    """Send a file's content, or the reason why it is refused."""
    limit(resource.RLIMIT_AS, MEMORY)
    limit(resource.RLIMIT_CPU, CPU_S)
    import h5py

    sent = False
    try:
        with h5py.File(path, "r") as file:
            tree: dict[str, Any] = {}
            datasets = list(_described(h5py, file, tree))
            _check_size(datasets)
            for dataset, entry in datasets:
                if entry["kind"] == "text":
                    entry["texts"] = _texts(dataset)
            _send_header({"tree": tree})
            sent = True
            for dataset, entry in datasets:
                if entry["kind"] != "text":
                    _send_numbers(dataset, entry["kind"])
            sys.stdout.buffer.flush()
    except Refused as error:
        _send_header({"error": str(error)})
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
        if sent:  # the parent expects numbers and would read a second header as numbers
            sys.exit(1)
        first = (str(error).splitlines() or [""])[0][:200]
        _send_header({"error": f"is damaged, so HDF5 cannot read it: {first}."})


def limit(what: int, most: int, *, for_good: bool = True) -> None:
    """Limit a resource of this process; a shell or a container may allow still less.

    Args:
        what: The resource, a constant of the module `resource`.
        most: Its limit.
        for_good: Whether this process cannot raise it again.
    """
    _, hard = resource.getrlimit(what)
    soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (soft, soft if for_good else hard))


def _send_header(content: dict[str, Any]) -> None:
    header = json.dumps(content).encode()
    sys.stdout.buffer.write(len(header).to_bytes(8, "little") + header)
    sys.stdout.buffer.flush()


def _send_numbers(dataset: Any, kind: str) -> None:
    """Send a dataset in C order, some rows at a time, in whole HDF5 chunks."""
    if not dataset.shape or not dataset.size:
        sys.stdout.buffer.write(dataset[()].astype(kind, copy=False).tobytes())
        return
    rows = max(1, AT_ONCE * dataset.shape[0] // (dataset.size * dataset.dtype.itemsize))
    if dataset.chunks:
        rows = -(-rows // dataset.chunks[0]) * dataset.chunks[0]
    for start in range(0, dataset.shape[0], rows):
        part = dataset[start : start + rows]
        sys.stdout.buffer.write(part.astype(kind, copy=False).tobytes())


def _described(h5py: Any, file: Any, tree: dict[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Every dataset with its description, breadth first; adds groups and descriptions to `tree`."""
    pending = [(file, tree, 0)]
    count = 0
    while pending:
        group, into, depth = pending.pop(0)
        for name in group:
            count += 1
            if count > MAX_OBJECTS or depth > MAX_DEPTH:
                raise Refused(f"holds over {MAX_OBJECTS} objects, or groups over {MAX_DEPTH} deep.")
            where = f"{group.name.rstrip('/')}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise Refused(f"holds '{where}', a link to another object, which is not followed.")
            item = group[name]
            if isinstance(item, h5py.Group):
                inner: dict[str, Any] = {}
                into[name] = {"/": inner}
                pending.append((item, inner, depth + 1))
            elif isinstance(item, h5py.Dataset):
                entry = into[name] = _description(h5py, item, where)
                yield item, entry
            else:
                raise Refused(f"holds '{where}', which is neither a group nor a dataset.")


def _description(h5py: Any, dataset: Any, where: str) -> dict[str, Any]:
    if dataset.is_virtual or dataset.external:
        raise Refused(f"keeps the data of '{where}' in another file, which is not opened.")
    if dataset.shape is None:
        raise Refused(f"holds the empty dataset '{where}'. Give it a value.")
    shape, dtype = list(dataset.shape), dataset.dtype
    if h5py.check_string_dtype(dtype) is not None:
        return {"kind": "text", "shape": shape}
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise Refused(f"holds '{where}' of type {dtype}. Allowed are numbers and texts.")
    return {"kind": dtype.char, "shape": shape}


def _check_size(datasets: list[tuple[Any, dict[str, Any]]]) -> None:
    """Check the declared sizes, before anything is read."""
    numbers = sum(d.size * d.dtype.itemsize for d, entry in datasets if entry["kind"] != "text")
    if numbers > MAX_BYTES:
        raise Refused(f"declares {numbers} bytes of numbers, but at most {MAX_BYTES} are read.")
    texts = sum(
        # an axis of 0 empties the dataset, but not the lists that its other axes ask for
        prod(max(1, length) for length in d.shape) * max(1, d.dtype.itemsize // 64)
        for d, entry in datasets
        if entry["kind"] == "text"
    )
    if texts > MAX_TEXTS:
        raise Refused(f"declares {texts} texts, but at most {MAX_TEXTS} are read.")


def _texts(dataset: Any) -> Any:
    """Nested lists of texts, or one text."""
    try:
        if not dataset.shape:
            return str(dataset.asstr()[()])
        rows: list[Any] = []
        longest = 0
        at_once = max(1, TEXTS_AT_ONCE // max(1, prod(dataset.shape[1:])))
        for start in range(0, dataset.shape[0], at_once):
            part = dataset.asstr()[start : start + at_once]
            longest = max(longest, max(map(len, part.flat), default=0))
            if longest * dataset.size > MAX_LETTERS:
                raise Refused(
                    f"holds {dataset.size} texts in '{dataset.name}', one of {longest} letters. An "
                    f"array of them takes over {MAX_LETTERS} letters, which is the most allowed."
                )
            rows += part.tolist()
        return rows
    except UnicodeDecodeError:
        raise Refused(f"holds a text in '{dataset.name}' that is not UTF-8.") from None


if __name__ == "__main__":
    main(sys.argv[1])
