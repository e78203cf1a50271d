"""`neurocompile bundle`: a folder that runs an exported network without neurocompile.

In:  a directory that `export` wrote, what is to run it, samples for the vectors.
Out: the folder; what is in it, as a table or one JSON document.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurocompile.commands.options import (
    PATH,
    Choice,
    Output,
    data_options,
    output_options,
)
from neurocompile.data.sampling import Sampling
from neurocompile.errors import BadInput

if TYPE_CHECKING:  # not at run time, so that `--help` need not import numpy
    from neurocompile.bundle.vectors import Vectors
    from neurocompile.formats.artifact import Artifact
    from neurocompile.ir.graph import Graph
    from neurocompile.report.samples_file import Samples
    from neurocompile.terminal.tables import Table

BUILT = (
    "run",
    "run-sanitized",
    "run.vvp",
    "synth.txt",
)  # what the Makefiles of bundles leave in a folder
VECTORS = 2  # samples by default: their potentials take 4 bytes per neuron and step


@click.command()
@click.argument("directory", metavar="DIR", type=PATH)
@click.option(
    "--to", "language", type=Choice(["c", "lava", "verilog"]), required=True,
    help="A program in C99, the source of a network for Lava, or a layer as a module of Verilog.",
)  # fmt: skip
@click.option("--layer", metavar="NAME", help="Layer of the module. [the only one that can be one]")
@click.option("--out", type=PATH, required=True, metavar="FOLDER", help="Folder to write.")
@data_options(
    data="what export ran",
    samples=str(VECTORS),
    steps="what export ran",
    seed="what export used",
    what="Samples of the vectors:",
)
@click.option(
    "--prefix",
    metavar="NAME",
    help="What the names in C begin with, for several networks in one program.  [nc]",
)
@click.option("--force", is_flag=True, help="Replace an earlier bundle.")
@output_options
def bundle(
    directory: Path,
    language: str,
    layer: str | None,
    out: Path,
    sampling: Sampling,
    prefix: str | None,
    force: bool,
    output: Output,
) -> None:
    """Write what runs an exported network without neurocompile, and vectors that prove it."""
    with output.screen() as screen:
        screen.tell(f"reading {directory}")
        document = bundle_artifact(
            directory,
            sampling,
            language=language,
            out=out,
            prefix=prefix,
            layer=layer,
            force=force,
        )
    output.show(document, lambda: print_bundle(document))


def bundle_artifact(
    directory: Path,
    sampling: Sampling,
    *,
    language: str,
    out: Path,
    prefix: str | None = None,
    layer: str | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Write the bundle of an exported network; JSON-ready figures.

    Args:
        directory: What `export` wrote.
        sampling: What the vectors hold; by default the first two samples that the export ran, as
            it recorded them.
        language: "c", "lava" or "verilog".
        out: Folder to write.
        prefix: What the names of a program in C begin with; None takes `nc`.
        layer: The layer of a module in Verilog; None takes the only one that can be one.
        force: Whether an earlier bundle may be replaced.

    Raises:
        BadInput: If the directory or the data cannot be used, the folder cannot be written, no name
            begins with the prefix, Lava has no process for a part of the network, or Verilog no
            module for the layer.
        DoesNotFit: If a number leaves its register, or the network is too large for a compiler.
    """
    from neurocompile import __version__, installed
    from neurocompile.bundle.c.folder import PREFIX
    from neurocompile.bundle.c.names import check_prefix
    from neurocompile.bundle.folder import check_folder, write_folder
    from neurocompile.commands.exported import declared
    from neurocompile.formats.artifact import read_artifact
    from neurocompile.formats.load_onnx import load_onnx

    installed.require("engine fixed")
    if prefix is not None and language != "c":
        raise BadInput("--prefix is for --to c. Leave it out.")
    check_prefix(PREFIX if prefix is None else prefix)
    if layer is not None and language != "verilog":
        raise BadInput(
            f"--layer names the layer of a module in Verilog; --to {language} takes all."
        )
    check_folder(out, force, BUILT)
    artifact = read_artifact(directory)
    graph = artifact.read("fixed.onnx", load_onnx)
    vectors, origin = _vectors(artifact, graph, sampling)
    steps = declared(artifact).steps
    if language == "c":
        files, described = _c(vectors, steps, PREFIX if prefix is None else prefix)
    elif language == "lava":
        files, described = _lava(vectors, steps)
    else:
        files, described = _verilog(vectors, layer)
    about = {
        "language": language,
        "neurocompile": __version__,
        "network": artifact.manifest["files"]["fixed.onnx"],
        **described,
        "encoder": asdict(graph.settings.encoder),
        "decoder": graph.settings.decoder.to_dict(),
        "vectors": {**origin, "samples": vectors.samples, "steps": vectors.steps},
    }
    write_folder(out, files, about, force=force, built=BUILT)
    return {**about, "out": str(out)}


def _vectors(
    artifact: Artifact, graph: Graph, sampling: Sampling
) -> tuple[Vectors, dict[str, Any]]:
    """What the network does, and where its input is from.

    Without other wishes its input is what the export recorded: neither the data nor the encoder is
    needed then, and every value is compared with the recorded one.
    """
    from neurocompile.bundle.vectors import vectors_of
    from neurocompile.commands.exported import declared, recorded
    from neurocompile.commands.simulate.verify import require
    from neurocompile.data.inputs import encode
    from neurocompile.data.stimulus import load_stimulus
    from neurocompile.report.golden import golden_of, recorded_input

    most = sampling.samples or VECTORS
    others = (sampling.source, sampling.steps, sampling.seed)
    kept = recorded(artifact) if all(each is None for each in others) else None
    if kept is not None and kept.potentials and _enough(kept, sampling.samples):
        encoded = recorded_input(graph, kept, most)
        vectors = vectors_of(graph, encoded)
        require(golden_of(kept, encoded, vectors.did, "fixed"))
        origin = {"data": kept.about["source"], "seed": kept.about["seed"]}
        return vectors, {**origin, "recorded_by_export": True}
    stimulus = load_stimulus(sampling, declared(artifact), VECTORS)
    last, steps, seed = len(stimulus), stimulus.steps, stimulus.seed
    vectors = vectors_of(graph, encode(graph, stimulus.data, 0, last, steps, seed))
    return vectors, {"data": stimulus.data.name, "seed": seed, "recorded_by_export": False}


