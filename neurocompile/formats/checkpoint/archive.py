"""The zip archive around a `.pt` file, checked before PyTorch reads a byte of it.

In:  an open file.
Out: nothing, or a refusal of entries that would be larger than the file, that lead out of it,
     whose bytes have changed, or that hold more than tensors and plain values.
torch.save stores its entries without compression, so an honest file declares no more than its size.
"""

from __future__ import annotations

import zipfile
from pathlib import PurePosixPath
from typing import IO

from neurocompile.errors import BadInput
from neurocompile.formats.archives import archive_in
from neurocompile.formats.checkpoint.calls import check_calls

MAX_ENTRIES = 100_000
MAX_BYTES = 4 << 30  # a thousand million float32 weights
PICKLE = "data.pkl"  # the entry that describes the tensors
START = b"PK\x03\x04"  # first bytes of a zip archive with nothing before it


def check_archive(file: IO[bytes], what: str) -> None:
    """Refuse an archive that is not as torch.save writes it.

    Args:
        file: File open for reading; its position is 0 afterwards.
        what: Name of the file, for the error message.

    Raises:
        BadInput: If it is not a zip archive, declares too much, or a checksum is wrong.
        UnpicklingError: If it holds more than tensors and plain values.
    """
    file.seek(0, 2)
    length = file.tell()
    file.seek(0)
    if length > MAX_BYTES:
        raise BadInput(f"{what} has {length} bytes, but at most {MAX_BYTES} are read.")
    if file.read(len(START)) != START:
        raise BadInput(f"{what} is not a file that torch.save wrote: it is not a zip archive.")
    try:
        with archive_in(file) as archive:
            _check_entries(archive.infolist(), length, what)
            damaged = archive.testzip()
            for entry in () if damaged else archive.infolist():
                if PurePosixPath(entry.filename).name == PICKLE:
                    check_calls(archive.read(entry), what)
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise BadInput(f"{what} is damaged or cut off: {error}.") from None
    except RuntimeError as error:  # zipfile's answer to an encrypted entry
        raise BadInput(f"{what} cannot be read: {error}.") from None
    if damaged is not None:
        raise BadInput(f"{what} is damaged: the checksum of its entry {damaged!r} is wrong.")
    file.seek(0)


def _check_entries(entries: list[zipfile.ZipInfo], length: int, what: str) -> None:
    if len(entries) > MAX_ENTRIES:
        raise BadInput(f"{what} has {len(entries)} entries, but at most {MAX_ENTRIES} are read.")
    if len({entry.filename for entry in entries}) != len(entries):
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
