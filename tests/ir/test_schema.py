"""The type hints of a node's class are the only description of its fields."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurocompile.formats.onnx.write import to_bytes
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import FIXED_NODES, chain
from neurocompile.ir.neurons import LIFBox, Reset
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, Shape, Sparse
from neurocompile.ir.schema import Field, arrays_of, fields_of, is_whole
from neurocompile.ir.verify import FLOAT_NODES

PACKAGE = Path(__file__).parents[2] / "neurocompile"
NO_TEXT = ("nodes", "neurons", "fixed")  # modules of node classes


def test_a_field_is_what_its_type_says():
    @dataclass
    class Node:
        """One field of each kind."""

        a: Array
        s: Shape
        n: int
        b: bool
        r: Reset = "zero"
        bias: Array | None = None

    assert fields_of(Node) == (
        Field("a", "array", False, True),
        Field("s", "shape", False, True),
        Field("n", "whole", False, True),
        Field("b", "flag", False, True),
        Field("r", "word", False, False, words=("zero", "subtract")),
        Field("bias", "array", True, False),
    )


def test_a_synapse_holds_a_map_with_weights_and_a_host_may_have_none():
    weighted = (Linear, Conv, ConvTranspose, Sparse)
    assert fields_of(Synapse)[0] == Field("op", "map", False, True, kinds=weighted)
    assert fields_of(BiasInput)[3] == Field("host", "map", True, False, kinds=weighted)


@pytest.mark.parametrize("kind", [*FIXED_NODES, *FLOAT_NODES])
def test_whole_numbers_of_numpy_become_pythons_in_every_node(kind):
    values = {"array": 1, "flag": True, "map": Linear(np.eye(2)), "whole": np.int64(1)}
    values["shape"] = (np.int16(2), 3)
    each = fields_of(kind)
    node = kind(**{f.name: values.get(f.holds, f.words[:1] and f.words[0]) for f in each})
    for f in each:
        held = getattr(node, f.name)
        if f.holds in ("whole", "shape"):
            numbers = held if f.holds == "shape" else (held,)
            assert [type(n) for n in numbers] == [int] * len(numbers), f.name
            assert numbers == ((2, 3) if f.holds == "shape" else (1,))


def test_payload_bits_of_numpy_are_written_to_a_file():
    synapse = Synapse(Linear(np.array([[2]], np.int16)), (1,), (1,))
    neuron = CubaLIF((1,), 4095, 0, 9, 0, 0, 0)
    graphs = [
        chain({"in": SpikeInput(shape, bits), "s": synapse, "pop": neuron})
        for shape, bits in (((np.int64(1),), np.int64(4)), ((1,), 4))
    ]
    assert to_bytes(graphs[0]) == to_bytes(graphs[1])


def test_the_arrays_of_a_neuron_are_its_parameters():
    assert arrays_of(LIFBox) == ("tau_mem_inv", "v_leak", "v_th", "v_reset")


def test_no_file_may_leave_out_what_a_potential_is_read_with():
    required = {field.name for field in fields_of(CubaLIF) if field.required}
    assert {"scale", "offset"} <= required


@pytest.mark.parametrize("kind", [*FLOAT_NODES, *FIXED_NODES])
def test_every_node_is_made_of_fields_that_files_hold(kind):
    assert all(isinstance(field, Field) for field in fields_of(kind))


def test_a_field_of_another_type_is_refused():
    @dataclass
    class Node:
        """Holds what no file can."""

        rule: Any

    with pytest.raises(TypeError, match=r"the field rule is a typing\.Any, which no file holds"):
        fields_of(Node)


@pytest.mark.parametrize(
    ("value", "whole"),
    [(3, True), (-(2**31) + 1, True), (2**31, False), (True, False), (1.0, False), ("1", False)],
)
def test_a_whole_number_has_up_to_32_bits_and_is_no_truth_value(value, whole):
    assert is_whole(value) is whole


PROGRAM = """
import numpy as np, neurocompile, torch
from norse.torch import LIFBoxCell
from neurocompile.formats.checkpoint.plain import from_plain, to_plain
from neurocompile.formats.checkpoint.plain_fixed import fixed_from_plain, fixed_to_plain
from neurocompile.formats.load_onnx import from_onnx
from neurocompile.formats.onnx.write import to_onnx
from neurocompile.frontend.rules import node_of
from neurocompile.frontend.site import Site
from neurocompile.ir.fixed import BiasInput, CubaLIF, Synapse
from neurocompile.ir.graph import chain, same
from neurocompile.ir.nodes import Input, Linear

assert neurocompile.__file__.startswith(%r)
weight = np.array([[2, 4], [6, 8]], np.int16)
cell = node_of(LIFBoxCell(), Site("cell", (2,), (2,)))
soft = chain({"in": Input((2,)), "w": Linear(weight / 2), "cell": cell})
numbers = {"du": 4095, "dv": 0, "vth": 9, "bias_mant": 0, "bias_exp": 0, "v_init": 0}
hard = chain({
    "in": BiasInput((2,), (2,), 1.0, Linear(weight / 2)),
    "first": CubaLIF((2,), **numbers),
    "w": Synapse(Linear(weight), (2,), (2,)),
    "cells": CubaLIF((2,), **numbers, reset="subtract"),
})
for graph in (soft, hard):
    assert same(from_onnx(to_onnx(graph)), graph)  # which also checks its fields
assert same(from_plain(to_plain(soft), soft.settings), soft)
assert same(fixed_from_plain(fixed_to_plain(hard), hard.settings), hard)
print("read")
"""


def test_fields_are_read_alike_whether_hints_are_kept_as_text_or_not(tmp_path):
    pytest.importorskip("norse")
    copy = shutil.copytree(
        PACKAGE, tmp_path / "neurocompile", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in NO_TEXT:
        module = copy / "ir" / f"{name}.py"
        text = module.read_text()
        line = "from __future__ import annotations\n"
        assert line in text
        module.write_text(text.replace(line, ""))
    program = [sys.executable, "-W", "ignore", "-c", PROGRAM % str(tmp_path)]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "read\n", done.stderr
