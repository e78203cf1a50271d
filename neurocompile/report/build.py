"""The report as JSON: everything a run showed, nothing invented.

In:  a chip, the compiled network, the result of a run or None.
Out: JSON-ready values as report/schema.json describes them. The terminal's tables and every
picture are made from these values.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any

from neurocompile import __version__
from neurocompile.chip.record import Chip
from neurocompile.compiler import Compiled, Result
from neurocompile.data.samples import Data
from neurocompile.energy.beside import beside
from neurocompile.energy.by_core import by_core
from neurocompile.energy.comparators import SOURCES
from neurocompile.engines.evaluate import Evaluation
from neurocompile.installed import installed
from neurocompile.ir.digest import graph_digest
from neurocompile.ir.fixed import Synapse
from neurocompile.place.fit import core_table, fit
from neurocompile.quantize.narrow import as_json

SCHEMA_VERSION = "1.2"  # MAJOR.MINOR; a minor step only adds fields
VERSIONED = ("numpy", "onnx", "onnxruntime", "scipy", "torch", "norse", "lava-nc")


def build_report(
    chip: Chip, compiled: Compiled, result: Result | None, about: dict[str, Any], net: str = ""
) -> dict[str, Any]:
    """The whole report.

    Args:
        chip: The target.
        compiled: The network at every stage.
        result: Of a run, or None where there were no data.
        about: From `provenance`.
        net: How network.net is loaded, or which layer it cannot hold and why.
    """
    evaluation = None if result is None else result.evaluation
    trained = compiled.float_graph is not None
    counts = {} if result is None else result.counts.to_dict()
    return {
        "schema_version": SCHEMA_VERSION,
        "reconstruction": _reconstruction(evaluation),
        "classification": _classification(evaluation),
        "agreement": _agreement(evaluation) if trained else None,
        "exactness": _exactness(evaluation),
        "layers": [] if result is None else _layers(result),
        "synapses": [] if result is None else counts["synapses"],
        "host": None if result is None else counts["host"],
        "core_events": None if result is None else counts["core_events"],
        "slowest_cores": None if result is None else counts["slowest_cores"],
        "cores": None if result is None else _cores(chip, compiled, result),
        "energy": None if result is None else result.energy.to_dict(),
        "comparison": None if result is None else _comparison(chip, compiled, result),
        "latency": None if result is None else _latency(result),
        "fit": {**fit(compiled.placed), "cores": core_table(compiled.placed)},
        "quantization": _quantization(compiled),
        "network_net": net,
        "provenance": about,
    }


def provenance(
    chip: Chip,
    compiled: Compiled,
    data: Data | None,
    engines: Sequence[str],
    seed: int,
    model_digest: str,
) -> dict[str, Any]:
    """Where every figure comes from: versions, target, data, seed, digests. No dates, no paths."""
    calibration = compiled.calibration
    return {
        "neurocompile": __version__,
        "python": platform.python_version(),
        "packages": {name: installed(name) for name in VERSIONED},
        "target": chip.name,
        "engine": engines[0],
        "engines": list(engines),
        "seed": seed,
        "calibration": _calibration(compiled),
        "assumed": [each.sentence for each in compiled.fixed_graph.settings.assumed],
        "digests": {
            "model": model_digest,
            "float_graph": None
            if compiled.float_graph is None
            else graph_digest(compiled.float_graph),
            "fixed_graph": graph_digest(compiled.fixed_graph),
            "data": None if data is None else data.digest,
            "calibration": None if calibration is None else calibration.digest,
        },
    }


def _calibration(compiled: Compiled) -> str:
    """Where the scales come from."""
    if compiled.float_graph is None:
        return "the file's own: it holds integers, of which none is changed"
    if compiled.calibration is None:
        return "uncalibrated: scales come from the weights"
    return f"{len(compiled.calibration)} samples of {compiled.calibration.name}"


def _quantization(compiled: Compiled) -> dict[str, Any] | None:
    """What was chosen for the weights of each layer, and what the search for it passed."""
    if compiled.found is None:
        return None
    weighted = {compiled.fixed_graph.after(name)[0] for name, _ in compiled.fixed_graph.of(Synapse)}
    return {
        "layers": [
            {"layer": layer, **vars(choice)}
            for layer, choice in compiled.found.choices.items()
            if layer in weighted
        ],
        "calibration_error": compiled.found.error,
        "points": as_json(compiled.points),
    }


def _reconstruction(found: Evaluation | None) -> dict[str, Any] | None:
    if found is None or found.fixed_score.mse is None:
        return None
    ours, ideal = found.fixed_score, found.float_score
    return {
        "mse_float": ideal.mse,
        "mse_fixed": ours.mse,
        "ratio": ours.squares / ideal.squares if ideal.squares else None,
        "samples": found.samples,
    }


def _classification(found: Evaluation | None) -> dict[str, Any] | None:
    if found is None or found.fixed_score.accuracy is None:
        return None
    return {
        "accuracy_float": found.float_score.accuracy,
        "accuracy_fixed": found.fixed_score.accuracy,
        "samples": found.samples,
    }


def _layers(result: Result) -> list[dict[str, Any]]:
    """A row a population; updated + idle = neurons x steps charged of the energy's mode."""
    charged = result.energy.steps_charged[result.energy.mode]
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
        for layer in result.counts.layers.values()
    ]


def _comparison(chip: Chip, compiled: Compiled, result: Result) -> dict[str, Any]:
    """What stands beside the joules; its prices are not the chip's, so their sources are here."""
    found = beside(compiled.fixed_graph, result.counts, result.energy, chip.nominal)
    return {**found, "sources": SOURCES}


def _cores(chip: Chip, compiled: Compiled, result: Result) -> dict[str, Any] | None:
    """What each core holds, does and costs."""
    energy = result.energy
    return by_core(result.counts, compiled.placed, chip, energy.models, energy.mode)


def _latency(result: Result) -> dict[str, Any] | None:
    """Modelled time of one sample in each mode, seconds."""
    static = result.energy.static
    if static is None:
        return None
    return {
        "samples": result.energy.samples,
        "per_sample": [
            {
                "mode": row["mode"],
                "model": row["model"],
                "time_s": None if row["time_s"] is None else row["time_s"] / result.energy.samples,
            }
            for row in static["times"]
        ],
        "modes": [dict(row) for row in result.energy.latency],
    }


def _agreement(found: Evaluation | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "samples": found.samples,
        "steps": found.steps,
        "output_mean_squared_difference": found.fixed_score.mean_difference,
        "layers": [
            {
                "name": name,
                "equal_spikes": row.equal / row.compared,
                "rate_float": row.float_spikes / row.compared,
                "rate_fixed": row.fixed_spikes / row.compared,
            }
            for name, row in found.agreement.items()
        ],
    }


def _exactness(found: Evaluation | None) -> dict[str, Any] | None:
    if found is None:
        return None
    exact = found.exactness
    return {
        "engines": list(exact.engines),
        "samples": exact.samples,
        "spikes_compared": exact.spikes_compared,
        "membrane_values_compared": exact.membrane_values_compared,
        "mismatches": exact.mismatches,
        "reset_between_samples": found.reset,
    }
