"""Samples, shards, rows of a stream and the state in which one stopped.

In:  nothing.
Out: kinds.
Of a data set its digest is compared: all numbers and labels were read then.
"""

import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import random_graphs
import shard_files
from fuzz.kinds.kind import Files, Kind, files_of

from neurocompile.data.rows import rows_of
from neurocompile.data.samples import load_data
from neurocompile.engines import state_file
from neurocompile.engines.fixed.handover import arrays_of
from neurocompile.engines.fixed.plan import plan_of
from neurocompile.engines.stream import Stream
from neurocompile.formats.onnx.write import to_bytes
from neurocompile.ir.graph import Graph
from neurocompile.ir.settings import Settings
from neurocompile.ir.verify import verify

SEED = 3  # of the encoder of a stream


def _source(name: str, seeds: Callable[[], tuple[Files, ...]], source: str, **more: Any) -> Kind:
    """A kind of samples; `{}` in its source is the folder."""

    def read(folder: Path) -> Any:
        data = load_data(source.format(folder)).digested()
        return data.kind, data.digest

    def command(folder: Path) -> list[str]:
        return ["simulate", str(folder.parent / "export/out"), "--data", source.format(folder)]

    return Kind(name, cache(seeds), read, command, **more)


def _bytes(save: Callable[..., Any], *values: Any, **arrays: Any) -> bytes:
    stream = io.BytesIO()
    save(stream, *values, **arrays)
    return stream.getvalue()


def _npy() -> tuple[Files, ...]:
    x, _ = shard_files.samples(12)
    kinds = (x, x.astype(np.float64), (x > 0.5), np.asfortranarray(x[:, 0]).astype(">i2"))
    return tuple({"x.npy": _bytes(np.save, values)} for values in kinds)


def _npz() -> tuple[Files, ...]:
    x, labels = shard_files.samples(12)
    bits, payloads = x > 0.5, np.rint(99 * x - 50)
    return (
        {"x.npz": _bytes(np.savez, x=x, labels=labels)},
        {"x.npz": _bytes(np.savez_compressed, x=x, labels=labels.astype(np.uint8), more=labels)},
        {"x.npz": _bytes(np.savez_compressed, spikes=bits)},
        {"x.npz": _bytes(np.savez, payloads=payloads.astype(np.int32))},
    )


def _shards(*makers: Callable[..., None]) -> Callable[[], tuple[Files, ...]]:
    def seeds() -> tuple[Files, ...]:
        x, labels = shard_files.samples(12)
        found = []
        for make in makers:
            with tempfile.TemporaryDirectory() as folder:
                shard_files.write(
                    Path(folder) / "s", make, np.rint(x * 255) / 255, labels, (0, 5, 12)
                )
                found.append(files_of(Path(folder) / "s"))
        return tuple(found)

    return seeds


def _idx() -> tuple[Files, ...]:
    """MNIST's four names, and the same packed."""
    import gzip

    x, labels = shard_files.samples(12)
    pixels = np.rint(x * 255).astype(np.uint8)
    head = b"".join(n.to_bytes(4, "big") for n in (0x803, len(x), *x.shape[2:]))
    plain = {
        "t10k-images-idx3-ubyte": head + pixels.tobytes(),
        "t10k-labels-idx1-ubyte": b"\0\0\x08\x01" + len(x).to_bytes(4, "big")
        + labels.astype(np.uint8).tobytes(),
    }  # fmt: skip
    return plain, {f"{name}.gz": gzip.compress(content) for name, content in plain.items()}


# --- Streams -------------------------------------------------------------------------------


def _rows(folder: Path) -> Any:
    with (folder / "rows.npy").open("rb") as stream:
        return [block.copy() for block in rows_of(stream, str(folder / "rows.npy"), 5)]


def _row_files() -> tuple[Files, ...]:
    return tuple({"rows.npy": files["x.npy"]} for files in _npy()[:3])