def _enough(kept: Samples, wanted: int | None) -> bool:
    """Whether an export recorded as many samples as are wanted, or all there were to it."""
    samples, of = kept.about["samples"], kept.about["of"]
    return bool(samples >= min(VECTORS, of) if wanted is None else samples >= wanted)


def _c(vectors: Vectors, steps: int, prefix: str) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files of a program in C, and what is said of it."""
    from neurocompile.bundle.c.folder import c_bundle

    made = c_bundle(vectors, steps, prefix)
    layers = [
        {
            "name": layer.name,
            "kind": type(layer.node).__name__,
            "neurons": layer.neurons,
            "bits": made.network.widths[layer.name],
        }
        for layer in made.network.layers
    ]
    products = list(made.network.products)
    about = {"prefix": prefix, "layers": layers, "products": products, "sizes": made.sizes}
    return made.files, about


def _lava(vectors: Vectors, steps: int) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files of a network for Lava, and what is said of it."""
    from neurocompile.bundle.lava.folder import lava_bundle

    made = lava_bundle(vectors, steps)
    layers = [
        {
            "name": population.name,
            "kind": population.kind,
            "neurons": population.size,
            "process": made.network.processes[population.name],
            "stock": made.network.processes[population.name] not in made.network.ours,
        }
        for population in made.plan.populations
    ]
    return made.files, {"layers": layers, "reset": made.plan.reset}


def _verilog(vectors: Vectors, layer: str | None) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files of a layer in Verilog, and what is said of it."""
    from neurocompile.bundle.verilog.folder import verilog_bundle

    made = verilog_bundle(vectors, layer)
    one = {
        "name": made.layer.name,
        "kind": type(made.layer.node).__name__,
        "neurons": made.layer.neurons,
        "lines": made.layer.sources,
    }
    return made.files, {"layers": [one], "sizes": made.sizes}


def print_bundle(document: dict[str, Any]) -> None:
    """Print what is in the folder, and how to prove it."""
    from neurocompile.terminal.tables import Facts, Page
    from neurocompile.terminal.words import number_of

    described = {"c": _of_c, "lava": _of_lava, "verilog": _of_verilog}
    table, facts, proof = described[document["language"]](document)
    vectors = document["vectors"]
    facts += [
        (
            "vectors",
            f"{number_of(vectors['samples'], 'sample')} of {vectors['data']}, "
            f"{number_of(vectors['steps'], 'step')}"
            + (", as export recorded them" if vectors["recorded_by_export"] else ""),
        ),
        ("written to", document["out"]),
        ("to prove it", proof),
    ]
    Page().show(table, Facts(facts))


def _of_c(document: dict[str, Any]) -> tuple[Table, list[tuple[str, str]], str]:
    """What a program takes."""
    from neurocompile.terminal.tables import Table
    from neurocompile.terminal.words import whole

    table = Table(("layer", "neuron", "neurons", "numbers"), texts=("neuron", "numbers"))
    for row in document["layers"]:
        table.add(row["name"], row["kind"], whole(row["neurons"]), f"{row['bits']} bits")
    sizes = document["sizes"]
    facts = [
        (
            "tables",
            f"{whole(sizes['table_bytes'])} bytes, {whole(sizes['weight_bytes'])} of them weights, "
            f"which without gaps take {whole(sizes['packed_bytes'])}",
        ),
        (
            "a step",
            f"{whole(sizes['neurons'])} neurons and, on average in the vectors, "
            f"{whole(sizes['additions'])} additions of weights",
        ),
    ]
    return table, facts, f"make -C {document['out']} check"


def _of_lava(document: dict[str, Any]) -> tuple[Table, list[tuple[str, str]], str]:
    """Which of Lava's processes run a network."""
    from neurocompile.terminal.tables import Table
    from neurocompile.terminal.words import whole

    table = Table(("layer", "neuron", "neurons", "process"), texts=("neuron", "process"))
    for row in document["layers"]:
        process = row["process"] if row["stock"] else f"{row['process']}, ours"
        table.add(row["name"], row["kind"], whole(row["neurons"]), process)
    facts = [
        ("between samples", document["reset"]),
        ("tried", "Lava's simulator; silicon never"),
    ]
    return table, facts, f"python {document['out']}/run.py --check"


def _of_verilog(document: dict[str, Any]) -> tuple[Table, list[tuple[str, str]], str]:
    """What a module takes."""
    from neurocompile.terminal.tables import Table
    from neurocompile.terminal.words import whole

    table = Table(("layer", "neuron", "neurons", "lines"), texts=("neuron",))
    for row in document["layers"]:
        table.add(row["name"], row["kind"], whole(row["neurons"]), whole(row["lines"]))
    sizes = document["sizes"]
    facts = [
        (
            "memory",
            f"{whole(sizes['rom'])} bits to read only, for {whole(sizes['weights'])} weights and "
            f"constants; {whole(sizes['ram'])} bits of states and sums",
        ),
        ("a step", f"at most {whole(sizes['clocks_most'])} clocks in the vectors"),
        ("tried", "Icarus Verilog and Verilator; an FPGA never"),
    ]
    return table, facts, f"make -C {document['out']} check"
