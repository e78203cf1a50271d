"""Networks of Sinabs as their users write them: read directly, 0 spikes different."""

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("sinabs")
import random_sinabs
import sinabs.layers as sl
from peers_agree import compare
from random_sinabs import Single, spikes_of
from sinabs.activation import MaxSpike, MembraneReset, MembraneSubtract, MultiSpike, SingleSpike
from sinabs.from_torch import from_model

from neurocompile.chip.read import load_chip
from neurocompile.compiler import compile
from neurocompile.errors import Unsupported
from neurocompile.frontend.torch import trace
from neurocompile.ir import reference
from neurocompile.ir.neurons import LIBox


def drawn(*shape, rate=0.5, steps=30):
    return (np.random.default_rng(3).random((steps, *shape)) < rate).astype(np.float64)


def agree(model, x, squeezed=False):
    """Compare a model with its graph."""
    torch.manual_seed(2)
    model = model.double().eval()
    for part in model.modules():
        if isinstance(part, nn.Linear | nn.Conv2d):
            part.weight.data = torch.randn(part.weight.shape).double()
            part.weight.data *= 3 * part.weight[0].numel() ** -0.5
    theirs = spikes_of(model, x, squeezed)
    lead = (1,) if squeezed else (1, 2)
    found = compare(model, x, theirs, torch.zeros(*lead, *x.shape[1:]))
    assert found.wrong == []
    assert found.spikes > 20
    return found


def test_maximum_pools_become_neurons_by_option_with_sinabs_spikes():
    fires = {"batch_size": 1, "spike_fn": Single}
    parts = [nn.Conv2d(1, 3, 3, bias=False), sl.IAFSqueeze(**fires), nn.MaxPool2d(2)]
    parts += [nn.Flatten(), nn.Linear(27, 4, bias=False), sl.IAFSqueeze(**fires)]
    agree(nn.Sequential(*parts), drawn(1, 8, 8), squeezed=True)


def test_the_convolutional_network_of_squeezed_layers_gives_sinabs_spikes():
    def neurons():
        return sl.IAFSqueeze(batch_size=1, spike_fn=Single)

    model = nn.Sequential(
        *(nn.Conv2d(2, 4, 3, padding=1, bias=False), neurons(), nn.AvgPool2d(2, 2)),
        *(nn.Conv2d(4, 6, 3, padding=1, bias=False), neurons(), sl.SumPool2d(2, 2)),
        *(nn.Dropout(0.5), nn.Flatten(), nn.Linear(24, 10, bias=False), neurons()),
    )
    agree(model, drawn(2, 8, 8), squeezed=True)


def test_a_converted_network_with_single_spikes_gives_sinabs_spikes():
    torch.manual_seed(0)
    plain = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()),
        *(nn.Linear(36, 12), nn.ReLU(), nn.Linear(12, 10)),
    )
    made = from_model(plain, batch_size=1, spike_fn=Single, min_v_mem=None, add_spiking_output=True)
    agree(made.spiking_model, drawn(1, 8, 8), squeezed=True)
    found = trace(made, torch.zeros(1, 1, 8, 8))
    assert "spiking_model.spike_output" in found.nodes


def test_layers_over_time_give_sinabs_spikes():
    model = nn.Sequential(
        sl.Repeat(nn.Conv2d(1, 4, 3)),
        sl.LIF(tau_mem=5.0, spike_fn=Single),
        sl.Repeat(nn.Flatten()),
        nn.Linear(144, 20),
        sl.LIF(tau_mem=10.0, tau_syn=3.0, norm_input=False, spike_fn=Single),
        nn.Linear(20, 10),
        sl.IAF(spike_fn=Single, reset_fn=MembraneReset()),
    )
    agree(model, drawn(1, 8, 8))


def test_recurrent_layers_give_sinabs_spikes():
    back = nn.Linear(12, 12, bias=False)
    model = nn.Sequential(
        nn.Linear(8, 12),
        sl.LIFRecurrent(tau_mem=6.0, rec_connect=back, spike_fn=Single),
        nn.Linear(12, 12),
        sl.IAFRecurrent(rec_connect=nn.Identity(), spike_fn=Single),
    )
    agree(model, drawn(8))
    assert back.weight.dtype == torch.float64  # the trace has left it alone


def test_ten_random_networks_give_sinabs_spikes():
    kinds = set()
    for seed in range(10):
        found = random_sinabs.compared(seed)
        assert found.wrong == [], seed
        kinds |= found.kinds
    assert kinds >= {"LIF", "IAF", "LIFSqueeze", "IAFSqueeze", "LIFRecurrent", "IAFRecurrent"}


