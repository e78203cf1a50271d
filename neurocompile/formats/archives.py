"""Zip archives that a stranger may have made, opened without believing how long their list is.

In:  a path or an open file.
Out: the archive, or a BadZipFile before its list is read.
Python makes an object of every entry of the list, which takes seconds and hundreds of megabytes for
a million of them, and ten times that for a file of half a gigabyte.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

MOST_LIST = 16 << 20  # bytes; 100,000 entries whose names have a hundred letters


@contextmanager
def archive_in(source: Path | IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """An archive, open for reading; a file that was open stays so.

    Raises:
        BadZipFile: If it is none, or has a list of over 16 MiB.
        OSError: If it cannot be read.
    """
    with ExitStack() as stack:
        file = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
        counted = _Counted(file)
        archive = stack.enter_context(zipfile.ZipFile(counted))
        counted.most = None
        yield archive


class _Counted:
    """A file of which no more than the list that is allowed is read at once, until it is there.

    Attributes:
        most: Bytes; None for any number.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.most: int | None = MOST_LIST
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        """As of any file."""
        if self.most is not None and size > self.most:
            raise zipfile.BadZipFile(f"its list of entries has over {self.most >> 20} MiB")
        return self._file.read(size)
