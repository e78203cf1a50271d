"""The directory that `export` writes, completely or not at all.

In:  files as bytes, by name.
Out: a directory with them and manifest.json; or, when it is read, the content of the manifest.
A directory is built as a sibling of its final path and then renamed. No dates go into
it, and no path but that of a target of the user's own: the same inputs, versions and machine give
the same bytes. The manifest holds a digest of each file and one of itself, so that a change of any
of them is noticed. Digests are no signature: who changes a file on purpose can renew them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from neurocompile.errors import BadInput
from neurocompile.formats.json_files import fault_in, json_bytes, read_json, schema
from neurocompile.formats.swap import put_folder
from neurocompile.formats.whole import beside, fill_folder, folder_of, followed, replaces

Content = TypeVar("Content")

FORMAT = "neurocompile-artifact"
VERSION = "1.3"  # MAJOR.MINOR; a minor step only adds fields
MANIFEST = "manifest.json"
LONGEST_NAME = 255  # bytes of a file name that file systems allow
MAX_MANIFEST_BYTES = 1 << 20
SEALED_SINCE = 3  # minor version from which a manifest holds a digest of itself
MODELS = (".pt", ".onnx", ".nir", ".net")
LISTED = 5  # foreign files that a message lists
AGAIN = "Export the model again: neurocompile export MODEL --target NAME --out DIR."


@dataclass(frozen=True, eq=False)
class Artifact:
    """A directory that `export` wrote.

    Attributes:
        path: The directory.
        manifest: Content of its manifest.json, as manifest.schema.json describes it.
    """

    path: Path
    manifest: Mapping[str, Any]

    def file(self, name: str) -> Path:
        """Path of one of its files, whose bytes are still those that were written.

        Raises:
            BadInput: If the file is missing or was changed since the export.
        """
        path = self.path / name
        expected = self.manifest["files"].get(name)
        if expected is None or not path.is_file():
            raise BadInput(f"{self.path} holds no {name}. Export the model again.")
        try:
            found = file_digest(path)
        except OSError as error:
            raise BadInput(f"{path} cannot be read: {error.strerror}. {AGAIN}") from None
        if found != expected:
            raise BadInput(
                f"{path} was changed since it was exported (its SHA-256 differs from the one in "
                f"{MANIFEST}). Export the model again."
            )
        return path

    def read(self, name: str, reader: Callable[[Path], Content]) -> Content:
        """What a reader makes of one of its files.

        Raises:
            BadInput: As `file`, also if it was changed while it was read: an export that replaces
                this one has files of the same names.
        """
        content = reader(self.file(name))
        self.file(name)
        return content


def digest(content: bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hex, of which only a part is in memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_target(out: Path, force: bool) -> None:
    """Refuse an output directory before any work is done for it.

    Raises:
        BadInput: If it cannot be written, exists and must not be replaced, or holds files that
            no export wrote.
    """
    out = followed(out)
    if replaces(out, force, out / "export"):
        _refuse_foreign(out, out)


def check_file(path: Path, option: str, force: bool) -> None:
    """Refuse a file beside which a sibling cannot be written now, or that must not be replaced.

    Nothing is created, missing folders included, and what is there is not touched.

    Args:
        path: File that will be written later.
        option: Option that names it, for messages.
        force: Whether an existing file may be replaced; a file of an export never is.

    Raises:
        BadInput: If it is a folder, exists, belongs to an export, or cannot be written.
    """
    final = followed(path)
    if os.path.exists(final) and not os.path.isfile(final):
        raise BadInput(
            f"{path} is a folder or a device. Choose another {option}, the name of a file."
        )
    refuse_exported(path, option)
    if os.path.exists(final) and not force:
        raise BadInput(f"{path} exists. Choose another {option}, or replace it (--force).")
    if not os.path.isdir(final.parent):
        raise BadInput(
            f"{path} cannot be written: {final.parent} is not a folder. Create it, or choose "
            f"another {option}."
        )
    with beside(final) as trial:
        trial.open("xb").close()


def refuse_exported(path: Path, option: str) -> None:
    """Refuse to write a file that belongs to an export, or through a link that does.

    Args:
        path: File that will be written later.
        option: Option that names it, for messages.

    Raises:
        BadInput: If an export wrote it.
    """
    for place in (followed(path), followed(path.parent) / path.name):  # the file, a link to it
        if place.name in _written_by_export(place.parent):
            raise BadInput(
                f"{path} is a file of the export in {place.parent}, which no option replaces. "
                f"Choose another {option}."
            )


def write_artifact(
    out: Path, files: Mapping[str, bytes], about: Mapping[str, Any], *, force: bool = False
) -> Artifact:
    """Write a directory: first as a sibling, then by one rename.

    Args:
        out: Path of the directory.
        files: Content of each file, by name.
        about: Other entries of the manifest: target, data, seed, versions.
        force: Whether an earlier export may be replaced.

    Raises:
        BadInput: If the disk is full or the path cannot be written; then nothing is left behind.
            Also if `out` holds what must not be replaced; then nothing in it is touched, and
            the new files are kept in a sibling directory, which the message names.
    """
    manifest = sealed({
        "format": FORMAT,
        "version": VERSION,
        **about,
        "files": {name: digest(content) for name, content in sorted(files.items())},
    })  # fmt: skip
    check_target(out, force)
    out = followed(out)
    with folder_of(out), beside(out) as building:
        fill_folder(building, {**files, MANIFEST: json_bytes(manifest)})
        put_folder(
            building, out, force=force, refuse=lambda folder: _refuse_foreign(folder, out),
            what="export",
        )  # fmt: skip
    return Artifact(out, manifest)


def sealed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest with the digest of all its other entries, whatever their order."""
    rest = {key: entry for key, entry in manifest.items() if key != "digest"}
    return {**rest, "digest": digest(json.dumps(rest, sort_keys=True).encode())}


