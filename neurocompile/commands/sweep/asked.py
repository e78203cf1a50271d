"""What a user asks of `sweep`: the command line, over a TOML file, over defaults.

In:  what the command line gives; FILE.toml.
Out: models, targets, axes, metrics, and the options that are the same for all points.
What the command line gives takes the place of what the file says of the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from neurocompile.asked import Asked
from neurocompile.commands.sweep.axes import OPTIONS, asked_of, axis, axis_of, option_value
from neurocompile.errors import BadInput, check_path, did_you_mean, refuse_pipe
from neurocompile.toml_text import parse_toml

if TYPE_CHECKING:
    from neurocompile.sweep.metrics import Metric
    from neurocompile.sweep.points import Axis, Point

LISTS, TABLES = ("models", "targets", "metrics"), ("options", "grid")
MAX_BYTES = 1 << 20  # of a TOML file


@dataclass(frozen=True)
class Wanted:
    """A whole sweep.

    Attributes:
        models, targets: As they are named.
        axes: Axes of the grid.
        metrics: Metrics that decide the front; empty takes the usual ones that the points have.
        options: Options that are the same for all points, by the names that click has for them.
        file: File that says some of it; None if the command line says all.
    """

    models: Sequence[str]
    targets: Sequence[str]
    axes: Sequence[Axis]
    metrics: Sequence[Metric]
    options: Mapping[str, Any]
    file: Path | None = None

    def points(self) -> list[Point]:
        """All points, in grid order; none of them is a usage error.

        Raises:
            BadInput: If the grid is empty, or options do not go together.
        """
        with _named(self.file):
            return self._points()

    def _points(self) -> list[Point]:
        from neurocompile.sweep.points import grid

        for each in self.axes:
            if OPTIONS[each.name].name in self.options:
                raise BadInput(
                    f"{each.name} is an option for all points and an axis of the grid. Give one of "
                    f"them: --{each.name} or --grid {each.name}=..."
                )
        for model in self.models:
            check_path(Path(model))
            if not Path(model).is_file():
                raise BadInput(f"{model} is not there or no file. Give the path of a model.")
        for target in self.targets:
            asked_of({}).target(target).load()

        def asked(values: Mapping[str, Any]) -> Asked:
            named = {str(OPTIONS[name].name): value for name, value in values.items()}
            return asked_of({**self.options, **named})

        try:
            return grid(self.models, self.targets, self.axes, asked)
        except click.UsageError as error:
            raise BadInput(error.message) from None


def wanted(
    models: Sequence[Path],
    targets: Sequence[str],
    grid: Sequence[str],
    metric: Sequence[str],
    file: Path | None,
    context: click.Context,
) -> Wanted:
    """A sweep from the command line and its file.

    Raises:
        BadInput: If the file cannot be read, or something in either is unknown.
    """
    from neurocompile.sweep.metrics import metrics

    said = {} if file is None else _read(file)
    with _named(file):
        options = dict(option_value(n, v) for n, v in said.get("options", {}).items())
        listed = [] if metric else metrics([name.strip() for name in said.get("metrics", [])])
        in_file = {} if grid else said.get("grid", {})
        axes = [axis_of(name, values) for name, values in in_file.items()]
    for option in OPTIONS.values():
        name = str(option.name)
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            options[name] = context.params[name]
    named = [name.strip() for text in metric for name in text.split(",")]
    return Wanted(
        [str(model) for model in models] or said.get("models", []),
        list(targets) or said.get("targets", []),
        [axis(text) for text in grid] or axes,
        metrics(named) if named else listed,
        options,
        file,
    )


@contextmanager
def _named(file: Path | None) -> Iterator[None]:
    """A block whose refusals name the file that says what is refused, where there is one."""
    try:
        yield
    except BadInput as error:
        raise (error if file is None else error.within(file)) from None


def _read(file: Path) -> dict[str, Any]:
    """The content of a TOML file, with nothing unknown in it."""
    refuse_pipe(file)
    try:
        with file.open("rb") as stream:
            text = stream.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise BadInput(f"{file} is larger than {MAX_BYTES} bytes. Write ranges, such as 2..8.")
        content = parse_toml(text.decode())
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:  # no TOML, or no UTF-8
        raise BadInput(f"{file} is not TOML: {error}.") from None
    known = (*LISTS, *TABLES)
    for name, value in content.items():
        if name not in known:
            raise BadInput(
                f"{file}: {name!r} is unknown.{did_you_mean(name, known)} Use {', '.join(known)}."
            )
        listed = isinstance(value, list) and all(isinstance(each, str) for each in value)
        if name in LISTS and not listed:
            raise BadInput(f'{file}: {name} is not a list of texts. Write {name} = ["..."].')
        if name in TABLES and not isinstance(value, dict):
            raise BadInput(f"{file}: {name} is not a table. Write it below a line [{name}].")
    return content
