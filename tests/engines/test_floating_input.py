"""What the float run takes: spikes of each step where an encoder makes them, not the samples."""

import numpy as np
import pytest

import neurocompile as nc
from neurocompile.data.encoding import bernoulli
from neurocompile.engines.floating import run_float
from neurocompile.errors import BadInput
from neurocompile.ir.graph import chain
from neurocompile.ir.neurons import IAF
from neurocompile.ir.nodes import Input

X = np.array([[0.5, 1.0]])


def network(encoder):
    nodes = {"input": Input((2,)), "out": IAF(v_th=np.array(0.75), v_reset=np.array(0.0))}
    return chain(nodes, nc.Settings(encoder=encoder))


def test_samples_of_a_network_of_random_spikes_are_refused_and_the_cure_runs():
    graph = network(nc.Encoder("bernoulli", gain=0.5))
    with pytest.raises(BadInput, match=r"\(1, 2\) have no steps, .* gain=0\.5, seed=0\)"):
        run_float(graph, X, 8)
    spikes = bernoulli(X, 8, gain=0.5, seed=0)
    # each spike of 1 is above the threshold of 0.75
    assert np.array_equal(run_float(graph, spikes, 8).spikes["out"], spikes)


def test_samples_of_a_network_of_currents_are_the_same_in_every_step():
    found = run_float(network(nc.Encoder("current")), X, 4).spikes["out"]
    assert found[0].T.tolist() == [[0, 1, 0, 1], [1, 1, 1, 1]]
