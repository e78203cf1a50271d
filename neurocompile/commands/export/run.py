"""`neurocompile export`: run the pipeline and write down what came of it.

In:  a request: model file, target, data, engines, output directory.
Out: the report, and a directory with float.onnx, fixed.onnx, network.net where lava-dl's netx
     can hold the network, report.json, manifest.json.
Everything that can be refused is refused before the first long step.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurocompile.data.sampling import DEFAULT_SAMPLES
from neurocompile.errors import BadInput, Unsupported
from neurocompile.formats.artifact import check_target, digest, json_bytes, write_artifact
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import Reset
from neurocompile.place.chosen import DEFAULT, Chosen, remembered
from neurocompile.terminal.screen import Teller


@dataclass(frozen=True)
class Request:
    """What a user asks `export` for; see the command line.

    Attributes:
        model, target, out: Files and names.
        data: A source, or None for the model's own.
        samples, steps: How much to run, or None for the default.
        seed: Of a random encoder.
        bits: Of a weight.
        max_error_increase: For the narrowest weights within this part of the float error.
        engines: The first makes the figures, the others must agree.
        force: Whether an earlier export may be replaced.
        allow_pickle: Whether a pickled model may be read.
        netx: Whether scales are chosen among those that network.net can hold.
        placing: How it is placed.
        dt, reset: What a `.nir` file of others does not say; see `frontend.load`.
    """

    model: Path
    target: str
    out: Path
    data: str | None = None
    samples: int | None = None
    steps: int | None = None
    seed: int = 0
    bits: int = 8
    max_error_increase: float | None = None
    engines: tuple[str, ...] = ("lava", "fixed")
    force: bool = False
    allow_pickle: bool = False
    netx: bool = False
    placing: Chosen = DEFAULT
    dt: float | None = None
    reset: Reset | None = None


def export_model(request: Request, teller: Teller) -> dict[str, Any]:
    """Compile, run, price and write; the report as JSON-ready values.

    Raises:
        NeurocompileError: Of a kind that says what to do; the directory is then not there.
    """
    check_target(request.out, request.force)
    if not request.model.is_file():
        raise BadInput(f"there is no file {request.model}. Give a .pt, .onnx, .nir or .net file.")
    _check_engines(request.engines)
    from neurocompile.chip.change import with_chips
    from neurocompile.chip.read import load_chip

    chip = with_chips(load_chip(request.target), request.placing.chips)

    from neurocompile import frontend
    from neurocompile.compiler import calibration_for, compile, data_for, measure
    from neurocompile.formats.onnx.write import to_bytes
    from neurocompile.report.build import build_report, provenance

    teller.tell(f"reading {request.model}")
    graph = frontend.load(
        request.model,
        allow_pickle=request.allow_pickle,
        dt=request.dt,
        reset=request.reset,
        steps=request.steps,
    )
    for assumption in graph.settings.assumed:
        teller.tell(f"assumed: {assumption.sentence}")
    data = data_for(graph, request.data, request.samples)
    if data is not None and request.samples is None and request.engines != ("fixed",):
        data = data.first(DEFAULT_SAMPLES)
    calibration = None if graph.fixed else calibration_for(request.data or graph.settings.data)
    compiled = compile(
        graph,
        chip,
        calibration=calibration,
        bits=request.bits,
        max_error_increase=request.max_error_increase,
        seed=request.seed,
        steps=request.steps,
        netx=request.netx,
        fewest_of=request.placing.fewest_of,
        tell=teller.tell,
    )
    result = None
    if data is not None:
        teller.tell(f"running {len(data)} samples on {', '.join(request.engines)}")
        result = measure(
            compiled,
            chip,
            data,
            engines=request.engines,
            steps=request.steps,
            seed=request.seed,
            progress=teller.progress,
        )
    about = provenance(
        chip, compiled, data, request.engines, request.seed, digest(request.model.read_bytes())
    )
    net, why = network_net(compiled.fixed_graph, request.steps or graph.settings.steps)
    report = build_report(chip, compiled, result, about, why)
    teller.tell(f"writing {request.out}")
    files = {"fixed.onnx": to_bytes(compiled.fixed_graph), "report.json": json_bytes(report)}
    if net is not None:
        files["network.net"] = net
    if compiled.float_graph is not None:
        files["float.onnx"] = to_bytes(compiled.float_graph)
    run = {
        "source": request.data or graph.settings.data,
        "samples": 0 if data is None else len(data),
        "steps": request.steps or graph.settings.steps,
        "seed": request.seed,
    }
    bits: Any = request.bits
    if compiled.found is not None and request.max_error_increase is not None:
        bits = {layer: choice.bits for layer, choice in compiled.found.choices.items()}
    write_artifact(request.out, files, {
        "target": request.target, "data": run, "bits": bits,
        "placement": remembered(request.placing.fewest_of, chip), "provenance": about,
    }, force=request.force)  # fmt: skip
    return report


def network_net(graph: Graph, steps: int) -> tuple[bytes | None, str]:
    """lava-dl's file of a FIXED graph and how it is loaded, or None and the reason."""
    from neurocompile.formats.netx.write import loaded_by, to_bytes

    try:
        return to_bytes(graph), loaded_by(graph, steps)
    except Unsupported as error:
        return None, str(error)


def _check_engines(engines: tuple[str, ...]) -> None:
    """Say at once what is not installed, not after minutes of work.

    Raises:
        NotInstalled: Naming the engine and the command that brings it.
    """
    from neurocompile import installed

    installed.require("engine fixed")
    for engine in engines:
        installed.require(f"engine {engine}")
