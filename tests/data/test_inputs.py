"""What the host computes and writes into bias registers before a run."""

import numpy as np

from neurocompile.data.inputs import mantissas
from neurocompile.ir.fixed import BiasInput, CubaLIF
from neurocompile.ir.graph import chain
from neurocompile.ir.nodes import Linear
from neurocompile.ir.verify import verify


def test_the_host_writes_scaled_sums_and_biases_on_top_of_the_populations_own():
    host = Linear(np.array([[1.0, 2.0]]), np.array([0.5]))
    population = CubaLIF((1,), du=4095, dv=0, vth=90, bias_mant=7, bias_exp=0, v_init=0)
    graph = verify(chain({"in": BiasInput((2,), (1,), 10.0, host), "pop": population}), "fixed")
    # 10 (1 x 3 + 2 x 4 + 0.5) + 7
    assert mantissas(graph, "in", np.array([[3.0, 4.0]])).tolist() == [[122]]
