"""The pipeline: a trained network in, integers on a chip and joules out. One step per line.

In:  a model file, a graph or a live module; a target; data.
Out: the network at every stage, which runs and exports itself (`compiled.py`).
`compile` is what a Python user calls. It and the command line both run only `compile_graph`,
`Compiled.run` and `Compiled.export`.
"""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from neurocompile import frontend
from neurocompile.asked import Asked
from neurocompile.chip.record import Chip
from neurocompile.compiled import Compiled
from neurocompile.data.inputs import check_data
from neurocompile.data.samples import CALIBRATION_SAMPLES, Data
from neurocompile.data.sampling import Sampling
from neurocompile.data.stimulus import load_samples, load_training, sampling_of, usual_samples
from neurocompile.engines.progress import SILENT, Teller
from neurocompile.engines.score import require_labels
from neurocompile.errors import BadInput, Refusals
from neurocompile.formats.artifact import file_digest
from neurocompile.installed import require_engines
from neurocompile.ir.decoder import check_decoder
from neurocompile.ir.graph import Graph
from neurocompile.ir.pools import MaxPool
from neurocompile.ir.settings import Settings
from neurocompile.ir.time import lead_in
from neurocompile.ir.verify import verify
from neurocompile.place.bound import refuse_far_too_large
from neurocompile.place.placement import place, require_fit
from neurocompile.place.target import Target
from neurocompile.quantize.kept import best, calibrated
from neurocompile.quantize.narrow import NARROWEST, WIDEST, Narrowest, Point, narrow
from neurocompile.quantize.resets import check_neurons, check_resets
from neurocompile.quantize.search import Quantized
from neurocompile.simplify import simplify
from neurocompile.spread import HERE, Spread

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
            steps and the seed. `Sampling()` is the model's own data. None runs nothing.
            `Compiled.run` runs other data, and takes the engines: compile(...).run(data, engines=
            ("lava", "fixed")).
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
    teller: Teller = SILENT,
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
        teller: Told of each stage before it begins, and of how far the calibration is.

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
        check_decoder(graph)
    with refusals.gather():
        check_neurons(graph, chip)
    with refusals.gather():
        for sentence in check_resets(graph, chip, samples, steps, seed):
            teller.tell(sentence)
    trained: Graph | None = None
    quantized: Quantized | None = None
    points: tuple[Point, ...] = ()
    with refusals.gather():
        if graph.fixed:
            fixed = verify(graph, "fixed")
            calibration = None
        else:
            trained = verify(graph, "float")
            refuse_far_too_large(trained, chip)
            teller.tell("composing synapses")
            simple = verify(simplify(trained), "float")
            on = f" on {len(calibration)} samples" if calibration else ""
            teller.tell(f"choosing scales{on}")
            found = calibrated(simple, calibration, steps, seed, teller.progress)
            if refusals:  # nothing is searched for any more, except what else is in the way
                found = replace(found, stimulus=None)
                bits = WIDEST if isinstance(bits, Narrowest) else bits
            if isinstance(bits, Narrowest):
                budget = bits.max_error_increase
                quantized, points = narrow(
                    simple, chip, found, budget, teller.tell, wanted.fewest_of
                )
            else:
                quantized = best(simple, chip, found, bits)
            fixed = verify(quantized.graph, "fixed")
        with refusals.gather():
            lead_in(fixed)  # whatever runs it: a chip must be able to start every layer
        refuse_far_too_large(fixed, chip)
        teller.tell(f"placing on {chip.name}")
        placed = place(fixed, chip, wanted.fewest_of)
        require_fit(placed)
    refusals.answer()
    return Compiled(
        trained, fixed, placed, calibration, quantized, points, wanted, bits, sampling, model_digest
    )


def read_asked(model: Path, asked: Asked) -> Graph:
    """The graph of a model file, with what the file leaves open as a user asked for it."""
    steps = asked.sampling.steps
    graph = frontend.load(model, allow_pickle=asked.allow_pickle, steps=steps, **asked.load_options)
    return graph if asked.encoder is None else frontend.with_encoder(graph, asked.encoder, model)


def samples_asked(graph: Graph, asked: Asked) -> Data | None:
    """The samples that a user asked to run; None if there are none."""
    return load_samples(asked.sampling, graph.settings.data, usual_samples(asked.engines))


def compile_asked(
    model: Path, target: str, asked: Asked, teller: Teller = SILENT, *, spread: Spread = HERE
) -> Compiled:
    """Compile a model file as `export` does, and run it if there are data.

    Args:
        model: Path of a model file.
        target: Name or folder of a target.
        asked: What else decides the result.
        teller: Told of each stage before it begins, and of how far it is.
        spread: Who runs the samples.

    Raises:
        BadInput, Unsupported, DoesNotFit: As `compile`.
        NotInstalled: If an engine cannot run here.
        CheckFailed: If two engines differ in a single bit.
    """
    require_engines(("fixed", *asked.engines))
    wanted = asked.target(target)
    wanted.load()  # a missing target is refused before anything is read
    teller.tell(f"reading {model}")
    graph = read_asked(model, asked)
    for assumption in graph.settings.assumed:
        teller.tell(assumption.line())
    sampling = asked.sampling
    try:
        samples = samples_asked(graph, asked)
    except BadInput as error:
        raise (error.within(model) if sampling.source is None else error) from None
    spread.check(samples)
    budget = asked.max_error_increase
    compiled = compile_graph(
        graph,
        wanted,
        sampling=sampling if samples is None else replace(sampling, source=samples),
        calibration=scales_asked(graph, asked),
        bits=asked.bits if budget is None else Narrowest(budget),
        model_digest=file_digest(model),
        teller=teller,
    )
    if samples is None:
        return compiled
    teller.tell(f"running {len(samples)} samples on {', '.join(asked.engines)}")
    return compiled.run(engines=asked.engines, progress=teller.progress, spread=spread)


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
    return frontend.load(path, max_pool=max_pool), file_digest(path)


def scale_samples(
    graph: Graph,
    sampling: Sampling,
    given: str | PathLike[str] | Data | Sampling | None = None,
) -> Data | None:
    """Training samples on which a graph's scales are chosen: those given, else the data's own."""
    if graph.fixed:
        return None
    own = graph.settings.data
    if given is None:
        return load_training(sampling, own)
    samples = load_samples(sampling_of(given), own)
    return None if samples is None else samples.held()


def scales_asked(graph: Graph, asked: Asked) -> Data | None:
    """Samples on which a user asked scales to be chosen, else those of the data that run.

    Raises:
        BadInput: If there are no scales to choose, or the samples cannot be read.
    """
    if asked.calibration is None:
        return scale_samples(graph, asked.sampling)
    if graph.fixed:
        raise BadInput(
            f"scales should be chosen on {asked.calibration} (--calibration), but this model holds "
            "integers, whose scales are chosen already. Leave it out."
        )
    samples = load_samples(Sampling(asked.calibration), "", CALIBRATION_SAMPLES)
    return None if samples is None else samples.held()


def _check_samples(graph: Graph, sampling: Sampling) -> None:
    """Refuse samples on which the network cannot run."""
    if isinstance(sampling.source, Data):
        check_data(graph, sampling.source, sampling.steps or graph.settings.steps)
        require_labels(graph, sampling.source)


def _check_bits(bits: int | Narrowest) -> None:
    in_range = isinstance(bits, int) and NARROWEST <= bits <= WIDEST
    if not isinstance(bits, Narrowest) and not in_range:
        raise BadInput(
            f"bits is {bits!r}. Use a width from {NARROWEST} to {WIDEST}, or Narrowest(0.02)."
        )
