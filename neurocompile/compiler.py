"""The pipeline: a trained network in, integers on a chip and joules out. One step per line.

In:  a model file, a graph or a live module; a target; data.
Out: the network at every stage, its spikes and its energy; `export` writes them to a directory.
`compile` is what a Python user calls. It and the command line both run only `compile_graph`,
`Compiled.run` and `Compiled.export`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurocompile import frontend
from neurocompile.chip.record import Chip
from neurocompile.data.inputs import check_data
from neurocompile.data.samples import Data
from neurocompile.data.sampling import Declared, Sampling
from neurocompile.data.stimulus import (
    Stimulus,
    load_samples,
    load_stimulus,
    load_training,
    sampling_of,
    usual_samples,
)
from neurocompile.energy.counts import Counts, count
from neurocompile.energy.estimate import Energy, estimate
from neurocompile.energy.steps import StepWork
from neurocompile.engines.evaluate import Evaluation, evaluate
from neurocompile.engines.progress import Progress, Tell, silent
from neurocompile.engines.score import require_labels
from neurocompile.errors import BadInput, Refusals, path_of
from neurocompile.formats.artifact import check_target, digest, write_artifact
from neurocompile.formats.json_files import json_bytes
from neurocompile.formats.netx.write import NetworkNet, network_net
from neurocompile.formats.onnx.write import to_bytes
from neurocompile.installed import require_engines
from neurocompile.ir.graph import Graph
from neurocompile.ir.pools import MaxPool
from neurocompile.ir.settings import Settings
from neurocompile.ir.verify import verify
from neurocompile.place.placed import Placed
from neurocompile.place.placement import place, require_fit
from neurocompile.place.target import Target, remembered
from neurocompile.quantize.calibrate import calibrate
from neurocompile.quantize.narrow import NARROWEST, WIDEST, Narrowest, Point, narrow
from neurocompile.quantize.resets import check_neurons, check_resets
from neurocompile.quantize.search import Quantized, best
from neurocompile.report.build import build_report, provenance
from neurocompile.report.notes import notes, notes_on_run
from neurocompile.report.show import parts, to_html, to_text
from neurocompile.simplify import simplify
from neurocompile.terminal.words import joules, number_of

if TYPE_CHECKING:
    from torch import Tensor, nn

OWN = Sampling()  # all of the model's own data


def compile(
    model: str | PathLike[str] | Graph | nn.Module,
    target: str | PathLike[str] | Chip | Target,
    *,
    example_input: Tensor | None = None,
    settings: Settings | None = None,
    data: str | PathLike[str] | Data | Sampling | None = None,
    calibration: str | PathLike[str] | Data | Sampling | None = None,
    bits: int | Narrowest = WIDEST,
    max_pool: MaxPool | None = None,
) -> Compiled:
    """Compile a trained network for a chip, run it, and estimate its energy.

        compiled = nc.compile("model.pt", target="loihi-sim", data="digits")
        print(compiled)                             # layers, spikes, joules
        compiled.energy.per_sample.nominal_j        # joules of one sample
        compiled.export("build/model")              # what `neurocompile export` writes

    Args:
        model: Path of a `.pt`, `.onnx`, `.nir` or `.net` file; a graph from `load`, which takes
            options for what a file leaves open; or a live module, which is left unchanged. A
            network of integers is taken as it is.
        target: Name of a target, folder with a target.toml, chip from `load_chip`, or a
            `Target`, which also sets the number of chips and the objective of the placement.
        example_input: For a module: one batch of its input, as for `save`. Only its shape matters.
        settings: For a module: time, encoder and decoder, as for `save`.
        data: Data to run once the network is compiled: name of a data set, path of a data file,
            samples from `load_data`, or a `Sampling`, which also sets the number of samples, the
            steps and the seed. `Sampling()` is the model's own data. None runs nothing; see
            `Compiled.run`.
        calibration: Training samples on which scales are chosen, never test samples. By default
            those of the data set that `data` names, else of the one that the model names. If
            neither has any, scales come from the weights, and the report says so.
        bits: Width of the weights in bits, 2..8, or `Narrowest(0.02)`: for each layer the narrowest
            width for which the error grows by at most that part of the float network's.
        max_pool: "neurons" to read a maximum pool of spikes as neurons that fire at any spike of
            its window: exact, for as many neurons as it has outputs. By default it is refused.

    Returns:
        The network at every stage. With data, it has run on the engine `fixed`.

    Raises:
        BadInput: If the model, the target, the data or an option cannot be used as given.
        Unsupported: If no rule covers a part of the network.
        DoesNotFit: If the chip cannot hold the network or one of its numbers.
        NotInstalled: If a required package is missing.
    """
    require_engines(["fixed"])
    wanted, sampling = Target.of(target), sampling_of(data)
    wanted.load()  # a missing target is refused before anything is read
    graph, model_digest = _read(model, example_input, settings, max_pool)
    own = graph.settings.data
    samples = None if data is None else load_samples(sampling, own)
    compiled = compile_graph(
        graph,
        wanted,
        sampling=sampling if samples is None else replace(sampling, source=samples),
        calibration=scale_samples(graph, sampling, calibration),
        bits=bits,
        model_digest=model_digest,
    )
    return compiled if samples is None else compiled.run()


def compile_graph(
    graph: Graph,
    target: str | PathLike[str] | Chip | Target,
    *,
    sampling: Sampling = OWN,
    calibration: Data | None = None,
    bits: int | Narrowest = WIDEST,
    model_digest: str | None = None,
    tell: Tell = silent,
) -> Compiled:
    """Compile a graph to the cores of a chip.

    Args:
        graph: FLOAT graph, or a FIXED one, which is taken as it is.
        target: Target, as for `compile`.
        sampling: What will be run; its steps and seed are also used for calibration. Samples in
            it are checked against the network before anything else is done.
        calibration: Training samples on which scales are chosen; None takes scales from the
            weights.
        bits: Width of the weights in bits, 2..8, or `Narrowest`.
        model_digest: SHA-256 of the file from which the graph was read.
        tell: Called with a sentence before each stage.

    Raises:
        BadInput, Unsupported, DoesNotFit: As `compile`; one error lists all that is in the way.
    """
    _check_bits(bits)
    _check_samples(graph, sampling)
    graph = replace(graph, settings=graph.settings.given(steps=sampling.steps))
    wanted = Target.of(target)
    chip = wanted.load()
    samples = sampling.source if isinstance(sampling.source, Data) else None
    steps, seed = sampling.steps or graph.settings.steps, sampling.seed or 0
    refusals = Refusals()
    with refusals.gather():
        check_neurons(graph, chip)
    with refusals.gather():
        for sentence in check_resets(graph, chip, samples, steps, seed):
            tell(sentence)
    trained: Graph | None = None
    quantized: Quantized | None = None
    points: tuple[Point, ...] = ()
    with refusals.gather():
        if graph.fixed:
            fixed = verify(graph, "fixed")
            calibration = None
        else:
            trained = verify(graph, "float")
            tell("composing synapses")
            simple = verify(simplify(trained), "float")
            tell("choosing scales" + (f" on {len(calibration)} samples" if calibration else ""))
            calibrated = calibrate(simple, calibration, steps, seed)
            if refusals:  # nothing is searched for any more, except what else is in the way
                calibrated = replace(calibrated, stimulus=None)
                bits = WIDEST if isinstance(bits, Narrowest) else bits
            if isinstance(bits, Narrowest):
                budget = bits.max_error_increase
                quantized, points = narrow(simple, chip, calibrated, budget, tell, wanted.fewest_of)
            else:
                quantized = best(simple, chip, calibrated, bits)
            fixed = verify(quantized.graph, "fixed")
        tell(f"placing on {chip.name}")
        placed = place(fixed, chip, wanted.fewest_of)
        require_fit(placed)
    refusals.answer()
    return Compiled(
        trained, fixed, placed, calibration, quantized, points, wanted, bits, sampling, model_digest
    )


@dataclass(frozen=True, eq=False, repr=False)
class Compiled:
    """A network at every stage, and the result of running it.

    To see it, `print` it or end a notebook's cell with it.

    Attributes:
        float_graph: The network as trained; None if the model was fixed already.
        fixed_graph: The chip's integers.
        placed: The integers on their cores.
        calibration: Samples on which scales were chosen; None if only the weights were used.
        quantized: How it was quantized; None if the model was fixed already.
        points: Points of the search for the narrowest weights; empty if there was none.
        target: Target that it was compiled for.
        bits: Requested width of the weights in bits, or `Narrowest`.
        sampling: What it was meant to run on.
        model_digest: SHA-256 of the model file; None if the model was given as an object.
        result: Result of the last run; None before the first.
    """

    float_graph: Graph | None
    fixed_graph: Graph
    placed: Placed
    calibration: Data | None
    quantized: Quantized | None
    points: tuple[Point, ...]
    target: Target
    bits: int | Narrowest
    sampling: Sampling
    model_digest: str | None
    result: Result | None = None

    def run(
        self,
        data: str | PathLike[str] | Data | Sampling | None = None,
        *,
        engines: str | Sequence[str] = ("fixed",),
        progress: Progress = silent,
    ) -> Compiled:
        """Run the network on data and estimate the energy.

            compiled.run("digits", engines=("lava", "fixed")).energy

        Args:
            data: Data to run, as for `compile`. None is what was given there, else the model's own
                data. Without a number of samples, all are run if the only engine is `fixed`, else
                the first 20.
            engines: One or more of lava, fixed and onnx: the first makes the figures, the others
                must agree with it bit for bit.
            progress: Called with the engine, the number of samples done, and the total number.

        Returns:
            A copy of this network with the result of this run; this one is left unchanged.

        Raises:
            BadInput: If there are no data, or they do not fit the network.
            NotInstalled: If an engine cannot run here.
            CheckFailed: If two engines differ in a single bit.
        """
        engines = _names(engines)
        if not callable(progress):
            raise BadInput(
                f"progress is of the type {type(progress).__name__}. Give a function of an engine, "
                "the samples done and their number, or leave it out."
            )
        require_engines(engines)
        asked = self.sampling if data is None else sampling_of(data)
        stimulus = load_stimulus(asked, self._own, usual_samples(engines))
        work = StepWork(self.placed, stimulus.steps)
        evaluation = evaluate(
            None if self.float_graph is None else simplify(self.float_graph),
            self.fixed_graph,
            stimulus,
            engines=engines,
            progress=progress,
            watch=work.add,
        )
        evaluation.exactness.require()
        activity, steps = evaluation.activity, stimulus.steps
        counts = count(self.placed, activity, len(stimulus), steps, work.slowest_cores())
        energy = estimate(counts, self.placed, self.placed.chip)
        return replace(self, result=Result(stimulus, engines, evaluation, counts, energy))

    @property
    def energy(self) -> Energy:
        """Energy of the run: `.per_sample.nominal_j` and `.total.nominal_j` are joules.

        Raises:
            BadInput: If nothing was run.
        """
        if self.result is None:
            raise BadInput(
                "nothing was run, so there is no energy. Give compile data=, or call run(data)."
            )
        return self.result.energy

    @property
    def report(self) -> dict[str, Any]:
        """The content of report.json: every count, price and source, as JSON values."""
        result = self.result
        about = provenance(
            self.placed,
            self.float_graph,
            self.calibration,
            None if result is None else result.stimulus.data,
            () if result is None else result.engines,
            self._declared.seed,
            self.model_digest,
        )
        return build_report(
            self.placed,
            None if self.quantized is None else (self.quantized, self.points),
            None if result is None else (result.evaluation, result.counts, result.energy),
            self._network_net,
            about,
            self._notes(),
        )

    def _notes(self) -> list[str]:
        """What to know before reading the results."""
        said = notes(self.fixed_graph)
        if self.result is None:
            return said
        ran, stimulus = self.result.evaluation, self.result.stimulus
        spikes = {name: int(did.spikes.sum()) for name, did in ran.activity.items()}
        ideal = {name: row.float_spikes for name, row in ran.agreement.items()}
        return said + notes_on_run(self.fixed_graph, stimulus.data, stimulus.steps, spikes, ideal)

    def export(self, out: str | PathLike[str], *, force: bool = False) -> dict[str, Any]:
        """Write the directory that `neurocompile export` writes, whole or not at all.

        Args:
            out: Directory to write. It holds float.onnx, fixed.onnx, report.json, manifest.json,
                and network.net if lava-dl can hold the network.
            force: Whether to replace an earlier export.

        Returns:
            The report that was written.

        Raises:
            BadInput: If the directory exists, or cannot be written.
        """
        out = path_of(out, "the directory to write")
        check_target(out, force)
        report = self.report
        files = {"fixed.onnx": to_bytes(self.fixed_graph), "report.json": json_bytes(report)}
        if self._network_net.content is not None:
            files["network.net"] = self._network_net.content
        if self.float_graph is not None:
            files["float.onnx"] = to_bytes(self.float_graph)
        write_artifact(out, files, {
            "target": self.target.name, "data": vars(self._declared), "bits": self._bits(),
            "placement": remembered(self.target.fewest_of, self.placed.chip),
            "provenance": report["provenance"],
        }, force=force)  # fmt: skip
        return report

    def __repr__(self) -> str:
        cores = f"{number_of(len(self.placed.cores), 'core')} of {self.placed.chip.name}"
        if self.result is None:
            return f"<Compiled for {cores}, not run yet>"
        run, spent = number_of(len(self.result.stimulus), "sample"), self.energy.per_sample
        return f"<Compiled for {cores}, {run} run, {joules(spent.nominal_j)} per sample>"

    def __str__(self) -> str:
        return to_text(self.report)

    def __rich_console__(self, *_: object) -> Iterator[Any]:
        first, *others = parts(self.report)
        yield first
        for part in others:
            yield from ("", part)

    def _repr_html_(self) -> str:
        return to_html(self.report)

    @cached_property
    def _network_net(self) -> NetworkNet:
        return network_net(self.fixed_graph, self._declared.steps)

    @property
    def _own(self) -> Declared:
        """What is run by default."""
        settings, asked = self.fixed_graph.settings, self.sampling
        source = asked.source if isinstance(asked.source, str) else settings.data
        return Declared(source, 0, asked.steps or settings.steps, asked.seed or 0)

    @property
    def _declared(self) -> Declared:
        """What was run, for a manifest."""
        if self.result is None:
            return self._own
        ran = self.result.stimulus
        return Declared(ran.data.name, len(ran), ran.steps, ran.seed)

    def _bits(self) -> int | dict[str, int]:
        """Width of the weights for a manifest; by layer if the narrowest were searched for."""
        if isinstance(self.bits, int):
            return self.bits
        if self.quantized is None:
            return WIDEST
        return {layer: choice.bits for layer, choice in self.quantized.choices.items()}


@dataclass(frozen=True, eq=False)
class Result:
    """The result of running a compiled network on data.

    Attributes:
        stimulus: The samples, with the steps per sample and the seed of the random encoder.
        engines: Engines that ran them; the first made the figures.
        evaluation: Errors, agreement and exactness.
        counts: Counts of everything that costs energy, by layer.
        energy: The energy estimate.
    """

    stimulus: Stimulus
    engines: tuple[str, ...]
    evaluation: Evaluation
    counts: Counts
    energy: Energy


def _read(
    model: str | PathLike[str] | Graph | nn.Module,
    example_input: Tensor | None,
    settings: Settings | None,
    max_pool: MaxPool | None,
) -> tuple[Graph, str | None]:
    """The graph of a file, a graph or a module, and the SHA-256 of the file if there is one."""
    if not isinstance(model, str | PathLike | Graph):
        return frontend.from_module(model, example_input, settings, max_pool), None
    if example_input is not None or settings is not None:
        raise BadInput(
            "example_input and settings belong to a live module; a file or a graph brings its own "
            "settings. Leave them out, or compile dataclasses.replace(graph, settings=...)."
        )
    if isinstance(model, Graph):
        if max_pool is not None:
            raise BadInput(
                "max_pool belongs to a file or a module; a graph has no maximum pool any more. "
                "Leave it out, or give it to load."
            )
        return model, None
    path = Path(model)
    return frontend.load(path, max_pool=max_pool), digest(path.read_bytes())


def scale_samples(
    graph: Graph,
    sampling: Sampling,
    given: str | PathLike[str] | Data | Sampling | None = None,
) -> Data | None:
    """Training samples on which a graph's scales are chosen: those given, else the data's own."""
    if graph.fixed:
        return None
    own = graph.settings.data
    return load_training(sampling, own) if given is None else load_samples(sampling_of(given), own)


def _check_samples(graph: Graph, sampling: Sampling) -> None:
    """Refuse samples on which the network cannot run."""
    if isinstance(sampling.source, Data):
        check_data(graph, sampling.source, sampling.steps or graph.settings.steps)
        require_labels(graph, sampling.source)


def _names(engines: str | Sequence[str]) -> tuple[str, ...]:
    """The engines that a user named."""
    if isinstance(engines, str):
        return (engines,)
    if not isinstance(engines, Sequence):
        raise BadInput(
            f"the engines are of the type {type(engines).__name__}. Give one name or a sequence "
            "of names, such as ('lava', 'fixed')."
        )
    return tuple(engines)


def _check_bits(bits: int | Narrowest) -> None:
    in_range = isinstance(bits, int) and NARROWEST <= bits <= WIDEST
    if not isinstance(bits, Narrowest) and not in_range:
        raise BadInput(
            f"bits is {bits!r}. Use a width from {NARROWEST} to {WIDEST}, or Narrowest(0.02)."
        )
