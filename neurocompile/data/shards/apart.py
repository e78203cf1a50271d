"""Read untrusted HDF5 and zarr without running their libraries in this process.

In:  a format, a path, and rows of one of its arrays.
Out: what the file declares; numbers; or one BadInput sentence.
A child process with limits on memory and time reads for this one, for as long as it lives. What it
answers is checked here before memory is taken.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import subprocess
import sys
import threading
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurocompile.data.shards.shard import WHOLE_BYTES, Field
from neurocompile.errors import BadInput
from neurocompile.installed import child_environment, require

COMMAND = (sys.executable, "-P", "-m", "neurocompile.data.shards.child")
LENGTH = 8  # bytes of the number before a header
MOST_HEADER = 1 << 16
MOST_AXES = 32
TYPE = re.compile(r"[<>|][a-zA-Z]\d{0,6}")  # as numpy names a type; others are refused later
ENDING_S = 5.0


def fields_apart(name: str, path: Path) -> dict[str, Field]:
    """The arrays by key that a file declares, in the format of this name.

    Raises:
        BadInput: If the file is refused, or its reader crashed or passed its limits.
        NotInstalled: If the package that reads it is missing, or the system cannot limit a process.
    """
    require(f"shards {name}")
    found: dict[str, Field] = _asked(name, path, None, ())
    return found


def rows_apart(name: str, path: Path, key: str, first: int, last: int) -> NDArray:
    """The rows [first, last) of an array.

    Raises:
        BadInput: As `fields_apart`.
    """
    rows: NDArray = _asked(name, path, key, (first, last))
    return rows


def _asked(name: str, path: Path, key: str | None, rows: tuple[int, ...]) -> Any:
    """What the reader answers; one that did not is ended, and the next request starts another."""
    absolute = os.path.abspath(path)  # the reader stays in the folder in which it was started
    request = {"format": name, "path": absolute, "key": key, "rows": rows}
    with _LOCK:
        reader = _READERS.pop() if _READERS else _Reader()
        try:
            answer = reader.ask(request)
        except (_NoAnswerError, OSError):
            reader.end()
            raise BadInput(
                f"{path}: could not be read: {name}'s reader crashed, or took more time or memory "
                "than allowed. The file is damaged or malicious. Save it again."
            ) from None
        except BaseException:
            reader.end()
            raise
        _READERS.append(reader)
    if isinstance(answer, str):
        raise BadInput(answer.replace(absolute, str(path)))
    return answer


class _NoAnswerError(Exception):
    """The reader ended, or said what it cannot say."""


def _field(shape: list[int], dtype: str, chunk: int | None, pieces: int) -> Field:
    """A field as the reader declares it.

    Raises:
        ValueError, TypeError: If it is none.
    """
    whole = all(type(n) is int and n >= 0 for n in (*shape, 0 if chunk is None else chunk))
    if not whole or len(shape) > MOST_AXES or type(pieces) is not int or pieces < 1:
        raise ValueError
    if not TYPE.fullmatch(dtype) or np.dtype(dtype).hasobject:
        raise ValueError
    return Field(tuple(shape), dtype, chunk, pieces)


class _Reader:
    """A process that reads, and the pipes to it."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # a file may name a filter plugin; none is loaded. Arenas take address space by threads.
            env=child_environment(HDF5_PLUGIN_PRELOAD="::", MALLOC_ARENA_MAX="1"),
            start_new_session=True,
        )

    def ask(self, request: dict[str, Any]) -> dict[str, Field] | NDArray | str:
        """What was asked for, or the sentence that refuses it.

        Raises:
            OSError, _NoAnswerError: If the process has ended, or says something else.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        length = int.from_bytes(self._exactly(LENGTH), "little")
        if length > MOST_HEADER:
            raise _NoAnswerError
        try:
            header = json.loads(self._exactly(length))
            if "error" in header:
                return str(header["error"])
            if request["key"] is None:
                return {str(key): _field(*entry) for key, entry in header["fields"].items()}
            declared = _field(header["shape"], header["dtype"], None, 1)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise _NoAnswerError from None
        numbers_of = np.dtype(declared.dtype)
        if (
            numbers_of.kind not in "buif"
            or prod(declared.shape) * numbers_of.itemsize > WHOLE_BYTES
        ):
            raise _NoAnswerError
        numbers = np.empty(declared.shape, declared.dtype)
        self._fill(memoryview(numbers.data).cast("B") if numbers.size else memoryview(b""))
        return numbers

    def end(self) -> None:
        """End the process and close its pipes."""
        self.process.kill()
        with suppress(OSError):
            self.process.communicate(timeout=ENDING_S)

    def _exactly(self, length: int) -> bytes:
        content = bytearray(length)
        self._fill(memoryview(content))
        return bytes(content)

    def _fill(self, view: memoryview) -> None:
        while view:
            count = self.process.stdout.readinto(view)  # type: ignore[union-attr]
            if not count:
                raise _NoAnswerError
            view = view[count:]


_READERS: list[_Reader] = []  # one at most, which waits for the next request
_LOCK = threading.Lock()


def _forget() -> None:
    """In a forked process: the reader is the other one's, and a thread of it may hold the lock."""
    global _LOCK
    _LOCK = threading.Lock()
    for reader in _READERS:
        for pipe in (reader.process.stdin, reader.process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        reader.process.returncode = 0  # not to be waited for here
    _READERS.clear()


@atexit.register
def _end() -> None:
    while _READERS:
        _READERS.pop().end()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
