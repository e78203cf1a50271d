"""Write a file whole or not at all: beside its place first, then by one rename.

In:  a path, and what to write there.
Out: the file under its name, its bytes on the disk; or one sentence, and what was there before.
A symbolic link is followed: what it points to is replaced, and the link stays.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neurocompile.errors import BadInput

FULL = (errno.ENOSPC, errno.EDQUOT)
ERRNO = re.compile(r"errno = (\d+)")  # as HDF5 says it, amid details of its own


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Lend the name of a sibling to build at; the block renames it into place.

    Whatever still has that name when the block ends is removed, also after an interrupt.

    Args:
        path: The final place, `followed`.

    Raises:
        BadInput: If the operating system refuses something in the block: the disk is full, the
            folder is missing or not writable.
    """
    building = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield building
    except (OSError, RuntimeError) as error:
        refusal = _of_the_system(error)
        if refusal is None:
            raise
        raise cannot_write(path, refusal) from None
    finally:
        if building.is_dir():
            shutil.rmtree(building, ignore_errors=True)
        else:
            building.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Lend an empty file to fill; it takes the place of `path` if the block ends well.

    Raises:
        BadInput: As `beside`, or if `path` is a folder or a device; an older file then stays.
    """
    path = followed(path)
    if path.exists() and not path.is_file():
        raise BadInput(f"{path} is a folder or a device. Choose the name of a file.")
    with beside(path) as building:
        building.open("xb").close()
        yield building
        with building.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(building, path)


def write_file(path: Path, content: bytes) -> None:
    """Write one file, and the folders above it where they are missing.

    Raises:
        BadInput: As `whole_file`.
    """
    path = followed(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from None
    with whole_file(path) as building:
        building.write_bytes(content)


def followed(path: Path) -> Path:
    """An absolute path without symbolic links; one that leads nowhere is where it points to."""
    return Path(os.path.realpath(path))


def cannot_write(path: Path, error: OSError) -> BadInput:
    """The sentence for what the operating system refused."""
    if error.errno in FULL:
        return BadInput(f"{path} was not written: the disk is full. Free some space and try again.")
    reason = error.strerror or str(error) or type(error).__name__
    return BadInput(f"{path} was not written: {reason}. Check its folder and who may write there.")


def _of_the_system(error: OSError | RuntimeError) -> OSError | None:
    """The refusal of the operating system behind an error; None where it is a fault of ours.

    torch.save and HDF5 turn such a refusal into a RuntimeError.
    """
    said = ERRNO.search(str(error))
    if said:
        return OSError(int(said[1]), os.strerror(int(said[1])))
    if isinstance(error, OSError):
        return error
    return error.__context__ if isinstance(error.__context__, OSError) else None
