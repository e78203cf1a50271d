"""The float file, in stock onnxruntime, takes Norse's steps up to rounding.

The yardstick is written here in float64, one equation a neuron and one matrix a layer.
"""

import numpy as np
import pytest
import random_graphs

from neurocompile.engines import onnx as engine
from neurocompile.errors import BadInput
from neurocompile.ir.adapting import ALIF, LSNN, LIFRefrac
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.linear import full_bias, matrix
from neurocompile.ir.neurons import IAF, LI, LIF, Integrator, LIBox, Neuron
from neurocompile.ir.nodes import Add, Concat, Delay, Identity, Input, Linear, size
from neurocompile.ir.shapes import shapes


def leak(tau_inv, dt):
    """The share lost a step: a product in the precision of tau_inv."""
    return (tau_inv.dtype.type(dt) * tau_inv).astype(np.float64)


def after_spike(neuron, v):
    """The potential after a spike."""
    if isinstance(neuron, ALIF):
        return v
    if neuron.reset == "zero":
        return neuron.v_reset
    return v - (neuron.v_th if neuron.v_drop is None else neuron.v_drop)


def step_errors(neuron, x, dt, spikes, membrane):
    """Largest difference of a potential, and spikes that differ away from the threshold.

    Each step starts at the potential that the file recorded, so that one spike at the edge
    of its threshold does not make everything after it differ. Rounding counts against the largest
    number that is added: an Integrator in a loop can give others a thousand times their threshold.
    """
    leaks = not isinstance(neuron, IAF | Integrator)
    zero = np.zeros_like(x[:, 0])
    i, r, rho, v = zero, zero, zero, zero
    theta = zero + getattr(neuron, "v_th", 0.0)
    if not isinstance(neuron, Integrator):
        v = v + (neuron.v_leak if leaks else neuron.v_reset)
    largest, wrong, fired_total = 0.0, 0, 0
    for t in range(x.shape[1]):
        most = 1 + np.abs(x[:, t]).max() + np.abs(v) + np.abs(r)
        drive, held = x[:, t], rho > 0
        if isinstance(neuron, LSNN):
            drive, i = i, i - leak(neuron.tau_syn_inv, dt) * i + drive
        elif isinstance(neuron, LIF | LI | LIFRefrac | ALIF):
            drive = i + drive
            i = drive - leak(neuron.tau_syn_inv, dt) * drive
        if leaks:
            drive = leak(neuron.tau_mem_inv, dt) * (neuron.v_leak - v + drive)
        v = np.where(held, v, v + drive)
        if isinstance(neuron, LSNN | ALIF):
            theta = theta + leak(neuron.tau_adapt_inv, dt) * (neuron.v_th - theta)
        if isinstance(neuron, ALIF):
            r = r - leak(neuron.tau_refrac_inv, dt) * r
        if neuron.spiking:
            fired = spikes[:, t] > 0.5
            above = v - r - theta
            clear = np.abs(above) > 1e-4 * most
            wrong += int((clear & (fired != ((above > 0) & ~held))).sum())
            fired_total += int(fired.sum())
            v = np.where(fired, after_spike(neuron, v), v)
            r = np.where(fired & isinstance(neuron, ALIF), r + 2 * theta, r)
            theta = np.where(fired, theta + getattr(neuron, "beta", 0.0), theta)
            rho = np.where(fired, getattr(neuron, "rho_reset", 0.0), np.where(held, rho - 1, rho))
        now = membrane[:, t].astype(np.float64)
        largest = max(largest, float(np.max(np.abs(v - now) / most)))
        v = now
    return largest, wrong, fired_total


def flows(graph, inputs, found):
    """(n, steps, *shape) float64 behind each layer; behind a neuron, what the file recorded.

    Every loop passes a neuron, so that none is left.
    """
    shape = shapes(graph)
    known = {"in": inputs.astype(np.float64)}
    for name, _ in graph.of(Neuron):
        recorded = found.get(f"{name}.spikes", found[f"{name}.membrane"])
        known[name] = recorded.astype(np.float64)

    def behind(name):
        if name not in known:
            node, before = graph.nodes[name], [behind(b) for b in graph.before(name)]
            if isinstance(node, Add):
                known[name] = sum(before)
            elif isinstance(node, Concat):
                known[name] = np.concatenate(before, axis=2)
            elif isinstance(node, Delay):
                known[name] = np.zeros_like(before[0])
                known[name][:, node.steps :] = before[0][:, : -node.steps]
            else:
                source = shape[graph.before(name)[0]]
                rows = before[0].reshape(-1, size(source)) @ matrix(node, source).T
                bias = full_bias(node, source)
                rows = rows if bias is None else rows + bias
                known[name] = rows.reshape(*inputs.shape[:2], *shape[name])
        return known[name]

    return {name: behind(name) for name in graph.nodes}


@pytest.mark.parametrize("make", [random_graphs.float_graph, random_graphs.joined_float_graph])
def test_the_float_file_computes_norses_steps_up_to_rounding(make):
    steps, n, spikes_seen, layers = 30, 3, 0, 0
    for seed in range(60):
        graph = make(seed)
        rng = np.random.default_rng(seed)
        shape = graph.nodes["in"].shape
        inputs = (rng.random((n, steps, *shape)) < 0.4).astype(np.float32)
        found = engine.run_float(graph, inputs)
        flow = flows(graph, inputs, found)
        for name, node in graph.of(Neuron):
            x = flow[graph.before(name)[0]]
            recorded = found.get(f"{name}.spikes"), found[f"{name}.membrane"]
            largest, wrong, fired = step_errors(node, x, graph.settings.dt, *recorded)
            assert largest < 1e-4, (seed, name)
            assert wrong == 0, (seed, name)
            spikes_seen, layers = spikes_seen + fired, layers + 1
        for name in flow:
            if f"{name}.value" in found:
                most = 1 + max(float(np.abs(flow[b]).max()) for b in graph.before(name))
                np.testing.assert_allclose(
                    found[f"{name}.value"], flow[name], rtol=1e-4, atol=1e-4 * most, err_msg=name
                )
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
        BadInput, match=r"'in' has shape \(1, 2\), but must have \(samples, steps, 4\)"
    ):
        engine.run_float(chain({"in": Input((4,)), "x": Identity()}), np.ones((1, 2)))
