"""Disks with little room: one in memory, one with a quota, and a limit on the size of files.

In:  folders that lie on the disk; bytes of room.
Out: the folders on a disk of their own until it is taken away, where mounting is permitted.
A quota is one of btrfs, in a file, for its kernel needs no more than btrfs itself; ext4 and tmpfs
have quotas only in kernels that were built with them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

PAGE = 4096
IMAGE = 256 << 20  # bytes of the file that holds a btrfs, the most that all tries write at once


def run(*words: str | Path) -> str:
    """What a program prints.

    Raises:
        OSError: If it is not there or fails.
    """
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{words[0]} ended with {done.returncode}: {done.stderr}")
    return done.stdout


class Memory:
    """A file system in memory: what does not fit is ENOSPC."""

    def __init__(self, folder: Path):
        """As `run` does, it raises an error where nobody may mount."""
        self.folder = folder
        run("mount", "-t", "tmpfs", "-o", f"size={1 << 30}", "tmpfs", folder)

    def leave(self, room: int, *, read_only: bool = False) -> None:
        """Leave so many bytes."""
        found = os.statvfs(self.folder)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        size = max(used + room // PAGE * PAGE, PAGE)
        run("mount", "-o", f"remount,size={size},{'ro' if read_only else 'rw'}", self.folder)

    def away(self) -> None:
        """Take it away."""
        run("umount", self.folder)


class Quotas:
    """A btrfs in a file, on which folders get quotas."""

    def __init__(self, folder: Path):
        """As `run` does, it raises an error where nobody may mount, or btrfs is not there."""
        self.root, self.image = folder / "quotas", folder / "image"
        self.root.mkdir()
        with self.image.open("wb") as file:
            file.truncate(IMAGE)
        run("mkfs.btrfs", "--quiet", self.image)
        run("mount", "-o", "loop", self.image, self.root)
        try:
            run("btrfs", "quota", "enable", self.root)
        except BaseException:
            self.away()
            raise

    def away(self) -> None:
        """Take all of it away."""
        run("umount", self.root)
        self.image.unlink()


class Quota:
    """Folders that share a quota: what does not fit is EDQUOT."""

    def __init__(self, quotas: Quotas, folders: Sequence[Path]):
        self.volume, self.folders = quotas.root / "volume", folders
        run("btrfs", "subvolume", "create", self.volume)
        for folder in folders:
            shutil.copytree(folder, self.volume / folder.name, symlinks=True)
            run("mount", "--bind", self.volume / folder.name, folder)

    def leave(self, room: int, *, read_only: bool = False) -> None:
        """Leave so many bytes; a quota cannot be read-only."""
        assert not read_only
        shown = run("btrfs", "qgroup", "show", "--raw", "--sync", "-f", self.volume)
        group, used, *_ = shown.splitlines()[-1].split()
        run("btrfs", "qgroup", "limit", str(int(used) + room), group, self.volume.parent)

    def away(self) -> None:
        """Take it away."""
        for folder in self.folders:
            run("umount", folder)
        run("btrfs", "subvolume", "delete", "--commit-after", self.volume)
