"""The report as JSON: everything a run showed, nothing invented.

In:  the results of the stages: a placed network, how it was quantized, and the evaluation, counts
     and energy of a run.
Out: JSON-ready values as report/schema.json describes them.
The terminal's tables and every picture are made from these values.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any

import numpy as np

from neurocompile import __version__
from neurocompile.chip.mesh import positions
from neurocompile.data.samples import Data
from neurocompile.energy.beside import beside
from neurocompile.energy.by_core import by_core
from neurocompile.energy.comparators import SOURCES
from neurocompile.energy.counts import Counts
from neurocompile.energy.estimate import Energy
from neurocompile.energy.steps import Mode
from neurocompile.engines.evaluate import Evaluation
from neurocompile.formats.netx.write import NetworkNet
from neurocompile.installed import installed
from neurocompile.ir.arrays import Array
from neurocompile.ir.digest import graph_digest
from neurocompile.ir.fixed import CubaLIF, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.place.placed import Placed
from neurocompile.place.utilisation import core_table, fit
from neurocompile.quantize.narrow import Point, as_json
from neurocompile.quantize.search import Quantized
from neurocompile.report.nodes import node_rows
from neurocompile.report.read import SCHEMA_VERSION

VERSIONED = ("numpy", "onnx", "onnxruntime", "scipy", "torch", "norse", "lava-nc")
MOST_CLASSES, MOST_FLIPPED = 100, 100
# What a run fills in about operations and joules; null, or empty, if nothing was run.
SPENT: dict[str, Any] = {
    **{"layers": [], "synapses": [], "host": None, "core_events": None, "slowest_cores": None},
    **{"cores": None, "energy": None, "comparison": None, "latency": None},
}


def build_report(
    placed: Placed,
    quantized: tuple[Quantized, Sequence[Point]] | None,
    shown: tuple[Evaluation, Counts, Energy] | None,
    net: NetworkNet,
    about: dict[str, Any],
    said: Sequence[str],
) -> dict[str, Any]:
    """The whole report.

    Args:
        placed: The network on its cores.
        quantized: How it was quantized, with the points of a search for the narrowest weights;
            None if the model was fixed already.
        shown: Evaluation, counts and energy of a run; None if there were no data.
        net: Content of network.net, or why there is none.
        about: Result of `provenance`.
        said: Results of `notes` and `notes_on_run`.
    """
    evaluation = None if shown is None else shown[0]
    return {
        "schema_version": SCHEMA_VERSION,
        **_evaluated(evaluation, trained=quantized is not None),
        **(SPENT if shown is None else _spent(placed, *shown[1:])),
        "notes": list(said),
        "not_stock": _not_stock(placed.graph),
        "fit": {**fit(placed), "cores": core_table(placed), **_where(placed)},
        "graph": _graph(placed.graph),
        "quantization": None if quantized is None else _quantization(placed.graph, *quantized),
        "network_net": net.loaded_by or net.reason,
        "network_net_written": net.content is not None,
        "provenance": about,
        "sources": {key: dict(source) for key, source in placed.chip.sources.items()},
    }


def provenance(
    placed: Placed,
    float_graph: Graph | None,
    calibration: Data | None,
    data: Data | None,
    engines: Sequence[str],
    seed: int,
    model_digest: str | None,
) -> dict[str, Any]:
    """Where every figure comes from: versions, target, data, seed, digests. No dates, no paths.

    Args:
        placed: The network on its cores.
        float_graph: The graph that it was compiled from; None if the model was fixed already.
        calibration: Samples on which its scales were chosen.
        data: Samples that were run.
        engines: Engines that ran them, the one that made the figures first; empty if none ran.
        seed: Seed of the random encoder.
        model_digest: SHA-256 of the model file; None if the model was given as an object.
    """
    settings = placed.graph.settings
    return {
        "neurocompile": __version__,
        "python": platform.python_version(),
        "packages": {name: installed(name) for name in VERSIONED} | settings.packages,
        "target": placed.chip.name,
        "engine": "".join(engines[:1]),
        "engines": list(engines),
        "seed": seed,
        "calibration": _calibration(float_graph, calibration),
        "assumed": [a.sentence for a in settings.assumed if not a.is_note],
        "digests": {
            "model": model_digest,
            "float_graph": None if float_graph is None else graph_digest(float_graph),
            "fixed_graph": graph_digest(placed.graph),
            "data": None if data is None else data.digest,
            "calibration": None if calibration is None else calibration.digest,
        },
    }


def _graph(graph: Graph) -> list[dict[str, Any]]:
    """A row per node of the integers, with the nodes that lead to it."""
    return [{**row, "before": list(graph.before(row["name"]))} for row in node_rows(graph)]


def _where(placed: Placed) -> dict[str, Any]:
    """The tiles of the chip, and the tile of each core; null where no source tells of a mesh."""
    mesh, at = placed.chip.mesh, positions(placed.chip, len(placed.cores))
    return {
        "mesh": None
        if mesh is None
        else {
            "tiles_east_west": int(mesh.tiles_east_west.value),
            "tiles_north_south": int(mesh.tiles_north_south.value),
            "cores_per_tile": int(mesh.cores_per_tile.value),
        },
        "tiles": None if at is None else np.stack(at, axis=1).tolist(),
    }


def _not_stock(graph: Graph) -> list[dict[str, str]]:
    """The layers that are not one of Lava's stock processes, and why."""
    return [
        {"layer": name, "why": "a spike subtracts the threshold"}
        for name, node in graph.of(CubaLIF)
        if node.reset == "subtract"
    ]


