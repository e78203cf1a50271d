"""The folder of a bundle, written completely or not at all.

In:  files as bytes, by their path in the folder.
Out: the folder with them, bundle.json and SHA256SUMS.
It is built as a sibling of its final path and then renamed. No dates and no paths go into it: the
same network and vectors give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from neurocompile.errors import BadInput
from neurocompile.formats.json_files import json_bytes, read_json
from neurocompile.formats.swap import put_folder
from neurocompile.formats.whole import beside, fill_folder, folder_of, followed, replaces

FORMAT = "neurocompile-bundle"
VERSION = "1.0"  # MAJOR.MINOR; a minor step only adds fields
DESCRIPTION = "bundle.json"
DIGESTS = "SHA256SUMS"  # what `sha256sum --check` reads
MAX_BYTES = 1 << 20
LISTED = 5  # foreign files that a message lists


def check_folder(out: Path, force: bool, built: Collection[str] = ()) -> None:
    """Refuse an output folder before any work is done for it.

    Args:
        out: The folder.
        force: Whether an earlier bundle may be replaced.
        built: Files that its users make in it, which go with it.

    Raises:
        BadInput: If it cannot be written, exists and must not be replaced, or holds files that no
            bundle wrote.
    """
    out = followed(out)
    if replaces(out, force, out / "bundle"):
        _refuse_foreign(out, out, built)


def write_folder(
    out: Path,
    files: Mapping[str, bytes],
    about: Mapping[str, Any],
    *,
    force: bool = False,
    built: Collection[str] = (),
) -> None:
    """Write a folder: first as a sibling, then by one rename.

    Args:
        out: Path of the folder.
        files: Content of each file, by its path in the folder.
        about: Other entries of bundle.json.
        force: Whether an earlier bundle may be replaced.
        built: Files that its users make in it, which are removed with it.

    Raises:
        BadInput: As in `check_folder`, or if the disk is full; an earlier bundle then stays. Also
            if another folder appears there meanwhile; it then stays, and so does this one, beside
            it.
    """
    check_folder(out, force, built)
    out = followed(out)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    description = {"format": FORMAT, "version": VERSION, **about, "files": digests}
    whole = {**files, DESCRIPTION: json_bytes(description)}
    whole[DIGESTS] = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in whole.items()
    ).encode()
    with folder_of(out), beside(out) as building:
        fill_folder(building, whole)
        put_folder(
            building, out, force=force, refuse=lambda folder: _refuse_foreign(folder, out, built),
            what="bundle",
        )  # fmt: skip


def _refuse_foreign(folder: Path, out: Path, built: Collection[str]) -> None:
    """Refuse to replace a folder that holds anything that no bundle wrote.

    Args:
        folder: Path of the folder.
        out: Path that the message names instead.
        built: As for `check_folder`.
    """
    if not folder.is_dir():
        return
    known = {*_written(folder), *built}
    found = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    kept = [path for path in found if not _of_python(path)]
    foreign = sorted(str(path.relative_to(folder)) for path in kept)
    foreign = [name for name in foreign if name.replace(os.sep, "/") not in known]
    if foreign:
        more = f" and {len(foreign) - LISTED} more" if len(foreign) > LISTED else ""
        raise BadInput(
            f"{out} holds what no bundle wrote: {', '.join(foreign[:LISTED])}{more}. --force "
            "replaces only an earlier bundle. Move these away, or choose another folder (--out)."
        )


def _of_python(path: Path) -> bool:
    """Whether Python itself made a file, where it ran source of the folder."""
    return path.parent.name == "__pycache__" and path.suffix == ".pyc" and not path.is_symlink()


def _written(folder: Path) -> set[str]:
    """Paths of an earlier bundle's files, whatever its version; may be empty."""
    try:
        description = read_json(folder / DESCRIPTION, MAX_BYTES)
    except (OSError, ValueError):
        return set()
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        return set()
    files = description.get("files")
    return {*files, DESCRIPTION, DIGESTS} if isinstance(files, dict) else set()
