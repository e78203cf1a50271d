"""Input that does not fit is refused by name, by every engine alike."""

import numpy as np
import pytest

from neurocompile.data.inputs import Encoded, check_encoded
from neurocompile.errors import BadInput
from neurocompile.ir.fixed import BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Linear

LIF = CubaLIF((2,), du=4095, dv=0, vth=100, bias_mant=0, bias_exp=0, v_init=0)
EYE = Synapse(Linear(np.eye(2, dtype=np.int16) * 2), (2,), (2,))
SPIKING = Graph(
    {"in": SpikeInput((2,)), "s": EYE, "out": LIF},
    (("in", "s"), ("s", "out")),
)
WRITTEN = Graph({"in": BiasInput((2,), (2,), np.ones(())), "out": LIF}, (("in", "out"),))


def test_input_that_fits_passes():
    check_encoded(SPIKING, Encoded({"in": np.zeros((3, 5, 2), np.uint8)}, 5))
    check_encoded(SPIKING, Encoded({"in": np.ones((1, 1, 2), bool)}, 1))
    check_encoded(WRITTEN, Encoded({"in": np.array([[-4096, 4095]], np.int16)}, 5))


@pytest.mark.parametrize(
    ("graph", "values", "steps", "said"),
    [
        (
            SPIKING,
            np.zeros((3, 5, 3), np.uint8),
            5,
            r"shape \(3, 5, 3\), but must have \(3, 5, 2\)",
        ),
        (SPIKING, np.zeros((3, 4, 2), np.uint8), 5, r"\(3, 4, 2\), but must have \(3, 5, 2\)"),
        (
            SPIKING,
            np.array([[[1, 2]]], np.uint8),
            1,
            "holds 1..2, but only 0..1 is allowed: an axon",
        ),
        (SPIKING, np.full((1, 1, 2), np.nan), 1, "holds float64. Use whole numbers"),
        (SPIKING, np.zeros((1, 0, 2), np.uint8), 0, "the number of steps is 0"),
        (WRITTEN, np.array([[0, 4096]], np.int16), 5, "holds 0..4096, .* a mantissa has 13 bits"),
    ],
)
def test_input_that_does_not_fit_is_refused_by_name(graph, values, steps, said):
    with pytest.raises(BadInput, match=said):
        check_encoded(graph, Encoded({"in": values}, steps))


def test_input_under_another_name_is_refused():
    with pytest.raises(BadInput, match=r"the input 'in' is missing\. Given: image"):
        check_encoded(SPIKING, Encoded({"image": np.zeros((1, 1, 2))}, 1))
