"""The folders are in the order of the pipeline, and importing the package costs nothing.

Read off the source: which module imports which, wherever in it the import is, and also where a
module is named by a string. Which room may import which stands in docs/architecture.md.
"""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "neurocompile"
SOURCES = sorted(PACKAGE.rglob("*.py"))


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in SOURCES}


def imports(path):
    """Our own modules that a file imports or names by a string."""
    named = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            named.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            modules = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            named.update(modules or {node.module})
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            named.add(node.value)
    # `import neurocompile` and `from neurocompile import name` run no other module of ours.
    return (named & MODULES.keys()) - {module_of(path), "neurocompile"}


IMPORTS = {module: imports(path) for module, path in MODULES.items()}


def circle(above):
    """A circle in a graph of imports, or None."""
    try:
        list(TopologicalSorter(above).static_order())
    except CycleError as error:
        return " <- ".join(error.args[1])
    return None


def folders_at(depth):
    """Which folder imports which, each module counted in its folder `depth` levels down."""

    def folder_of(module):
        parts = module.split(".")
        is_package = MODULES[module].name == "__init__.py"
        inside = parts[1:] if is_package else parts[1:-1]
        return ".".join(inside[:depth] or parts[1:])  # a loose module is a room of its own

    above = {}
    for module, reached in IMPORTS.items():
        folder = folder_of(module)
        others = {folder_of(m) for m in reached} - {folder}
        # A folder and one inside it are one subject.
        others = {o for o in others if not f"{o}.".startswith(f"{folder}.")}
        others = {o for o in others if not f"{folder}.".startswith(f"{o}.")}
        above.setdefault(folder, set()).update(others)
    return above


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_no_folder_imports_one_that_imports_it(depth):
    assert circle(folders_at(depth)) is None


def test_no_module_imports_one_that_imports_it():
    assert circle({m: reached for m, reached in IMPORTS.items() if m != "neurocompile"}) is None


def allowed():
    """The rooms that each room may import, out of the table of docs/architecture.md."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page.split("| room | may import |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| ?([\w, ]*)\|$", table, flags=re.MULTILINE)
    return {room: set(re.findall(r"\w+", rooms)) for room, rooms in rows}


def test_a_room_imports_only_what_the_page_on_architecture_allows():
    rooms, above = allowed(), folders_at(1)
    del above[""]  # neurocompile/__init__.py, which names the homes of the public names
    assert set(above) == set(rooms)
    assert {room: above[room] - rooms[room] for room in rooms if above[room] - rooms[room]} == {}


def test_the_page_on_architecture_lists_a_room_after_those_that_it_may_import():
    listed = list(allowed().items())
    for at, (room, rooms) in enumerate(listed):
        assert rooms <= {above for above, _ in listed[:at]}, room


def test_the_vocabulary_knows_nothing_but_errors():
    for module in MODULES:
        if module.startswith("neurocompile.ir"):
            others = {m for m in IMPORTS[module] if not m.startswith("neurocompile.ir")}
            assert others <= {"neurocompile.errors"}, module


@pytest.mark.parametrize("module", ["neurocompile", "neurocompile.ir.verify"])
def test_an_import_brings_numpy_at_most(module):
    heavy = ("torch", "onnx", "onnxruntime", "lava", "norse", "scipy", "h5py", "sklearn")
    program = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_help_waits_for_neither_numpy_nor_rich():
    program = "import sys, neurocompile.cli; print({'numpy', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.parametrize("folder", ["neurocompile", "targets", "examples"])
def test_every_file_says_what_it_is_for(folder):
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = path.read_text()
        assert ast.get_docstring(ast.parse(text)), f"{path} has no header"
