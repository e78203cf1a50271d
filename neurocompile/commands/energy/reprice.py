"""Estimate the energy of an exported directory again: other prices, other cores, other data.

In:  the directory, what to change.
Out: one JSON-ready document: terms, totals, sensitivities, and comparisons.
The counts are those in report.json if they are still valid. Otherwise the network runs again. The
document says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurocompile import installed
from neurocompile.chip.change import ANN, Change, parse, with_changes, with_cores, with_reset
from neurocompile.chip.mesh import chips_used
from neurocompile.chip.record import Chip
from neurocompile.commands.energy.asks import NOTHING, Asks, answers
from neurocompile.commands.exported import Exported, read_exported
from neurocompile.data.sampling import Sampling
from neurocompile.data.stimulus import Stimulus, load_stimulus
from neurocompile.energy.ann import Passes, baseline
from neurocompile.energy.beside import beside
from neurocompile.energy.by_core import by_core
from neurocompile.energy.by_step import ByStep
from neurocompile.energy.comparators import SOURCES
from neurocompile.energy.counts import Counts, count
from neurocompile.energy.estimate import estimate
from neurocompile.energy.sensitivity import sensitivity, sweep
from neurocompile.energy.steps import StepWork
from neurocompile.engines.activity import counted, updates_by_step
from neurocompile.engines.agree import Engine
from neurocompile.engines.batches import batches
from neurocompile.engines.progress import Progress, Teller
from neurocompile.engines.recording import Activity, add_up
from neurocompile.errors import BadInput, did_you_mean
from neurocompile.place.objective import Objective
from neurocompile.place.placed import Placed
from neurocompile.place.placement import place
from neurocompile.report.read import read_report, recorded
from neurocompile.terminal.words import exact, number_of

RECORDED = "those in report.json"


@dataclass(frozen=True)
class WhatIf:
    """What differs from the export.

    Attributes:
        assignments: Prices in the form of `--set`: "davies2018.synaptic_operation=20pJ".
        cores: Number of cores of one chip; None is the target's own number.
        fewest_of: What the placement minimizes; None is the export's own choice.
        charge_reset: Whether every model charges the reset of the chip between samples.
        passes: How often the network without spikes runs: once per sample, or per step.
    """

    assignments: tuple[str, ...] = ()
    cores: int | None = None
    fewest_of: Objective | None = None
    charge_reset: bool = False
    passes: Passes = "sample"


def reprice(
    directory: Path,
    sampling: Sampling,
    what_if: WhatIf = WhatIf(),
    asks: Asks = NOTHING,
    *,
    model: str | None = None,
    teller: Teller,
) -> dict[str, Any]:
    """The document of a new estimate.

    Args:
        directory: What `export` wrote.
        sampling: Data to run. With neither source nor samples, the counts of the export are used
            if they are still valid.
        what_if: What differs from the export.
        asks: What else is asked for.
        model: Energy model to show in full; None is the chip's nominal model.
        teller: Receives why the network runs again, and how far the run is.

    Raises:
        BadInput: If the directory, a key, a unit, a model or a file cannot be used.
        DoesNotFit: If the chip cannot keep the rate that is asked for.
        NotInstalled: If a file that is asked for needs a package that is missing.
    """
    asks.check()
    exported = read_exported(directory)
    changes = parse(what_if.assignments, exported.chip)
    shown = _shown(exported.chip, model)
    chip = with_changes(exported.chip, changes)
    if what_if.charge_reset:
        chip = with_reset(chip)
    if what_if.cores is not None:
        chip = with_cores(chip, what_if.cores)
    graph = exported.graph
    placed = place(graph, chip, what_if.fewest_of or exported.target.fewest_of)
    other = placed.objective != exported.target.fewest_of
    moved = "--cores-per-chip" if what_if.cores is not None else "--place" if other else ""
    counts, origin, steps = _counts(
        exported, placed, sampling, _Again(moved, asks.by_step is not None), teller
    )
    energy = estimate(counts, placed, chip)
    cores = by_core(counts, placed, chip, energy.models, energy.mode)
    every = {one.name: one for one in energy.models}
    own = {key: change.now for key, change in changes.items()}
    return {
        "artifact": str(directory),
        "target": chip.name,
        "counts": origin,
        "samples": counts.samples,
        "steps": counts.steps,
        "set": _set(changes, baseline(graph, counts, {}, what_if.passes)),
        "cores_per_chip": what_if.cores,
        "cores_used": len(placed.cores),
        "chips": chips_used(chip, len(placed.cores)),
        "fewest_of": placed.objective,
        "model": shown,
        "nominal": chip.nominal or None,
        "sources": _sources(chip),
        "energy": energy.to_dict(),
        "latency": [dict(row) for row in energy.latency],
        "cores": cores,
        "sensitivity": {name: sensitivity(one, chip.energy[name]) for name, one in every.items()},
        "sweep": sweep(every[shown], counts.samples) if shown else None,
        **beside(graph, counts, energy, chip.nominal, own, what_if.passes),
        **answers(asks, counts, placed, energy, cores, steps),
    }


def _set(changes: Mapping[str, Change], usual: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The prices that a user set, and what they replace.

    Args:
        changes: The changes by key.
        usual: The network without spikes at its usual prices, which depend on the network.
    """
    names = {key: quantity for quantity, key in ANN.items()}
    rows = [{**change.to_dict(), "event": names.get(key)} for key, change in changes.items()]
    terms = {} if usual is None else {term["quantity"]: term for term in usual["terms"]}
    for row in rows:
        if term := terms.get(row["event"]):
            row |= {"was": f"{exact(term['price_j'], -12)} pJ", "was_source": term["source"]}
    return rows