def _layers(counts: Counts, mode: Mode) -> list[dict[str, Any]]:
    """A row per population; updated + idle = neurons x steps charged in this mode."""
    charged = counts.steps_charged(mode)
    return [
        {
            "name": layer.name,
            "kind": layer.kind,
            "neurons": layer.neurons,
            "spikes": layer.spikes,
            "rate": layer.rate,
            "synops": layer.synops,
            "updated": layer.updated,
            "idle": layer.idle(layer.neurons * charged) if layer.on_chip else None,
            "saturations": layer.saturations,
            "wraps": layer.wraps,
        }
        for layer in counts.layers.values()
    ]


def counted(counts: Counts, mode: Mode) -> dict[str, Any]:
    """The counts of a run as JSON; `report.read.recorded` is the inverse.

    Args:
        counts: Counts of a run.
        mode: How samples follow each other, which determines how many steps are idle.
    """
    return {
        "layers": _layers(counts, mode),
        "synapses": [dict(vars(synapse)) for synapse in counts.synapses.values()],
        "host": dict(vars(counts.host)),
        "core_events": {event: per_core.tolist() for event, per_core in counts.on_cores.items()},
        "slowest_cores": [
            {"samples_follow": follow, "model": model, **slowest.to_dict()}
            for (follow, model), slowest in counts.slowest.items()
        ],
    }


def _evaluated(evaluation: Evaluation | None, trained: bool) -> dict[str, Any]:
    """How well the network did, and whether the engines agree; null if nothing was run."""
    if evaluation is None:
        names = ("reconstruction", "classification", "agreement", "exactness")
        return dict.fromkeys(names)
    return {
        "reconstruction": _reconstruction(evaluation),
        "classification": _classification(evaluation),
        "agreement": _agreement(evaluation) if trained else None,
        "exactness": _exactness(evaluation),
    }


def _spent(placed: Placed, counts: Counts, energy: Energy) -> dict[str, Any]:
    """The counts and what they cost; `comparison` has its own prices with their sources."""
    compared = beside(placed.graph, counts, energy, placed.chip.nominal)
    return {
        **counted(counts, energy.mode),
        "cores": by_core(counts, placed, placed.chip, energy.models, energy.mode),
        "energy": energy.to_dict(),
        "comparison": {**compared, "sources": SOURCES},
        "latency": _latency(energy),
    }


