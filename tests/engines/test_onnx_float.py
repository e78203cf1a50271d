"""The float file, in stock onnxruntime, takes Norse's steps up to rounding.

The yardstick is written here in float64, one equation a neuron and one matrix a layer.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

from neurocompile.engines import onnx as engine
from neurocompile.errors import BadInput
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.linear import full_bias, matrix, out_shape
from neurocompile.ir.neurons import LI, LIF, NEURONS, LIBox, LIFBox
from neurocompile.ir.nodes import Identity, Input, Linear

sys.path.append(str(Path(__file__).parents[1] / "exchange"))  # pytest adds a test's own folder
import random_graphs


def leak(tau_inv, dt):
    """The share lost a step: a product in the precision of tau_inv."""
    return (tau_inv.dtype.type(dt) * tau_inv).astype(np.float64)


def step_errors(neuron, x, dt, spikes, membrane):
    """Largest difference of a potential, and spikes that differ away from the threshold.

    Each step starts at the potential that the file recorded, so that one spike at the edge
    of its threshold does not make everything after it differ.
    """
    mem = leak(neuron.tau_mem_inv, dt)
    i = np.zeros_like(x[:, 0])
    v = np.zeros_like(x[:, 0]) + neuron.v_leak
    largest, wrong, fired_total = 0.0, 0, 0
    for t in range(x.shape[1]):
        if isinstance(neuron, LIF | LI):
            drive = i + x[:, t]
            i = drive - leak(neuron.tau_syn_inv, dt) * drive
        else:
            drive = x[:, t]
        v = v + mem * (neuron.v_leak - v + drive)
        if isinstance(neuron, LIF | LIFBox):
            fired = spikes[:, t] > 0.5
            clear = np.abs(v - neuron.v_th) > 1e-4 * (1 + np.abs(v))
            wrong += int((clear & (fired != (v > neuron.v_th))).sum())
            fired_total += int(fired.sum())
            subtract = getattr(neuron, "reset", "zero") == "subtract"
            v = np.where(fired, v - neuron.v_th if subtract else neuron.v_reset, v)
        now = membrane[:, t].astype(np.float64)
        largest = max(largest, float(np.max(np.abs(v - now) / (1 + np.abs(v)))))
        v = now
    return largest, wrong, fired_total


def test_the_float_file_computes_norses_steps_up_to_rounding():
    steps, n, spikes_seen, layers = 30, 3, 0, 0
    for seed in range(60):
        graph = random_graphs.float_graph(seed)
        rng = np.random.default_rng(seed)
        shape = graph.nodes["in"].shape
        inputs = (rng.random((n, steps, *shape)) < 0.4).astype(np.float32)
        found = engine.run_float(graph, inputs)
        flow, flow_shape = inputs.astype(np.float64), shape
        for name, node in graph.nodes.items():
            if isinstance(node, NEURONS):
                spikes = found.get(f"{name}.spikes")
                membrane = found[f"{name}.membrane"]
                largest, wrong, fired = step_errors(node, flow, graph.settings.dt, spikes, membrane)
                assert largest < 1e-4, (seed, name)
                assert wrong == 0, (seed, name)
                spikes_seen, layers = spikes_seen + fired, layers + 1
                flow = (membrane if spikes is None else spikes).astype(np.float64)
            elif not isinstance(node, Input):
                rows = flow.reshape(n * steps, -1) @ matrix(node, flow_shape).T
                bias = full_bias(node, flow_shape)
                rows = rows if bias is None else rows + bias
                flow_shape = out_shape(node, flow_shape)
                flow = rows.reshape(n, steps, *flow_shape)
                if f"{name}.value" in found:
                    np.testing.assert_allclose(found[f"{name}.value"], flow, rtol=1e-4, atol=1e-4)
        assert all(array.dtype == np.float32 for array in found.values())
    assert layers > 60
    assert spikes_seen > 10_000


def test_leaks_are_products_in_the_precision_of_the_model():
    # 0.001 * 123.4 rounds differently in float32 than in float64 and then to float32
    for dtype in (np.float32, np.float64):
        tau_inv = np.array(123.4, dtype)
        graph = chain({"in": Input((1,)), "out": LIBox(tau_inv, np.array(0.0, dtype))})
        found = engine.run_float(graph, np.ones((1, 1, 1)))["out.membrane"]
        assert found.item() == np.float32(dtype(graph.settings.dt) * tau_inv)


def test_several_layers_into_one_are_refused():
    one = np.array([[1.0]])
    nodes = {"in": Input((1,)), "a": Linear(one), "b": Linear(2 * one), "sum": Identity()}
    graph = Graph(nodes, (("in", "a"), ("in", "b"), ("a", "sum"), ("b", "sum")))
    with pytest.raises(BadInput, match=r"layer 'sum' .*2 layers lead to it, allowed are exactly 1"):
        engine.run_float(graph, np.ones((1, 2, 1)))


def test_input_of_another_shape_is_refused_by_the_float_engine():
    with pytest.raises(
        BadInput, match=r"'in' has shape \(1, 2\), allowed is \(samples, steps, 4\)"
    ):
        engine.run_float(chain({"in": Input((4,)), "x": Identity()}), np.ones((1, 2)))
