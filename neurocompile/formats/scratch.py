"""A folder for what is half done: its owner removes it, and if the owner was killed, the next run.

In:  the folder in which something is to be written.
Out: a hidden folder in it, so on the same file system: it holds `new` things until a rename puts
     them in their place, and `was`, what they replace.
As long as its owner lives, the folder's lock is held; the kernel frees it with the process, however
that ends. So a folder whose lock is free is nobody's. What a run had moved to `was` is moved back
if nothing took its place: by that run, or by the next one if it was killed or the disk refused.
Where the system has no such locks, the next run removes nothing.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PREFIX = ".neurocompile-"
OURS = re.compile(re.escape(PREFIX) + r"[0-9a-f]{16}")
LOCK, NEW, WAS = "lock", "new", "was"
STOPS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Provide the folder `new` of a new scratch folder; all that is left in both goes at the end.

    Raises:
        OSError: If it cannot be created.
    """
    bring_back(folder)
    ours, held = folder / f"{PREFIX}{secrets.token_hex(8)}", []
    try:
        with uninterrupted():
            held.append(_created(ours))
            (ours / NEW).mkdir()
        yield ours / NEW
    finally:
        try:
            with uninterrupted():
                _ended(ours, held)
        except KeyboardInterrupt:  # before that, or after it
            with uninterrupted():
                _ended(ours, held)
            raise


def give_up(building: Path) -> None:
    """Remove the scratch folder of `building`, whose owner is gone, on its behalf."""
    _remove(building.parent)


def moved_aside(out: Path, building: Path) -> Path:
    """Move what is to be replaced into the scratch folder of `building`; returns where it is.

    Raises:
        OSError: If it cannot be moved.
    """
    aside = building.parent.parent / WAS / out.name
    aside.parent.mkdir(exist_ok=True)
    os.rename(out, aside)
    return aside


def bring_back(folder: Path) -> None:
    """Tidy up what killed runs left in a folder: what they had moved aside returns, the rest goes.

    What a living process uses, or somebody else owns, is not touched.
    """
    if fcntl is None:
        return
    with suppress(OSError):
        for name in filter(OURS.fullmatch, os.listdir(folder)):
            with suppress(OSError):
                _tidied(folder / name)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """A block that a signal to stop does not part; it acts when the block has ended."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python runs handlers in the main thread only
        return
    came: list[tuple[int, FrameType | None]] = []
    before: dict[int, Any] = {number: signal.getsignal(number) for number in STOPS}
    changed = [number for number, handler in before.items() if handler is not None]
    try:
        for number in changed:
            if before[number] is not signal.SIG_IGN:
                signal.signal(number, lambda *what: came.append(what))
        yield
    finally:
        for number in changed:
            signal.signal(number, before[number])
        for number, frame in came[:1]:
            if callable(before[number]):
                before[number](number, frame)
            else:
                os.kill(os.getpid(), number)


def _ended(ours: Path, held: list[int]) -> None:
    """Tidy up and let go of the lock; again does no harm."""
    shutil.rmtree(ours / NEW, ignore_errors=True)  # first: a full disk may move nothing
    with suppress(OSError):  # refused even now: the next run moves it back
        _move_back(ours)
        _remove(ours)
    while held:
        os.close(held.pop())


def _created(ours: Path) -> int:
    """Create a scratch folder and hold its lock; returns the file that holds it."""
    while True:
        ours.mkdir(mode=0o700)
        with suppress(FileNotFoundError):  # another run saw it before it was locked, and took it
            held = os.open(ours / LOCK, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            if fcntl is None:
                return held
            try:
                fcntl.flock(held, fcntl.LOCK_EX)
            except OSError:  # no locks here: without the file nobody takes it for left behind
                os.unlink(ours / LOCK)
                return held
            if os.path.exists(ours / LOCK):
                return held
            os.close(held)


def _tidied(left: Path) -> None:
    """Remove a scratch folder if its owner is gone.

    Raises:
        OSError: If it is not gone, or not ours.
    """
    found = os.lstat(left)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        return
    try:
        held = os.open(left / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        os.rmdir(left)  # killed before it was locked; only if it is empty
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _move_back(left)
        _remove(left)
    finally:
        os.close(held)


def _move_back(ours: Path) -> None:
    """Move what was moved aside back to its place, where nothing took it.

    Raises:
        OSError: If that is refused.
    """
    was = ours / WAS
    if was.is_symlink():  # not ours: it came with a folder of somebody else's
        return
    for aside in was.iterdir() if was.is_dir() else ():
        if not os.path.lexists(ours.parent / aside.name):
            os.rename(aside, ours.parent / aside.name)


def _remove(ours: Path) -> None:
    """Remove a scratch folder; its lock last, so that a kill leaves nothing that has no lock."""
    for part in (NEW, WAS):
        shutil.rmtree(ours / part, ignore_errors=True)
    shutil.rmtree(ours, ignore_errors=True)
