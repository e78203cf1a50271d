"""Neurons that remember their spikes: Norse's step, the float graph and the chip's integers agree.

The second method is Norse's own functional step, and for ALIF the step of the chip's ATRLIF in
whole numbers that both can hold.
"""

from dataclasses import replace

import norse.torch as norse
import numpy as np
import pytest
import torch
from norse.torch.functional.lif_refrac import LIFRefracParameters
from norse.torch.functional.lsnn import LSNNParameters
from torch import nn

from neurocompile.chip.read import load_chip
from neurocompile.compiler import compile_graph
from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.engines import onnx as onnx_engine
from neurocompile.engines.fixed.torch_path import run_torch
from neurocompile.engines.floating import run_float
from neurocompile.engines.lava.plan import make_plan
from neurocompile.errors import BadInput, DoesNotFit, Unsupported
from neurocompile.formats.nir.write import to_nir
from neurocompile.frontend.torch import trace
from neurocompile.ir import reference
from neurocompile.ir.adapting import ALIF, LSNN, LIFRefrac
from neurocompile.ir.after_spikes import AdaptiveLIF, RefractoryLIF
from neurocompile.ir.chip_neurons import ATRLIF
from neurocompile.ir.fixed import AlwaysOn, SpikeInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.nodes import Input, Linear
from neurocompile.ir.resets import as_asked
from neurocompile.ir.settings import Encoder, Settings
from neurocompile.ir.verify import verify
from neurocompile.quantize.quantize import quantize
from neurocompile.quantize.ranges import bound, observe
from neurocompile.simplify import simplify

SPIKES = Settings(steps=60, encoder=Encoder("spikes"))
LIF_P = norse.LIFParameters(
    tau_syn_inv=torch.tensor(400.0), tau_mem_inv=torch.tensor(150.0), v_th=torch.tensor(0.3)
)
LSNN_P = LSNNParameters(
    tau_syn_inv=torch.tensor(400.0),
    tau_mem_inv=torch.tensor(150.0),
    tau_adapt_inv=torch.tensor(20.0),
    v_th=torch.tensor(0.2),
    v_reset=torch.tensor(-0.05),
    beta=torch.tensor(0.15),
)
REFRACTORY = LIFRefracParameters(LIF_P, torch.tensor(3.0))
CELLS = {
    "refractory": lambda: norse.LIFRefracCell(REFRACTORY),
    "refractory, loop": lambda: norse.LIFRefracRecurrentCell(5, 5, p=REFRACTORY),
    "a fraction of a step": lambda: norse.LIFRefracCell(
        LIFRefracParameters(LIF_P, torch.tensor(2.5))
    ),
    "adaptive": lambda: norse.LSNNCell(LSNN_P),
    "adaptive, loop": lambda: norse.LSNNRecurrentCell(5, 5, p=LSNN_P),
}
cells = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS.keys())


def model_of(make, bias=True):
    torch.manual_seed(1)
    model = norse.SequentialState(nn.Linear(6, 5, bias=bias), make())
    with torch.no_grad():
        model[0].weight.normal_(0.4, 0.8)
        for name, weight in model[1].named_parameters():  # of a recurrent cell
            weight.normal_(0.4 if "input" in name else 0.0, 0.8)
    return model.eval()


def train(steps=60, samples=2):
    return (np.random.default_rng(3).random((samples, steps, 6)) < 0.4).astype(np.uint8)


def in_norse(model, spikes):
    """Spikes of Norse's own cells, (samples, steps, n)."""
    model, state, out = model.double(), None, []
    with torch.no_grad():
        for x in torch.from_numpy(spikes).double().transpose(0, 1):
            z, state = model(x, state)
            out.append(z)
    return torch.stack(out, 1).numpy()


def graph_of(model):
    return replace(trace(model.float(), torch.zeros(1, 6)), settings=SPIKES)


@cells
def test_the_float_graph_spikes_as_norses_cell_does(make):
    model, spikes = model_of(make), train()
    graph = graph_of(model)
    expected = in_norse(model, spikes)
    (name,) = (n for n, _ in graph.of(LIFRefrac, LSNN))
    found = run_float(graph, spikes, 60, membranes=(name,))
    np.testing.assert_array_equal(found.spikes[name], expected)
    assert 0.02 < expected.mean() < 0.6
    outs, potentials = reference.run_float(graph, spikes[0])
    np.testing.assert_array_equal(outs[name], expected[0])
    np.testing.assert_allclose(found.membrane[name][0], potentials[name], atol=1e-12)