def _calibration(float_graph: Graph | None, calibration: Data | None) -> str:
    """Where the scales come from."""
    if float_graph is None:
        return "the file's own: its integers are used unchanged"
    if calibration is None:
        return "uncalibrated: scales come from the weights"
    return f"{len(calibration)} samples of {calibration.name}"


def _quantization(graph: Graph, quantized: Quantized, points: Sequence[Point]) -> dict[str, Any]:
    """What was chosen for the weights of each layer, and the points of the search for it."""
    weighted = {graph.after(name)[0] for name, _ in graph.of(Synapse)}
    return {
        "layers": [
            {"layer": layer, **vars(choice)}
            for layer, choice in quantized.choices.items()
            if layer in weighted
        ],
        "calibration_error": quantized.error,
        "points": as_json(tuple(points)),
    }


def _reconstruction(evaluation: Evaluation) -> dict[str, Any] | None:
    ours, ideal = evaluation.fixed_score, evaluation.float_score
    if ours.mse is None:
        return None
    return {
        "mse_float": ideal.mse,
        "mse_fixed": ours.mse,
        "ratio": ours.squares / ideal.squares if ideal.squares else None,
        "samples": evaluation.samples,
    }


def _classification(evaluation: Evaluation) -> dict[str, Any] | None:
    if evaluation.fixed_score.accuracy is None:
        return None
    return {
        "accuracy_float": evaluation.float_score.accuracy,
        "accuracy_fixed": evaluation.fixed_score.accuracy,
        "samples": evaluation.samples,
        **_confused(evaluation),
    }


def _confused(evaluation: Evaluation) -> dict[str, Any]:
    """Which classes were taken for which, and the samples on which float and fixed differ."""
    ours, ideal = evaluation.fixed_score, evaluation.float_score
    labels, fixed = ours.labels_and_classes()
    floating = ideal.labels_and_classes()[1] if ideal.classes else None
    flipped = [] if floating is None else np.flatnonzero(floating != fixed).tolist()
    return {
        "confusion_float": None if floating is None else _confusion(labels, floating),
        "confusion_fixed": _confusion(labels, fixed),
        "flipped": [
            {"sample": at, "label": int(labels[at]), "float": int(floating[at]),
             "fixed": int(fixed[at])}
            for at in flipped[:MOST_FLIPPED]
            if floating is not None
        ],
        "flipped_in_all": len(flipped),
    }  # fmt: skip


def _confusion(labels: Array, chosen: Array) -> list[list[int]] | None:
    """Number of samples by label and class chosen; None for so many classes that none can see."""
    classes = int(max(labels.max(initial=0), chosen.max(initial=0))) + 1
    if classes > MOST_CLASSES:
        return None
    counts = np.bincount(labels * classes + chosen, minlength=classes * classes)
    return counts.reshape(classes, classes).tolist()


def _latency(energy: Energy) -> dict[str, Any] | None:
    """Modelled time of one sample in each mode, seconds."""
    if energy.static is None:
        return None
    return {
        "samples": energy.samples,
        "per_sample": [
            {
                "mode": row["mode"],
                "model": row["model"],
                "time_s": None if row["time_s"] is None else row["time_s"] / energy.samples,
            }
            for row in energy.static["times"]
        ],
        "modes": [dict(row) for row in energy.latency],
    }


def _agreement(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "samples": evaluation.samples,
        "steps": evaluation.steps,
        "output_mean_squared_difference": evaluation.fixed_score.mean_difference,
        "layers": [
            {
                "name": name,
                "equal_spikes": row.equal / row.compared,
                "rate_float": row.float_spikes / row.compared,
                "rate_fixed": row.fixed_spikes / row.compared,
            }
            for name, row in evaluation.agreement.items()
        ],
    }


def _exactness(evaluation: Evaluation) -> dict[str, Any]:
    exact = evaluation.exactness
    return {
        "engines": list(exact.engines),
        "samples": exact.samples,
        "spikes_compared": exact.spikes_compared,
        "membrane_values_compared": exact.membrane_values_compared,
        "mismatches": exact.mismatches,
        "reset_between_samples": evaluation.reset,
    }
