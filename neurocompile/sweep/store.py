"""The folder of a sweep: one file per finished point, named by the key of what decides it.

In:  a folder; keys and outcomes.
Out: outcomes that are there already; files, each written whole or not at all.
Only one sweep at a time has the folder: its lock ends with its process, however that ends.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neurocompile.errors import BadInput
from neurocompile.formats.artifact import digest
from neurocompile.formats.json_files import fault_in, json_bytes, read_json, schema
from neurocompile.formats.scratch import bring_back
from neurocompile.formats.whole import cannot_write, check_inside, make_folder, write_file
from neurocompile.sweep.points import VERSION, Known, text_of

FORMAT = "neurocompile-sweep"
ABOUT, POINTS, LOCK = "sweep.json", "points", ".lock"
RESULTS, PAGE = "results.parquet", "pareto.html"
MAX_BYTES = 1 << 24  # of a file of one point
FINAL = (0, 2, 3)  # exit codes of outcomes that another run would only repeat


@dataclass
class Store:
    """The files of a sweep, while this process has the folder.

    Attributes:
        folder: The folder.
        broken: Files of points that cannot be read, and are computed again.
    """

    folder: Path
    broken: list[Path] = field(default_factory=list)

    def read(self, key: str) -> dict[str, Any] | None:
        """The outcome of a point; None if it is not there, or its file is broken.

        Raises:
            BadInput: If another version of neurocompile wrote it in a form that this one has not.
        """
        path = self.path(key)
        if not path.is_file():
            return None
        try:
            content = read_json(path, MAX_BYTES)
        except ValueError:
            self.broken.append(path)
            return None
        _check_version(path, content)
        if fault_in(schema("neurocompile.sweep", "point.schema.json"), content):
            self.broken.append(path)
            return None
        if content["key"] != key or content["digest"] != _digest(content):
            self.broken.append(path)
            return None
        outcome: dict[str, Any] = content["outcome"]
        return outcome

    def write(self, known: Known, outcome: dict[str, Any]) -> None:
        """Keep the outcome of a point, if another run would find the same.

        Raises:
            BadInput: If the file cannot be written, for example because the disk is full.
        """
        if outcome["exit_code"] in FINAL:
            content = {
                "format": FORMAT, "version": VERSION, "key": known.key, "inputs": known.inputs,
                "outcome": outcome,
            }  # fmt: skip
            content["digest"] = _digest(content)
            check_inside(self.path(known.key), self.folder, f"the sweep {self.folder}")
            write_file(self.path(known.key), json_bytes(content))

    def path(self, key: str) -> Path:
        """The file of a point."""
        return self.folder / POINTS / key[:2] / f"{key}.json"


def _digest(content: dict[str, Any]) -> str:
    """SHA-256 of what the file of a point says, so that a damaged number is found too."""
    kept = {name: content[name] for name in ("key", "inputs", "outcome")}
    return digest(text_of(json.loads(json_bytes(kept))).encode())


@contextmanager
def store(folder: Path) -> Iterator[Store]:
    """The folder of a sweep for this process alone; made if it is not there.

    Raises:
        BadInput: If another sweep runs in it, another version wrote it, or it is not a sweep's.
    """
    from filelock import FileLock, Timeout

    about = folder / ABOUT
    _refuse_others(folder, about)
    for name in (ABOUT, POINTS, RESULTS, PAGE):  # a folder of a stranger's may have links
        check_inside(folder / name, folder, f"the sweep {folder}")
    bring_back(Path(tempfile.gettempdir()))  # of a killed sweep, also if no worker is needed now
    make_folder(folder, folder)
    try:
        lock = FileLock(folder / LOCK, timeout=0)
        lock.acquire()
    except Timeout:
        raise BadInput(
            f"another sweep is running in {folder}. Wait until it ends, or choose another folder "
            "(--out)."
        ) from None
    except OSError as error:
        raise cannot_write(folder, error) from None
    try:
        if about.is_file():
            _check_about(about)
        else:
            write_file(about, json_bytes({"format": FORMAT, "version": VERSION}))
        yield Store(folder)
    finally:
        lock.release()


def _refuse_others(folder: Path, about: Path) -> None:
    """Refuse a file, and a folder with files of someone else."""
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is a file. Choose the folder of a sweep (--out).")
    if folder.is_dir() and not about.is_file():
        others = sorted(path.name for path in folder.iterdir() if path.name != LOCK)
        if others:
            raise BadInput(
                f"{folder} holds files that no sweep wrote, such as {others[0]}. Choose a folder "
                "that is new, empty or an earlier sweep's (--out)."
            )


def _check_about(about: Path) -> None:
    try:
        content = read_json(about, MAX_BYTES)
    except ValueError as error:
        raise BadInput(
            f"{about} is broken: {error}. Remove it to take the folder's points anyway, or choose "
            "another folder (--out)."
        ) from None
    _check_version(about, content)


def _check_version(path: Path, content: Any) -> None:
    """Refuse a file of another format, or of another major version of it."""
    given = content if isinstance(content, dict) else {}
    version, ours = str(given.get("version", "")), VERSION.split(".")[0]
    if given.get("format") != FORMAT or version.split(".")[0] != ours:
        has = f"version {version}" if given.get("format") == FORMAT else "no version"
        raise BadInput(
            f"{path} has {has} of a sweep's files, and this neurocompile reads {ours}.x. Choose "
            "another folder (--out); its points are computed anew."
        )