@cells
def test_the_chips_integers_spike_as_the_float_network_does(make):
    model, spikes = model_of(make), train()
    graph = simplify(graph_of(model))
    made = quantize(graph, load_chip("loihi2-sim"), observe(graph, spikes, 60), 8)
    made = verify(made, "fixed")
    ((name, population),) = made.of(RefractoryLIF, AdaptiveLIF)
    encoded = Encoded({"input": spikes}, 60)
    chip = fixed.run(made, encoded).recording
    np.testing.assert_array_equal(
        run_torch(made, encoded).recording.spikes[name], chip.spikes[name]
    )
    agree = (chip.spikes[name] == in_norse(model, spikes)).mean()
    assert agree > 0.9
    make_plan(made, encoded)  # Lava runs it too
    kinds = {LIFRefrac: RefractoryLIF, LSNN: AdaptiveLIF}
    assert type(population) is kinds[type(graph.nodes[name])]


def test_a_bias_reaches_an_lsnn_a_step_later_by_its_axon():
    """Without any input, Norse's current is the bias from step 1 on, which v meets in step 2."""
    model = model_of(CELLS["adaptive"])
    graph = simplify(graph_of(model))
    made = verify(quantize(graph, load_chip("ideal"), bound(graph), 8), "fixed")
    ((_, population),) = made.of(AdaptiveLIF)
    (axon,) = (n for n, node in made.of(AlwaysOn))
    (synapse,) = made.after(axon)
    assert made.nodes[synapse].delay == 1
    silent = np.zeros((1, 60, 6), np.uint8)
    found = run_float(graph, silent, 60, membranes=("1",)).membrane["1"][0]
    chip = fixed.run(made, Encoded({"input": silent}, 60)).recording.membrane["1"][0]
    assert not found[0].any()
    shown = chip * population.scale + population.offset
    np.testing.assert_allclose(shown[:10], found[:10], atol=4e-3)  # until spikes part
    for run in (lambda g, e: run_torch(g, e).recording, onnx_engine.run):
        found = run(made, Encoded({"input": silent}, 60)).membrane["1"][0]
        np.testing.assert_array_equal(found, chip)
    _, by_hand = reference.run_fixed(made, {"input": silent[0]}, 60)
    np.testing.assert_array_equal(by_hand["1"], chip)


def test_the_registers_are_those_of_the_float_parameters():
    cell = LSNN(*(np.float64(x) for x in (400, 125, 62.5, 0.0, 0.25, -0.25, 0.125)))
    graph = chain({"in": Input((1,)), "w": Linear(np.array([[1.0]])), "x": cell}, SPIKES)
    made = quantize(graph, load_chip("ideal"), bound(graph), 8).nodes["x"]
    assert (int(made.dv), int(made.dtheta), int(made.du)) == (512, 256, round(0.4 * 4096) - 1)
    assert int(made.theta_0) == 4 * int(made.theta_step)  # 0.5 above the reset, and 0.125
    held = LIFRefrac(*(np.float64(x) for x in (400, 125, 0.0, 0.25, 0.0, 2.5)))
    graph = chain({"in": Input((1,)), "w": Linear(np.array([[1.0]])), "x": held}, SPIKES)
    assert quantize(graph, load_chip("ideal"), bound(graph), 8).nodes["x"].refractory == 4


def dyadic(beta=0.25):
    """An ALIF of which every number is a multiple of a small power of 2, for exact integers."""
    rates = (1000.0, 250.0, 500.0, 500.0)  # keeps no current; leaks of 1/4, 1/2, 1/2
    return ALIF(*(np.float64(x) for x in (*rates, 0.0, 0.5, beta)))


def test_alif_is_the_chips_atrlif_where_nothing_is_rounded():
    """Two steps by hand in chip units of 4096 per 1.0, the second method for both.

    Weights arrive times the leak of 1/4: 1024 and 512. Step 1: v = 1536 < 2048, no spike. Step 2:
    v = 3/4 1536 + 1536 = 2688 >= 2048; r = 4096, theta = 2048 + 1024. Step 3, silent: v = 2016.
    """
    graph = chain({"in": Input((2,)), "w": Linear(np.array([[1.0, 0.5]])), "x": dyadic()}, SPIKES)
    spikes = np.array([[[1, 1], [1, 1], [0, 0]]], np.uint8)
    found = run_float(graph, spikes, 3, membranes=("x",))
    node = ATRLIF((1,), 4095, 1024, 2048, 2048, 32, 16, 0, 0, 0)
    synapse = Synapse(Linear(np.array([[16, 8]], np.int16)), (2,), (1,))
    small = verify(chain({"in": SpikeInput((2,)), "s": synapse, "x": node}, SPIKES), "fixed")
    chip = fixed.run(small, Encoded({"in": spikes}, 3)).recording
    assert chip.membrane["x"].ravel().tolist() == [1536, 2688, 2016]
    assert (found.membrane["x"] * 4096).ravel().tolist() == [1536, 2688, 2016]
    assert chip.spikes["x"].ravel().tolist() == found.spikes["x"].ravel().tolist() == [0, 1, 0]


def test_alif_spikes_at_its_threshold_as_lavas_neuron_does():
    # v = 1/4 x 2 = 0.5 in step 1, exactly the threshold
    graph = chain({"in": Input((1,)), "w": Linear(np.array([[2.0]])), "x": dyadic()}, SPIKES)
    assert run_float(graph, np.ones((1, 1, 1)), 1).spikes["x"].ravel().tolist() == [1]


