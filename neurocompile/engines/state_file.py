"""The state of a stream in a file, from which the next piece goes on.

In:  a Stream.
Out: a .npz file: one array for each part of the state, and `about`, JSON with the digest of the
     network, the steps so far, the encoder's seed and steps, and a digest of the arrays.
A file says how large it is before it is read; nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neurocompile.data.npz import DAMAGED, array_in
from neurocompile.engines.fixed.handover import arrays_of
from neurocompile.engines.fixed.plan import plan_of
from neurocompile.engines.fixed.state import Carried
from neurocompile.engines.stream import Stream
from neurocompile.errors import BadInput
from neurocompile.formats.whole import whole_file
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph

FORMAT, VERSION = "neurocompile-state", "1.0"
ABOUT = "about"
MOST_ABOUT, HEADER = 4096, 4096  # bytes; of the words, and of an array's header at most


def save_state(path: Path, stream: Stream) -> None:
    """Write the state of a stream, whole or not at all.

    Raises:
        BadInput: If nothing was run yet, or the file cannot be written.
    """
    state = stream.state
    if state is None:
        raise BadInput("the stream has taken no step, so it has no state to save. Push rows first.")
    about = {
        "format": FORMAT,
        "version": VERSION,
        "network": state.network,
        "steps": state.steps,
        "sample_steps": stream.sample_steps,
        "seed": stream.seed,
        "sha256": _digest(state.values),
    }
    arrays: dict[str, Any] = {ABOUT: np.array(json.dumps(about))}
    arrays |= {name: values for name, values in state.values.items() if values.size}
    with whole_file(path) as building, building.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_state(path: Path, graph: Graph, *, sample_steps: int, seed: int) -> Carried:
    """Read a state that `save_state` wrote for the same network.

    Args:
        path: The file.
        graph: FIXED graph that goes on.
        sample_steps, seed: Those of the stream that goes on, which must be those of the file.

    Raises:
        BadInput: If the file is damaged, or is the state of another network, version or encoding.
    """
    expected = {name: (shape, np.dtype(kind)) for name, shape, kind in arrays_of(plan_of(graph), 1)}
    try:
        with zipfile.ZipFile(path) as archive:
            about = _about(path, archive)
            _check(path, about, graph, sample_steps, seed)
            held = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            values = {}
            for name, (shape, kind) in expected.items():
                values[name] = np.zeros(shape, kind)
                if values[name].size:
                    entry = held[name]
                    if entry.file_size > values[name].nbytes + HEADER:
                        raise ValueError(f"{name} is larger than it can be")
                    with archive.open(entry) as file:
                        found = array_in(file, entry.file_size, name)
                    if (found.shape, found.dtype) != (shape, kind):
                        raise ValueError(f"{name} is {found.dtype} {found.shape}")
                    values[name] = found
    except DAMAGED as error:
        raise _damaged(path, error) from None
    if _digest(values) != about["sha256"]:
        raise _damaged(path, "its digest is not that of its arrays")
    return Carried(about["network"], about["steps"], values)


def _about(path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    """The words of a file, with the types that they must have."""
    entry = archive.getinfo(f"{ABOUT}.npy")
    if entry.file_size > MOST_ABOUT:
        raise ValueError(f"{ABOUT} is larger than it can be")
    with archive.open(entry) as file:
        about = json.loads(str(array_in(file, entry.file_size, ABOUT, kinds="U")))
    kinds: dict[str, type] = {"format": str, "version": str, "network": str, "sha256": str}
    kinds |= {"steps": int, "sample_steps": int, "seed": int}
    if not isinstance(about, dict) or about.keys() != kinds.keys():
        raise ValueError(f"{ABOUT} has other entries than {', '.join(kinds)}")
    if any(type(about[name]) is not kind for name, kind in kinds.items()):
        raise ValueError(f"{ABOUT} has an entry of another type")
    return about


def _check(path: Path, about: dict[str, Any], graph: Graph, sample_steps: int, seed: int) -> None:
    if about["format"] != FORMAT or about["version"].split(".")[0] != VERSION.split(".")[0]:
        raise BadInput(
            f"{path}: it is {about['format'][:40]!r} of version {about['version'][:20]!r}, but "
            f"here {FORMAT!r} {VERSION} is read. Start the stream anew."
        )
    Carried(about["network"], about["steps"], {"": np.zeros(1)}).check(graph, 1)
    given = {"steps": (about["sample_steps"], sample_steps), "seed": (about["seed"], seed)}
    for option, (theirs, ours) in given.items():
        if theirs != ours:
            raise BadInput(
                f"{path}: the stream began with {option} {theirs}, but now it is {ours}. Go on "
                f"with {option}={theirs} (--{option} {theirs}), or start the stream anew."
            )


def _digest(values: Mapping[str, Array]) -> str:
    """SHA-256 of the arrays, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(values):
        array = values[name]
        digest.update(f"{name} {array.shape} {array.dtype.kind}\0".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def _damaged(path: Path, error: object) -> BadInput:
    return BadInput(
        f"{path}: is no state of a stream, or damaged ({str(error)[:200]}). Start the stream anew."
    )
