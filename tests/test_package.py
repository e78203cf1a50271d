"""What ships is what is there."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import neurocompile
from neurocompile.commands import doctor

ROOT = Path(__file__).parents[1]


def test_the_citation_names_the_version_its_date_and_the_licence():
    citation = (ROOT / "CITATION.cff").read_text()
    version, day = re.search(
        r"^## \[(.+)\] - (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M
    ).groups()
    assert f"\nversion: {version}\n" in citation
    assert version == neurocompile.__version__
    assert f"\ndate-released: {day}\n" in citation
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"\nlicense: {settings['license']}\n" in citation


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


def run(*words, cwd, **environment):
    """What a program prints; no variable of this process but the path of its tools reaches it."""
    done = subprocess.run(
        [*map(str, words)], cwd=cwd, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """An environment that holds the wheel made from the sdist, and no checkout beside it.

    The dependencies are those of this environment, so that no network is needed: their folder is a
    line of a .pth file, in which no editable install of this checkout is read.
    """
    root = tmp_path_factory.mktemp("outside")
    (root / "source").mkdir()
    for name in ("neurocompile", "targets", "README.md", "LICENSE", "pyproject.toml"):
        if (ROOT / name).is_dir():
            hidden = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, root / "source" / name, ignore=hidden)
        else:
            shutil.copy(ROOT / name, root / "source" / name)
    build = "import sys; from setuptools import build_meta; build_meta.{}(sys.argv[1])"
    run(sys.executable, "-c", build.format("build_sdist"), root, cwd=root / "source")
    (sdist,) = root.glob("*.tar.gz")
    with tarfile.open(sdist) as packed:
        packed.extractall(root / "unpacked", filter="data")
    (unpacked,) = (root / "unpacked").iterdir()
    run(sys.executable, "-c", build.format("build_wheel"), root, cwd=unpacked)
    (wheel,) = root.glob("*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", root / "env", cwd=root)
    (site,) = (root / "env").glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = ("pip", "--python", root / "env/bin/python", "install", "--no-index", "--no-deps")
    run(sys.executable, "-m", *pip, "--no-compile", "--quiet", wheel, cwd=root)
    return root


def test_the_wheel_from_the_sdist_holds_every_file_that_ships(outside):
    (wheel,) = outside.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    tree = {
        f"{where}/{path.relative_to(ROOT / folder)}"
        for folder, where in (("neurocompile", "neurocompile"), ("targets", "neurocompile/targets"))
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in inside if ".dist-info/" not in name} == tree


def test_an_installed_wheel_runs_outside_the_checkout(outside):
    command, release = outside / "env/bin/neurocompile", ROOT / "tests/formats/releases/0.1.0"
    assert run(command, "--version", cwd=outside).split()[-1] == neurocompile.__version__
    where = run(
        *(outside / "env/bin/python", "-c"),
        "import neurocompile, neurocompile.chip.find as f; print(neurocompile.__file__);"
        "print(*f.chip_names()); print(f.find_target('loihi-sim'))",
        cwd=outside,
    )
    file, names, target = where.splitlines()
    assert all(Path(path).is_relative_to(outside / "env") for path in (file, target))
    assert names.split() == sorted(path.parent.name for path in ROOT.glob("targets/*/target.toml"))
    checked = run(
        *(command, "check", release / "export", "--baseline", release / "baseline.json"),
        cwd=outside,
    )
    assert "passed" in checked


def test_an_extra_holds_what_doctor_installs_and_none_is_empty():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {
        extra: {re.match(r"[\w-]+", line)[0] for line in lines}
        for extra, lines in extras["optional-dependencies"].items()
    }
    assert all(named.values())
    for group in ("train", "tables"):
        assert named[group] == set(doctor.COMMANDS[group][0])


def test_a_type_checker_reads_the_types_of_the_installed_package(outside):
    (site,) = (outside / "env").glob("lib/python*/site-packages")
    assert (site / "neurocompile/py.typed").is_file()
    assert "Typing :: Typed" in next(site.glob("*.dist-info/METADATA")).read_text()
