"""The directory that `export` writes, whole or not at all.

In:  files as bytes, by name.
Out: a directory with them and manifest.json; or, read back, what the manifest says.
A directory is built beside its place and renamed into it. No dates or paths go into it: the
same inputs, versions and machine give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurocompile.errors import BadInput
from neurocompile.formats.json_files import fault_in, read_json, schema
from neurocompile.formats.whole import beside, cannot_write, followed, write_file

FORMAT = "neurocompile-artifact"
VERSION = "1.1"  # MAJOR.MINOR; a minor step only adds fields
MANIFEST = "manifest.json"
LONGEST_NAME = 255  # bytes of a file name that file systems allow
MAX_MANIFEST_BYTES = 1 << 20
LISTED = 5  # foreign files that a message names
AGAIN = "Export the model again: neurocompile export MODEL --target NAME --out DIR."


@dataclass(frozen=True, eq=False)
class Artifact:
    """A directory that `export` wrote.

    Attributes:
        path: The directory.
        manifest: Its manifest.json; the schema beside this module describes it.
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
        BadInput: If it cannot be written, exists and is not to be replaced, or holds what no
            export wrote.
    """
    out = followed(out)
    above = out.parent
    while not os.path.exists(above):
        above = above.parent
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise BadInput(f"{out} cannot be written: {above} is not a writable directory.")
    if not os.path.exists(out):
        return
    if not out.is_dir():
        raise BadInput(f"{out} is a file, which is never replaced. Choose another --out.")
    if not force:
        raise BadInput(f"{out} exists. Choose another --out, or replace it with --force.")
    if os.path.ismount(out) or _is_current(out):
        what = "a mount point" if os.path.ismount(out) else "the current directory"
        raise BadInput(
            f"{out} is {what}, which cannot be replaced whole. Choose another --out, for example "
            f"{out / 'export'}."
        )
    _refuse_foreign(out, out)


def write_artifact(
    out: Path, files: Mapping[str, bytes], about: Mapping[str, Any], *, force: bool = False
) -> Artifact:
    """Write a directory: into a sibling first, then by one rename.

    Args:
        out: The directory.
        files: Content by name.
        about: What else the manifest says: target, data, seed, versions.
        force: Whether an earlier export may be replaced.

    Raises:
        BadInput: If the disk is full or the place cannot be written: nothing is left behind. Also
            if `out` holds what is not to be replaced: nothing in it is touched, and the files
            are kept in a directory beside it, which the message names.
    """
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        **about,
        "files": {name: digest(content) for name, content in sorted(files.items())},
    }
    check_target(out, force)
    out = followed(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(out, error) from None
    with beside(out) as building:
        building.mkdir()
        for name, content in {**files, MANIFEST: json_bytes(manifest)}.items():
            write_file(building / name, content)
        try:
            _swap(building, out, force)
        except BadInput as why:
            kept = out.with_name(building.name.removeprefix("."))
            os.rename(building, kept)
            raise BadInput(f"{why} The finished export is in {kept}.") from None
    return Artifact(out, manifest)


def read_artifact(path: Path) -> Artifact:
    """Read what `export` wrote.

    Raises:
        BadInput: If it is no such directory, is broken, or comes from a newer version.
    """
    manifest = _manifest(path)
    if str(manifest.get("version")).split(".")[0] != VERSION.split(".")[0]:
        raise BadInput(
            f"{path / MANIFEST} has the format version {manifest.get('version')}, but this is "
            f"neurocompile for {VERSION}. {AGAIN}"
        )
    if not _lists_files(manifest):
        raise BadInput(f"{path / MANIFEST} lists files outside its directory, or none. {AGAIN}")
    fault = fault_in(schema("neurocompile.formats", "manifest.schema.json"), manifest)
    if fault:
        raise BadInput(f"{path / MANIFEST} is broken: {fault}. {AGAIN}")
    return Artifact(path, manifest)


def _manifest(path: Path) -> dict[str, Any]:
    """Content of a directory's manifest.json, of any version.

    Raises:
        BadInput: If there is none, it is broken or of another program.
    """
    file = path / MANIFEST
    if not file.is_file():
        raise BadInput(f"{path} is not a directory that neurocompile exported: no {MANIFEST}.")
    try:
        manifest = read_json(file, MAX_MANIFEST_BYTES)
    except ValueError as error:
        raise BadInput(f"{file} cannot be read: {error}. {AGAIN}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BadInput(f"{file} is not a manifest of neurocompile. {AGAIN}")
    return manifest


def _lists_files(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest names files, each in its own directory."""
    names = manifest.get("files")
    return isinstance(names, dict) and all(map(_is_file_name, names))


def _is_file_name(name: str) -> bool:
    """Whether a name stays in its directory and can be looked for there."""
    return Path(name).name == name and name.isprintable() and len(name.encode()) <= LONGEST_NAME


def json_bytes(content: Any) -> bytes:
    """JSON as every file of ours has it: indented, no NaN, one newline at the end."""
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode()


def _swap(building: Path, out: Path, force: bool) -> None:
    """Put the new directory in place; an earlier export goes only once the new one is there.

    A rename never replaces a directory that holds anything, so whatever appears at `out` between
    two of these lines is kept.

    Raises:
        BadInput: If something is there that is not to be replaced; it is not touched.
    """
    old = building.with_name(f"{building.name}.old")
    if force and out.is_dir():
        _refuse_foreign(out, out)
        os.rename(out, old)
    try:
        if old.exists():
            _refuse_foreign(old, out)  # what was added since the last look has moved with it
        if not _moved(building, out):
            raise BadInput(f"{out} appeared while the export ran; nothing in it was touched.")
    except BaseException as error:
        if old.exists() and not _moved(old, out):
            raise BadInput(f"{error} What was there before is in {old}.") from None
        raise
    if old.exists():
        for name in _written_by_export(old):
            (old / name).unlink(missing_ok=True)
        with suppress(OSError):  # a file that was added since the last look stays in it
            old.rmdir()


def _moved(source: Path, out: Path) -> bool:
    """Rename a directory to a place where there is nothing or an empty directory; else False."""
    try:
        os.rename(source, out)
    except OSError:
        if os.path.lexists(out):
            return False
        raise
    return True


def _refuse_foreign(folder: Path, out: Path) -> None:
    """Refuse to replace a directory with anything in it that no export wrote.

    Args:
        folder: The directory.
        out: How the message names it.
    """
    try:
        written = _written_by_export(folder)
        foreign = sorted(
            entry.name + "/" * entry.is_dir(follow_symlinks=False)
            for entry in os.scandir(folder)
            if entry.name not in written or not entry.is_file(follow_symlinks=False)
        )
    except OSError as error:
        raise BadInput(f"{out} cannot be read: {error.strerror}. Choose another --out.") from None
    if foreign:
        more = f" and {len(foreign) - LISTED} more" if len(foreign) > LISTED else ""
        raise BadInput(
            f"{out} holds what no export wrote: {', '.join(foreign[:LISTED])}{more}. --force "
            "replaces only the files of an earlier export. Move these away, or choose another "
            "--out."
        )


def _written_by_export(folder: Path) -> set[str]:
    """Names of an earlier export's files, of any version and with any digests; or none."""
    try:
        manifest = _manifest(folder)
    except BadInput:
        return set()
    return {*manifest["files"], MANIFEST} if _lists_files(manifest) else set()


def _is_current(out: Path) -> bool:
    """Whether a directory is the one that the command runs in."""
    try:
        return out.samefile(Path.cwd())
    except OSError:  # the current directory was deleted
        return False
