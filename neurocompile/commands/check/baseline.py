"""The file of a baseline: read with suspicion, written whole or not at all.

In:  what a measurement found, or a file.
Out: JSON of some ten kilobytes that a reviewer can read; or a Baseline.
A file that is not as it should be is refused with the place in it, never half used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite, prod
from pathlib import Path, PurePosixPath
from typing import Any

from neurocompile.errors import BadInput
from neurocompile.formats.artifact import json_bytes
from neurocompile.formats.whole import write_file

FORMAT = "neurocompile-baseline"
VERSION = "1.0"  # MAJOR.MINOR; a minor step only adds fields
MAX_BYTES = 1 << 26
MODES = ("exact", "tolerance")

# By metric, how far above or below the baseline it may lie, as a part of it; what is missing is
# not bounded. A baseline holds its own copy, for its owner to change.
TOLERANCES: dict[str, dict[str, float]] = {
    "reconstruction_error": {"above": 0.02},
    "accuracy": {"below": 0.02},
    "spikes": {"above": 0.05, "below": 0.05},
    "synops": {"above": 0.05, "below": 0.05},
    "joules": {"above": 0.05, "below": 0.05},
}

Number = (int, float)
Maybe = (int, float, type(None))
ANY = "any name"  # a table with any names
SCHEMA: dict[str, Any] = {
    "format": str,
    "version": str,
    "neurocompile": str,
    "target": str,
    "mode": str,
    "network": (str, type(None)),
    "data": {
        "source": str,
        "file": (str, type(None)),
        "sha256": str,
        "samples": int,
        "steps": int,
        "seed": int,
    },
    "energy": {"model": str, "version": str},
    "tolerances": {ANY: {ANY: Number}},
    "metrics": dict.fromkeys(TOLERANCES, Maybe),
    "spikes": {ANY: int},
    "digests": {
        "settings": dict,
        "input": {ANY: str},
        "spikes": {ANY: str},
        "result": str,
        "edges": [[str]],
        "layers": {ANY: {ANY: object}},
    },
}
LARGE: dict[str, Any] = {"shape": [int], "sha256": str, "range": [Number], "slices": [str]}


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
    if file.stat().st_size > MAX_BYTES:
        raise BadInput(f"{file} is larger than {MAX_BYTES} bytes and no baseline. {hint}")
    try:
        found = json.loads(file.read_text(encoding="utf-8"), parse_constant=_refuse)
    except (ValueError, OSError, RecursionError) as error:
        raise BadInput(f"the baseline {file} is broken: {error}. {hint}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BadInput(f"{file} is no baseline of neurocompile. {hint}")
    if str(found.get("version")).split(".")[0] != VERSION.split(".")[0]:
        raise BadInput(
            f"the baseline {file} has the format version {found.get('version')}, but this is "
            f"neurocompile for {VERSION}. {hint}"
        )
    wrong = wrong_in(SCHEMA, found, "") or _wrong_content(found)
    if wrong:
        raise BadInput(f"the baseline {file} is broken: {wrong}. {hint}")
    return found


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


def _refuse(constant: str) -> None:
    raise ValueError(f"it holds {constant}, which is no number")


def wrong_in(schema: Any, value: Any, where: str) -> str:
    """What is wrong with a JSON value by a schema such as SCHEMA, or ""."""
    if isinstance(schema, dict):
        if not isinstance(value, dict):
            return f"'{where}' is no table"
        names = value if ANY in schema else schema
        for name in names:
            inside = f"{where}.{name}" if where else str(name)
            if name not in value:
                return f"'{inside}' is missing"
            wrong = wrong_in(schema.get(ANY, schema.get(name)), value[name], inside)
            if wrong:
                return wrong
        return ""
    if isinstance(schema, list):
        if not isinstance(value, list):
            return f"'{where}' is no list"
        wrongs = (wrong_in(schema[0], one, f"{where}[{i}]") for i, one in enumerate(value))
        return next(filter(None, wrongs), "")
    kinds = schema if isinstance(schema, tuple) else (schema,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and object not in kinds):
        allowed = " or ".join("nothing" if k is type(None) else k.__name__ for k in kinds)
        return f"'{where}' is {str(value)[:40]!r}, expected {allowed}"
    if isinstance(value, float) and not isfinite(value):
        return f"'{where}' is {value}"
    return ""


def _wrong_content(found: Mapping[str, Any]) -> str:
    """What the types alone do not say."""
    if found["mode"] not in MODES:
        return f"'mode' is {found['mode'][:40]!r}, expected {' or '.join(MODES)}"
    for where, kept, ending in (
        ("data.file", found["data"]["file"], ".npz"),
        ("network", found["network"], ".onnx"),
    ):
        if kept is not None and not beside(kept, ending):
            return f"'{where}' is {kept[:60]!r}, expected a {ending} file beside the baseline"
    for metric, sides in found["tolerances"].items():
        unknown = set(sides) - {"above", "below"}
        if metric not in TOLERANCES or unknown or min(sides.values(), default=0) < 0:
            return (
                f"'tolerances.{metric}' is {str(sides)[:60]}; metrics are {', '.join(TOLERANCES)}, "
                "each with above, below or both, parts of 1"
            )
    if any(len(edge) != 2 for edge in found["digests"]["edges"]):
        return "'digests.edges' holds what is no pair of layers"
    for layer, entries in found["digests"]["layers"].items():
        for name, kept in entries.items():
            if isinstance(kept, dict) and (wrong := _wrong_array(kept)):
                return f"'digests.layers.{layer}.{name}': {wrong}"
    return ""


def _wrong_array(kept: Mapping[str, Any]) -> str:
    """What is wrong with what was kept of an array, or ""."""
    if "values" in kept:
        wrong = wrong_in({"shape": [int], "values": [Number]}, kept, "")
        fits = not wrong and prod(kept["shape"]) == len(kept["values"])
        return wrong or ("" if fits else "as many values as the shape says are expected")
    wrong = wrong_in(LARGE, kept, "") or wrong_in([int], kept.get("sums", []), "sums")
    if wrong:
        return wrong
    pairs = (kept["range"], kept.get("sums", (0, 0)))
    return "" if all(len(pair) == 2 for pair in pairs) else "'range' and 'sums' hold two numbers"
