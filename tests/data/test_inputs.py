"""What enters a network: what the host writes into bias registers, what the encoder refuses."""

import numpy as np
import pytest

from neurocompile.data.inputs import float_input, mantissas
from neurocompile.data.samples import Data
from neurocompile.errors import BadInput
from neurocompile.ir.fixed import BiasInput, CubaLIF
from neurocompile.ir.graph import chain
from neurocompile.ir.nodes import Input, Linear
from neurocompile.ir.settings import Encoder, Settings
from neurocompile.ir.verify import verify


def test_the_host_writes_scaled_sums_and_biases_on_top_of_the_populations_own():
    host = Linear(np.array([[1.0, 2.0]]), np.array([0.5]))
    population = CubaLIF((1,), du=4095, dv=0, vth=90, bias_mant=7, bias_exp=0, v_init=0)
    graph = verify(chain({"in": BiasInput((2,), (1,), 10.0, host), "pop": population}), "fixed")
    # 10 (1 x 3 + 2 x 4 + 0.5) + 7
    assert mantissas(graph, "in", np.array([[3.0, 4.0]])).tolist() == [[122]]


def test_a_value_that_is_no_probability_is_named_by_its_data_and_its_place_in_them():
    graph = chain({"in": Input((2,))}, Settings(steps=3, encoder=Encoder("bernoulli", 0.5)))
    values = np.zeros((9, 2), np.float32)
    values[7, 1] = 162
    data = Data("photos.npz", "x", values)
    float_input(graph, data, 0, 6, 3, 0)
    with pytest.raises(BadInput) as refused:
        float_input(graph, data, 6, 9, 3, 0)  # a batch that does not begin at sample 0
    assert str(refused.value) == (
        "data 'photos.npz': bernoulli: value 162 at index [7, 1] times gain 0.5 is 81, but a "
        "probability lies in [0, 1]. Scale the data or lower the gain."
    )
