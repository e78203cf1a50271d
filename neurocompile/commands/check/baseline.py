"""The file of a baseline: read with suspicion, written whole or not at all.

In:  what a measurement found, or a file.
Out: JSON of some ten kilobytes that a reviewer can read; or a Baseline.
A file that is not as it should be is refused with the place in it, never half used.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

from neurocompile.errors import BadInput
from neurocompile.formats.json_files import fault_in, json_bytes, read_json, schema
from neurocompile.formats.whole import write_file

FORMAT = "neurocompile-baseline"
VERSION = "1.0"  # MAJOR.MINOR; a minor step only adds fields
MAX_BYTES = 1 << 26

# By metric, how far above or below the baseline it may lie, as a part of it; what is missing is
# not bounded. A baseline holds its own copy, for its owner to change. The other fields of a
# baseline are described by the schema beside this module.
TOLERANCES: dict[str, dict[str, float]] = {
    "reconstruction_error": {"above": 0.02},
    "accuracy": {"below": 0.02},
    "spikes": {"above": 0.05, "below": 0.05},
    "synops": {"above": 0.05, "below": 0.05},
    "joules": {"above": 0.05, "below": 0.05},
}


def renew(directory: Path, file: Path) -> str:
    """The command that writes a baseline."""
    return f"neurocompile check {directory} --baseline {file} --update"


def read_baseline(file: Path, directory: Path) -> dict[str, Any]:
    """A baseline that was written by `write_baseline`.

    Args:
        file: The baseline.
        directory: The artifact; for the command in messages.

    Raises:
        BadInput: If there is none, or it is broken, of another version or not finite.
    """
    command = renew(directory, file)
    if not file.is_file():
        raise BadInput(f"there is no baseline {file}. Write it with: {command}")
    hint = f"Bring it back from version control, or delete it and run: {command}"
    try:
        found = read_json(file, MAX_BYTES)
    except ValueError as error:
        raise BadInput(f"the baseline {file} is broken: {error}. {hint}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BadInput(f"{file} is no baseline of neurocompile. {hint}")
    if str(found.get("version")).split(".")[0] != VERSION.split(".")[0]:
        raise BadInput(
            f"the baseline {file} has the format version {found.get('version')}, but this is "
            f"neurocompile for {VERSION}. {hint}"
        )
    described = schema("neurocompile.commands.check", "baseline.schema.json")
    fault = fault_in(described, found) or _fault_beyond(found)
    if fault:
        raise BadInput(f"the baseline {file} is broken: {fault}. {hint}")
    return dict(found)


def write_baseline(file: Path, found: Mapping[str, Any]) -> None:
    """Replace the file in one step.

    Raises:
        BadInput: If the place cannot be written; an older baseline then stays.
    """
    write_file(file, json_bytes({"format": FORMAT, "version": VERSION, **found}))


def beside(name: str, ending: str) -> bool:
    """Whether a file lies in the folder of its baseline or below: --update may write it."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and path.suffix == ending


def _fault_beyond(found: Mapping[str, Any]) -> str:
    """What a schema cannot say, or "": where kept files lie, how many values an array has."""
    for where, kept, ending in (
        ("data.file", found["data"]["file"], ".npz"),
        ("network", found["network"], ".onnx"),
    ):
        if kept is not None and not beside(kept, ending):
            return f"'{where}' is {kept[:60]!r}, expected a {ending} file beside the baseline"
    for layer, entries in found["digests"]["layers"].items():
        for name, kept in entries.items():
            if isinstance(kept, dict) and "values" in kept:
                count, expected = len(kept["values"]), prod(kept["shape"])
                if count != expected:
                    where = f"digests.layers.{layer}.{name}"
                    return f"'{where}' has {count} values, expected {expected} of its shape"
    return ""
