"""What ships is what is there, and no neuron is forgotten on the way in or out."""

import re
import tomllib
from pathlib import Path
from typing import get_type_hints

import pytest

from neurocompile.ir.fixed import CubaLIF
from neurocompile.ir.graph import FIXED_NODES
from neurocompile.ir.neurons import NEURONS

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


def missing(found):
    """Names of neuron classes without a rule."""
    return sorted(kind.__name__ for kind in set(NEURONS) - set(found))


def test_every_neuron_has_a_rule_for_a_module_of_norse():
    pytest.importorskip("torch")
    from neurocompile.frontend.rules import STEPS, node_of

    made = {get_type_hints(rule).get("return") for rule in node_of.registry.values()}
    # NIR's I has no module in Norse.
    assert missing(made) == ["Integrator"]
    assert missing(STEPS) == ["Integrator"]


def test_every_neuron_can_stand_in_a_checkpoint():
    pytest.importorskip("torch")
    from neurocompile.formats.checkpoint.plain import KINDS

    assert missing(KINDS.values()) == []


def test_every_neuron_has_a_rule_in_an_onnx_file():
    from neurocompile.formats.onnx.fields import KINDS
    from neurocompile.formats.onnx.layers import write_layer

    assert missing(KINDS.values()) == []
    assert missing(write_layer.registry) == []
    assert [k.__name__ for k in FIXED_NODES if k not in write_layer.registry] == []


@pytest.mark.parametrize("kind", [*NEURONS, CubaLIF])
def test_a_neuron_states_its_equation_and_takes_its_own_step(kind):
    assert "<-" in kind.__doc__
    assert callable(kind.step)