@cache
def _networks() -> tuple[Graph, ...]:
    """Networks that stream: with a loop and late spikes, with payloads, with a window of rates."""
    found = []
    for make, seed in (
        (random_graphs.looped_fixed_graph, 3),
        (random_graphs.after_spikes_graph, 5),
        (random_graphs.adaptive_graph, 2),
    ):
        graph = verify(make(seed), "fixed")
        found.append(Graph(graph.nodes, graph.edges, Settings(steps=7)))
    return tuple(found)


def _some_rows(graph: Graph, count: int) -> Any:
    values, _ = random_graphs.fixed_input(graph, 1, n=1, steps=count)
    return next(iter(values.values()))[0].astype(np.float32)


def _states() -> tuple[Files, ...]:
    found = []
    for graph in _networks():
        stream = Stream(graph, seed=SEED)
        stream.push(_some_rows(graph, 9))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "state.npz"
            state_file.save_state(path, stream)
            found.append({"state.npz": path.read_bytes(), "fixed.onnx": to_bytes(graph)})
    return tuple(found)


def _state(folder: Path) -> Any:
    """The state, and what a network says that goes on from it."""
    graph = _graph_of((folder / "fixed.onnx").read_bytes())
    stream = Stream(graph, seed=SEED)
    state = state_file.load_state(
        folder / "state.npz", graph, sample_steps=stream.sample_steps, seed=SEED
    )
    stream = Stream(graph, seed=SEED, state=state)
    piece = stream.push(_some_rows(graph, 4))
    return state.network, state.steps, state.values, state.recent, piece.rates


@cache
def _graph_of(content: bytes) -> Graph:
    return next(graph for graph in _networks() if to_bytes(graph) == content)


def _state_renewed(files: Files) -> Files:
    """A state whose digest is that of what it holds, also of what holds nothing."""
    graph = _graph_of(files["fixed.onnx"])
    try:
        with np.load(io.BytesIO(files["state.npz"])) as held:
            arrays = {name: held[name] for name in held.files}
        return {**files, "state.npz": _with_digest(graph, arrays)}
    except Exception:  # whatever numpy raises at a damaged file: no digest belongs to it
        return files


def _with_digest(graph: Graph, arrays: dict[str, Any]) -> bytes:
    about = json.loads(str(arrays.pop("about")))
    parts = (*arrays_of(graph, plan_of(graph), 1), state_file._recent(graph, about))
    empty = {each.name: np.zeros(each.shape, each.number) for each in parts if 0 in each.shape}
    about["sha256"] = state_file._digest(about, {**empty, **arrays})
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in {"about": np.array(json.dumps(about)), **arrays}.items():
            archive.writestr(f"{name}.npy", _bytes(np.save, array))
    return stream.getvalue()


def _stream_command(*words: str) -> Callable[[Path], list[str]]:
    def command(folder: Path) -> list[str]:
        return ["simulate", str(folder.parent / "export/out"), *(w.format(folder) for w in words)]

    return command


SAMPLES = (
    _source("npy", _npy, "{}/x.npy"),
    _source("npz", _npz, "{}/x.npz", guarded="checksum"),
    _source("idx", _idx, "idx:{}"),
    _source("shards of npy", _shards(shard_files.npy), "shards:{}"),
    _source("shards of npz", _shards(shard_files.npz), "shards:{}", guarded="checksum"),
    _source("shards of hdf5", _shards(shard_files.hdf5), "shards:{}"),
    _source(
        "shards of zarr", _shards(shard_files.zarr2, shard_files.zarr3), "shards:{}", weight=0.5
    ),
    _source("shards of idx.gz", _shards(shard_files.idx), "shards:{}", guarded="checksum"),
    Kind(
        "rows of a stream",
        cache(_row_files),
        _rows,
        _stream_command("--stream", "--data", "{}/rows.npy"),
    ),
    Kind(
        "state of a stream",
        cache(_states),
        _state,
        _stream_command("--stream", "--state", "{}/state.npz"),
        damaged=("state.npz",),
        renewed=_state_renewed,
        guarded="digest",
    ),
)
