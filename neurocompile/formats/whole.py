"""Write a file completely or not at all: first beside its place, then by one rename or link.

In:  a path, and the content to write there.
Out: the file at its path, its bytes on the disk; or one sentence, and the old file unchanged.
Where nothing may be replaced, a file that has appeared meanwhile stays, and the new one beside it.
A symbolic link is followed: its target is replaced, and the link stays. What is half done lies in a
folder of `scratch.py`, which the next run removes if this one is killed.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import takewhile
from pathlib import Path

from neurocompile.errors import BadInput
from neurocompile.formats.scratch import bring_back, scratch, uninterrupted

NO_ROOM = {  # what the operating system has no room for, and what to do about it
    errno.ENOSPC: "the disk is full. Free some space and try again.",
    errno.EDQUOT: "your quota on this disk is used up. Free some space, or have it raised, and try "
    "again.",
    errno.EFBIG: "it is larger than a file may be here. Raise the limit (ulimit -f), or choose "
    "another disk, and try again.",
}
ERRNO = re.compile(r"errno = (\d+)")  # how HDF5 names it, among other details
WRITTEN: list[Path] = []  # what is in its place, for the message after an interrupt


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Provide a path of the same name to build at; the block renames it to the final path.

    Whatever still has that path when the block ends is removed, also after an interrupt.

    Args:
        path: Final path, as `followed` returns it.

    Raises:
        BadInput: If the operating system refuses something in the block, for example because
            the disk is full, or the folder is missing or not writable.
    """
    try:
        with scratch(path.parent) as folder:
            yield folder / path.name
    except (OSError, RuntimeError) as error:
        refusal = _of_the_system(error)
        if refusal is None:
            raise
        raise cannot_write(path, refusal) from None


