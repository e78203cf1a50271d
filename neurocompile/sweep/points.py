"""The points of a sweep, and the key of each: models x targets x a grid of options of `export`.

In:  models, targets, axes with their values, and the options that are the same for all points.
Out: points in grid order, the last axis fastest; by point, what decides its result, and its digest.
Two points with the same key have the same result. Files are read here, so that a key is about
their content and not about their names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from neurocompile import compiler
from neurocompile.asked import Asked
from neurocompile.data.samples import Data
from neurocompile.errors import BadInput
from neurocompile.formats.artifact import file_digest
from neurocompile.installed import installed
from neurocompile.place.target import Target

T = TypeVar("T")
VERSION = "1.1"  # of the files of a sweep, MAJOR.MINOR; a minor step only adds fields
# Packages and rooms that decide numbers; the other rooms only show, write or spread them.
PACKAGES = ("numpy", "scipy", "torch", "norse", "numba", "onnx", "onnxruntime", "lava-nc")
SHOW = ("bundle", "commands", "terminal", "report/page", "cli.py", "cluster.py")
MOST_POINTS = 1_000_000


@dataclass(frozen=True)
class Axis:
    """An option with the values that it takes.

    Attributes:
        name: The option without its dashes.
        values: Values, as the command line converts them.
    """

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Point:
    """One compilation of a sweep.

    Attributes:
        model: Path of the model, as it was given.
        target: Name or folder of the target.
        values: Value of each axis.
        asked: All options.
    """

    model: str
    target: str
    values: tuple[Any, ...]
    asked: Asked


@dataclass(frozen=True)
class Known:
    """What decides the result of a point.

    Attributes:
        key: SHA-256 of `inputs`, hex.
        inputs: JSON-ready values.
    """

    key: str
    inputs: Mapping[str, Any]


def grid(
    models: Sequence[str],
    targets: Sequence[str],
    axes: Sequence[Axis],
    asked: Callable[[Mapping[str, Any]], Asked],
) -> list[Point]:
    """Every point, in grid order.

    Args:
        models, targets: As a user names them.
        axes: Axes of the grid; none is a grid of one point.
        asked: All options, from the values of the axes by name.

    Raises:
        BadInput: If there is no model or target, an axis has no values, or the points are too many.
    """
    for what, found in (("model", models), ("target", targets)):
        if not found:
            raise BadInput(f"the sweep names no {what}. Give at least one.")
    for axis in axes:
        if not axis.values:
            raise BadInput(f"the axis {axis.name} has no values, so the grid is empty. Give some.")
    twice = sorted({a.name for a in axes if sum(b.name == a.name for b in axes) > 1})
    if twice:
        raise BadInput(f"the axis {twice[0]} is given twice. Put all of its values into one.")
    size = len(models) * len(targets)
    for axis in axes:
        size *= len(axis.values)
    if size > MOST_POINTS:
        raise BadInput(f"the grid has {size:,} points. Use at most {MOST_POINTS:,}.")
    return [
        Point(model, target, values, asked(dict(zip([a.name for a in axes], values, strict=True))))
        for model, target, *values_of in product(models, targets, *(axis.values for axis in axes))
        for values in [tuple(values_of)]
    ]


class Keys:
    """Finds the keys of points; reads each model and each data set once."""

    def __init__(self) -> None:
        self.read: dict[str, Any] = {}

    def of(self, point: Point) -> Known:
        """The key of a point.

        Raises:
            BadInput: If its model or its data cannot be read.
        """
        asked, model = point.asked, Path(point.model)
        reads = [asked.allow_pickle, asked.load_options, _plain(asked.encoder)]
        sampling = asked.sampling
        graph = self._once(
            ["graph", point.model, reads, sampling.steps], lambda: compiler.read_asked(model, asked)
        )
        data = [graph.settings.data, sampling.source]
        target = self._once(
            ["target", point.target], lambda: _of_target(asked.target(point.target))
        )
        inputs = {
            "version": VERSION,
            "code": code(),
            "packages": {name: installed(name) for name in PACKAGES},
            "model": self._once(["model", point.model], lambda: file_digest(model)),
            "target": target,
            "samples": self._once(
                ["samples", *data, sampling.samples, asked.engines],
                lambda: _of_data(compiler.samples_asked(graph, asked)),
            ),
            "scales": self._once(
                ["scales", *data, asked.calibration, graph.fixed],
                lambda: _of_data(compiler.scales_asked(graph, asked)),
            ),
            "asked": _plain(asked),
        }
        return Known(hashlib.sha256(text_of(inputs).encode()).hexdigest(), inputs)

    def _once(self, what: list[Any], make: Callable[[], T]) -> T:
        name = text_of(what)
        if name not in self.read:
            self.read[name] = make()
        found: T = self.read[name]
        return found


def _of_data(data: Data | None) -> str | None:
    return None if data is None else data.digest


def _of_target(target: Target) -> list[str]:
    return [target.name, target.digest]


def _plain(record: Any) -> Any:
    """A record of options as JSON-ready values."""
    return None if record is None else json.loads(text_of(asdict(record)))


@cache
def code() -> str:
    """SHA-256 of the code of this package that decides numbers."""
    here = Path(compiler.__file__).parent
    sha256 = hashlib.sha256()
    for path in sorted(here.rglob("*.py")):
        name = path.relative_to(here).as_posix()
        if not any(name == part or name.startswith(f"{part}/") for part in SHOW):
            sha256.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return sha256.hexdigest()


def text_of(values: Any) -> str:
    """Values as JSON: the same text for the same values."""
    return json.dumps(values, sort_keys=True, allow_nan=False, default=str)
