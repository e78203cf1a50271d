"""Put a finished folder in its place; what was there goes after that, and nothing of others ever.

In:  a folder that was built beside its place, and the place.
Out: the folder in its place; or one sentence, which names where the finished folder is.
A rename never replaces a folder that holds anything, so whatever appears between two steps is kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from neurocompile.errors import BadInput
from neurocompile.formats.scratch import moved_aside, uninterrupted
from neurocompile.formats.whole import WRITTEN, spare


def put_folder(
    building: Path, out: Path, *, force: bool, refuse: Callable[[Path], None], what: str
) -> None:
    """Rename a folder to its place; an earlier one is removed only after that.

    Args:
        building: The folder, as `whole.beside` provides it.
        out: Its place, as `whole.followed` returns it.
        force: Whether an earlier one may be replaced.
        refuse: Raises BadInput if a folder holds anything that must not be replaced.
        what: What the folder is, for messages: "export".

    Raises:
        BadInput: If something at `out` must not be replaced; it is not touched.
    """
    try:
        with uninterrupted():
            _swap(building, out, force, refuse, what)
    except BadInput as why:
        finished = spare(out, "new")
        os.rename(building, finished)
        raise BadInput(f"{why} The finished {what} is in {finished}.") from None


def _swap(
    building: Path, out: Path, force: bool, refuse: Callable[[Path], None], what: str
) -> None:
    old = None
    if force and out.is_dir():
        refuse(out)
        old = moved_aside(out, building)
    try:
        if old is not None:
            refuse(old)  # files added since the last check have moved with it
        if not _moved(building, out):
            raise BadInput(f"{out} appeared while the {what} ran; nothing in it was touched.")
    except BaseException as error:
        if old is not None and not _moved(old, out):
            kept = spare(out, "old")
            os.rename(old, kept)
            raise BadInput(f"{error} What was there before is in {kept}.") from None
        raise
    WRITTEN.append(out)
    if old is not None:
        try:
            refuse(old)
        except BadInput:  # a file added since the last check
            os.rename(old, spare(out, "old"))


def _moved(source: Path, out: Path) -> bool:
    """Rename a folder if `out` is free or an empty folder; return whether it was."""
    try:
        os.rename(source, out)
    except OSError:
        if os.path.lexists(out):
            return False
        raise
    return True
