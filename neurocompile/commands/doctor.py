"""The command `neurocompile doctor`: what works here, and how to install the rest.

In:  arguments.
Out: a table of packages, engines and front ends; or packages, installed after asking.
lava-nc, lava-dl and norse cannot be ordinary dependencies. Their metadata excludes modern Python
or requires packages that they do not use, so they are installed without their dependencies.
"""

from __future__ import annotations

import sys
from typing import Any

import click

from neurocompile.commands.installing import install_pinned
from neurocompile.commands.options import (
    Choice,
    Output,
    output_options,
    say,
)
from neurocompile.errors import BadInput
from neurocompile.installed import ABILITIES, installed, pinned

# What each group installs: the arguments of `pip install`; versions and files are those pinned.
COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "train": (
        (
            "torch",
            "numba",
            "nir",
            "nirtorch",
            "scipy",
            "scikit-learn",
            "mlxtend",
            "h5py",
        ),
        ("--no-deps", "norse"),
    ),
    "lava": (
        ("scipy", "networkx", "asteval", "scikit-learn", "h5py", "matplotlib", "pillow"),
        ("--no-deps", "--ignore-requires-python", "lava-nc", "lava-dl"),
    ),
    # Without their declared dependencies: SpikingJelly requires torchvision and torchaudio, Sinabs
    # the driver of its chips (samna), NeuroBench llvmlite, tonic and torchaudio. Only a test runs
    # NeuroBench.
    "neighbours": (
        ("loguru", "tqdm"),
        ("--no-deps", "snntorch", "spikingjelly", "pbr", "sinabs", "neurobench"),
    ),
    "tables": (("pyarrow",),),
    # cryptography makes the certificate under which local workers talk; dask-jobqueue starts Dask
    # on a cluster with a queue, such as SLURM's; zarr reads data sets.
    "sweep": (("distributed", "cryptography", "dask-jobqueue", "pyarrow", "zarr"),),
    # aeon is never imported: only its data files are read, and its metadata excludes this numba.
    "paper": (("--no-deps", "aeon", "constriction"),),
}

PACKAGES = (
    "click", "jsonschema", "numpy", "onnx", "onnxruntime", "rich",
    "torch", "numba", "norse", "nir", "nirtorch", "scipy", "scikit-learn", "mlxtend", "h5py",
    "lava-nc", "lava-dl", "networkx", "asteval", "matplotlib", "pillow", "pyarrow",
    "distributed", "cryptography", "dask-jobqueue", "zarr",
    "loguru", "snntorch", "spikingjelly", "pbr", "sinabs", "neurobench",
)  # fmt: skip


@click.command()
@click.option(
    "--install",
    "group",
    type=Choice(["lava", "train", "neighbours", "tables", "sweep", "paper"]),
    help="Group of packages to install.",
)
@click.option("--yes", is_flag=True, help="Install without asking.")
@output_options
def doctor(group: str | None, yes: bool, output: Output) -> None:
    """Show what is installed and what therefore works; install the rest."""
    if group is not None:
        for command in commands(group):
            say("pip " + " ".join(command[3:]), err=True)
        if yes or click.confirm("Run these, at the versions in pins.txt?", err=True):
            install(group)
    if group is None or output.as_json:
        report = examine()
        output.show(report, lambda: print_doctor(report))


def commands(group: str) -> list[list[str]]:
    """The pip commands of a group, without the constraint file.

    Raises:
        BadInput: If there is no such group.
    """
    if group not in COMMANDS:
        raise BadInput(f"'{group}' cannot be installed. Choose one of: {', '.join(COMMANDS)}.")
    pip = [sys.executable, "-m", "pip", "install"]
    return [[*pip, *arguments] for arguments in COMMANDS[group]]


def install(group: str) -> None:
    """Run the commands of a group, at the pinned versions and with the pinned files.

    Raises:
        BadInput, NotInstalled: As in `install_pinned`.
    """
    for arguments in COMMANDS[group]:
        install_pinned(arguments)


def examine() -> dict[str, object]:
    """What is installed, as JSON-ready values: packages with pinned versions, and what works."""
    pins = pinned()
    return {
        "python": sys.version.split()[0],
        "packages": [
            {"name": name, "installed": installed(name), "pinned": pins.get(name)}
            for name in PACKAGES
        ],
        "works": [
            {
                "name": ability.name,
                "works": not (ability.missing or ability.not_here),
                "missing": [*ability.missing, *ability.not_here],
                "install": ability.cure if ability.missing or ability.not_here else "",
            }
            for ability in ABILITIES
        ],
    }


def print_doctor(report: dict[str, Any]) -> None:
    """Print the packages, and what works."""
    from neurocompile.terminal.tables import Page, Table

    packages = Table(("package", "installed", "pinned"), texts=("installed", "pinned"))
    for row in report["packages"]:
        packages.add(row["name"], row["installed"] or "-", row["pinned"] or "-")
    works = Table(("what", "works"), texts=("works",))
    for row in report["works"]:
        missing = f"missing: {', '.join(row['missing'])}; {row['install']}"
        works.add(
            row["name"], "yes" if row["works"] else "no", note=missing if row["missing"] else ""
        )
    Page().show(packages, works)
