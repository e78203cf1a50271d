"""The directory that `export` writes, whole or not at all.

In:  files as bytes, by name.
Out: a directory with them and manifest.json; or, read back, what the manifest says.
A directory is built beside its place and renamed into it. No dates or paths go into it: the
same inputs, versions and machine give the same bytes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurocompile.errors import BadInput, NeurocompileError

FORMAT = "neurocompile-artifact"
VERSION = "1.1"  # MAJOR.MINOR; a minor step only adds fields
MANIFEST = "manifest.json"
LONGEST_NAME = 255  # bytes of a file name that file systems allow
MAX_MANIFEST_BYTES = 1 << 20


@dataclass(frozen=True, eq=False)
class Artifact:
    """A directory that `export` wrote.

    Attributes:
        path: The directory.
        manifest: Its manifest.json.
    """

    path: Path
    manifest: Mapping[str, Any]

    def file(self, name: str) -> Path:
        """Path of one of its files, whose bytes are those that were written.

        Raises:
            BadInput: If the file is missing or was changed since.
        """
        path = self.path / name
        expected = self.manifest["files"].get(name)
        if expected is None or not path.is_file():
            raise BadInput(f"{self.path} holds no {name}. Export the model again.")
        if digest(path.read_bytes()) != expected:
            raise BadInput(
                f"{path} was changed since it was exported (its SHA-256 differs from the one in "
                f"{MANIFEST}). Export the model again."
            )
        return path


def digest(content: bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(content).hexdigest()


def check_target(out: Path, force: bool) -> None:
    """Refuse an output directory before any work is done for it.

    Raises:
        BadInput: If it exists and is not to be replaced, or is not ours to replace.
    """
    if not out.exists():
        parent = out.absolute().parent
        while not parent.exists():
            parent = parent.parent
        if not parent.is_dir() or not os.access(parent, os.W_OK):
            raise BadInput(f"{out} cannot be written: {parent} is not a writable directory.")
        return
    if not force:
        raise BadInput(f"{out} exists. Choose another --out, or replace it with --force.")
    if not out.is_dir() or (any(out.iterdir()) and not (out / MANIFEST).is_file()):
        raise BadInput(
            f"{out} exists and was not written by neurocompile (it has no {MANIFEST}), so --force "
            "does not replace it. Choose another --out, or remove it yourself."
        )


def write_artifact(out: Path, files: Mapping[str, bytes], about: Mapping[str, Any]) -> Artifact:
    """Write a directory: into a temporary sibling first, then by one rename.

    Args:
        out: The directory; an existing one is replaced (see `check_target`).
        files: Content by name.
        about: What else the manifest says: target, data, seed, versions.

    Raises:
        BadInput: If the disk is full or the place cannot be written; nothing is left behind.
    """
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        **about,
        "files": {name: digest(content) for name, content in sorted(files.items())},
    }
    out = out.absolute()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise _cannot_write(out, error) from None
    try:
        for name, content in {**files, MANIFEST: json_bytes(manifest)}.items():
            with open(building / name, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        building.chmod(0o755)
        _swap(building, out)
    except OSError as error:
        raise _cannot_write(out, error) from None
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Artifact(out, manifest)


def write_file(path: Path, content: bytes) -> None:
    """Write one file: into a temporary sibling first, then by one rename.

    Raises:
        BadInput: As `write_artifact`; an older file then stays as it was.
    """
    path = path.absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            prefix=f".{path.name}.", dir=path.parent, delete=False
        ) as stream:
            building = Path(stream.name)
            try:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
                building.chmod(0o644)
                os.replace(building, path)
            except OSError:
                building.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise _cannot_write(path, error) from None


def read_artifact(path: Path) -> Artifact:
    """Read what `export` wrote.

    Raises:
        BadInput: If it is no such directory, is broken, or comes from a newer version.
    """
    file = path / MANIFEST
    again = "Export the model again: neurocompile export MODEL --target NAME --out DIR."
    if not file.is_file():
        raise BadInput(f"{path} is not a directory that neurocompile exported: no {MANIFEST}.")
    if file.stat().st_size > MAX_MANIFEST_BYTES:
        raise BadInput(f"{file} is larger than {MAX_MANIFEST_BYTES} bytes. {again}")
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise BadInput(f"{file} cannot be read: {error}. {again}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BadInput(f"{file} is not a manifest of neurocompile. {again}")
    if str(manifest.get("version")).split(".")[0] != VERSION.split(".")[0]:
        raise BadInput(
            f"{file} has the format version {manifest.get('version')}, but this is neurocompile "
            f"for {VERSION}. {again}"
        )
    names = manifest.get("files")
    if not isinstance(names, dict) or not all(map(_is_file_name, names)):
        raise BadInput(f"{file} lists files outside its directory, or none. {again}")
    return Artifact(path, manifest)


def _is_file_name(name: str) -> bool:
    """Whether a name stays in its directory and can be looked for there."""
    return Path(name).name == name and name.isprintable() and len(name.encode()) <= LONGEST_NAME


def json_bytes(content: Any) -> bytes:
    """JSON as every file of ours has it: indented, no NaN, one newline at the end."""
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode()


def _swap(building: Path, out: Path) -> None:
    """Put the new directory in place; the old one goes only once the new one stands."""
    if not out.exists():
        os.rename(building, out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent))
    os.rename(out, old / out.name)
    try:
        os.rename(building, out)
    except OSError:
        with suppress(OSError):
            os.rename(old / out.name, out)
        raise
    finally:
        if out.exists():
            shutil.rmtree(old, ignore_errors=True)


def _cannot_write(out: Path, error: OSError) -> NeurocompileError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return BadInput(f"{out} was not written: the disk is full. Free some space and try again.")
    return BadInput(f"{out} was not written: {error.strerror or error}.")
