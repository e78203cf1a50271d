"""`neurocompile bundle`: a folder with a program that runs an exported network without Python.

In:  a directory that `export` wrote, a language, samples for the vectors.
Out: the folder; what the program takes, as a table or one JSON document.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from neurocompile.commands.options import (
    PATH,
    Choice,
    Output,
    data_options,
    output_options,
    user_errors,
)
from neurocompile.data.sampling import Sampling

VECTORS = 2  # samples by default: their potentials take 4 bytes per neuron and step


@click.command()
@click.argument("directory", metavar="DIR", type=PATH)
@click.option("--to", "language", type=Choice(["c"]), required=True, help="Language: C99.")
@click.option("--out", type=PATH, required=True, metavar="FOLDER", help="Folder to write.")
@data_options(
    data="what export ran",
    samples=str(VECTORS),
    steps="what export ran",
    seed="what export used",
    what="Samples of the vectors:",
)
@click.option("--force", is_flag=True, help="Replace an earlier bundle.")
@output_options
@user_errors
def bundle(
    directory: Path,
    language: str,
    out: Path,
    sampling: Sampling,
    force: bool,
    output: Output,
) -> None:
    """Write a program that runs an exported network without Python, and vectors that prove it."""
    with output.screen() as screen:
        screen.tell(f"reading {directory}")
        document = bundle_artifact(directory, sampling, language=language, out=out, force=force)
    output.show(document, lambda: print_bundle(document))


def bundle_artifact(
    directory: Path, sampling: Sampling, *, language: str, out: Path, force: bool = False
) -> dict[str, Any]:
    """Write the bundle of an exported network; JSON-ready figures.

    Args:
        directory: What `export` wrote.
        sampling: What the vectors hold; by default what the export ran, two samples of it.
        language: "c".
        out: Folder to write.
        force: Whether an earlier bundle may be replaced.

    Raises:
        BadInput: If the directory or the data cannot be used, or the folder cannot be written.
        DoesNotFit: If a number leaves its register, or the network is too large for a compiler.
    """
    from neurocompile import __version__, installed
    from neurocompile.bundle.c.folder import BUILT, c_bundle
    from neurocompile.bundle.folder import check_folder, write_folder
    from neurocompile.bundle.vectors import vectors_of
    from neurocompile.commands.exported import declared
    from neurocompile.data.inputs import encode
    from neurocompile.data.stimulus import load_stimulus
    from neurocompile.formats.artifact import read_artifact
    from neurocompile.formats.load_onnx import load_onnx

    installed.require("engine fixed")
    check_folder(out, force, BUILT)
    artifact = read_artifact(directory)
    graph = load_onnx(artifact.file("fixed.onnx"))
    own = declared(artifact)
    stimulus = load_stimulus(sampling, own, VECTORS)
    last, steps = len(stimulus), stimulus.steps
    vectors = vectors_of(graph, encode(graph, stimulus.data, 0, last, steps, stimulus.seed))
    made = c_bundle(vectors, own.steps)
    about = {
        "language": language,
        "neurocompile": __version__,
        "network": artifact.manifest["files"]["fixed.onnx"],
        "layers": [
            {
                "name": layer.name,
                "kind": type(layer.node).__name__,
                "neurons": layer.neurons,
                "bits": made.network.widths[layer.name],
            }
            for layer in made.network.layers
        ],
        "products": list(made.network.products),
        "vectors": {
            "data": stimulus.data.name,
            "samples": last,
            "steps": steps,
            "seed": stimulus.seed,
        },
        "sizes": made.sizes,
    }
    write_folder(out, made.files, about, force=force, built=BUILT)
    return {**about, "out": str(out)}


def print_bundle(document: dict[str, Any]) -> None:
    """Print what the program takes, and how to build it."""
    from neurocompile.terminal.tables import Facts, Page, Table
    from neurocompile.terminal.words import number_of, whole

    table = Table(("layer", "neuron", "neurons", "numbers"), texts=("neuron", "numbers"))
    for row in document["layers"]:
        table.add(row["name"], row["kind"], whole(row["neurons"]), f"{row['bits']} bits")
    sizes, vectors = document["sizes"], document["vectors"]
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
        (
            "vectors",
            f"{number_of(vectors['samples'], 'sample')} of {vectors['data']}, "
            f"{number_of(vectors['steps'], 'step')}",
        ),
        ("written to", document["out"]),
        ("to prove it", f"make -C {document['out']} check"),
    ]
    Page().show(table, Facts(facts))
