"""`neurocompile simulate`: run an exported directory on data, engine against engine.

In:  a directory that `export` wrote, engines, data.
Out: spikes and rates by layer, the reconstruction error of the integers, how many values were
     compared, samples per second; a recording on request.
With the onnx engine alone this needs numpy, onnx and onnxruntime, no torch and no lava.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from neurocompile import installed
from neurocompile.commands.export.run import DEFAULT_SAMPLES
from neurocompile.data.inputs import encode
from neurocompile.data.samples import Data, load_data
from neurocompile.engines.agree import Exactness, compare_recordings, run_engine, spans
from neurocompile.engines.decode import decode, last_layer, potentials, squared_error
from neurocompile.engines.recording import Recording
from neurocompile.engines.recording_file import RECORDED, no_recording, recording_file
from neurocompile.errors import BadInput, CheckFailed
from neurocompile.formats.artifact import read_artifact
from neurocompile.formats.load_onnx import load_onnx
from neurocompile.ir.fixed import CubaLIF, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size
from neurocompile.terminal.screen import Teller


def simulate_artifact(
    directory: Path,
    *,
    engines: tuple[str, ...],
    source: str | None,
    samples: int | None,
    steps: int | None,
    seed: int | None,
    record: str | None,
    to: Path | None,
    force: bool,
    screen: Teller,
) -> dict[str, Any]:
    """Run an exported network; JSON-ready figures.

    Args:
        directory: What `export` wrote.
        engines: The first makes the figures, the others must agree with it.
        source, samples, steps, seed: What to run; the artifact's own where None.
        record: "spikes", "membrane" or both with a comma, or None.
        to: HDF5 file of the recording.
        force: Whether an existing recording may be replaced.
        screen: Told how far the run is.

    Raises:
        CheckFailed: If two engines differ.
        BadInput: If directory, data or recording are not as they should be.
    """
    for engine in engines:
        installed.require(f"engine {engine}")
    writer = _recorder(record, to, force)
    artifact = read_artifact(directory)
    graph = load_onnx(artifact.file("fixed.onnx"))
    own = artifact.manifest["data"]
    steps = steps or int(own["steps"])
    seed = int(own["seed"]) if seed is None else seed
    data = _data(source or own["source"], samples, engines)
    sums = Sums(graph, data)
    wanted = _wanted(graph, record, compared=len(engines) > 1)
    exactness = Exactness(engines)
    seconds = 0.0
    with writer(graph, len(data), steps) as keep:
        for first, last in spans(len(data)):
            encoded = encode(graph, data, first, last, steps, seed)
            begun = time.perf_counter()
            told = _report(screen, engines[0], first, data)
            found = run_engine(engines[0], graph, encoded, told, **wanted)
            seconds += time.perf_counter() - begun
            screen.progress(engines[0], last, len(data))
            keep(first, found)
            sums.add(found, first, last)
            for other in engines[1:]:
                told = _report(screen, other, first, data)
                theirs = run_engine(other, graph, encoded, told)
                compare_recordings((other, engines[0]), theirs, found, first, exactness)
                screen.progress(other, last, len(data))
            exactness.samples = last
        if exactness.mismatches:
            raise CheckFailed(
                f"the engines differ in {exactness.mismatches} values, which is a bug of "
                f"neurocompile; first: {exactness.first}. Please report it with this model."
            )
    return {
        "engines": list(engines),
        "data": data.name,
        "samples": len(data),
        "steps": steps,
        "seed": seed,
        **sums.figures(steps),
        "spikes_compared": exactness.spikes_compared,
        "membrane_values_compared": exactness.membrane_values_compared,
        "mismatches": exactness.mismatches,
        "samples_per_second": len(data) / seconds,
        "recording": None if to is None else str(to),
    }


class Sums:
    """What is kept of the samples: spikes by layer, and the error of the results."""

    def __init__(self, graph: Graph, data: Data) -> None:
        self.graph = graph
        self.data = data
        self.neurons = {n: size(node.shape) for n, node in graph.of(SpikeInput, CubaLIF)}
        self.spikes = dict.fromkeys(self.neurons, 0)
        self.saturations: dict[str, int] = {}
        self.wraps: dict[str, int] = {}
        self.error = 0.0
        self.values = 0
        self.right = 0

    def add(self, found: Recording, first: int, last: int) -> None:
        """Count a batch."""
        for name in self.neurons:
            if found.activity is None:
                self.spikes[name] += int(found.spikes[name].sum(dtype=np.int64))
                continue
            counted = found.activity[name]
            self.spikes[name] += int(counted.spikes.sum())
            self.saturations[name] = self.saturations.get(name, 0) + counted.saturations
            self.wraps[name] = self.wraps.get(name, 0) + counted.wraps
        read = last_layer(self.graph)
        decoder = self.graph.settings.decoder
        membrane = potentials(self.graph, read, found.membrane[read])
        result = decode(decoder, found.spikes.get(read), membrane)
        if result is None:
            return
        if decoder.task == "reconstruction" and self.data.kind == "x":
            self.error += squared_error(result, self.data.values[first:last])
            self.values += result.size
        elif decoder.task == "classification" and self.data.labels is not None:
            classes = result.reshape(len(result), -1).argmax(axis=1)
            self.right += int((classes == self.data.labels[first:last]).sum())

    def figures(self, steps: int) -> dict[str, Any]:
        """JSON-ready figures."""
        classifies = self.graph.settings.decoder.task == "classification"
        samples = len(self.data)
        return {
            "mse_fixed": self.error / self.values if self.values else None,
            "accuracy_fixed": self.right / samples if classifies else None,
            "layers": [
                {
                    "name": name,
                    "neurons": self.neurons[name],
                    "spikes": spikes,
                    "rate": spikes / (self.neurons[name] * steps * samples),
                    "saturations": self.saturations.get(name),
                    "wraps": self.wraps.get(name),
                }
                for name, spikes in self.spikes.items()
            ],
        }


def _wanted(graph: Graph, record: str | None, *, compared: bool) -> dict[str, Any]:
    """What the engine has to keep: everything only where it is compared or written down."""
    read = (last_layer(graph),)
    what = (record or "").split(",")
    return {
        "spikes": None if compared or "spikes" in what else read,
        "membrane": None if compared or "membrane" in what else read,
    }


def _data(source: str, samples: int | None, engines: tuple[str, ...]) -> Data:
    if not source:
        raise BadInput(
            "this model names no data. Say what to run: --data mnist5k, digits, idx:DIR or a file."
        )
    return load_data(source, samples=samples or (DEFAULT_SAMPLES if "lava" in engines else None))


def _report(screen: Teller, engine: str, first: int, data: Data) -> Callable[[int, int], None]:
    return lambda done, total: screen.progress(engine, first + done, len(data))


def _recorder(record: str | None, to: Path | None, force: bool) -> Any:
    """What writes the recording, or what writes none.

    Raises:
        BadInput: If only one of --record and --to is given, or the file exists.
    """
    if (record is None) != (to is None):
        raise BadInput("--record and --to belong together: --record spikes,membrane --to FILE.h5.")
    if record is None or to is None:
        return no_recording
    what = tuple(record.split(","))
    if not set(what) <= set(RECORDED):
        raise BadInput(f"--record {record}: choose spikes, membrane or spikes,membrane.")
    if to.exists() and not force:
        raise BadInput(f"{to} exists. Choose another --to, or replace it with --force.")
    installed.require("recordings .h5")
    return lambda graph, samples, steps: recording_file(to, what, graph, samples, steps)
