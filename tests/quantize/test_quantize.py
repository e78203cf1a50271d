"""The fixed network follows the float one, layer kind by layer kind."""

from dataclasses import replace

import numpy as np
import pytest
from networks import float_network, neuron, spikes

from neurocompile.data.inputs import Encoded, check_data
from neurocompile.data.samples import Data
from neurocompile.engines import fixed
from neurocompile.engines.floating import run_float
from neurocompile.errors import BadInput, DoesNotFit, Unsupported
from neurocompile.formats.load_onnx import load_onnx
from neurocompile.formats.onnx.write import save_onnx
from neurocompile.ir.fixed import AlwaysOn, BiasInput, CubaLIF, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.neurons import LIFBox
from neurocompile.ir.nodes import Input, Linear, Reshape
from neurocompile.ir.settings import Encoder, Settings
from neurocompile.ir.verify import verify
from neurocompile.quantize.quantize import quantize
from neurocompile.quantize.ranges import bound, observe
from neurocompile.quantize.resets import check_resets
from neurocompile.simplify import simplify


def one_layer(node, weight, bias=None, **settings):
    nodes = {"input": Input((weight.shape[1],)), "linear": Linear(weight, bias), "lif": node}
    return chain(nodes, Settings(steps=60, **settings))


def compiled(graph, chip, x, bits=8):
    simple = simplify(graph)
    return verify(quantize(simple, chip, observe(simple, x, graph.settings.steps), bits), "fixed")


@pytest.mark.parametrize("kind", ["box", "subtract", "lif"])
@pytest.mark.parametrize("seed", range(4))
def test_a_spiking_layer_keeps_nearly_every_spike(kind, seed, ideal):
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(30, 20)).astype(np.float32)
    bias = (0.2 * rng.normal(size=30)).astype(np.float32)
    graph = one_layer(neuron(kind, v_leak=0.05, v_reset=-0.1), weight, bias)
    x = spikes(seed, 8, 60, (20,))
    network = compiled(graph, ideal, x)
    ours = fixed.run(network, Encoded({"input": x}, 60)).recording.spikes["lif"]
    ideal_spikes = run_float(graph, x, 60).spikes["lif"]
    assert ideal_spikes.mean() > 0.02
    assert (ours != ideal_spikes).mean() < 0.02
    assert ours.mean() == pytest.approx(ideal_spikes.mean(), rel=0.02)


@pytest.mark.parametrize("kind", ["li", "libox"])
def test_a_readout_follows_the_float_potential_within_a_thousandth_of_its_range(kind, loihi):
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(30, 20)).astype(np.float32)
    graph = one_layer(neuron(kind, v_leak=0.3), weight, rng.normal(size=30).astype(np.float32))
    x = spikes(1, 4, 60, (20,))
    network = compiled(graph, loihi, x)
    recording = fixed.run(network, Encoded({"input": x}, 60)).recording
    node = network.nodes["lif"]
    ours = recording.membrane["lif"] * node.scale + node.offset
    ideal = run_float(graph, x, 60, membranes=("lif",)).membrane["lif"]
    assert np.abs(ours - ideal).max() < 0.01 * np.abs(ideal).max()
    assert not recording.spikes["lif"].any()


def test_registers_are_worked_out_as_by_hand(loihi):
    # leak 0.1, threshold 1, weight 1 spike: w l = 0.1 takes 254 on the grid, so a unit of v is
    # 254 * 64 * 2^e / 0.1; v stays below 1 + 0.1, so 2^22 allows e = 4: 2600960 units a unit
    box = LIFBox(np.float32(100), np.float32(0), np.float32(1), np.float32(0))
    graph = one_layer(box, np.array([[1.0]], dtype=np.float32), np.array([0.5], np.float32))
    x = np.ones((1, 60, 1), dtype=np.uint8)
    network = compiled(graph, loihi, x)
    synapse, lif = network.nodes["linear"], network.nodes["lif"]
    assert synapse.op.weight.tolist() == [[254]]
    assert synapse.weight_exp == 4
    assert 1 / float(lif.scale) == pytest.approx(254 * 64 * 2**4 / 0.1)
    assert (int(lif.du), int(lif.dv)) == (4095, 410)
    assert int(lif.vth) == 254 * 2**4 * 10
    # bias 0.5 * 0.1 of a unit is 130048 units of v: mantissa 4064 * 2^5
    assert int(lif.bias_mant[0]) << int(lif.bias_exp) == 130048


def test_a_bias_before_a_synaptic_current_becomes_an_axon_that_always_spikes(loihi):
    weight = np.eye(3, dtype=np.float32)
    graph = one_layer(neuron("lif"), weight, np.array([0.1, 0.2, -0.1], dtype=np.float32))
    network = compiled(graph, loihi, spikes(0, 4, 60, (3,)))
    assert isinstance(network.nodes["lif_bias_axon"], AlwaysOn)
    synapse = network.nodes["lif_bias"]
    assert isinstance(synapse, Synapse)
    # a weight of 1 is 254 at exponent e, so 0.2 is 50.8, or 203.2 two exponents lower: 204
    assert synapse.weight_exp == network.nodes["linear"].weight_exp - 2
    assert synapse.op.weight.ravel().tolist() == [102, 204, -102]
    assert not network.nodes["lif"].bias_mant.any()


