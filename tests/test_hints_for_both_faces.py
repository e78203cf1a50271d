"""A hint names what a Python user types, and the option of the command line in brackets."""

import ast
import re
from pathlib import Path

import pytest

import neurocompile

ROOT = Path(neurocompile.__file__).parent
# Rooms that Python users reach. Options of `energy` and of `check` have no Python face.
ROOMS = ("data", "engines", "formats", "frontend", "ir", "nn", "place", "quantize", "report")
OPTION = re.compile(r"--[a-z][a-z-]+")


def texts(tree):
    """The texts of a program, with "{}" for what is put in; docstrings are none of them."""
    inner = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
             for part in ast.walk(node) if part is not node}  # fmt: skip
    docs = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
            yield node.lineno, "".join(parts)
        elif isinstance(getattr(node, "value", None), str) and node not in inner | docs:
            yield node.lineno, node.value


def one_sided(text):
    """The options of a text that stand outside of brackets and of a whole command."""
    outside = re.sub(r"\([^()]*--[^()]*\)", "", text)
    outside = re.sub(r"neurocompile (doctor|energy|export)\b.*", "", outside)
    return OPTION.findall(outside)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Give dt= (--dt) where it takes another time.", []),
        ("Leave out --dt.", ["--dt"]),
        ("Run: neurocompile doctor --install train", []),
        ("Use bits= (--bits), or --chips 2.", ["--chips"]),
    ],
)
def test_the_search_finds_an_option_that_stands_by_itself(text, found):
    assert one_sided(text) == found


def test_no_hint_names_only_the_option_of_the_command_line():
    files = [
        ROOT / "compiler.py",
        ROOT / "compiled.py",
        *(f for room in ROOMS for f in (ROOT / room).rglob("*.py")),
    ]
    assert len(files) > 150
    wrong = [
        f"{file.relative_to(ROOT)}:{line}: {text[:90]}"
        for file in files
        for line, text in texts(ast.parse(file.read_text()))
        if one_sided(text) and "runtime-memory-check" not in text
    ]
    assert wrong == []
