"""The tables of `neurocompile inspect`.

In:  the JSON-ready values that `--json` prints.
Out: tables for people, made only from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from neurocompile.ir.settings import OVERRIDDEN
from neurocompile.terminal.tables import TIE, Facts, Page, Part, Table
from neurocompile.terminal.words import made_names, number_of

USUAL = "Not shown: in_shape, and values that change nothing (delay 0, groups 1). --json has all."
NEUTRAL: dict[str, tuple[Any, ...]] = {  # values of parameters that change nothing
    "delay": (0,),
    "dilation": ([1, 1],),
    "groups": (1,),
    "offset": (0,),
    "output_padding": ([0, 0],),
    "padding": ([0, 0],),
    "readout": (False,),
    "v_init": (0,),
    "v_leak": (0,),
}


def print_inspection(description: dict[str, Any]) -> None:
    """Print the layers of a model, each with its parameters below it, and the target's answer."""
    parts = list(_layers(description)) if description["layers"] else []
    if "target" in description:
        parts.append(Facts(list(_answer(description["target"], description["stage"]))))
    Page().show(*parts)


def _layers(description: dict[str, Any]) -> Iterator[Part]:
    table = Table(("layer", "kind", "shape"), texts=("kind", "shape"))
    for row in description["layers"]:
        table.add(row["name"], row["kind"], _shape(row["shape"]), note=_details(row))
    table.caption = USUAL
    yield table
    yield Facts(list(_summary(description)))
    made = made_names(row["name"] for row in description["layers"])
    if made:
        yield Facts([("names", words) for _, words in made])


def _answer(target: dict[str, Any], stage: str | None) -> Iterator[tuple[str, str]]:
    name = f"compiles for {target['name']}"
    if target["compiles"]:
        scales = " (scales from the weights)" if stage == "float" else ""
        limit = "" if target["cores_limit"] is None else f" of {target['cores_limit']}"
        yield name, f"yes, {number_of(target['cores'], 'core')}{limit}{scales}"
    else:
        yield name, "no"
    for reason in target["reasons"]:
        yield "reason", reason


def _summary(description: dict[str, Any]) -> Iterator[tuple[str, str]]:
    settings = description["settings"]
    yield "stage", description["stage"]
    yield "time", f"{number_of(settings['steps'], 'step')} of {settings['dt']:g} s"
    yield "encoder", _named(settings["encoder"])
    yield "decoder", _named(settings["decoder"])
    yield "data", settings["data"] or "not stated"
    for name, value in settings["training"].items():
        yield f"training: {name}", str(value)
    sentences, keys = settings.get("assumed", ()), settings.get("assumed_keys", ())
    for key, sentence in zip(keys, sentences, strict=True):
        yield "note" if key.startswith(OVERRIDDEN) else "assumed", sentence


def _named(settings: dict[str, Any]) -> str:
    rest = ", ".join(f"{k} {v:g}" for k, v in settings.items() if isinstance(v, int | float))
    return f"{settings['kind']}, {rest}"


def _details(row: dict[str, Any]) -> str:
    """The parameters of a layer, without those that say nothing beside the others."""
    told = {
        name: value
        for name, value in row["parameters"].items()
        if name != "in_shape" and not any(value == usual for usual in NEUTRAL.get(name, ()))
    }
    return ", ".join(f"{name} {_short(value)}".replace(" ", TIE) for name, value in told.items())


def _short(value: Any) -> str:
    """A number, or a list of equal numbers as one of them."""
    if isinstance(value, list) and len(set(map(str, value))) == 1:
        value = value[0]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _shape(shape: list[int]) -> str:
    return " x ".join(map(str, shape))
