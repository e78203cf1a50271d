"""The folders stand in the order of the pipeline, and importing the package costs nothing.

Read off the source: which module imports which, wherever in it the import stands.
"""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "neurocompile"
SOURCES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = (
    "ir",
    "frontend",
    "exchange",
    "simplify",
    "quantize",
    "place",
    "energy",
    "engines",
    "report",
    "check",
)
MAX_LINES = 320


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in SOURCES}


def imports(path, *, everywhere=True):
    """Our own modules that a file imports; only those at its top unless everywhere."""
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
            found.add(node.module)
    reached = {parent for name in found for parent in with_parents(name)}
    return (reached & MODULES.keys()) - set(with_parents(module_of(path)))


def with_parents(module):
    """A module and the packages that importing it runs first."""
    parts = module.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def folder_of(module):
    inside = module.split(".")[1:]
    return inside[0] if inside and inside[0] in FOLDERS else None


def test_no_folder_imports_one_that_imports_it():
    above = {folder: set() for folder in FOLDERS}
    for module, path in MODULES.items():
        folder = folder_of(module)
        if folder:
            above[folder] |= {folder_of(m) for m in imports(path)} - {None, folder}
    try:
        list(TopologicalSorter(above).static_order())
    except CycleError as error:
        pytest.fail(f"folders import each other: {' <- '.join(error.args[1])}")


def test_no_module_imports_one_that_imports_it():
    above = {m: imports(path, everywhere=False) for m, path in MODULES.items()}
    try:
        list(TopologicalSorter(above).static_order())
    except CycleError as error:
        pytest.fail(f"modules import each other: {' <- '.join(error.args[1])}")


def test_the_vocabulary_knows_nothing_but_errors():
    for module, path in MODULES.items():
        if folder_of(module) == "ir":
            others = {m for m in imports(path) if folder_of(m) != "ir"}
            assert others <= {"neurocompile.errors"}, module


@pytest.mark.parametrize("module", ["neurocompile", "neurocompile.ir.verify"])
def test_an_import_brings_numpy_at_most(module):
    heavy = ("torch", "onnx", "onnxruntime", "lava", "norse", "scipy", "h5py", "sklearn")
    program = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("folder", ["neurocompile", "targets", "examples"])
def test_every_file_is_short_and_says_what_it_is_for(folder):
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = path.read_text()
        if path.name == "__init__.py" and not text:
            continue  # a folder that only holds others
        assert ast.get_docstring(ast.parse(text)), f"{path} has no header"
        lines = len(text.splitlines())
        assert lines < MAX_LINES, f"{path} has {lines} lines"
