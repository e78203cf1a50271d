"""The independent model of the chip's integers: by hand, and a sample of `make fuzz-integers`."""

from collections import Counter
from dataclasses import replace

import integer_model
import integers
import numpy as np
import pytest
from c_networks import input_of
from random_graphs import fixed_graph

from neurocompile.formats.onnx.write import to_bytes
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.nodes import Linear


def test_the_model_computes_the_worked_example_of_the_page_on_number_formats():
    weights = Linear(np.array([[254, -152]], np.int16))
    cells = CubaLIF((1,), du=818, dv=410, vth=4064, bias_mant=0, bias_exp=0, v_init=0)
    synapse = Synapse(weights, (2,), (1,), weight_exp=2)
    content = to_bytes(chain({"in": SpikeInput((2,)), "syn": synapse, "pop": cells}))
    trains = np.array([[1, 1, 0, 1, 1, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0, 1]]).T[None]
    sent, potentials = integer_model.run(content, {"in": trains}, 8)
    assert sent["pop"].ravel().tolist() == [0, 0, 0, 1, 0, 0, 1, 0]
    expected = [65_024, 175_561, 212_717, 0, 152_077, 258_523, 0, 38_965]
    assert potentials["pop"].ravel().tolist() == expected


@pytest.mark.parametrize(
    ("kernel", "pad", "expected"),
    [
        ("Conv", 1, [[2, 4, 0], [0, 2, 4], [0, 0, 2]]),
        ("ConvTranspose", 1, [[2, 0, 0], [4, 2, 0], [0, 4, 2]]),
    ],
)
def test_a_kernel_as_a_matrix(kernel, pad, expected):
    op = {"kind": kernel, "weight": np.array([[[0, 2, 4]]]), "stride": [1], "padding": [pad],
          "dilation": [1], "groups": 1}  # fmt: skip
    assert integer_model._matrix(op, [1, 3], [1, 3]).tolist() == expected


def test_a_campaign_finds_engine_and_model_equal_on_every_kind(capsys):
    assert integers.main(["--networks", "40"]) == 0
    total = capsys.readouterr().out.splitlines()[-3].split()
    assert total[0] == "all"
    assert int(total[1]) > 25
    assert int(total[2].replace(",", "")) > 100_000


def test_a_campaign_tells_a_network_with_one_other_register():
    graph = fixed_graph(2)
    name, node = next(graph.of(CubaLIF))
    other = graph.with_nodes(**{name: replace(node, dv=np.minimum(node.dv + 1, 4096))})
    encoded, content = input_of(graph, 2), to_bytes(other)
    told = integers.compared(graph, encoded, Counter(), content=content)
    assert f" of {name}, sample 0, step " in told
