"""The axes of a grid, which are the options of `export`, and what a user writes of them.

In:  texts such as bits=2..8 and steps=8,16,32; or the tables of a TOML file.
Out: axes with the values that the options make of them; all options of a point as one `Asked`.
No option is listed here: they are read from the decorator that `export` has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from neurocompile.asked import Asked
from neurocompile.commands.options import compile_options
from neurocompile.errors import BadInput, did_you_mean

if TYPE_CHECKING:
    from neurocompile.sweep.points import Axis

RANGE = re.compile(r"(-?\d{1,18})\.\.(-?\d{1,18})", re.ASCII)
MOST = 100_000  # values of an axis


@click.command()
@compile_options
def point(asked: Asked) -> Asked:
    """All options of a point."""
    return asked


OPTIONS = {option.opts[0].removeprefix("--"): option for option in point.params}
DEFAULTS = point.make_context("point", []).params


def axis(text: str) -> Axis:
    """The axis of a text such as bits=2..8.

    Raises:
        BadInput: If there is no such option, or a value that it does not take.
    """
    name, equals, values = text.partition("=")
    if not equals:
        raise BadInput(f"the axis {text!r} has no values. Write it as bits=2..8 or steps=8,16,32.")
    return axis_of(name.strip(), values)


def axis_of(name: str, values: Any) -> Axis:
    """An axis by its name, with values as a text or as a list.

    In a text, values are parted by commas, or by semicolons where it has any: input-shape=1,8,8;8.
    """
    from neurocompile.sweep.points import Axis

    name = name.removeprefix("--")
    option = _option(name)
    if isinstance(values, str):
        parts = [part.strip() for part in values.split(";" if ";" in values else ",")]
        ranges = [_range(name, part) for part in parts if part]
        _check_size(name, sum(map(len, ranges)))
        given: list[Any] = [each for one in ranges for each in one]
    else:
        given = values if isinstance(values, list) else [values]
        _check_size(name, len(given))
    found = tuple(dict.fromkeys(_converted(name, option, value) for value in given))
    return Axis(name, found)


def asked_of(given: Mapping[str, Any]) -> Asked:
    """All options of a point, with defaults for those that are not given.

    Args:
        given: Converted values by the names that click has for them.
    """
    assert point.callback is not None
    asked: Asked = point.callback(**{**DEFAULTS, **given})
    return asked if asked.engines else replace(asked, engines=("fixed",))


def option_value(name: str, value: Any) -> tuple[str, Any]:
    """An option of the same value for all points: click's name of it, and the converted value."""
    option = _option(name)
    if option.multiple and isinstance(value, list):
        return str(option.name), tuple(_converted(name, option, each)[0] for each in value)
    return str(option.name), _converted(name, option, value)


def shared(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Options that are the same for all points, by the names that users type, as texts."""
    from neurocompile.sweep.results import plain

    names = {option.name: name for name, option in OPTIONS.items()}
    return [(names[key], str(plain(value))) for key, value in sorted(given.items())]


def _option(name: str) -> click.Option:
    option = OPTIONS.get(name.removeprefix("--"))
    if not isinstance(option, click.Option):
        raise BadInput(
            f"there is no axis {name!r}: `export` has no option of this name that decides its "
            f"result.{did_you_mean(name, OPTIONS)} Use {', '.join(OPTIONS)}."
        )
    return option


def _check_size(name: str, size: int) -> None:
    if not size:
        raise BadInput(f"the axis {name} has no values, so the grid is empty. Give some.")
    if size > MOST:
        raise BadInput(
            f"the axis {name} has {size:,} values. Give at most {MOST:,}, each of them once."
        )


def _range(name: str, part: str) -> Sequence[str] | range:
    """The numbers of a range such as 2..8, both ends included; or the one value."""
    match = RANGE.fullmatch(part)
    if match is None:
        return [part]
    first, last = map(int, match.groups())
    if first > last or last - first >= MOST:
        raise BadInput(
            f"the range {part} of the axis {name} is empty or has more than {MOST:,} values. Write "
            "the smaller end first, such as 2..8."
        )
    return range(first, last + 1)


def _converted(name: str, option: click.Option, value: Any) -> Any:
    """A value as the option takes it: what a file has is meant as on the command line."""
    text = _text(name, value)
    try:
        return option.type_cast_value(click.Context(point), [text] if option.multiple else text)
    except click.BadParameter as error:
        raise BadInput(f"the axis {name} cannot have the value {text}: {error.message}") from None


def _text(name: str, value: Any) -> str:
    """What a user would write on the command line: 2, 0.5, true or the text itself.

    So an option takes the same of a file, and 2.7 is not cut to 2 for one of whole numbers.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise BadInput(
        f"the axis {name} cannot have the value {value!r}, which is no single value. Write a "
        "number, true, false or a text."
    )