def test_alif_becomes_an_atrlif_whose_spikes_agree():
    rng = np.random.default_rng(7)
    graph = chain(
        {"in": Input((6,)), "w": Linear(rng.normal(0.6, 0.8, (5, 6))), "x": dyadic(0.1)}, SPIKES
    )
    spikes = train()
    made = quantize(graph, load_chip("loihi2-sim"), observe(graph, spikes, 60), 8)
    chip = fixed.run(verify(made, "fixed"), Encoded({"in": spikes}, 60)).recording.spikes["x"]
    assert type(made.nodes["x"]) is ATRLIF
    expected = run_float(graph, spikes, 60).spikes["x"]
    assert 0.05 < expected.mean() < 0.7
    assert (chip == expected).mean() > 0.95


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_weight_threshold_and_rise_share_one_scale_at_every_width(bits):
    model = model_of(CELLS["adaptive"], bias=False)
    graph = simplify(graph_of(model))
    made = quantize(graph, load_chip("loihi2-sim"), observe(graph, train(), 60), bits)
    population, cell = made.nodes["1"], graph.nodes["1"]
    rest, rise = int(population.theta_0), int(population.theta_step)
    assert rest * 64 * population.scale == pytest.approx(cell.v_th - cell.v_reset, rel=0.02)
    assert rise * 64 * population.scale == pytest.approx(cell.beta, rel=0.02)


def test_a_threshold_that_decays_too_slowly_is_refused_and_one_that_never_does_is_exact():
    slow = LSNN_P._replace(tau_adapt_inv=torch.tensor(1 / 800))  # Norse's own default
    graph = graph_of(model_of(lambda: norse.LSNNCell(slow)))
    with pytest.raises(
        DoesNotFit,
        match=r"layer '1': tau_adapt = 800 s .*, or, for runs much shorter than tau_adapt, set "
        r"tau_adapt_inv = 0: then nothing is lost\.$",  # another dt would refuse the other taus
    ):
        compile_graph(graph, "loihi2-sim")
    never = slow._replace(tau_adapt_inv=torch.tensor(0.0))
    made = compile_graph(graph_of(model_of(lambda: norse.LSNNCell(never))), "loihi2-sim")
    assert int(made.fixed_graph.nodes["1"].dtheta) == 0


def test_a_rise_that_no_weight_comes_up_to_is_refused_by_its_name_and_not_as_the_threshold():
    steep = LSNN_P._replace(beta=torch.tensor(1e6))
    graph = graph_of(model_of(lambda: norse.LSNNCell(steep)))
    rise = r"the rise of the threshold \(beta\)"
    with pytest.raises(DoesNotFit, match=rf"layer '1': {rise} is too large .* or lower {rise}\.$"):
        compile_graph(graph, "loihi2-sim")


def test_a_negative_rise_and_a_period_beyond_the_register_are_refused_by_layer():
    falls = LSNN_P._replace(beta=torch.tensor(-0.1))
    with pytest.raises(DoesNotFit, match="layer '1': the rise of the threshold becomes -"):
        compile_graph(graph_of(model_of(lambda: norse.LSNNCell(falls))), "loihi2-sim")
    long = LIFRefracParameters(LIF_P, torch.tensor(63.0))
    with pytest.raises(DoesNotFit, match=r"layer '1': rho_reset = 63 steps, .* at most 62"):
        compile_graph(graph_of(model_of(lambda: norse.LIFRefracCell(long))), "loihi2-sim")


def test_loihi_1_takes_the_refractory_cell_and_refuses_the_adaptive_one_by_layer():
    made = compile_graph(graph_of(model_of(CELLS["refractory"])), "loihi-sim")
    assert int(made.fixed_graph.nodes["1"].refractory) == 4
    with pytest.raises(
        DoesNotFit, match=r"layer '1' \(LSNN\): on a chip it is an AdaptiveLIF, but"
    ):
        compile_graph(graph_of(model_of(CELLS["adaptive"])), "loihi-sim")


def test_nir_has_no_word_for_them_and_a_reset_is_not_theirs_to_choose():
    graph = graph_of(model_of(CELLS["adaptive"]))
    with pytest.raises(Unsupported, match=r"layer '1' .*neither a refractory period nor a thresh"):
        to_nir(graph)
    with pytest.raises(Unsupported, match=r"layer '1' \(LSNN\): its spike has one effect"):
        as_asked(graph, "subtract")


def test_a_time_constant_of_the_membrane_may_not_be_endless():
    cell = LSNN(*(np.float64(x) for x in (400, 0.0, 10, 0.0, 0.25, 0.0, 0.1)))
    graph = chain({"in": Input((1,)), "w": Linear(np.array([[1.0]])), "x": cell}, SPIKES)
    with pytest.raises(
        BadInput, match=r"its tau_mem_inv is 0 1/s, allowed is a number above 0\. A"
    ):
        verify(graph, "float")
