"""The file of a baseline: read with suspicion, written whole or not at all.

In:  the content of a baseline, or its file.
Out: about ten kilobytes of JSON that a reviewer can read; or the checked content.
An invalid file is refused with the position of the fault, never partly used.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from math import prod
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from neurocompile.errors import BadInput
from neurocompile.formats.json_files import fault_in, json_bytes, read_json, schema
from neurocompile.formats.whole import check_inside, write_files

FORMAT = "neurocompile-baseline"
VERSION = "1.2"  # MAJOR.MINOR; a minor step only adds fields
MAX_BYTES = 1 << 22  # ten kilobytes is usual; the schema looks at each number

# How far each metric may lie above or below its baseline, as a part of it. A missing side is not
# bounded. A baseline holds its own copy, which its owner may change. Its other fields are
# described by the schema beside this module.
TOLERANCES: dict[str, dict[str, float]] = {
    "reconstruction_error": {"above": 0.02},
    "accuracy": {"below": 0.02},
    "spikes": {"above": 0.05, "below": 0.05},
    "synops": {"above": 0.05, "below": 0.05},
    "joules": {"above": 0.05, "below": 0.05},
}


def renew(directory: Path, file: Path, source: str | None = None) -> str:
    """The command that writes a baseline, on other samples than the export's if a source is given.

    It can be pasted into a shell.
    """
    where, to = shlex.quote(str(directory)), shlex.quote(str(file))
    data = "" if source is None else f" --data {shlex.quote(source)}"
    return f"neurocompile check {where} --baseline {to} --update{data}"


def read_baseline(file: Path, directory: Path, source: str | None = None) -> dict[str, Any]:
    """Read a baseline that `write_baseline` wrote.

    Args:
        file: File of the baseline.
        directory: The exported directory, for the command in error messages.
        source: What a user gave with --data, for the same command.

    Raises:
        BadInput: If the file is missing, broken, of another version, or holds numbers that are
            not finite.
    """
    command = renew(directory, file, source)
    if file.is_dir():
        raise BadInput(f"{file} is a folder. Choose another --baseline, the name of a file.")
    if not file.is_file():
        raise BadInput(f"there is no baseline {file}. Write it with: {command}")
    hint = f"Bring it back from version control, or delete it and run: {command}"
    try:
        content = read_json(file, MAX_BYTES)
    except ValueError as error:
        raise BadInput(f"the baseline {file} is broken: {error}. {hint}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BadInput(f"{file} is not a baseline of neurocompile. {hint}")
    if str(content.get("version")).split(".")[0] != VERSION.split(".")[0]:
        raise BadInput(
            f"the baseline {file} has the format version {content.get('version')}, but this "
            f"neurocompile reads version {VERSION}. {hint}"
        )
    described = schema("neurocompile.commands.check", "baseline.schema.json")
    fault = fault_in(described, content) or _fault_beyond(content)
    if fault:
        raise BadInput(f"the baseline {file} is broken: {fault}. {hint}")
    return dict(content)


def write_baseline(
    file: Path,
    content: Mapping[str, Any],
    beside: Mapping[Path, bytes] = MappingProxyType({}),
    new: Collection[Path] = (),
) -> None:
    """Replace the file, and those that it names, once all of them are on the disk.

    Args:
        file: The file of the baseline.
        content: What the baseline says.
        beside: Content of the files that it names, by path.
        new: Those of them that replace nothing.

    Raises:
        BadInput: If a file cannot be written, or links lead out of the baseline's folder; the older
            ones are then kept.
    """
    for kept in beside:  # its name may be a stranger's, and so may what is there
        check_inside(kept, file.parent, f"the baseline {file}")
    baseline = json_bytes({"format": FORMAT, "version": VERSION, **content})
    write_files({**beside, file: baseline}, new=new)


def beside(name: str, ending: str) -> bool:
    """Whether a file is in the folder of its baseline or below, where --update may write it."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and path.suffix == ending


def _fault_beyond(content: Mapping[str, Any]) -> str:
    """A fault that a schema cannot describe, or "": where kept files are, how long arrays are."""
    for where, name, ending in (
        ("data.file", content["data"]["file"], ".npz"),
        ("network", content["network"], ".onnx"),
    ):
        if name is not None and not beside(name, ending):
            return f"'{where}' is {name[:60]!r}, expected a {ending} file beside the baseline"
    for layer, entries in content["digests"]["layers"].items():
        for field, entry in entries.items():
            if isinstance(entry, dict) and "values" in entry:
                count, expected = len(entry["values"]), prod(entry["shape"])
                if count != expected:
                    where = f"digests.layers.{layer}.{field}"
                    return f"'{where}' has {count} values, but its shape needs {expected}"
    return ""
