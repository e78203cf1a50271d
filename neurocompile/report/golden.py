"""Golden vectors: the samples that an export recorded, run again and compared value by value.

In:  the integers of an export, its samples.npz, an engine.
Out: how many values and digests are equal, and where the first difference is.
What enters is the recorded integers, so neither the data nor an encoder is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from neurocompile.data.inputs import Encoded
from neurocompile.engines.agree import run_engine
from neurocompile.engines.progress import Progress, silent
from neurocompile.engines.recording import Recording
from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from neurocompile.ir.digest import graph_digest
from neurocompile.ir.fixed import ChipNeuron, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.payloads import graded
from neurocompile.report.samples_file import AGAIN, Samples, sample_digest


@dataclass(frozen=True)
class Golden:
    """An engine compared with what an export recorded.

    Attributes:
        engine: Name of the engine.
        samples: Number of samples that it ran.
        spikes, potentials: Number of values compared.
        digests: Number of digests compared: two per population and sample.
        mismatches: Number of values, and of digests of values that are not recorded, that differ.
        first: Description of the first difference, or "".
    """

    engine: str
    samples: int
    spikes: int
    potentials: int
    digests: int
    mismatches: int
    first: str

    @property
    def values(self) -> int:
        """Number of values compared."""
        return self.spikes + self.potentials

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True)
class _Difference:
    """Values of a layer and sample that differ; the earliest is named.

    Attributes:
        place: Sample, step and place of the layer; of a digest, the step after the last.
        count: Number of values that differ.
        text: Where the first one is, and what was found.
    """

    place: tuple[int, int, int]
    count: int
    text: str


def recorded_input(graph: Graph, samples: Samples, most: int | None = None) -> Encoded:
    """What entered the chip in the recorded samples.

    Args:
        graph: The integers of the export.
        samples: Its samples.
        most: Number of samples to take; None takes all.

    Raises:
        BadInput: If they are of another network or not of all its layers, or none were recorded.
    """
    about = samples.about
    if about["fixed_graph"] != graph_digest(graph):
        raise BadInput(
            f"{samples.name} was recorded from other integers than fixed.onnx holds. {AGAIN}"
        )
    if not about["samples"]:
        why = "; ".join(about["left_out"]) or "it was exported without any"
        raise BadInput(
            f"{samples.name} holds no samples ({why}), so there is nothing to compare with."
        )
    _check_layers(graph, about, samples.name)
    values = {row["name"]: samples.arrays[row["key"]][:most] for row in about["inputs"]}
    return Encoded(values, about["steps"])


def _check_layers(graph: Graph, about: Mapping[str, Any], file: str) -> None:
    """Refuse what would be compared in part only: a layer or a digest that is left out.

    Raises:
        BadInput: Names the layer.
    """
    layers = dict(graph.of(SpikeInput, ChipNeuron))
    rows = {row["name"]: row for row in about["layers"]}
    for name in [*layers, *rows]:
        if name not in rows or name not in layers:
            where, other = (file, "fixed.onnx") if name in rows else ("fixed.onnx", file)
            raise BadInput(f"{where} has the layer '{name}', and {other} has none of it. {AGAIN}")
    for name, node in layers.items():
        row, samples = rows[name], about["samples"]
        held = [row["spike_digests"]]
        held += [row["membrane_digests"] or []] if isinstance(node, ChipNeuron) else []
        if tuple(row["shape"]) != node.shape or row["graded"] != graded(node):
            raise BadInput(f"{file}: layer '{name}' is not that of fixed.onnx. {AGAIN}")
        if any(len(digests) != samples for digests in held):
            counted = " and ".join(str(len(digests)) for digests in held)
            raise BadInput(
                f"{file}: layer '{name}' has {counted} digests of {samples} samples. {AGAIN}"
            )


def compare_golden(
    graph: Graph,
    samples: Samples,
    engine: str,
    *,
    most: int | None = None,
    progress: Progress = silent,
) -> Golden:
    """Run the recorded samples on an engine and compare every value and every digest.

    Args:
        graph: The integers of the export.
        samples: Its samples.
        engine: Name of the engine.
        most: Number of samples to run, the first ones; None runs all.
        progress: Called while lava runs.

    Raises:
        BadInput: As in `recorded_input`.
    """
    encoded = recorded_input(graph, samples, most)
    did = run_engine(engine, graph, encoded, progress)
    return golden_of(samples, encoded, did, engine)


def golden_of(samples: Samples, encoded: Encoded, did: Recording, engine: str) -> Golden:
    """Compare a run of the recorded samples with what was recorded."""
    spikes = potentials = digests = 0
    differences: list[_Difference] = []
    for at, row in enumerate(samples.about["layers"]):
        name = row["name"]
        entered = encoded.values.get(name)
        sent = did.spikes[name] if entered is None else entered
        pairs: list[tuple[str, Array, str | None, list[str]]] = [
            ("spike", np.asarray(sent), row["fixed"], row["spike_digests"])
        ]
        if name in did.membrane:
            held = np.asarray(did.membrane[name])
            pairs.append(("potential", held, row["membrane"], row["membrane_digests"] or []))
        for what, found, key, listed in pairs:
            recorded = None if key is None else samples.arrays[key][: len(found)]
            if recorded is not None and what == "spike":
                spikes += recorded.size
            elif recorded is not None:
                potentials += recorded.size
            digests += min(len(found), len(listed))
            layer = {"at": at, "name": name, "what": what}
            differences += _differences(layer, found, recorded, listed)
    first = min(differences, key=lambda each: each.place, default=None)
    return Golden(
        engine,
        encoded.samples,
        spikes,
        potentials,
        digests,
        sum(each.count for each in differences),
        "" if first is None else first.text,
    )


def _differences(
    layer: Mapping[str, Any], found: Array, recorded: Array | None, digests: list[str]
) -> Iterator[_Difference]:
    """The samples of a layer in which something differs."""
    for sample, ours in enumerate(found):
        where = f"layer '{layer['name']}', sample {sample}"
        if recorded is not None and sample < len(recorded):
            differs = ours != recorded[sample]
            if differs.any():
                step, *neuron = map(int, np.argwhere(differs)[0])
                place = (step, *neuron)
                text = (
                    f"{where}, step {step + 1}, neuron {tuple(neuron)}: {layer['what']} "
                    f"{ours[place]}, recorded {recorded[sample][place]}"
                )
                yield _Difference((sample, step, layer["at"]), int(differs.sum()), text)
                continue
        if sample < len(digests) and sample_digest(ours) != digests[sample]:
            text = f"{where}: the digest of its {layer['what']}s differs"
            yield _Difference((sample, len(ours), layer["at"]), 1, text)