def read_artifact(path: Path) -> Artifact:
    """Read a directory that `export` wrote.

    Raises:
        BadInput: If it is not such a directory, is broken, was changed, or has another major
            version.
    """
    manifest = _manifest(path)
    if str(manifest.get("version")).split(".")[0] != VERSION.split(".")[0]:
        raise BadInput(
            f"{path / MANIFEST} has the format version {manifest.get('version')}, but this "
            f"neurocompile reads {VERSION}. {AGAIN}"
        )
    if not _lists_files(manifest):
        raise BadInput(f"{path / MANIFEST} lists files outside its directory, or none. {AGAIN}")
    fault = fault_in(schema("neurocompile.formats", "manifest.schema.json"), manifest)
    if fault:
        raise BadInput(f"{path / MANIFEST} is broken: {fault}. {AGAIN}")
    if not _as_sealed(manifest):
        raise BadInput(
            f"{path / MANIFEST} was changed since it was exported (its content differs from its "
            f"own digest). {AGAIN}"
        )
    return Artifact(path, manifest)


def _manifest(path: Path) -> dict[str, Any]:
    """Content of a directory's manifest.json, whatever its version.

    Raises:
        BadInput: If there is none, or it is broken or from another program.
    """
    file = path / MANIFEST
    if not file.is_file():
        raise BadInput(_no_export(path))
    try:
        manifest = read_json(file, MAX_MANIFEST_BYTES)
    except ValueError as error:
        raise BadInput(f"{file} cannot be read: {error}. {AGAIN}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BadInput(f"{file} is not a manifest of neurocompile. {AGAIN}")
    return manifest


def _no_export(path: Path) -> str:
    """What is at a path in place of an export, and how one is made."""
    made = "neurocompile export MODEL --target NAME --out DIR"
    if not os.path.lexists(path):
        return f"there is no {path}. Give a directory that neurocompile exported: {made}."
    if path.is_dir():
        why = f"is not a directory that neurocompile exported: no {MANIFEST}"
    elif path.suffix in MODELS:
        why, made = "is a model, not a directory that neurocompile exported", made.replace(
            "MODEL", shlex.quote(str(path))
        )  # fmt: skip
    else:
        why = "is a file, not a directory that neurocompile exported"
    return f"{path} {why}. Export a model first: {made}; then give DIR."


def _as_sealed(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is as it was written; nobody can tell of those before version 1.3."""
    if "digest" not in manifest and int(manifest["version"].split(".")[1]) < SEALED_SINCE:
        return True
    return manifest.get("digest") == sealed(manifest)["digest"]


def _lists_files(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest names files, each in its own directory."""
    names = manifest.get("files")
    return isinstance(names, dict) and all(map(_is_file_name, names))


def _is_file_name(name: str) -> bool:
    """Whether a name is a valid file name that stays in its directory."""
    return Path(name).name == name and name.isprintable() and len(name.encode()) <= LONGEST_NAME


def _refuse_foreign(folder: Path, out: Path) -> None:
    """Refuse to replace a directory that holds anything that no export wrote.

    Args:
        folder: Path of the directory.
        out: Path that the message names instead.
    """
    try:
        written = _written_by_export(folder)
        foreign = sorted(
            entry.name + "/" * entry.is_dir(follow_symlinks=False)
            for entry in os.scandir(folder)
            if entry.name not in written or not entry.is_file(follow_symlinks=False)
        )
    except OSError as error:
        raise BadInput(f"{out} cannot be read: {error.strerror}. Choose another (--out).") from None
    if foreign:
        more = f" and {len(foreign) - LISTED} more" if len(foreign) > LISTED else ""
        raise BadInput(
            f"{out} holds what no export wrote: {', '.join(foreign[:LISTED])}{more}. "
            "force=True (--force) replaces only the files of an earlier export. Move these away, "
            "or choose another directory (--out)."
        )


def _written_by_export(folder: Path) -> set[str]:
    """Names of an earlier export's files, whatever its version and their digests; may be empty."""
    try:
        manifest = _manifest(folder)
    except BadInput:
        return set()
    return {*manifest["files"], MANIFEST} if _lists_files(manifest) else set()
