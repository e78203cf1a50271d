"""The pipeline: a trained network in, integers on a chip and joules out. One step a line.

In:  a model file (or graph), a chip, data.
Out: the network at every stage, its spikes and its energy; `export` writes them down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from neurocompile import frontend
from neurocompile.chip.record import Chip
from neurocompile.data.samples import Data, load_data
from neurocompile.data.stimulus import Stimulus
from neurocompile.energy.counts import Counts, count
from neurocompile.energy.estimate import Energy, estimate
from neurocompile.energy.steps import StepWork
from neurocompile.engines.evaluate import Evaluation, evaluate
from neurocompile.formats.netx.layer import for_netx
from neurocompile.ir.graph import Graph
from neurocompile.ir.verify import verify
from neurocompile.place.pack import Objective
from neurocompile.place.placed import Placed
from neurocompile.place.placement import place, require_fit
from neurocompile.quantize.calibrate import calibrate
from neurocompile.quantize.narrow import Point, narrow
from neurocompile.quantize.search import Found, best
from neurocompile.simplify import simplify

Stage = Callable[[str], None]  # told what the compiler does next
CALIBRATION_SAMPLES = 200  # the shipped model's scales are the same with 50 as with 500


@dataclass(frozen=True, eq=False)
class Compiled:
    """A network at every stage.

    Attributes:
        float_graph: As trained; None where the model was fixed already.
        fixed_graph: The chip's integers.
        placed: On its cores.
        calibration: The data that scales come from, or None: from the weights alone.
        found: How it was quantized; None where the model was fixed already.
        points: Of the search for the narrowest weights, where there was one.
    """

    float_graph: Graph | None
    fixed_graph: Graph
    placed: Placed
    calibration: Data | None
    found: Found | None = None
    points: tuple[Point, ...] = ()


@dataclass(frozen=True, eq=False)
class Result:
    """What running a compiled network on data showed.

    Attributes:
        data: What was run.
        evaluation: Errors, agreement, exactness.
        counts: Everything that costs energy, by layer.
        energy: The estimate.
    """

    data: Data
    evaluation: Evaluation
    counts: Counts
    energy: Energy


def compile(
    model: Path | Graph,
    chip: Chip,
    *,
    calibration: Data | None = None,
    bits: int = 8,
    max_error_increase: float | None = None,
    seed: int = 0,
    steps: int | None = None,
    allow_pickle: bool = False,
    netx: bool = False,
    fewest_of: Objective = "both",
    tell: Stage = lambda what: None,
) -> Compiled:
    """Take a network from its file to the cores of a chip.

    Args:
        model: A model file, or a graph; a FIXED one is taken as it is.
        chip: The target.
        calibration: Training samples that scales are chosen on; never test samples.
        bits: Width of the weights, 2..8.
        max_error_increase: Take the narrowest weights instead, layer by layer, whose error on
            the calibration data is larger by this part of the float network's at most.
        seed: Of a random encoder during calibration.
        steps: Steps a sample; the model's own where None.
        allow_pickle: Whether a pickled model, which may run code, is read.
        netx: Whether scales are chosen among those that a `.net` file of lava-dl can hold.
        fewest_of: What the placement should have fewest of; see `place`.
        tell: Called with a sentence before each stage.
    """
    graph = (
        frontend.load(model, allow_pickle=allow_pickle, steps=steps)
        if isinstance(model, Path)
        else model
    )
    trained: Graph | None = None
    found: Found | None = None
    points: tuple[Point, ...] = ()
    if graph.fixed:
        fixed = verify(graph, "fixed")
    else:
        trained = verify(graph, "float")
        tell("composing synapses")
        simple = verify(simplify(trained), "float")
        tell("choosing scales" + (f" on {len(calibration)} samples" if calibration else ""))
        known = calibrate(simple, calibration, steps or graph.settings.steps, seed)
        formats = for_netx(chip) if netx else chip
        if max_error_increase is None:
            found = best(simple, formats, known, bits)
        else:
            found, points = narrow(simple, formats, known, max_error_increase, tell, fewest_of)
        fixed = verify(found.graph, "fixed")
    tell(f"placing on {chip.name}")
    placed = place(fixed, chip, fewest_of)
    require_fit(placed)
    return Compiled(trained, fixed, placed, calibration, found, points)


def measure(
    compiled: Compiled,
    chip: Chip,
    data: Data,
    *,
    engines: tuple[str, ...] = ("fixed",),
    steps: int | None = None,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Result:
    """Run a compiled network on data and price what happened.

    Raises:
        CheckFailed: If two engines differ in a single bit.
    """
    steps = steps or compiled.fixed_graph.settings.steps
    work = StepWork(compiled.placed, steps)
    found = evaluate(
        None if compiled.float_graph is None else simplify(compiled.float_graph),
        compiled.fixed_graph,
        Stimulus(data, steps, seed),
        engines=engines,
        progress=progress,
        watch=work.add,
    )
    found.exactness.require()
    counts = count(compiled.placed, found.activity, len(data), steps, work.found())
    return Result(data, found, counts, estimate(counts, compiled.placed, chip))


def data_for(graph: Graph, source: str | None, samples: int | None) -> Data | None:
    """The data to run: the source named, else what the model says it was made for, else none."""
    source = source or graph.settings.data
    return load_data(source, samples=samples) if source else None


def calibration_for(source: str | None) -> Data | None:
    """Training samples that belong to a source, or None where only the source itself exists.

    A user's own file has no training part; calibrating on what is measured would flatter the
    result, so scales then come from the weights.
    """
    if not source or Path(source).suffix in (".npy", ".npz"):
        return None
    return load_data(source.removesuffix(":train") + ":train", samples=CALIBRATION_SAMPLES)