def _sources(chip: Chip) -> dict[str, dict[str, str]]:
    return {key: dict(source) for key, source in {**chip.sources, **SOURCES}.items()}


def _shown(chip: Chip, model: str | None) -> str | None:
    """Name of the model to show in full.

    Raises:
        BadInput: If the chip has no such model.
    """
    if model is None:
        return chip.nominal or next(iter(chip.energy), None)
    if model not in chip.energy:
        raise BadInput(
            f"--model {model}: {chip.name} has the energy models "
            f"{', '.join(chip.energy) or 'none'}.{did_you_mean(model, chip.energy)} "
            f"`neurocompile targets {chip.name}` shows them."
        )
    return model


@dataclass(frozen=True)
class _Again:
    """Why a network runs again although its counts are recorded.

    Attributes:
        moved: Option that places it again, or "".
        steps: Whether what happens in each step is asked for, which no report has.
    """

    moved: str
    steps: bool

    @property
    def why(self) -> str:
        """The reason, or ""."""
        if self.moved:
            return f"{self.moved} places the network again"
        return "--by-step asks for every step" if self.steps else ""


def _counts(
    exported: Exported, placed: Placed, sampling: Sampling, again: _Again, teller: Teller
) -> tuple[Counts, str, ByStep | None]:
    """Counts, their origin, and what happened step by step if that is asked for."""
    own, why = exported.declared, again.why
    if not why and sampling == Sampling():
        report = exported.artifact.read("report.json", read_report)
        try:
            return recorded(report, placed, own.steps), RECORDED, None
        except BadInput as error:
            if not own.source or not own.samples:
                raise BadInput(
                    f"{exported.artifact.path}: {error}. Give data to run: --data SOURCE."
                ) from None
            why = str(error)
    stimulus = load_stimulus(sampling, own, own.samples or None)
    engine = "fixed" if not _missing("engine fixed") else "onnx"
    teller.tell(f"running the network again on {engine}" + (f": {why}" if why else ""))
    origin = (
        f"a run of {number_of(len(stimulus), 'sample')} of {stimulus.data.name} on the engine "
        f"{engine}"
    )
    steps = ByStep(placed, stimulus.steps) if again.steps else None
    return _counted_anew(placed, stimulus, engine, steps, teller.progress), origin, steps


def _counted_anew(
    placed: Placed, stimulus: Stimulus, engine: str, steps: ByStep | None, progress: Progress
) -> Counts:
    """Run the network and count, also into `steps` if there is one."""
    graph = placed.graph
    activity: dict[str, Activity] = {}
    work = StepWork(placed, stimulus.steps, watch=None if steps is None else steps.watch)
    run = Engine(engine, graph, len(stimulus), progress)
    for batch in batches(graph, stimulus, run):
        in_batch = counted(batch, graph)
        add_up(activity, in_batch)
        spikes = {**batch.entered.values, **batch.did.spikes}
        work.add(spikes, {name: layer.updated for name, layer in in_batch.items()})
        if steps is not None:
            steps.add(spikes, updates_by_step(graph, batch.entered, batch.did))
    return count(placed, activity, len(stimulus), stimulus.steps, work.slowest_cores())


def _missing(name: str) -> tuple[str, ...]:
    (ability,) = (a for a in installed.ABILITIES if a.name == name)
    return ability.missing