def test_currents_into_neurons_become_bias_registers(loihi):
    nodes = {
        "input": Input((4,)),
        "pixels": neuron("box", v_th=0.1, tau_mem_inv=100.0),
        "linear": Linear(np.eye(4, dtype=np.float32)),
        "out": neuron("libox"),
    }
    graph = chain(nodes, Settings(steps=30, encoder=Encoder("current", 0.5)))
    x = np.array([[0.0, 0.3, 0.7, 1.0]])
    network = compiled(graph, loihi, 0.5 * x)
    entry = network.nodes["input"]
    assert isinstance(entry, BiasInput)
    assert network.before("pixels") == ("input",)
    written = np.rint(x * entry.scale).astype(np.int16)
    done = fixed.run(network, Encoded({"input": written}, 30)).recording
    ideal_run = run_float(graph, 0.5 * x, 30)
    np.testing.assert_array_equal(done.spikes["pixels"], ideal_run.spikes["pixels"])


def test_a_first_synapse_may_be_the_hosts(loihi):
    rng = np.random.default_rng(3)
    weight, bias = rng.normal(size=(5, 4)), 0.1 * rng.normal(size=5)
    graph = one_layer(neuron("box"), weight, bias, encoder=Encoder("current", 1.0))
    x = rng.random((6, 4))
    network = compiled(graph, loihi, x)
    entry = network.nodes["input"]
    assert entry.host is not None
    assert not any(isinstance(node, Synapse) for node in network.nodes.values())
    host = (x @ entry.host.weight.T) * entry.scale
    written = (np.rint(host) + network.nodes["lif"].bias_mant).astype(np.int16)
    done = fixed.run(network, Encoded({"input": written}, 60)).recording
    assert (done.spikes["lif"] != run_float(graph, x, 60).spikes["lif"]).mean() < 0.01


def test_integers_take_samples_in_the_layout_of_the_network_though_the_host_flattens(
    loihi, tmp_path
):
    rng = np.random.default_rng(3)
    weight = rng.normal(size=(2, 12)).astype(np.float32)
    nodes = {"input": Input((3, 2, 2)), "flatten": Reshape((12,)), "linear": Linear(weight),
             "lif": neuron("box")}  # fmt: skip
    graph = chain(nodes, Settings(steps=60, encoder=Encoder("current", 1.0)))
    channels_first = rng.random((4, 3, 2, 2), np.float32)
    save_onnx(compiled(graph, loihi, channels_first), tmp_path / "fixed.onnx")
    network = load_onnx(tmp_path / "fixed.onnx")
    check_data(network, Data("ours", "x", channels_first), 60)
    for other in (channels_first.transpose(0, 2, 3, 1), channels_first.reshape(4, 12)):
        with pytest.raises(
            BadInput, match=r"a sample has shape .*, but the network takes \(3, 2, 2\)"
        ):
            check_data(network, Data("theirs", "x", np.ascontiguousarray(other)), 60)
    entry = network.nodes["input"]
    assert entry.in_shape == (12,)
    for wrong in ((3, 2, 3), (-3, -2, 2)):
        broken = replace(entry, sample_shape=wrong)
        with pytest.raises(BadInput, match="input"):
            verify(network.with_nodes(input=broken), "fixed")


def test_currents_into_a_synaptic_current_are_refused(loihi):
    weight = np.eye(2, dtype=np.float32)
    graph = one_layer(neuron("lif"), weight, encoder=Encoder("current"))
    with pytest.raises(Unsupported, match=r"layer 'lif' has a synaptic current"):
        compiled(graph, loihi, np.ones((1, 2)))


def test_a_reset_that_the_chip_lacks_is_refused_by_layer(loihi):
    graph = one_layer(neuron("subtract"), np.eye(2, dtype=np.float32))
    with pytest.raises(DoesNotFit, match=r"layer 'lif': a spike resets it by 'subtract'"):
        check_resets(graph, loihi, None, 60, 0)


@pytest.mark.parametrize("seed", range(3))
def test_without_data_scales_from_the_weights_never_saturate(seed, ideal):
    graph = simplify(float_network(seed))
    network = verify(quantize(graph, ideal, bound(graph)), "fixed")
    x = np.ones((1, 20, 2, 8, 8), dtype=np.uint8)
    run = fixed.run(network, Encoded({"input": x}, 20))
    for name, node in network.of(CubaLIF):
        assert run.activity[name].saturations == 0, (name, node)
        assert run.activity[name].wraps == 0


@pytest.mark.parametrize(
    ("weight", "largest"),
    [([[1.0, 1.0, 1.0]], 2.0), ([[1.0, 0.2, 0.0]], 1.2)],
    ids=["twice what was seen", "all that inputs up to 1 can sum up to"],
)
def test_sums_larger_than_those_seen_fit_the_registers_that_the_host_writes(weight, largest, loihi):
    graph = one_layer(neuron("box", v_th=0.5), np.array(weight), encoder=Encoder("current", 1.0))
    network = compiled(graph, loihi, np.eye(3))
    top = (1 << 12) - 1
    scale = float(np.max(network.nodes["input"].scale))
    assert top / 2.1 < largest * scale <= top
