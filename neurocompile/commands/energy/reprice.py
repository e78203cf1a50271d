"""Price an exported directory anew: other prices, other cores, other data.

In:  the directory, what to change.
Out: one JSON-ready document: terms, totals, what moves them, and what stands beside.
The counts are those in report.json where they hold; else the network runs again, and the
document says which.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neurocompile import installed
from neurocompile.chip.change import parse, with_changes, with_chips, with_cores
from neurocompile.chip.mesh import chips_used
from neurocompile.chip.read import load_chip
from neurocompile.chip.record import Chip
from neurocompile.commands.export.run import Teller
from neurocompile.data.inputs import encode
from neurocompile.data.samples import load_data
from neurocompile.energy.beside import beside
from neurocompile.energy.by_core import by_core
from neurocompile.energy.comparators import SOURCES
from neurocompile.energy.counts import Counts, count
from neurocompile.energy.estimate import estimate
from neurocompile.energy.sensitivity import sensitivity, sweep
from neurocompile.energy.steps import StepWork
from neurocompile.engines.activity import activity_of
from neurocompile.engines.agree import run_engine, spans
from neurocompile.engines.recording import Activity, add_up
from neurocompile.errors import BadInput
from neurocompile.formats.artifact import Artifact, read_artifact
from neurocompile.formats.load_onnx import load_onnx
from neurocompile.place.chosen import chosen
from neurocompile.place.pack import Objective
from neurocompile.place.placed import Placed
from neurocompile.place.placement import place
from neurocompile.report.read import read_report, recorded

RECORDED = "those in report.json"


def reprice(
    directory: Path,
    *,
    model: str | None,
    assignments: tuple[str, ...],
    cores: int | None,
    fewest_of: Objective | None = None,
    source: str | None,
    samples: int | None,
    screen: Teller,
) -> dict[str, Any]:
    """The document.

    Args:
        directory: What `export` wrote.
        model: The energy model to show in full; the chip's nominal one where None.
        assignments: Of `--set`.
        cores: Of one chip, or None for the target's own number.
        fewest_of: What the placement should have fewest of; None as the export had it.
        source, samples: Data to run; with neither, the counts of the export where they hold.
        screen: Told why and how far the network runs again.

    Raises:
        BadInput: If the directory, a key, a unit or a model is not as it should be.
    """
    artifact = read_artifact(directory)
    placing = chosen(artifact.manifest)
    chip = with_chips(load_chip(artifact.manifest["target"]), placing.chips)
    changes = parse(assignments, chip)
    shown = _shown(chip, model)
    chip = with_changes(chip, changes)
    if cores is not None:
        chip = with_cores(chip, cores)
    graph = load_onnx(artifact.file("fixed.onnx"))
    placed = place(graph, chip, fewest_of or placing.fewest_of)
    other = placed.fewest_of != placing.fewest_of
    moved = "--cores-per-chip" if cores is not None else "--place" if other else ""
    counts, origin = _counts(artifact, placed, source, samples, moved, screen)
    energy = estimate(counts, placed, chip)
    every = {one.name: one for one in energy.models}
    return {
        "artifact": str(directory),
        "target": chip.name,
        "counts": origin,
        "samples": counts.samples,
        "steps": counts.steps,
        "set": [change.to_dict() for change in changes.values()],
        "cores_per_chip": cores,
        "cores_used": len(placed.cores),
        "chips": chips_used(chip, len(placed.cores)),
        "fewest_of": placed.fewest_of,
        "model": shown,
        "nominal": chip.nominal or None,
        "sources": _sources(chip),
        "energy": energy.to_dict(),
        "latency": [dict(row) for row in energy.latency],
        "cores": by_core(counts, placed, chip, energy.models, energy.mode),
        "sensitivity": {name: sensitivity(one, chip.energy[name]) for name, one in every.items()},
        "sweep": sweep(every[shown], counts.samples) if shown else None,
        **beside(graph, counts, energy, chip.nominal, {k: c.now for k, c in changes.items()}),
    }


def _sources(chip: Chip) -> dict[str, dict[str, str]]:
    return {key: dict(source) for key, source in {**chip.sources, **SOURCES}.items()}


def _shown(chip: Chip, model: str | None) -> str | None:
    """The model to show in full.

    Raises:
        BadInput: If the chip has no such model.
    """
    if model is None:
        return chip.nominal or next(iter(chip.energy), None)
    if model not in chip.energy:
        raise BadInput(
            f"--model {model}: {chip.name} has the energy models "
            f"{', '.join(chip.energy) or 'none'}. `neurocompile targets {chip.name}` shows them."
        )
    return model


def _counts(
    artifact: Artifact,
    placed: Placed,
    source: str | None,
    samples: int | None,
    moved: str,
    screen: Teller,
) -> tuple[Counts, str]:
    """Counts, and where they are from; moved is the option that places anew, if one was given."""
    own = artifact.manifest["data"]
    why = f"{moved} places the network anew" if moved else ""
    if not moved and source is None and samples is None:
        report = read_report(artifact.file("report.json"))
        try:
            return recorded(report, placed, int(own["steps"])), RECORDED
        except BadInput as error:
            if not own["source"] or not own["samples"]:
                raise BadInput(
                    f"{artifact.path}: {error}. Say what to run: --data SOURCE."
                ) from None
            why = str(error)
    source = source or own["source"]
    if not source:
        raise BadInput(f"{artifact.path} declares no data. Say what to run: --data SOURCE.")
    engine = "fixed" if not _missing("engine fixed") else "onnx"
    screen.tell(f"running the network again on {engine}" + (f": {why}" if why else ""))
    data = load_data(source, samples=samples or int(own["samples"]) or None)
    graph, steps = placed.graph, int(own["steps"])
    activity: dict[str, Activity] = {}
    work = StepWork(placed, steps)
    for first, last in spans(len(data)):
        encoded = encode(graph, data, first, last, steps, int(own["seed"]))
        found = run_engine(engine, graph, encoded)
        done = found.activity or activity_of(graph, encoded, found)
        add_up(activity, done)
        work.add({**encoded.values, **found.spikes}, {k: a.updated for k, a in done.items()})
        screen.progress(engine, last, len(data))
    origin = f"a run of {len(data)} samples of {data.name} on the engine {engine}"
    return count(placed, activity, len(data), steps, work.found()), origin


def _missing(ability: str) -> tuple[str, ...]:
    (found,) = (a for a in installed.ABILITIES if a.name == ability)
    return found.missing