@pytest.mark.parametrize("norm_input", [True, False])
def test_an_exponential_leak_is_a_readout_of_its_potential(norm_input):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), sl.ExpLeak(tau_mem=7.0, norm_input=norm_input)).double()
    graph = trace(model, torch.zeros(1, 2, 4))
    assert isinstance(graph.nodes["1"], LIBox)
    x = drawn(4)
    with torch.no_grad():
        theirs = model(torch.from_numpy(x)[None])[0].numpy()
    ours = reference.run_float(graph, x)[0]["1"]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_a_spike_at_the_very_threshold_is_one():
    model = nn.Sequential(nn.Linear(1, 1, bias=False), sl.IAF(spike_fn=Single)).double()
    model[0].weight.data.fill_(0.25)
    x = np.ones((9, 1))
    theirs = spikes_of(model, x, False)
    assert theirs["1"].ravel().tolist() == [0, 0, 0, 1, 0, 0, 0, 1, 0]
    assert compare(model, x, theirs, torch.zeros(1, 2, 1)).wrong == []


def test_both_resets_compile_for_a_target_that_has_them():
    for reset, target in ((MembraneReset(), "loihi-sim"), (MembraneSubtract(), "ideal")):
        layer = sl.LIF(tau_mem=5.0, spike_fn=SingleSpike, reset_fn=reset)
        model = nn.Sequential(nn.Linear(6, 5), layer)
        assert compile(trace(model, torch.zeros(1, 2, 6)), load_chip(target)).fixed_graph.fixed


def test_saving_leaves_a_trained_network_with_its_state_as_it_was():
    back = nn.Linear(9, 9, bias=False)
    layer = sl.LIFRecurrent(tau_mem=5.0, rec_connect=back, spike_fn=SingleSpike)
    model = nn.Sequential(nn.Linear(6, 9), layer)
    model(torch.ones(1, 3, 6)).sum()
    before = layer.v_mem
    trace(model, torch.zeros(1, 2, 6))
    assert layer.v_mem is before
    assert back.weight.dtype == torch.float32


def single(**options):
    return sl.LIF(**{"tau_mem": 5.0, "spike_fn": SingleSpike, **options})


@pytest.mark.parametrize(
    ("made", "words", "cure"),
    [
        (
            lambda: single(spike_fn=MultiSpike),
            "spike_fn MultiSpike gives 7 spikes in a step.*Use spike_fn=SingleSpike",
            single,
        ),
        (
            lambda: single(spike_fn=MaxSpike(3)),
            "spike_fn MaxSpike gives 3 spikes in a step",
            lambda: single(spike_fn=MaxSpike(1)),
        ),
        (lambda: single(min_v_mem=-1.0), "min_v_mem = -1 stops its potential there", single),
        (
            lambda: single(reset_fn=MembraneReset(0.2)),
            r"its reset_fn is MembraneReset\(reset_value=0.2\), allowed are",
            lambda: single(reset_fn=MembraneReset()),
        ),
        (
            lambda: sl.IAF(tau_syn=3.0, spike_fn=SingleSpike),
            "Use LIF with a long tau_mem, or IAF without tau_syn",
            lambda: single(tau_mem=1e4, tau_syn=3.0),
        ),
        (
            lambda: single(tau_mem=float("inf")),
            "Use IAF where nothing is lost",
            lambda: sl.IAF(spike_fn=SingleSpike),
        ),
        (
            lambda: sl.LIFRecurrent(5.0, nn.Linear(4, 4), spike_fn=SingleSpike),
            "the bias of its rec_connect is missing in the first step",
            lambda: sl.LIFRecurrent(5.0, nn.Linear(4, 4, bias=False), spike_fn=SingleSpike),
        ),
        (
            lambda: sl.LIFRecurrent(5.0, nn.Sequential(nn.Linear(4, 4)), spike_fn=SingleSpike),
            "its rec_connect is a Sequential, allowed are Linear",
            lambda: sl.LIFRecurrent(5.0, nn.Linear(4, 4, bias=False), spike_fn=SingleSpike),
        ),
    ],
)
def test_what_no_neuron_here_does_is_refused_with_a_cure_that_reads(made, words, cure):
    with pytest.raises(Unsupported, match=words) as refused:
        trace(nn.Sequential(nn.Linear(4, 4), made()), torch.zeros(1, 2, 4))
    assert str(refused.value).startswith("layer '1' (")
    trace(nn.Sequential(nn.Linear(4, 4), cure()), torch.zeros(1, 2, 4))


def test_a_neuron_whose_threshold_adapts_is_refused_by_name():
    model = nn.Sequential(nn.Linear(4, 4), sl.ALIF(tau_mem=5.0, tau_adapt=5.0))
    with pytest.raises(Unsupported, match=r"layer '1' is an ALIF, which is not supported"):
        trace(model, torch.zeros(1, 4))


def test_time_is_the_second_axis_of_an_example_whose_layers_take_all_steps():
    model = nn.Sequential(nn.Linear(4, 3), sl.IAF(spike_fn=SingleSpike))
    own = trace(model, torch.zeros(1, 9, 4)).settings
    assert (own.steps, [a.key for a in own.assumed]) == (9, ["dt"])
