"""Write JSON; read a JSON file that may not be as it was written, and say what is wrong in it.

In:  a value, or a file; the JSON Schema (draft 2020-12) that describes it.
Out: bytes; the value; or the place of the first fault, what was found and what is expected.
A schema lies beside the module that reads its files. Fields that it does not know are left alone
where it allows them: a minor version adds fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from math import isfinite
from pathlib import Path
from reprlib import repr as short
from typing import Any, NoReturn

Schema = Mapping[str, Any]
MOST_DIGITS = 20  # of a whole number of 64 bits
UNSEEN = re.compile(r"[^\x20-\x7e\n]+")  # in JSON, only ever within a text
WORDS = {
    "object": "a table",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


@cache
def schema(package: str, name: str) -> Schema:
    """The schema in a file of one of our packages."""
    found: Schema = json.loads(files(package).joinpath(name).read_text(encoding="utf-8"))
    return found


def json_bytes(content: Any) -> bytes:
    """JSON in the form of all our files: indented, without NaN, one newline at the end."""
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    return (UNSEEN.sub(_escaped, text) + "\n").encode()


def _escaped(unseen: re.Match[str]) -> str:
    """What JSON allows as it is, but a terminal would obey or no reader would see."""
    return "".join(c if c == " " or c.isprintable() else json.dumps(c)[1:-1] for c in unseen[0])


def read_json(file: Path, most: int) -> Any:
    """Content of a file, every number of it finite and every whole one of 64 bits.

    Args:
        file: The file.
        most: How many bytes it may have.

    Raises:
        ValueError: If it is larger, cannot be read or is no JSON; what the message says of it
            goes on from "the file is broken: ".
    """
    try:
        if file.stat().st_size > most:
            raise ValueError(f"it is larger than {most} bytes")
        return parse_json(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None


def parse_json(text: str | bytes) -> Any:
    """The value of a text that a stranger may have written: numbers are finite, and of 64 bits.

    Python reads whole numbers of thousands of digits, but writes none into a message, and makes no
    float of them.

    Raises:
        ValueError: As `read_json`.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=each_once,
            parse_constant=_no_number,
            parse_float=_finite,
            parse_int=_whole,
        )
    except RecursionError:
        raise ValueError("its lists and tables are nested too deep") from None


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, each of its keys once: Python keeps the last, another reader the first.

    Raises:
        ValueError: As `read_json`.
    """
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"it holds the key {key[:40]!r} twice")
        made[key] = value
    return made


def fault_in(what: Schema, value: Any) -> str:
    """The first fault of a value by its schema, in words, or ""."""
    error = next(iter(_validator()(what).iter_errors(value)), None)
    return "" if error is None else _said(error)


def open_to_more(what: Any) -> Any:
    """A schema that lets later minor versions add fields everywhere."""
    if isinstance(what, list):
        return [open_to_more(one) for one in what]
    if not isinstance(what, dict):
        return what
    closed = what.get("additionalProperties") is False
    return {
        key: open_to_more(one)
        for key, one in what.items()
        if not (closed and key == "additionalProperties")
    }


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"it holds {constant}, which is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"it holds {text[:40]}, which is too large for a number")
    return number


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS or not -(1 << 63) <= (number := int(text)) < 1 << 64:
        raise ValueError(f"it holds {text[:40]}, a whole number beyond 64 bits")
    return number


@cache
def _validator() -> Any:
    """jsonschema's, to which 1.0 is no whole number, nor true any number."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    kinds = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: type(value) is int
    )
    return extend(Draft202012Validator, type_checker=kinds)


def _said(error: Any) -> str:
    """One error of jsonschema as a sentence of ours."""
    deeper = [inner for inner in error.context if inner.path]
    if deeper:  # of several forms, the one that the value comes nearest to
        return _said(max(deeper, key=lambda inner: len(inner.absolute_path)))
    place, rule, allowed = list(error.absolute_path), error.validator, error.validator_value
    if rule == "required":
        missing = next(name for name in allowed if name not in error.instance)
        return f"{_named([*place, missing])} is missing"
    if rule == "additionalProperties":
        known = error.schema["properties"]
        extra = next(name for name in error.instance if name not in known)
        return f"{_named([*place, extra])} is unknown, expected {_or(known)}"
    return f"{_named(place)} is {short(error.instance)}, expected {_expected(rule, allowed, error)}"


def _expected(rule: str, allowed: Any, error: Any) -> str:
    if rule == "anyOf":
        return _or(WORDS[kind] for one in allowed for kind in _kinds(one))
    if rule == "type":
        return _or(WORDS[kind] for kind in _kinds({"type": allowed}))
    if rule in ("enum", "const"):
        return _or(allowed if rule == "enum" else [allowed])
    if rule in ("minItems", "maxItems"):
        exact = error.schema.get("minItems") == error.schema.get("maxItems")
        least = {"minItems": "at least ", "maxItems": "at most "}[rule]
        return f"a list of {'' if exact else least}{allowed}"
    if rule == "minimum":
        return f"{allowed} or more"
    if rule == "maximum":
        return f"{allowed} or less"
    return str(error.schema.get("description", error.message))


def _kinds(what: Schema) -> Iterator[str]:
    kinds = what["type"]
    yield from [kinds] if isinstance(kinds, str) else kinds


def _or(names: Any) -> str:
    *others, last = map(str, names)
    return f"{', '.join(others)} or {last}" if others else last


def _named(place: list[str | int]) -> str:
    """A place as 'layers[0].name'; the whole value as 'it'."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place)
    return f"'{text.removeprefix('.')}'" if text else "it"
