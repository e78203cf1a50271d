"""Compile loops to machine code, and keep it where the next run finds it, if there is such a place.

In:  a function of Python.
Out: the same, compiled by numba at its first call, or read from where it is kept: NUMBA_CACHE_DIR,
     a folder in the user's cache, or a private one among the temporary folders.
What is kept has a digest, for machine code that a disk has damaged would compute something else. It
is then made anew. Where nothing can be written, every run compiles for itself.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from neurocompile.errors import BadInput

try:
    with warnings.catch_warnings():  # of several lines, after which it takes its own value
        warnings.filterwarnings("error", "Environment variable 'NUMBA_", RuntimeWarning)
        import numba
        from numba.core import caching
except (ValueError, RuntimeWarning) as refused:  # of a variable that it reads when it is imported
    why = str(refused).split("\n")[0].rstrip(".")
    raise BadInput(f"numba does not start: {why}. Correct its variables (NUMBA_...).") from None

from neurocompile.formats.scratch import scratch, uninterrupted

FOLDER = "neurocompile"
DIGEST_BYTES = 32


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """A function that numba compiles, with its options, and whose machine code is kept."""
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        raise BadInput(
            "the variable NUMBA_DISABLE_JIT is set, and Python's whole numbers do not overflow as "
            "the engine fixed has them. Unset it."
        )
    made = numba.njit(**options)(function)
    with suppress(OSError, RuntimeError):  # no place to keep it
        made._cache = _Cache(function)
    made.compile = _whole(made.compile)
    return made


def _whole(compile_: Callable[..., Any]) -> Callable[..., Any]:
    """A compilation that no signal parts: an interrupt is lost in what LLVM calls back."""

    def run(*signature: Any) -> Any:
        with uninterrupted():
            return compile_(*signature)

    return run


def source_file(name: str, text: str) -> Path | None:
    """A file with the source of a made function, by which its machine code is found again.

    Returns:
        The file; None where nothing can be kept.
    """
    for folder in _folders():
        with suppress(OSError):
            file = folder / name
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                _put(file, text.encode())
            return file
    return None


def _folders() -> Iterator[Path]:
    """Our folders that can be written, the best first."""
    for find in (_of_the_user, _temporary):
        folder = find()
        if folder is not None:
            yield folder


@cache
def _of_the_user() -> Path | None:
    """The user's cache folder."""
    with suppress(OSError, RuntimeError):  # no home
        given = os.environ.get("XDG_CACHE_HOME", "")
        root = Path(given) if os.path.isabs(given) else Path.home() / ".cache"
        folder = root / FOLDER / "kernels"
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        return folder
    return None


@cache
def _temporary() -> Path | None:
    """A folder that nobody else may write: what lies in it is run."""
    if not hasattr(os, "getuid"):
        return None
    with suppress(OSError):
        folder = Path(tempfile.gettempdir()) / f"{FOLDER}-{os.getuid()}"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = os.lstat(folder)
        private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
        if private and found.st_uid == os.getuid():
            tempfile.TemporaryFile(dir=folder).close()
            return folder
    return None


def _put(file: Path, content: bytes) -> None:
    """Write a file at once, so that another run reads all of it or nothing."""
    with scratch(file.parent) as folder:
        building = folder / file.name
        building.write_bytes(content)
        os.replace(building, file)


class _Ours(caching.UserProvidedCacheLocator):  # type: ignore[misc]
    """Where numba keeps the machine code of a function: in one of our folders."""

    @classmethod
    def from_function(cls, py_func: Any, py_file: Any) -> Any:
        """A place that can be written, or None."""
        if not os.path.exists(py_file):
            return None
        for folder in _folders():
            found = cls(py_func, py_file)
            found._cache_path = str(folder / cls.get_suitable_cache_subpath(py_file))
            with suppress(OSError):
                found.ensure_cache_path()
                return found
        return None


class _Impl(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [caching.UserProvidedCacheLocator, _Ours]  # noqa: RUF012  as in numba


class _Files(caching.IndexDataCacheFile):  # type: ignore[misc]
    """numba's files, each behind its digest."""

    def _load_index(self) -> Any:
        version, stamp, names = self._read(self._index_name) or (None, None, {})
        return names if (version, stamp) == (self._version, self._source_stamp) else {}

    def _save_index(self, overloads: Any) -> None:
        self._write(self._index_name, (self._version, self._source_stamp, overloads))

    def _load_data(self, name: str) -> Any:
        return self._read(name)

    def _save_data(self, name: str, data: Any) -> None:
        self._write(name, data)

    def _read(self, name: str) -> Any:
        """What a file holds; None if it is missing or damaged."""
        try:
            content = Path(self._cache_path, name).read_bytes()
        except OSError:
            return None
        kept, packed = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
        return pickle.loads(packed) if kept == hashlib.sha256(packed).digest() else None

    def _write(self, name: str, content: Any) -> None:
        packed = self._dump(content)
        _put(Path(self._cache_path, name), hashlib.sha256(packed).digest() + packed)


class _Cache(caching.FunctionCache):  # type: ignore[misc]
    """numba's cache, which is never a reason to fail."""

    _impl_class = _Impl

    def __init__(self, py_func: Any) -> None:
        super().__init__(py_func)
        locator, base = self._impl.locator, self._impl.filename_base
        self._cache_file = _Files(self._cache_path, base, locator.get_source_stamp())

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep machine code, if the disk takes it."""
        with suppress(OSError):
            super().save_overload(sig, data)
