"""Networks of SpikingJelly as their users write them: read directly, 0 spikes different."""

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("spikingjelly")
import random_spikingjelly
from peers_agree import compare
from random_spikingjelly import spikes_of
from spikingjelly.activation_based import functional, layer, neuron, surrogate

from neurocompile.chip.read import load_chip
from neurocompile.compiler import compile
from neurocompile.errors import BadInput, Unsupported
from neurocompile.frontend.torch import trace
from neurocompile.ir import reference
from neurocompile.ir.nodes import Linear
from neurocompile.ir.settings import Settings


def drawn(*shape, rate=0.5, steps=30):
    return (np.random.default_rng(3).random((steps, *shape)) < rate).astype(np.float64)


def agree(model, x, over_time=False, least=20):
    """Compare a model with its graph."""
    torch.manual_seed(2)
    model = model.double().eval()
    for part in model.modules():
        if isinstance(part, nn.Linear | nn.Conv2d):
            part.weight.data = (
                torch.randn(part.weight.shape).double() * part.weight[0].numel() ** -0.5
            )
            part.weight.data *= 4
    theirs = spikes_of(model, x, over_time)
    lead = (2, 1) if over_time else (1,)
    found = compare(model, x, theirs, torch.zeros(*lead, *x.shape[1:]))
    assert found.wrong == []
    assert found.spikes > least
    return found


def lif(**options):
    return neuron.LIFNode(tau=2.0, surrogate_function=surrogate.ATan(), **options)


def test_the_fully_connected_network_gives_spikingjellys_spikes():
    model = nn.Sequential(layer.Flatten(), layer.Linear(64, 10, bias=False), lif())
    agree(model, drawn(1, 8, 8))


@pytest.mark.parametrize("mode", ["s", "m"])
def test_the_convolutional_network_gives_spikingjellys_spikes_in_both_modes(mode):
    def block(channels):
        return [
            layer.Conv2d(channels, 4, kernel_size=3, padding=1, bias=False),
            layer.BatchNorm2d(4),
            neuron.IFNode(0.4, surrogate_function=surrogate.ATan()),
            layer.AvgPool2d(2, 2),
        ]

    model = nn.Sequential(
        *(*block(1), *block(4), layer.Flatten()),
        *(layer.Linear(16, 12, bias=False), neuron.IFNode()),
        *(layer.Dropout(0.5), layer.Linear(12, 10, bias=False), neuron.IFNode()),
    )
    functional.set_step_mode(model, mode)
    agree(model, drawn(1, 8, 8), over_time=mode == "m")


