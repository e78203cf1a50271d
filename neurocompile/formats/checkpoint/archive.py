"""The zip archive around a `.pt` file, checked and written anew before PyTorch reads a byte of it.

In:  an open file, which is read once.
Out: another archive in memory, of the entries that were checked; or a refusal of entries that
     torch.save does not write, that would be larger than the file, whose bytes have changed, or
     that hold more than tensors and plain values.
PyTorch has a zip reader of its own, which may see other entries in the same bytes: it takes names
for equal that differ in case, another list of entries, packed data. So it gets no byte of a
stranger's archive but the content of entries, in an archive in which two readers see the same.
torch.save stores its entries without compression, so an honest file declares no more than its size.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable
from pathlib import PurePosixPath
from shutil import copyfileobj
from typing import IO

from neurocompile.errors import BadInput
from neurocompile.formats.archives import archive_in
from neurocompile.formats.checkpoint.calls import Storage, check_calls
from neurocompile.formats.checkpoint.foreign import GOOD_FILE, begins_otherwise, written_by_others

MAX_ENTRIES = 100_000
MAX_BYTES = 4 << 30  # a thousand million float32 weights
PICKLE = "data.pkl"  # the entry that describes the tensors
START = b"PK\x03\x04"  # first bytes of a zip archive with nothing before it
NEEDED = re.compile(r"data\.pkl|version|byteorder|data/(0|[1-9][0-9]{0,19})", re.ASCII)
# What torch.save writes and only lazy readers use: positions of entries, an identity of the file.
UNUSED = (".format_version", ".storage_alignment", ".data/serialization_id")
PIECE = 1 << 20  # bytes that are copied at a time


def canonical(file: IO[bytes], what: str) -> io.BytesIO:
    """The archive of a checkpoint as PyTorch may read it.

    Args:
        file: File open for reading.
        what: Name of the file, for the error message.

    Returns:
        An archive of the same content under the names that torch.save gives, without compression.

    Raises:
        BadInput: If it is not a zip archive of torch.save, declares too much, or a checksum is
            wrong.
        UnpicklingError: If it holds more than tensors and plain values.
    """
    length = file.seek(0, 2)
    file.seek(0)
    if length > MAX_BYTES:
        raise BadInput(f"{what} has {length} bytes, but at most {MAX_BYTES} are read.")
    first = file.read(64)
    if not first.startswith(START):
        raise begins_otherwise(first, what)
    try:
        with archive_in(file) as archive:
            entries = _checked_entries(archive.infolist(), length, what)
            pickled = _content(archive, entries.pop(PICKLE), what)
            _check_storages(check_calls(pickled, what), entries, what)
            made = io.BytesIO()
            with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as copy:
                copy.writestr(f"archive/{PICKLE}", pickled)
                for name, entry in entries.items():
                    _copy(archive, entry, copy, name, what)
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise BadInput(f"{what} is damaged or cut off: {error}.") from None
    except RuntimeError as error:  # zipfile's answer to an encrypted entry
        raise BadInput(f"{what} cannot be read: {error}.") from None
    made.seek(0)
    return made


def _checked_entries(
    entries: list[zipfile.ZipInfo], length: int, what: str
) -> dict[str, zipfile.ZipInfo]:
    """The entries that PyTorch needs, by their names in the folder that holds all of them."""
    if len(entries) > MAX_ENTRIES:
        raise BadInput(f"{what} has {len(entries)} entries, but at most {MAX_ENTRIES} are read.")
    names = [entry.filename for entry in entries]
    if (refusal := written_by_others(names, what)) is not None:
        raise refusal
    if len(set(names)) != len(names):
        raise BadInput(f"{what} holds an entry twice.")
    for entry in entries:
        path = PurePosixPath(entry.filename)
        if path.is_absolute() or ".." in path.parts or "\\" in entry.filename:
            raise BadInput(f"{what} holds the entry {entry.filename!r}, which leads out of it.")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise BadInput(
                f"{what} holds the compressed entry {entry.filename!r}. torch.save compresses "
                "nothing; write the file again with neurocompile.save."
            )
    declared = sum(entry.file_size for entry in entries)
    if declared > length:
        raise BadInput(f"{what} declares {declared} bytes of content, but has {length} bytes.")
    return _needed(entries, what)


def _needed(entries: list[zipfile.ZipInfo], what: str) -> dict[str, zipfile.ZipInfo]:
    needed = {}
    folders = {entry.filename.partition("/")[0] for entry in entries}
    if len(folders) > 1:
        raise BadInput(f"{what} holds {len(folders)} folders, but torch.save writes one.")
    for entry in entries:
        name = entry.filename.partition("/")[2]
        if NEEDED.fullmatch(name):
            needed[name] = entry
        elif name not in UNUSED:
            raise BadInput(
                f"{what} holds the entry {entry.filename!r}, which torch.save does not write. "
                + GOOD_FILE
            )
    if PICKLE not in needed:
        raise BadInput(f"{what} is no checkpoint: it has no entry {PICKLE!r}. {GOOD_FILE}")
    return needed


def _check_storages(
    storages: Iterable[Storage], entries: dict[str, zipfile.ZipInfo], what: str
) -> None:
    """Refuse numbers of tensors that are not all there, before PyTorch makes room for them."""
    for storage in storages:
        entry = entries.get(f"data/{storage.key}")
        held = 0 if entry is None else entry.file_size
        if entry is None or not 0 <= storage.nbytes <= held:
            raise BadInput(
                f"{what} is damaged: a tensor in it has {storage.nbytes} bytes, but its entry "
                f"{f'data/{storage.key[:40]}'!r} holds {held}."
            )


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, what: str) -> bytes:
    """All bytes of an entry, held against its checksum."""
    try:
        return archive.read(entry)
    except zipfile.BadZipFile:
        raise _changed(entry, what) from None


def _copy(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, copy: zipfile.ZipFile, name: str, what: str
) -> None:
    """Write an entry into another archive, and hold its bytes against its checksum meanwhile."""
    into = zipfile.ZipInfo(f"archive/{name}")
    into.file_size = entry.file_size  # of over 2 GiB it needs another header
    try:
        with archive.open(entry) as source, copy.open(into, "w") as written:
            copyfileobj(source, written, PIECE)
    except zipfile.BadZipFile:
        raise _changed(entry, what) from None


def _changed(entry: zipfile.ZipInfo, what: str) -> BadInput:
    return BadInput(f"{what} is damaged: the checksum of its entry {entry.filename!r} is wrong.")
