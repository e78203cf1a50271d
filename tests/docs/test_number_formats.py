"""Every number of docs/number-formats.md follows from the code, and its pictures are fresh."""

import re
from fractions import Fraction
from importlib import import_module
from math import floor
from pathlib import Path

import norse.torch as norse
import numpy as np
import pytest
import torch

import neurocompile as nc
from neurocompile.ir import registers
from neurocompile.ir.reference import run_fixed

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/number-formats.md").read_text()
INDEX = (ROOT / "docs/index.md").read_text()
UNIT = 1_300_480  # units of v per float unit: 254 / 0.05 * 2^2 * 2^6


@pytest.fixture
def make_pictures(monkeypatch):
    """The program that draws the pictures."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    return import_module("make_pictures")


@pytest.fixture(scope="module")
def compiled():
    """The network of the page, by its own code."""
    made = {}
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    exec(block.partition("\nfor name")[0], made)
    assert made["norse"] is norse
    return made["compiled"]


def cells(heading):
    """The rows of the table whose first column has this heading."""
    pattern = rf"^\| {re.escape(heading)} \|.*\n\|[-:|]+\|\n((?:\|.*\n)+)"
    (rows,) = re.findall(pattern, PAGE, flags=re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows.splitlines()]


def cut(fraction):
    """A fraction without what follows the point, toward 0."""
    return floor(fraction) if fraction >= 0 else -floor(-fraction)


def test_the_registers_of_the_example_are_those_of_the_compiler(compiled):
    said = {name: int(value) for name, _, value in cells("register")}
    (synapse,) = (n for n in compiled.fixed_graph.nodes.values() if hasattr(n, "weight_exp"))
    (neuron,) = (n for n in compiled.fixed_graph.nodes.values() if hasattr(n, "vth"))
    assert synapse.op.weight.tolist() == [[said["weight 1"], said["weight 2"]]]
    assert [said[name] for name in ("vth", "du", "dv")] == [neuron.vth, neuron.du, neuron.dv]
    assert synapse.weight_exp == 2
    assert float(neuron.scale) == pytest.approx(1 / UNIT, rel=1e-6)
    assert "one float unit is 1,300,480 units of v" in PAGE


def test_the_steps_of_the_example_are_what_whole_numbers_give(make_pictures):
    u = v = 0
    rows = make_pictures.steps_of(PAGE)
    assert [row["step"] for row in rows] == list(range(1, 13))
    for row in rows:
        a = int(254 * row["in 1"] - 152 * row["in 2"]) * 2**2
        u = cut(Fraction(u * (4096 - 819), 4096)) + a * 2**6
        v = cut(Fraction(v * (4096 - 410), 4096)) + u
        assert (row["a"], row["u"], row["v before"]) == (a, u, v)
        assert row["spike"] == (v > 4064 * 2**6)
        v = 0 if row["spike"] else v
        assert row["v"] == v
        assert row["v / unit"] == round(v / UNIT, 4)


def test_the_steps_of_the_example_are_what_the_engine_and_the_float_network_give(
    compiled, make_pictures
):
    rows = make_pictures.steps_of(PAGE)
    spikes = np.array([[row["in 1"], row["in 2"]] for row in rows])
    out, potentials = run_fixed(compiled.fixed_graph, {"input": spikes.astype(np.int64)}, len(rows))
    (name,) = potentials
    assert out[name].ravel().tolist() == [bool(row["spike"]) for row in rows]
    assert potentials[name].ravel().tolist() == [row["v"] for row in rows]
    trained = nc.run_float(compiled.float_graph, spikes[None], len(rows), membranes=(name,))
    assert np.round(trained.membrane[name].ravel(), 4).tolist() == [row["float v"] for row in rows]
    assert torch.equal(torch.tensor(trained.spikes[name].ravel()), torch.tensor(
        [int(row["spike"]) for row in rows], dtype=torch.uint8
    ))  # fmt: skip


def test_the_ranges_of_the_first_table_are_those_of_the_registers():
    said = {row[0]: row[2] for row in cells("number")}
    low, high = registers.Grid(8).stored
    assert said["weight w"].startswith(f"{low}..{high} ")
    low, high = registers.WEIGHT_EXPONENTS
    assert said["weight_exp"].startswith(f"{low}..{high},")
    assert said["threshold vth"] == f"0..{registers.LARGEST_THRESHOLD:,}"
    mantissa, exponent = (registers.REGISTERS[name] for name in ("bias_mant", "bias_exp"))
    assert said["bias_mant, bias_exp"] == "{}..{}, {}..{}".format(*mantissa, *exponent)
    du, dv = (registers.REGISTERS[name] for name in ("du", "dv"))
    assert said["du, dv"] == "{}..{}, {}..{}".format(*du, *dv)
    for bits in range(2, 9):
        assert registers.Grid(bits).step == 2 ** (9 - bits)
    assert registers.STATE_LIMIT == 2**23
    assert registers.CURRENT_WRAP_LIMIT == 3 * 2**23
    assert 69_728 == 2_179 * 2**5
    assert 69_728 / 2**4 == 4_358 > mantissa[1] == 4_095


def test_the_table_of_decays_is_right():
    for tau, exact, dv, du, error in cells("tau at dt = 1 ms"):
        number, unit = tau.split()
        steps = Fraction(number) * {"ms": 1, "s": 1000}[unit]
        assert Fraction(exact) == 4096 / steps
        assert int(dv) == round(4096 / steps) == int(du) + 1
        off = Fraction(4096, int(dv)) / steps - 1
        assert error == (f"{float(100 * off):+.2f} %" if off else "0")


def test_the_pictures_are_what_the_constants_give(make_pictures, tmp_path):
    drawn = make_pictures.draw(tmp_path)
    assert len(drawn) > 4
    for path in drawn:
        assert f"(pictures/{path.name})" in PAGE + INDEX
        kept = ROOT / "docs/pictures" / path.name
        assert path.read_bytes() == kept.read_bytes(), "docs/pictures are stale. Run: make docs"