def test_a_network_that_repeats_its_image_and_takes_the_mean_is_read_with_both():
    class Repeated(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv_fc = nn.Sequential(
                *(layer.Conv2d(1, 4, 3, padding=1, bias=False), layer.BatchNorm2d(4)),
                *(neuron.IFNode(), layer.AvgPool2d(2, 2), layer.Flatten()),
                *(layer.Linear(64, 10, bias=False), neuron.IFNode()),
            )
            functional.set_step_mode(self, "m")

        def forward(self, x):
            x_seq = x.unsqueeze(0).repeat(6, 1, 1, 1, 1)
            return self.conv_fc(x_seq).mean(0)

    torch.manual_seed(0)
    model = Repeated().double().eval()
    for part in (model.conv_fc[0], model.conv_fc[5]):
        part.weight.data *= 6
    graph = trace(model, torch.zeros(2, 1, 8, 8))
    settings = graph.settings
    assert (settings.steps, settings.encoder.kind, settings.decoder.kind) == (6, "current", "rate")
    image = torch.rand(1, 1, 8, 8).double()
    with torch.no_grad():
        rates = model(image)[0].numpy()
    ours = reference.run_float(graph, np.repeat(image.numpy(), 6, 0))[0]["conv_fc.6"]
    np.testing.assert_array_equal(ours.mean(0), rates)
    assert rates.sum() > 1


def test_layers_of_pytorch_in_containers_give_spikingjellys_spikes():
    model = nn.Sequential(
        layer.SeqToANNContainer(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.AvgPool2d(2)),
        neuron.ParametricLIFNode(3.0, v_reset=None, step_mode="m"),
        layer.SeqToANNContainer(nn.Flatten(), nn.Sequential(nn.Linear(36, 12), nn.Identity())),
        neuron.LIFNode(5.0, decay_input=False, step_mode="m"),
        layer.MultiStepContainer(nn.Linear(12, 10), neuron.IFNode(v_threshold=0.5)),
    )
    agree(model, drawn(2, 8, 8), over_time=True)


def test_the_gesture_network_with_average_pools_gives_spikingjellys_spikes():
    layers, channels = [], 2
    for _ in range(2):
        layers += [layer.Conv2d(channels, 4, 3, padding=1, bias=False), layer.BatchNorm2d(4)]
        layers += [neuron.ParametricLIFNode(2.0, detach_reset=True), layer.AvgPool2d(2, 2)]
        channels = 4
    layers += [layer.Flatten(), layer.Dropout(0.5), layer.Linear(64, 20), lif()]
    model = nn.Sequential(*layers)
    functional.set_step_mode(model, "m")
    agree(model, drawn(2, 16, 16), over_time=True)


def test_a_vote_is_the_mean_of_the_neurons_of_a_class():
    node = trace(nn.Sequential(lif(), layer.VotingLayer(2)), torch.zeros(1, 4)).nodes["1"]
    assert isinstance(node, Linear)
    assert node.weight.tolist() == [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]


@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("bias", [True, False])
def test_recurrent_containers_give_spikingjellys_spikes(mode, bias):
    def added(x, y):
        return x + y

    model = nn.Sequential(
        layer.Linear(8, 12),
        layer.LinearRecurrentContainer(neuron.IFNode(v_reset=None), 12, 12, bias, mode),
        layer.Linear(12, 12),
        layer.ElementWiseRecurrentContainer(lif(decay_input=False), added, mode),
    )
    agree(model, drawn(8), over_time=mode == "m")


def test_ten_random_networks_give_spikingjellys_spikes():
    kinds = set()
    for seed in range(10):
        found = random_spikingjelly.compared(seed)
        assert found.wrong == [], seed
        kinds |= found.kinds
    assert kinds >= {"IFNode", "LIFNode", "ParametricLIFNode", "CUBALIFNode", "SeqToANNContainer"}


def test_a_spike_at_the_very_threshold_is_one():
    # four quarters are the threshold; then three quarters and four, from 0 again
    model = nn.Sequential(nn.Linear(1, 1, bias=False), neuron.IFNode()).double()
    model[0].weight.data.fill_(0.25)
    x = np.ones((9, 1))
    theirs = spikes_of(model, x, False)
    assert theirs["1"].ravel().tolist() == [0, 0, 0, 1, 0, 0, 0, 1, 0]
    assert compare(model, x, theirs, torch.zeros(1, 1)).wrong == []


def test_both_resets_compile_for_a_target_that_has_them():
    for v_reset, target in ((0.0, "loihi-sim"), (None, "ideal")):
        model = nn.Sequential(layer.Linear(6, 5), lif(v_reset=v_reset))
        assert compile(trace(model, torch.zeros(1, 6)), load_chip(target)).fixed_graph.fixed


def test_saving_leaves_a_trained_network_with_its_state_as_it_was():
    model = nn.Sequential(nn.Linear(6, 9), lif())
    model(torch.ones(1, 6)).sum()
    before = model[1].v
    trace(model, torch.zeros(1, 6))
    assert model[1].v is before


class Doubled(neuron.LIFNode):
    def single_step_functional_forward(self, inputs, states, **how):
        return super().single_step_functional_forward((2 * inputs[0],), states, **how)


@pytest.mark.parametrize(
    ("made", "words", "cure"),
    [
        (
            lambda: neuron.CUBALIFNode(v_reset=0.1),
            "resets to v_reset = 0.1, but decays to 0. Use v_reset=0.0 or None",
            lambda: neuron.CUBALIFNode(v_reset=None),
        ),
        (
            lambda: neuron.CUBALIFNode(c_decay=1.0),
            "c_decay = 1 forgets nothing",
            lambda: neuron.CUBALIFNode(c_decay=0.9),
        ),
        (lambda: Doubled(2.0), "with a single_step_functional_forward of its own", lif),
        (
            lambda: layer.ElementWiseRecurrentContainer(lif(), lambda x, y: x * y),
            "its element_wise_function is no addition",
            lambda: layer.ElementWiseRecurrentContainer(lif(), lambda x, y: x + y),
        ),
        (
            lambda: layer.LinearRecurrentContainer(nn.Sequential(lif()), 4, 4),
            "its sub_module is a Sequential, allowed is one of IFNode",
            lambda: layer.LinearRecurrentContainer(lif(), 4, 4),
        ),
        (
            lambda: lif(step_mode="m"),
            "",  # all steps in one call, which the other layers here can take too
            lif,
        ),
    ],
)
def test_what_no_neuron_here_does_is_refused_with_a_cure_that_reads(made, words, cure):
    if words:
        with pytest.raises(Unsupported, match=words) as refused:
            trace(nn.Sequential(nn.Linear(4, 4), made()), torch.zeros(1, 4))
        assert str(refused.value).startswith("layer '1' (")
    else:
        trace(nn.Sequential(nn.Linear(4, 4), made()), torch.zeros(2, 1, 4))
    trace(nn.Sequential(nn.Linear(4, 4), cure()), torch.zeros(1, 4))


def test_neurons_of_one_step_among_layers_of_all_steps_are_refused_by_name():
    model = nn.Sequential(nn.Linear(4, 4), lif(step_mode="m"), nn.Linear(4, 4), lif())
    with pytest.raises(Unsupported, match=r"layer '3' \(LIFNode\) does a single step, but other"):
        trace(model, torch.zeros(2, 1, 4))


@pytest.mark.parametrize("kind", [neuron.KLIFNode, neuron.QIFNode, neuron.EIFNode])
def test_neurons_without_a_rule_are_refused_by_name(kind):
    with pytest.raises(Unsupported, match=rf"layer '1' is an? {kind.__name__}, which is not supp"):
        trace(nn.Sequential(nn.Linear(4, 4), kind()), torch.zeros(1, 4))


def test_a_maximum_pool_is_refused_with_what_to_use():
    model = nn.Sequential(layer.Conv2d(1, 2, 3), neuron.IFNode(), layer.MaxPool2d(2))
    with pytest.raises(Unsupported, match=r"layer '2' is a MaxPool2d.*use AvgPool2d, LPPool2d"):
        trace(model, torch.zeros(1, 1, 6, 6))
    with pytest.raises(Unsupported, match="max_pool='neurons' of save and compile"):
        trace(model, torch.zeros(1, 1, 6, 6))
    with pytest.raises(Unsupported, match=r"layer\.AvgPool2d\(.*IFNode\(v_threshold=0\.5 / n\)"):
        trace(model, torch.zeros(1, 1, 6, 6))


@pytest.mark.parametrize("mode", ["s", "m"])
def test_maximum_pools_become_neurons_by_option_with_spikingjellys_spikes(mode):
    model = nn.Sequential(
        layer.Conv2d(1, 3, 3, step_mode=mode),
        lif(step_mode=mode),
        layer.MaxPool2d(3, 2, padding=1, step_mode=mode),
        layer.Conv2d(3, 3, 2, step_mode=mode),
        lif(step_mode=mode),
        layer.MaxPool2d(2, step_mode=mode),
        layer.Flatten(step_mode=mode),
        layer.Linear(3, 4, step_mode=mode),
        lif(step_mode=mode),
    )
    agree(model, drawn(1, 8, 8), over_time=mode == "m")


@pytest.mark.parametrize("mode", ["s", "m"])
def test_the_exact_form_of_a_maximum_pool_fires_in_the_same_steps(mode):
    form = nn.Sequential(
        layer.AvgPool2d(3, 2, step_mode=mode), neuron.IFNode(v_threshold=0.5 / 9, step_mode=mode)
    )
    x = drawn(2, 7, 7, rate=0.1)
    steps = torch.from_numpy(x)[:, None]
    expected = layer.MaxPool2d(3, 2, step_mode="m")(steps)
    assert 0.1 < expected.mean() < 0.9
    fired = form(steps) if mode == "m" else torch.stack([form(now) for now in steps])
    assert torch.equal(fired, expected)
    functional.reset_net(form)
    agree(form, x, over_time=mode == "m")


def flat(mode):
    model = nn.Sequential(layer.Conv2d(1, 2, 3), lif(), layer.Flatten(), layer.Linear(72, 4), lif())
    functional.set_step_mode(model, mode)
    return model


@pytest.mark.parametrize(
    ("mode", "shape", "said", "cured"),
    [
        ("s", (5, 1, 1, 8, 8), "read as one step, (N, ...), of samples of shape (1, 1, 8, 8)", "m"),
        ("m", (1, 1, 8, 8), "read as all steps, (T, N, ...), of samples of shape (8, 8)", "s"),
    ],
)
def test_an_example_with_other_axes_than_the_step_mode_is_refused_with_how_it_was_read(
    mode, shape, said, cured
):
    with pytest.raises(BadInput) as caught:
        trace(flat(mode), torch.zeros(shape))
    assert f"The example {shape} is {said}" in str(caught.value)
    assert f"step_mode='{cured}' in SpikingJelly" in str(caught.value)
    assert trace(flat(cured), torch.zeros(shape)).nodes["input"].shape == (1, 8, 8)


def test_an_example_with_the_batch_first_where_time_is_first_is_said():
    def axes(*shape):
        assumed = trace(flat("m"), torch.zeros(shape)).settings.assumed
        return [a.sentence for a in assumed if a.key == "axes"]

    (said,) = axes(1, 5, 1, 8, 8)
    assert said.startswith("the example (1, 5, 1, 8, 8) is read as one step of 5 samples")
    assert axes(5, 1, 1, 8, 8) == axes(1, 1, 1, 8, 8) == []


def test_an_example_without_time_is_told_that_time_comes_first():
    with pytest.raises(BadInput, match="is expected: time comes first, then the batch, also for"):
        trace(flat("m"), torch.zeros(1, 64))


def test_the_steps_of_the_example_are_those_of_a_sample_and_others_in_the_settings_are_said():
    model = nn.Sequential(nn.Linear(4, 3), neuron.IFNode(step_mode="m")).eval()
    own = trace(model, torch.zeros(8, 1, 4)).settings
    assert (own.steps, own.assumes("steps")) == (8, False)
    assert trace(model, torch.zeros(8, 1, 4), Settings(steps=8)).settings.assumed == own.assumed
    given = trace(model, torch.zeros(1, 8, 4).transpose(0, 1), Settings(steps=5)).settings
    assert given.steps == 5
    assert [a.line() for a in given.assumed if a.is_note] == [
        "note: a sample takes 5 steps, as the settings say; the example (8, 1, 4) is read as "
        "(T, N, ...) and has 8."
    ]
    one = trace(model, torch.zeros(1, 1, 4)).settings  # shows the order of the axes, no length
    assert (one.steps, one.assumes("steps")) == (100, True)
