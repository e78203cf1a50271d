"""Find a target's file: shipped, in an installed package, or in a user's folder.

In:  the name of a target, a folder, or the target.toml in it.
Out: the path of its target.toml.
A package offers targets through entry points of the group `neurocompile.targets`: the name is the
target's, the value is a package whose folder contains target.toml. The file is read, but the
package is not imported. A name that is offered twice is refused; none of the two is preferred.
"""

from __future__ import annotations

from importlib import resources
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from neurocompile.errors import BadInput, did_you_mean

GROUP = "neurocompile.targets"
FILE = "target.toml"


def chip_names() -> tuple[str, ...]:
    """Names of the targets that are shipped with neurocompile or offered by installed packages."""
    return tuple(sorted({*_shipped(), *(point.name for point in entry_points(group=GROUP))}))


def find_target(name_or_path: str | Path) -> Path:
    """The target.toml of the target with this name, in this folder, or at this path.

    Raises:
        BadInput: If there is none, or if the name is offered more than once.
    """
    name = str(name_or_path)
    shipped = _shipped()
    offers = [point for point in entry_points(group=GROUP) if point.name == name]
    if len(offers) + (name in shipped) > 1:
        who = ["neurocompile"] * (name in shipped) + [_package(point) for point in offers]
        raise BadInput(
            f"the target '{name}' is offered more than once, by {', '.join(who)}. Uninstall all "
            f"but one, or give the folder with the {FILE} that you mean."
        )
    if offers:
        return _installed(offers[0])
    path = shipped[name] if name in shipped else Path(name_or_path)
    if path.name != FILE or path.is_dir():
        path = path / FILE
    if not path.is_file():
        raise BadInput(
            f"there is no target '{name}': {path} is not a file."
            f"{did_you_mean(name, chip_names())} "
            f"Use one of {', '.join(chip_names())}, or the path of your own {FILE} or its folder."
        )
    return path


def _shipped() -> dict[str, Path]:
    """By name, the files in the installed package, or in the folder of a checkout."""
    try:
        root = Path(str(resources.files("neurocompile.targets")))
    except ModuleNotFoundError:
        root = Path(__file__).resolve().parents[2] / "targets"
    return {path.parent.name: path for path in root.glob(f"*/{FILE}")}


def _installed(point: EntryPoint) -> Path:
    """The target.toml that an entry point leads to."""
    try:
        spec = find_spec(point.value)
    except (ImportError, ValueError):  # no parent package, or not the name of a package
        spec = None
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    for folder in folders:
        if (Path(folder) / FILE).is_file():
            return Path(folder) / FILE
    raise BadInput(
        f"the target '{point.name}' of the package {_package(point)}: its entry point "
        f"'{point.value}' names no package with a {FILE} in its folder. Tell its authors."
    )


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else f"'{point.value}'"