@contextmanager
def whole_file(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """Provide an empty file to fill; it gets the name `path` if the block succeeds.

    Args:
        path: Final path.
        replace: Whether a file that is there by then may be replaced.

    Raises:
        BadInput: As in `beside`, or if `path` is a folder or a device; an older file then stays.
            Also if a file is there that must not be replaced: it stays, and the new one is kept
            beside it.
    """
    path = followed(path)
    with _begun(path) as building:
        yield building
        on_disk(building)
        with uninterrupted():
            _place([(building, path)], () if replace else (path,))


@contextmanager
def _begun(path: Path) -> Iterator[Path]:
    """An empty file to fill, which nobody moves to its place."""
    _refuse_other(path)
    with beside(path) as building:
        building.open("xb").close()
        yield building


def _place(built: list[tuple[Path, Path]], new: Collection[Path]) -> None:
    """Give finished files their names, in this order.

    Raises:
        BadInput: If one of those that must be new is not; those without a name are kept.
    """
    for at, (building, path) in enumerate(built):
        if not _named(building, path, path not in new):
            kept = []
            for rest, place in built[at:]:
                kept.append(spare(place, "new"))
                os.rename(rest, kept[-1])
            raise BadInput(
                f"{path} appeared while this ran; it was not touched. What was to be written is in "
                f"{', '.join(map(str, kept))}."
            )
        WRITTEN.append(path)


def _named(building: Path, path: Path, replace: bool) -> bool:
    """Give a file its name; False if it may not be replaced and has appeared just now."""
    if not replace:
        try:
            os.link(building, path)
        except OSError:
            if os.path.lexists(path):
                return False
        else:
            return True
    os.replace(building, path)  # also on a disk without links
    return True


def check_file(path: Path) -> None:
    """Refuse a file that cannot be written, before any work is done for it.

    Raises:
        BadInput: As in `whole_file`.
    """
    with _begun(followed(path)):
        pass


def _refuse_other(path: Path) -> None:
    if os.path.exists(path) and not os.path.isfile(path):
        raise BadInput(f"{path} is a folder or a device. Choose the name of a file.")


def write_file(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write one file, and create missing folders above it.

    Raises:
        BadInput: As in `whole_file`.
    """
    write_files({path: content}, replace=replace)


def write_files(
    contents: Mapping[Path, bytes], *, replace: bool = True, new: Collection[Path] = ()
) -> None:
    """Write files that belong together: none gets its name before all of them are on the disk.

    Args:
        contents: Content of each file, by its path; they get their names in this order.
        replace: As in `whole_file`.
        new: Those that may not be there yet, even where others are replaced.

    Raises:
        BadInput: As in `whole_file`; the older files then stay.
    """
    with ExitStack() as stack:
        built = []
        for path, content in contents.items():
            final = followed(path)
            stack.enter_context(folder_of(final))
            built.append((stack.enter_context(_begun(final)), final))
            built[-1][0].write_bytes(content)
            on_disk(built[-1][0])
        with uninterrupted():
            _place(built, [followed(path) for path in (new if replace else contents)])


def encoded(text: str) -> bytes:
    """A text in UTF-8; bytes of a file's name that are none are shown as their codes.

    Raises:
        UnicodeEncodeError: If it holds half a character that is of no file's name.
    """
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace").encode()


def fill_folder(building: Path, files: dict[str, bytes]) -> None:
    """Write the files of a new folder that nobody sees yet.

    Args:
        building: The folder, as `beside` provides it; it is created.
        files: Content of each file, by its path in the folder.
    """
    building.mkdir()
    for name, content in files.items():
        file = building / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        on_disk(file)


def on_disk(file: Path) -> None:
    """Wait until a file's bytes are on the disk."""
    with file.open("r+b") as written:  # Windows flushes only what may be written
        os.fsync(written.fileno())


@contextmanager
def folder_of(final: Path) -> Iterator[None]:
    """Create the folder of an output, and those above it; if the block fails, they go again.

    Args:
        final: Path of the output, as `followed` returns it.

    Raises:
        BadInput: If that is refused.
    """
    missing = [folder for folder in final.parents if not os.path.lexists(folder)]
    try:
        make_folder(final.parent, final)
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):  # somebody else has put something there
                folder.rmdir()
        raise


def make_folder(folder: Path, final: Path) -> None:
    """Create a folder and those above it.

    Raises:
        BadInput: If that is refused; names `final`, which was to be written in it.
    """
    try:
        missing = list(takewhile(lambda each: not each.exists(), (folder, *folder.parents)))
        for each in reversed(missing):  # one by one: pathlib calls itself for each
            each.mkdir(exist_ok=True)
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(final, error) from None


def followed(path: Path) -> Path:
    """An absolute path without symbolic links; a broken link is replaced by its target as well."""
    return Path(os.path.realpath(path))


def check_inside(path: Path, folder: Path, what: str) -> None:
    """Refuse a file whose name a stranger may have chosen, if links lead it out of a folder.

    Args:
        path: What is to be written.
        folder: Where it must be, or below.
        what: What the folder is, for the message, such as "the sweep out".

    Raises:
        BadInput: Names the file and where it leads.
    """
    if not (to := followed(path)).is_relative_to(followed(folder)):
        raise BadInput(
            f"{path} leads to {to}, out of the folder of {what}, where nothing is replaced. Remove "
            "the link, or copy the file into its place."
        )


def replaces(out: Path, force: bool, other: Path) -> bool:
    """Whether a folder is there that is to be replaced as a whole; an empty one is just taken.

    Args:
        out: Folder to write, as `followed` returns it.
        force: Whether an earlier one may be replaced.
        other: A folder to offer instead.

    Raises:
        BadInput: If it cannot be written, or exists and must or can not be replaced.
    """
    above = out.parent
    while not os.path.exists(above):
        above = above.parent
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise BadInput(f"{out} cannot be written: {above} is not a writable directory.")
    bring_back(above)
    if not os.path.exists(out):
        return False
    if not out.is_dir():
        raise BadInput(f"{out} is a file, which is never replaced. Choose another (--out).")
    if os.path.ismount(out) or _is_current(out):
        mounted = os.path.ismount(out)
        what = "a mount point" if mounted else "the current directory, or holds it"
        raise BadInput(
            f"{out} is {what}, which cannot be replaced as a whole. Choose another (--out), for "
            f"example {other}."
        )
    if _is_empty(out):  # one rename takes its place
        return False
    if not force:
        raise BadInput(
            f"{out} exists. Choose another (--out), or replace it with force=True (--force)."
        )
    return True


def _is_empty(out: Path) -> bool:
    """Whether a folder holds nothing and a rename may take its place, as POSIX has it."""
    try:
        with os.scandir(out) as entries:
            return os.name == "posix" and next(entries, None) is None
    except OSError:  # it may not be looked into
        return False


def _is_current(out: Path) -> bool:
    """Whether the command runs in a directory, or in a folder of it."""
    try:
        return any(out.samefile(each) for each in (Path.cwd(), *Path.cwd().parents))
    except OSError:  # the current directory was deleted
        return False


def spare(place: Path, what: str) -> Path:
    """A free name beside a file or folder, for what cannot have its place."""
    return place.with_name(f"{place.name}.{what}-{secrets.token_hex(4)}")


def cannot_write(path: Path, error: OSError) -> BadInput:
    """The error for an operation that the operating system refused."""
    if error.errno in NO_ROOM:
        return BadInput(f"{path} was not written: {NO_ROOM[error.errno]}")
    reason = error.strerror or str(error) or type(error).__name__
    return BadInput(f"{path} was not written: {reason}. Check its folder and its permissions.")


def cannot_keep(what: str, error: OSError) -> BadInput:
    """The error where the folder of temporary files takes no more."""
    reason = error.strerror or str(error)
    return BadInput(
        f"{what} could not be written in {tempfile.gettempdir()}: {reason}. Free some space there, "
        "or choose another folder by the variable TMPDIR."
    )


def _of_the_system(error: OSError | RuntimeError) -> OSError | None:
    """The operating system's error that caused this one; None where it is our own fault.

    torch.save and HDF5 turn such an error into a RuntimeError.
    """
    match = ERRNO.search(str(error))
    if match:
        return OSError(int(match[1]), os.strerror(int(match[1])))
    if isinstance(error, OSError):
        return error
    return error.__context__ if isinstance(error.__context__, OSError) else None
