"""The state of a stream in a file, from which the next piece goes on.

In:  a Stream.
Out: a .npz file: one array for each part of the state, and `about`, JSON with the digest of the
     network, the steps so far, the encoder's seed and steps, and a digest of all of it.
A file says how large it is before it is read; nothing is unpickled. No number is taken that a run
could not have left, for the engine relies on that.
"""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neurocompile.data.npz import DAMAGED, array_in
from neurocompile.engines.decode import last_layer, require_integers
from neurocompile.engines.fixed.handover import Held, arrays_of
from neurocompile.engines.fixed.plan import plan_of
from neurocompile.engines.fixed.state import Carried
from neurocompile.engines.stream import Stream
from neurocompile.errors import BadInput, refuse_pipe
from neurocompile.formats.archives import archive_in
from neurocompile.formats.json_files import parse_json
from neurocompile.formats.whole import whole_file
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.registers import BIT

FORMAT, VERSION = "neurocompile-state", "1.0"
ABOUT, RECENT = "about", "recent"
MOST_RECENT = 1 << 28  # bytes
MOST_ABOUT, HEADER = 4096, 4096  # bytes; of the words, and of an array's header at most
MOST_STEPS = 2**63 - 1  # what the encoder and the engine count


def save_state(path: Path, stream: Stream) -> None:
    """Write the state of a stream, whole or not at all; with it the spikes of its window.

    Raises:
        BadInput: If nothing was run yet, or the file cannot be written.
    """
    state = stream.state
    if state is None:
        raise BadInput("the stream has taken no step, so it has no state to save. Push rows first.")
    about: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "network": state.network,
        "steps": state.steps,
        "sample_steps": stream.sample_steps,
        "seed": stream.seed,
        "window": stream.window,
    }
    none = np.zeros((0, *stream.graph.nodes[last_layer(stream.graph)].shape), np.uint8)
    held = {**state.values, RECENT: none if state.recent is None else state.recent}
    about["recent"] = len(held[RECENT])
    about["sha256"] = _digest(about, held)
    arrays: dict[str, Any] = {ABOUT: np.array(json.dumps(about))}
    arrays |= {name: values for name, values in held.items() if values.size}
    with whole_file(path) as building, building.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_state(path: Path, graph: Graph, *, sample_steps: int, seed: int) -> Carried:
    """Read a state that `save_state` wrote for the same network.

    Args:
        path: The file.
        graph: FIXED graph that goes on.
        sample_steps, seed: Those of the stream that goes on, which must be those of the file.

    Raises:
        BadInput: If the graph is one of floats, or the file is damaged or the state of another
            network, version or encoding.
    """
    require_integers(graph)
    refuse_pipe(path)
    try:
        with archive_in(path) as archive:
            about = _about(path, archive)
            _check(path, about, graph, sample_steps, seed)
            held = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            values = {
                each.name: _array(archive, held, each)
                for each in (*arrays_of(graph, plan_of(graph), 1), _recent(graph, about))
            }
    except DAMAGED as error:
        raise _damaged(path, error) from None
    if _digest(about, values) != about["sha256"]:
        raise _damaged(path, "its digest is not that of what it holds")
    recent = values.pop(RECENT)
    return Carried(about["network"], about["steps"], values, recent, about["window"])


def _recent(graph: Graph, about: Mapping[str, Any]) -> Held:
    """The spikes that a window of rates reaches back to."""
    shape = (about["recent"], *graph.nodes[last_layer(graph)].shape)
    most = min(about["window"] - 1, about["steps"])
    if not 0 <= about["recent"] <= most or math.prod(shape) > MOST_RECENT:
        raise ValueError(f"it holds {about['recent']} steps of a window of {about['window']}")
    return Held(RECENT, shape, np.uint8, BIT)


def _array(archive: zipfile.ZipFile, held: Mapping[str, zipfile.ZipInfo], what: Held) -> Array:
    """An array of the file, whose numbers a run can have left."""
    empty = np.zeros(what.shape, what.number)
    if not empty.size:
        return empty
    entry = held[what.name]
    if entry.file_size > empty.nbytes + HEADER:
        raise ValueError(f"{what.name} is larger than it can be")
    with archive.open(entry) as file:
        found = array_in(file, entry.file_size, what.name)
    if (found.shape, found.dtype) != (empty.shape, empty.dtype):
        raise ValueError(f"{what.name} is {found.dtype} {found.shape}")
    (low, high), least, most = what.bounds, int(found.min()), int(found.max())
    if least < low or most > high:
        raise ValueError(f"{what.name} holds {least}..{most}, but can only hold {low}..{high}")
    return found


def _about(path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    """The words of a file, with the types that they must have."""
    entry = archive.getinfo(f"{ABOUT}.npy")
    if entry.file_size > MOST_ABOUT:
        raise ValueError(f"{ABOUT} is larger than it can be")
    with archive.open(entry) as file:
        about = parse_json(str(array_in(file, entry.file_size, ABOUT, kinds="U")))
    kinds: dict[str, type] = {"format": str, "version": str, "network": str, "sha256": str}
    kinds |= {"steps": int, "sample_steps": int, "seed": int, "window": int, "recent": int}
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
    steps, each = about["steps"], about["sample_steps"]
    if each < 1 or not 1 <= steps <= MOST_STEPS or steps % each:
        raise ValueError(f"steps is {steps} where a sample has {each}")
    given = {"steps": (about["sample_steps"], sample_steps), "seed": (about["seed"], seed)}
    for option, (theirs, ours) in given.items():
        if theirs != ours:
            raise BadInput(
                f"{path}: the stream began with {option} {theirs}, but now it is {ours}. Go on "
                f"with {option}={theirs} (--{option} {theirs}), or start the stream anew."
            )


def _digest(about: Mapping[str, Any], values: Mapping[str, Array]) -> str:
    """SHA-256 of the other words, and of the arrays in the order of their names."""
    words = {name: word for name, word in about.items() if name != "sha256"}
    digest = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
    for name in sorted(values):
        array = values[name]
        digest.update(f"{name} {array.shape} {array.dtype.kind}\0".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def _damaged(path: Path, error: object) -> BadInput:
    return BadInput(
        f"{path}: is no state of a stream, or damaged ({str(error)[:200]}). Start the stream anew."
    )
