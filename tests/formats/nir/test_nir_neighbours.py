"""Networks that snnTorch, SpikingJelly and Norse exported give the spikes they give at home."""

import neighbours
import nir
import numpy as np
import pytest
from neighbours import FILES, KEPT, make

from neurocompile import frontend
from neurocompile.compiler import compile_graph
from neurocompile.data.samples import Data
from neurocompile.data.sampling import Sampling
from neurocompile.engines.floating import run_float
from neurocompile.errors import BadInput
from neurocompile.ir.nodes import Linear

EXACT = [
    name
    for name in neighbours.MAKERS
    if name not in ("snntorch_subtract_delayed", "snntorch_rsynaptic", "norse_lif")
]


def loaded(name, tmp_path, **told):
    made = make(name)
    nir.write(tmp_path / "net.nir", made.exported, compression=None)
    return made, frontend.load(tmp_path / "net.nir", **{**made.told, **told})


def spikes_of(graph, x):
    (last,) = graph.outputs()
    return run_float(graph, x, x.shape[1]).spikes[last]


@pytest.mark.parametrize("name", EXACT)
def test_a_network_of_a_neighbour_gives_the_neighbours_own_spikes(name, tmp_path):
    made, graph = loaded(name, tmp_path)
    assert 0.005 < made.spikes.mean() < 0.6
    np.testing.assert_array_equal(spikes_of(graph, made.x), made.spikes)


@pytest.mark.parametrize("name", KEPT)
def test_a_file_kept_from_a_neighbour_gives_the_spikes_kept_with_it(name):
    with np.load(FILES / f"{name}.npz") as kept:
        dt = float(kept["dt"]) or None
        graph = frontend.load(FILES / f"{name}.nir", dt=dt)
        np.testing.assert_array_equal(spikes_of(graph, kept["x"]), kept["spikes"])


@pytest.mark.parametrize("name", [*KEPT, "spikingjelly_if"])
def test_a_network_of_a_neighbour_runs_in_a_chips_integers_with_nearly_its_spikes(name, tmp_path):
    made, graph = loaded(name, tmp_path)
    data = Data("spikes", "spikes", made.x.astype(np.float32))
    engines = ("lava", "fixed") if name == "snntorch_rleaky" else ("fixed", "onnx")
    compiled = compile_graph(graph, "loihi-sim", sampling=Sampling(steps=made.x.shape[1]))
    found = compiled.run(data, engines=engines).result.evaluation
    assert found.exactness.mismatches == 0
    for layer in found.agreement.values():
        # 8-bit weights, scales from the weights alone; a spike missed shifts those after it
        assert layer.equal / layer.compared > 0.92
        assert layer.fixed_spikes == pytest.approx(layer.float_spikes, rel=0.05)


def test_the_step_is_assumed_and_said_where_the_file_is_snntorchs(tmp_path):
    _, graph = loaded("snntorch_leaky", tmp_path)
    assert graph.settings.dt == 1e-4
    dt, reset, steps = graph.settings.assumed
    assert (dt.key, reset.key, steps.key) == ("dt", "reset", "steps")
    assert dt.sentence.startswith("a step takes 0.0001 s: NIR files do not hold it.")
    _, graph = loaded("snntorch_leaky", tmp_path, dt=1e-4, reset="zero")
    assert [each.key for each in graph.settings.assumed] == ["steps"]


def test_snntorchs_late_subtraction_is_another_neuron_and_this_is_the_difference(tmp_path):
    """v <- beta v + x - z_before th takes th, a reset in the step of the spike beta th."""
    made, graph = loaded("snntorch_subtract_delayed", tmp_path)
    first = graph.nodes["0"]
    current = made.x @ first.weight.T
    late = np.zeros(current.shape)
    v, z = np.zeros(current[:, 0].shape), np.zeros(current[:, 0].shape)
    for t in range(current.shape[1]):
        v = 0.9 * v + current[:, t] - z
        z = (v > 1).astype(float)
        late[:, t] = z
    np.testing.assert_array_equal(late, made.spikes)
    assert (spikes_of(graph, made.x) != made.spikes).any()


def test_snntorchs_rsynaptic_resets_a_step_late_and_swallows_that_steps_current(tmp_path):
    made, graph = loaded("snntorch_rsynaptic", tmp_path)
    feed = graph.nodes["0"]
    (loop,) = [n for name, n in graph.of(Linear) if name != "0"]
    x = made.x @ feed.weight.T + feed.bias
    shape = x[:, 0].shape
    v, i, z, late = np.zeros(shape), np.zeros(shape), np.zeros(shape), []
    for t in range(x.shape[1]):
        i = np.float32(0.4) * i + x[:, t] + z @ loop.weight.T + loop.bias
        v = (np.float32(0.8) * v + i) * (1 - z)  # what came with the reset is lost
        z = (v > np.float32(0.3)).astype(float)
        late.append(z)
    np.testing.assert_array_equal(np.stack(late, 1), made.spikes)
    assert (spikes_of(graph, made.x) != made.spikes).any()


def test_norses_exporter_drops_what_a_spike_adds_to_the_current_of_a_lif(tmp_path):
    """It writes w_in = 1, which adds dt / tau_syn to the current; Norse's own step adds 1."""
    made, graph = loaded("norse_lif", tmp_path)
    assert (spikes_of(graph, made.x) != made.spikes).any()
    leak = 1e-3 * float(graph.nodes["1"].tau_syn_inv)
    weight = graph.nodes["0"]
    more = graph.with_nodes(**{"0": Linear(weight.weight / leak, weight.bias / leak)})
    np.testing.assert_array_equal(spikes_of(more, made.x), made.spikes)


def test_norses_default_export_is_refused_at_the_default_step_with_the_numbers(tmp_path):
    with pytest.raises(BadInput, match=r"'1' \(LIF\): its tau is 1e-05 s, shorter than a step"):
        loaded("norse_box_default", tmp_path, dt=None)
