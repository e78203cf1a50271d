"""What ships is what is there."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_package_of_the_tree_is_shipped():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {path.parent for path in (ROOT / "neurocompile").rglob("*.py")}
    tree = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert sorted(settings["packages"]) == sorted(tree | {"neurocompile.targets"})
    for name, where in settings["package-dir"].items():
        assert (ROOT / where / "__init__.py").exists(), name


def test_every_file_that_is_read_at_run_time_is_shipped():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    shipped = {
        path
        for package, patterns in settings["package-data"].items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    files = (path for path in (ROOT / "neurocompile").rglob("*") if path.is_file())
    others = {p for p in files if p.suffix != ".py" and "__pycache__" not in p.parts}
    assert {path.name for path in others} >= {"pins.txt", "schema.json", "baseline.schema.json"}
    assert others <= shipped


def test_no_page_installs_from_an_index_that_neurocompile_is_not_on():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    said = "".join(path.read_text() for path in (*pages, *(ROOT / "neurocompile").rglob("*.py")))
    assert "pip install ." in said
    assert not re.findall(r"pip install (?:--?\S+ )*neurocompile", said)
