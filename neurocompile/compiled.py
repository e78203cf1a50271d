"""A compiled network: all of its stages in one object, which runs, is shown and is exported.

In:  what `compiler.compile_graph` made: the graphs, their place on the chip, how they came about.
Out: results of a run with their energy; the report; the directory that `export` writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

from neurocompile.data.samples import Data
from neurocompile.data.sampling import Declared, Sampling
from neurocompile.data.stimulus import Stimulus, load_stimulus, sampling_of, usual_samples
from neurocompile.energy.counts import Counts, count
from neurocompile.energy.estimate import Energy, estimate
from neurocompile.energy.steps import StepWork, Worked
from neurocompile.engines.evaluate import Evaluation, evaluate
from neurocompile.engines.progress import Progress, silent
from neurocompile.errors import BadInput, path_of
from neurocompile.faults import DRAWS, FACTOR, SHARE
from neurocompile.formats.artifact import check_target, write_artifact
from neurocompile.formats.json_files import json_bytes
from neurocompile.formats.netx.write import NetworkNet, network_net
from neurocompile.formats.onnx.write import to_bytes
from neurocompile.formats.whole import encoded
from neurocompile.installed import require_engines
from neurocompile.ir.graph import Graph
from neurocompile.place.placed import Placed
from neurocompile.place.target import Target, remembered
from neurocompile.quantize.narrow import WIDEST, Narrowest, Point
from neurocompile.quantize.search import Quantized
from neurocompile.report.build import build_report, provenance
from neurocompile.report.notes import notes, notes_on_run
from neurocompile.report.page.page import report_page
from neurocompile.report.samples import record_samples
from neurocompile.report.samples_file import Samples, samples_bytes
from neurocompile.report.show import parts, to_html, to_text
from neurocompile.simplify import simplify
from neurocompile.spread import HERE, Spread, parts_of
from neurocompile.terminal.words import joules, number_of

if TYPE_CHECKING:  # the stream needs numba, which a Compiled alone does not
    from neurocompile.engines.fixed.state import Carried
    from neurocompile.engines.stream import Stream


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
        spread: Spread = HERE,
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
            spread: Who runs the samples of `shards:DIR`: this process, or workers of Dask. The
                result is the same bit for bit.

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
        spread.check(stimulus.data)
        stimulus.data.digested(progress)  # a damaged shard is refused before anything runs
        simple = None if self.float_graph is None else simplify(self.float_graph)
        job = _Job(simple, self.fixed_graph, self.placed, engines)
        parts = parts_of(_evaluated, job, stimulus, spread, progress)
        evaluation, worked = next(parts)
        work = StepWork(self.placed, stimulus.steps)
        work.merge(worked)
        for further, worked in parts:
            evaluation.merge(further)
            work.merge(worked)
        evaluation.exactness.require()
        activity, steps = evaluation.activity, stimulus.steps
        counts = count(self.placed, activity, len(stimulus), steps, work.slowest_cores())
        energy = estimate(counts, self.placed, self.placed.chip)
        return replace(self, result=Result(stimulus, engines, evaluation, counts, energy))

    def stream(
        self,
        *,
        steps: int | None = None,
        window: int | None = None,
        seed: int = 0,
        state: Carried | None = None,
    ) -> Stream:
        """A running network, which takes a recording piece by piece and is never reset.

        Args:
            steps: Steps for which a sample is shown, where the input has no value for each step.
            window: Steps over which rates are counted; None: the steps of a sample.
            seed: Seed of the random encoder.
            state: `Stream.state` of an earlier piece to go on from.

        Raises:
            BadInput: If a number is below 1, or the state is that of another network.
        """
        from neurocompile.engines.stream import Stream

        return Stream(self.fixed_graph, steps=steps, window=window, seed=seed, state=state)

    def energy_of(self, stream: Stream) -> Energy:
        """Energy of all that a stream has run: one sample of so many steps.

        Raises:
            BadInput: If it has run nothing.
        """
        if not stream.done:
            raise BadInput("the stream has taken no step, so there is no energy. Push rows first.")
        counts = count(self.placed, stream.activity, 1, stream.done)
        return estimate(counts, self.placed, self.placed.chip)

    def faults(
        self,
        *kinds: str,
        share: float | Sequence[float] = SHARE,
        draws: int = DRAWS,
        seed: int = 0,
        factor: float = FACTOR,
        data: str | PathLike[str] | Data | Sampling | None = None,
    ) -> dict[str, Any]:
        """Run the network on a chip with faults, and without, on the engine `fixed`.

            compiled.faults("weight-flips", share=(0.001, 0.01))["faults"][0]["mse"]

        Args:
            kinds: One or more of `neurocompile.faults.KINDS`.
            share: Part of the words, neurons or cores that is hit, 0..1; one or several.
            draws: Number of draws of each kind and share.
            seed: Seed of the draws.
            factor: Of thresholds that drift.
            data: Data to run; None: those of the last run, else as for `run`.

        Returns:
            The document that `neurocompile faults --json` prints.

        Raises:
            BadInput: If an argument or the data cannot be used, or the network has no place for a
                kind, or no decoder.
            DoesNotFit: If the network without faults leaves its registers on these data.
        """
        from neurocompile.faults.study import Asked, study

        shares = (share,) if isinstance(share, int | float) else share
        asked = Asked(kinds, tuple(shares), draws, seed, factor)
        asked.check()
        require_engines(("fixed",))
        if data is None and self.result is not None:
            return study(self.placed, self.result.stimulus, asked)
        what = self.sampling if data is None else sampling_of(data)
        return study(self.placed, load_stimulus(what, self._own), asked)

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
        choices = {} if self.quantized is None else self.quantized.choices
        said = notes(self.fixed_graph, [n for n, c in choices.items() if c.correct_sums])
        if self.result is None:
            return said
        ran, stimulus = self.result.evaluation, self.result.stimulus
        spikes = {name: int(did.spikes.sum()) for name, did in ran.activity.items()}
        ideal = {name: row.float_spikes for name, row in ran.agreement.items()}
        chosen_on = self.calibration
        return said + notes_on_run(
            self.fixed_graph, stimulus.data, stimulus.steps, spikes, ideal, chosen_on
        )

    def export(
        self, out: str | PathLike[str], *, force: bool = False, html: bool = True
    ) -> dict[str, Any]:
        """Write the directory that `neurocompile export` writes, whole or not at all.

        Args:
            out: Directory to write. It holds float.onnx, fixed.onnx, report.json, report.html,
                manifest.json; samples.npz if data were run; network.net if lava-dl can hold the
                network.
            force: Whether to replace an earlier export.
            html: Whether to write report.html, the report as a page.

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
        samples = self._samples()
        if samples is not None:
            files["samples.npz"] = samples_bytes(samples)
        if html:
            files["report.html"] = encoded(report_page(report, samples))
        write_artifact(out, files, {
            "target": self.target.name, "target_digest": self.target.digest,
            "data": vars(self._declared), "bits": self._bits(),
            "placement": remembered(self.target.fewest_of, self.placed.chip),
            "provenance": report["provenance"],
        }, force=force)  # fmt: skip
        return report

    def _samples(self) -> Samples | None:
        """The first samples of the run, recorded completely; None if nothing was run."""
        if self.result is None:
            return None
        simple = None if self.float_graph is None else simplify(self.float_graph)
        return record_samples(self.placed, simple, self.result.stimulus, self.result.counts)

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


@dataclass(frozen=True, eq=False)
class _Job:
    """What every part of a run needs.

    Attributes:
        simple: The simplified FLOAT graph, or None.
        fixed_graph, placed: The chip's integers, and their place.
        engines: Names of the engines.
    """

    simple: Graph | None
    fixed_graph: Graph
    placed: Placed
    engines: tuple[str, ...]


def _evaluated(job: _Job, stimulus: Stimulus, progress: Progress) -> tuple[Evaluation, Worked]:
    """Run some samples."""
    work = StepWork(job.placed, stimulus.steps)
    evaluation = evaluate(
        job.simple,
        job.fixed_graph,
        stimulus,
        engines=job.engines,
        progress=progress,
        watch=work.add,
    )
    return evaluation, work.worked()


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
