"""Networks of snnTorch as their users write them: read directly, 0 spikes different."""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

snn = pytest.importorskip("snntorch")
import random_snntorch  # noqa: E402  (only where snnTorch is installed)
from peers_agree import compare, one_sample, watched  # noqa: E402
from random_snntorch import NEURONS, step  # noqa: E402
from snntorch import utils  # noqa: E402

import neurocompile as nc  # noqa: E402
from neurocompile import frontend  # noqa: E402
from neurocompile.chip.read import load_chip  # noqa: E402
from neurocompile.compiler import compile  # noqa: E402
from neurocompile.errors import BadInput, Unsupported  # noqa: E402
from neurocompile.frontend.save import save  # noqa: E402
from neurocompile.frontend.torch import trace  # noqa: E402
from neurocompile.ir.neurons import IAF, LIBox, LIFBox  # noqa: E402
from neurocompile.ir.reference import run_float  # noqa: E402
from neurocompile.ir.settings import Decoder, Encoder, Settings  # noqa: E402


def neuron(kind=None, beta=0.9, **options):
    return (kind or snn.Leaky)(beta=beta, spike_grad=step, **options)


class Tutorial(nn.Module):
    """Linear, neurons, Linear, neurons: one step, its states handed in and out."""

    def __init__(self, make=neuron, **options):
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(20, 30), make(**options)
        self.fc2, self.lif2 = nn.Linear(30, 10), make(**options)

    def forward(self, x, mem1=None, mem2=None):
        mem1 = self.lif1.init_leaky() if mem1 is None else mem1
        spk1, mem1 = self.lif1(self.fc1(x), mem1)
        spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
        return spk2, mem1, mem2


class Looped(nn.Module):
    """The network of the tutorials with its loop: a still image, or spikes over time."""

    def __init__(self, make=neuron, over_time=False, **options):
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(20, 30), make(**options)
        self.fc2, self.lif2 = nn.Linear(30, 10), make(**options)
        self.over_time = over_time
        for layer in (self.fc1, self.fc2):
            layer.weight.data *= 4

    def forward(self, x):
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes, potentials = [], []
        for t in range(12):
            spk1, mem1 = self.lif1(self.fc1(x[t] if self.over_time else x), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
            potentials.append(mem2)
        return torch.stack(spikes, dim=0), torch.stack(potentials, dim=0)


class Hidden(nn.Module):
    """A Sequential whose neurons keep their states, in a loop around it."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            *(nn.Linear(20, 30), neuron(init_hidden=True)),
            *(nn.Linear(30, 10), neuron(init_hidden=True, output=True)),
        )

    def forward(self, x):
        utils.reset(self.net)
        spikes = []
        for t in range(x.size(0)):
            spk, _ = self.net(x[t])
            spikes.append(spk)
        return torch.stack(spikes).sum(0)


class Recurrent(nn.Module):
    """A recurrent layer in a loop, its spikes handed back."""

    def __init__(self):
        super().__init__()
        self.fc, self.lif = nn.Linear(20, 12), neuron(snn.RLeaky, linear_features=12)
        self.fc.weight.data *= 4

    def forward(self, x):
        spk, mem = self.lif.init_rleaky()
        spikes = []
        for t in range(x.size(0)):
            spk, mem = self.lif(self.fc(x[t]), spk, mem)
            spikes.append(spk)
        return torch.stack(spikes)


def agree(model, x, stepped, settings=None):
    """Compare a model with its graph; `stepped` runs it over (steps, 1, *shape)."""

    def run():
        for module in model.modules():
            if isinstance(module, NEURONS):
                module.reset_mem()
        stepped(torch.from_numpy(x)[:, None])

    theirs = watched(model, run, lambda m: isinstance(m, NEURONS), one_sample)
    found = compare(model, x, theirs, torch.zeros(1, *x.shape[1:]), settings)
    assert found.wrong == []
    assert found.spikes > 20
    return found


def drawn(*shape, rate=0.5, steps=40):
    return (np.random.default_rng(3).random((steps, *shape)) < rate).astype(np.float64)


def given_back(model):
    """Runs a model that returns its states and takes them."""

    def stepped(x):
        state = ()
        for now in x:
            _, *state = model(now, *state)

    return stepped


def hidden(model):
    """Runs a model whose neurons keep their states."""

    def stepped(x):
        for now in x:
            model(now)

    return stepped


def sequential(*layers):
    torch.manual_seed(5)
    model = nn.Sequential(*layers).double()
    for layer in model:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            layer.weight.data *= 3
    return model


@pytest.mark.parametrize("options", [{}, {"beta": 1.0}, {"reset_mechanism": "zero"}])
def test_the_network_of_the_tutorials_gives_snntorchs_spikes(options):
    torch.manual_seed(0)
    model = Tutorial(**options).double()
    model.fc1.weight.data *= 4
    model.fc2.weight.data *= 4
    agree(model, drawn(20), given_back(model))


class Pooled(nn.Module):
    """A convolution, neurons, a maximum pool of their spikes by a call, and neurons after it."""

    def __init__(self):
        super().__init__()
        self.conv, self.lif1 = nn.Conv2d(1, 3, 3), neuron()
        self.fc, self.lif2 = nn.Linear(27, 4), neuron()

    def forward(self, x, mem1=None, mem2=None):
        mem1 = self.lif1.init_leaky() if mem1 is None else mem1
        spk1, mem1 = self.lif1(4 * self.conv(x), mem1)
        pooled = torch.nn.functional.max_pool2d(spk1, 2)
        spk2, mem2 = self.lif2(self.fc(pooled.flatten(1)), mem2)
        return spk2, mem1, mem2


def test_maximum_pools_become_neurons_by_option_with_snntorchs_spikes():
    torch.manual_seed(4)
    model = Pooled().double()
    agree(model, drawn(1, 8, 8), given_back(model))


def test_the_forms_that_the_refusal_of_a_maximum_offers_are_read_in_a_sequential(tmp_path):
    def tutorial(*between):
        torch.manual_seed(3)
        ends = (nn.Flatten(), nn.Linear(27, 10), neuron(init_hidden=True))
        convolution = nn.Conv2d(1, 3, 3)
        convolution.weight.data *= 4
        return sequential(convolution, *between, *ends)

    image, leaky = torch.zeros(1, 1, 8, 8), {"init_hidden": True, "beta": 0.5}
    with pytest.raises(Unsupported, match=r"Put the pool after.*use AvgPool2d here"):
        nc.save(tutorial(nn.MaxPool2d(2), neuron(**leaky)), tmp_path / "no.pt", image)
    after = tutorial(neuron(**leaky), nn.MaxPool2d(2))
    with pytest.raises(Unsupported) as caught:
        nc.save(after, tmp_path / "no.pt", image)
    form = "beta=1.0, threshold=0.5, reset_mechanism='zero', init_hidden=True"
    assert f"snntorch.Leaky({form})" in str(caught.value)
    any_spike = snn.Leaky(
        beta=1.0, threshold=0.5, reset_mechanism="zero", init_hidden=True, spike_grad=step
    )
    by_hand = tutorial(neuron(**leaky), nn.LPPool2d(1, 2, 2), any_spike)
    average = tutorial(nn.AvgPool2d(2), neuron(**leaky))
    x = drawn(1, 8, 8)
    for model in (after, by_hand, average):
        agree(model.double(), x, hidden(model))
    for model in (after, by_hand):
        utils.reset(model)
    for now in torch.from_numpy(x)[:, None]:
        assert torch.equal(after(now), by_hand(now))


def test_the_comparison_that_the_page_shows_ends_in_0_different(tmp_path):
    page = (Path(__file__).parents[2] / "docs/peers.md").read_text()
    shown = page[page.index("    import snntorch") : page.index("A network that takes real")]
    code = "\n".join(line[4:] for line in shown.split("\n") if line.startswith("    "))
    held = {"numpy": np}
    torch.manual_seed(0)
    exec(code.replace('"net.pt"', repr(str(tmp_path / "net.pt"))), held)
    assert held["ours"].shape == held["theirs"].shape == (5, 20, 10)
    assert held["ours"].sum() > 20
    assert np.array_equal(held["ours"], held["theirs"].detach().numpy())


def test_a_sequential_with_hidden_states_gives_snntorchs_spikes():
    model = sequential(
        *(nn.Conv2d(1, 4, 5), nn.AvgPool2d(2), neuron(init_hidden=True)),
        *(nn.Conv2d(4, 6, 3), nn.AvgPool2d(2), neuron(init_hidden=True, beta=0.5)),
        *(nn.Flatten(), nn.Linear(6, 10), neuron(init_hidden=True, output=True)),
    )
    agree(model, drawn(1, 12, 12), hidden(model))


@pytest.mark.parametrize(
    "make",
    [
        lambda: snn.Synaptic(alpha=0.9, beta=0.8, spike_grad=step, init_hidden=True),
        lambda: snn.RLeaky(beta=0.9, linear_features=16, spike_grad=step, init_hidden=True),
        lambda: snn.RLeaky(beta=0.9, all_to_all=False, V=0.4, spike_grad=step, init_hidden=True),
        lambda: snn.Lapicque(R=5.0, C=1.0, time_step=1, spike_grad=step, init_hidden=True),
    ],
)
def test_each_neuron_of_the_tutorials_gives_snntorchs_spikes(make):
    model = sequential(nn.Linear(8, 16), make(), nn.Linear(16, 16), make())
    agree(model, drawn(8), hidden(model))


@pytest.mark.parametrize(
    ("make", "example"),
    [
        (Looped, torch.zeros(1, 20)),
        (lambda: Looped(over_time=True), torch.zeros(12, 1, 20)),
        (lambda: Looped(reset_mechanism="zero"), torch.zeros(1, 20)),
        (Hidden, torch.zeros(12, 1, 20)),
        (Recurrent, torch.zeros(12, 1, 20)),
    ],
)
def test_a_forward_that_loops_over_time_is_read_as_its_body(make, example):
    # the trace itself runs the module and its graph on random input and refuses a difference
    torch.manual_seed(0)
    model = make()
    graph = trace(model, example)
    assert graph.settings.steps == 12
    assert graph.settings.encoder.kind == ("spikes" if example.dim() == 3 else "current")
    assert graph.settings.decoder.kind == ("rate" if isinstance(model, Hidden) else "none")
    names = {name for name, _ in graph.of(LIFBox)}
    assert names == {n for n, m in model.named_modules() if isinstance(m, NEURONS)}


def test_a_readout_of_the_last_layer_may_stand_in_a_loop():
    class Regression(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.lif = nn.Linear(20, 30), neuron()
            self.out, self.readout = nn.Linear(30, 1), neuron(reset_mechanism="none")

        def forward(self, x):
            mem1, mem2 = self.lif.init_leaky(), self.readout.init_leaky()
            potentials = []
            for t in range(x.size(0)):
                spk1, mem1 = self.lif(self.fc(x[t]), mem1)
                _, mem2 = self.readout(self.out(spk1), mem2)
                potentials.append(mem2)
            return torch.stack(potentials, dim=0)

    graph = trace(Regression(), torch.zeros(9, 1, 20))
    assert isinstance(graph.nodes["readout"], LIBox)
    assert graph.settings.steps == 9


def test_ten_random_networks_give_snntorchs_spikes():
    kinds = set()
    for seed in range(10):
        found = random_snntorch.compared(seed)
        assert found.wrong == [], seed
        kinds |= found.kinds
    assert kinds >= {"Leaky", "Synaptic", "RLeaky", "RSynaptic", "Lapicque"}


def test_what_a_spike_takes_a_step_later_is_taken_at_once_from_before_the_decay():
    # beta U - U_thr = beta (U - U_thr / beta), and U_thr / beta = 1 / 0.5
    model = nn.Sequential(nn.Linear(2, 2), snn.Leaky(beta=0.5, init_hidden=True))
    node = trace(model, torch.zeros(1, 2)).nodes["1"]
    assert isinstance(node, LIFBox)
    assert (node.reset, float(node.v_drop), float(node.v_th)) == ("subtract", 2.0, 1.0)
    node = trace(nn.Sequential(snn.Leaky(beta=1.0, init_hidden=True)), torch.zeros(1, 2)).nodes["0"]
    assert isinstance(node, IAF)
    assert node.v_drop is None


def test_a_neuron_that_never_resets_is_a_readout_of_its_potential():
    class Regression(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.lif = nn.Linear(4, 8), neuron()
            self.out, self.readout = nn.Linear(8, 1), neuron(reset_mechanism="none")

        def forward(self, x, mem1=None, mem2=None):
            spk1, mem1 = self.lif(self.fc(x), mem1)
            _, mem2 = self.readout(self.out(spk1), mem2)
            return mem2, mem1, mem2

    torch.manual_seed(1)
    model = Regression().double()
    graph = trace(model, torch.zeros(1, 4))
    assert isinstance(graph.nodes["readout"], LIBox)
    x, state, potentials = drawn(4), (), []
    with torch.no_grad():
        for now in torch.from_numpy(x)[:, None]:
            found, *state = model(now, *state)
            potentials.append(found[0].numpy())
    ours = nc.ir.reference.run_float(graph, x)[0]["readout"]
    np.testing.assert_allclose(ours, np.stack(potentials), rtol=1e-12, atol=1e-12)


def test_the_length_of_a_step_is_that_of_the_settings_and_changes_no_spike():
    model = sequential(nn.Linear(6, 9), neuron(init_hidden=True))
    agree(model, drawn(6), hidden(model), Settings(dt=1e-4))
    leak = trace(model, torch.zeros(1, 6), Settings(dt=1e-4)).nodes["1"].tau_mem_inv * 1e-4
    assert float(leak) == 1 - float(model[1].beta)


@pytest.mark.parametrize(
    ("reset", "target"), [("zero", "loihi-sim"), ("subtract", "ideal"), ("subtract", "loihi2-sim")]
)
def test_both_resets_compile_for_a_target_that_has_them(reset, target):
    model = sequential(
        *(nn.Linear(6, 9), neuron(init_hidden=True, reset_mechanism=reset)),
        *(nn.Linear(9, 4), snn.Synaptic(0.9, 0.8, init_hidden=True, reset_delay=reset != "zero",
                                        reset_mechanism=reset)),
    )  # fmt: skip
    compiled = compile(trace(model, torch.zeros(1, 6)), load_chip(target))
    assert compiled.fixed_graph.fixed


def test_saving_leaves_a_trained_network_with_its_states_as_it_was(tmp_path):
    model = nn.Sequential(nn.Linear(6, 9), snn.Leaky(beta=0.9, init_hidden=True))
    model(torch.ones(1, 6)).sum()
    before = model[1].mem
    graph = nc.save(model, tmp_path / "net.pt", torch.zeros(1, 6))
    assert model[1].mem is before
    assert nc.ir.graph.same(nc.load(tmp_path / "net.pt"), graph)


@pytest.mark.parametrize(
    ("layer", "words", "cure"),
    [
        (
            lambda: neuron(reset_delay=False),
            "holds the next spike back",
            lambda: neuron(reset_delay=True),
        ),
        (
            lambda: neuron(snn.Lapicque, 0.8, reset_mechanism="zero"),
            r"Use Leaky\(beta=1 - time_step / \(R C\), reset_mechanism='zero'\)",
            lambda: neuron(beta=0.8, reset_mechanism="zero"),
        ),
        (
            lambda: neuron(snn.RLeaky, linear_features=3, reset_mechanism="zero"),
            "Use reset_delay=False",
            lambda: neuron(
                snn.RLeaky, linear_features=3, reset_mechanism="zero", reset_delay=False
            ),
        ),
        (
            lambda: neuron(snn.RSynaptic, linear_features=3, alpha=0.9, reset_mechanism="zero"),
            "Use reset_mechanism='subtract'",
            lambda: neuron(snn.RSynaptic, linear_features=3, alpha=0.9),
        ),
        (
            lambda: neuron(snn.RLeaky, linear_features=3, reset_mechanism="none", output=True),
            "its spikes come back",
            lambda: neuron(snn.RLeaky, linear_features=3),
        ),
        (
            lambda: neuron(snn.Synaptic, alpha=1.0),
            "alpha = 1 forgets nothing",
            lambda: neuron(snn.Synaptic, alpha=0.99),
        ),
        (lambda: neuron(beta=0.0), "with beta = 0", lambda: neuron(beta=0.1)),
        (
            lambda: neuron(beta=torch.tensor([1.0, 0.5, 0.5])),
            "Use 0.9999 there",
            lambda: neuron(beta=torch.tensor([0.9999, 0.5, 0.5])),
        ),
        (lambda: neuron(threshold=-1.0), "its threshold is -1", lambda: neuron(threshold=0.0)),
        (lambda: neuron(graded_spikes_factor=2.0), "graded_spikes_factor", neuron),
        (lambda: neuron(state_quant=lambda v: v.round()), "state_quant rounds", neuron),
        (
            lambda: snn.Leaky(0.9, spike_grad=lambda v: torch.sigmoid(v)),
            "Use one of snntorch.surrogate",
            lambda: snn.Leaky(0.9, spike_grad=snn.surrogate.fast_sigmoid()),
        ),
        (
            lambda: neuron(reset_mechanism="none"),
            "whose potential it does not return",
            lambda: neuron(reset_mechanism="none", output=True),
        ),
    ],
)
def test_what_no_neuron_here_does_is_refused_with_a_cure_that_reads(layer, words, cure):
    def network(make):
        made = make()
        made.init_hidden = True
        return nn.Sequential(nn.Linear(3, 3), made)

    with pytest.raises(Unsupported, match=words) as refused:
        trace(network(layer), torch.zeros(1, 3))
    assert str(refused.value).startswith("layer '1' (")
    if words == "whose potential it does not return":
        return  # the cure returns two values: test_a_neuron_that_never_resets_... reads them
    trace(network(cure), torch.zeros(1, 3))


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: neuron(snn.Alpha, 0.8, alpha=0.9), r"is an Alpha,.*Use snntorch.Synaptic, and"),
        (lambda: snn.SLSTM(3, 3), r"is a SLSTM,.*Use snntorch.Leaky, Lapicque"),
    ],
)
def test_neurons_without_a_rule_are_refused_by_name_with_what_to_use(made, words):
    with pytest.raises(Unsupported, match=words):
        trace(nn.Sequential(nn.Linear(3, 3), made()), torch.zeros(1, 3))


def test_a_step_that_nobody_gave_a_length_is_noted_as_assumed():
    model = nn.Sequential(nn.Linear(3, 3), neuron(init_hidden=True))
    for given in (None, Settings(), Settings(data="digits")):
        steps, assumed = trace(model, torch.zeros(1, 3), given).settings.assumed
        assert (steps.key, assumed.key) == ("steps", "dt")
        assert assumed.sentence.startswith("a step takes 0.001 s: a Leaky does not say how long.")
    assert trace(model, torch.zeros(1, 3), Settings(1e-3, 100)).settings.assumed == ()


def test_the_length_of_a_step_that_a_file_assumed_can_be_given_later_with_the_same_spikes(tmp_path):
    model = nn.Sequential(nn.Linear(3, 5), neuron(init_hidden=True), nn.Linear(5, 3))
    assumed = save(model, tmp_path / "net.pt", torch.zeros(1, 3), settings=Settings(steps=20))
    given = frontend.load(tmp_path / "net.pt", dt=7e-4)
    assert (given.settings.dt, given.settings.steps) == (7e-4, 20)
    assert [a.key for a in given.settings.assumed] == ["readout"]
    versions = {"snntorch": version("snntorch")}
    assert given.settings.packages == versions
    compiled = compile(given, "ideal")
    assert versions.items() <= compiled.report["provenance"]["packages"].items()
    x = np.random.default_rng(0).random((20, 3)) * 3
    before, after = (run_float(graph, x)[0] for graph in (assumed, given))
    assert before.keys() == after.keys()
    for name, values in before.items():
        np.testing.assert_allclose(after[name], values, rtol=1e-12)
    save(model, tmp_path / "net.pt", torch.zeros(1, 3), settings=Settings(1e-3, 20))
    with pytest.raises(BadInput, match=r"says the length of its step itself, 0.001 s. Leave out"):
        frontend.load(tmp_path / "net.pt", dt=7e-4)


@pytest.mark.filterwarnings("ignore:Inhibition is an unstable feature")
def test_neurons_that_silence_each_other_are_refused():
    model = nn.Sequential(nn.Linear(3, 3), neuron(inhibition=True, init_hidden=True))
    with pytest.raises(Unsupported, match=r"layer '1' \(Leaky\): inhibition=True silences"):
        trace(model, torch.zeros(1, 3))


def test_states_that_come_back_to_another_layer_are_refused_by_name():
    class Crossed(Tutorial):
        def forward(self, x, mem1=None, mem2=None):
            spk, mem1, mem2 = super().forward(x, mem1, mem2)
            return spk, mem2, mem1

    with pytest.raises(Unsupported, match=r"layer 'lif1' \(Leaky\) goes on from the membrane pot"):
        trace(Crossed(), torch.zeros(1, 20))


def test_a_state_that_starts_at_something_else_than_zero_is_refused():
    class Charged(Tutorial):
        def forward(self, x, mem1=None, mem2=None):
            mem1 = torch.ones(1, 30) if mem1 is None else mem1
            return super().forward(x, mem1, mem2)

    with pytest.raises(Unsupported, match=r"layer 'lif1' \(Leaky\) goes on from a Tensor, not"):
        trace(Charged(), torch.zeros(1, 20))


def test_a_version_whose_step_is_another_is_refused_with_the_one_that_was_tried(monkeypatch):
    def other_step(self, input_):
        return self.beta * (self.mem - self.reset * self.threshold) + input_

    monkeypatch.setattr(snn.Leaky, "_base_sub", other_step)
    model = nn.Sequential(nn.Linear(3, 30), snn.Leaky(0.9, init_hidden=True))
    words = r"are not those of the step that is known here. Installed is snntorch 1.0.0; the rules"
    with pytest.raises(Unsupported, match=words):
        trace(model, torch.zeros(1, 3))


def test_a_version_without_an_attribute_is_refused_with_the_one_that_was_tried():
    model = nn.Sequential(nn.Linear(3, 3), snn.Leaky(0.9, init_hidden=True))
    del model[1]._buffers["graded_spikes_factor"]
    with pytest.raises(Unsupported, match=r"graded_spikes_factor.*the rules were tried with 1.0.0"):
        trace(model, torch.zeros(1, 3))


def test_a_hook_that_changes_the_spikes_is_refused_and_one_that_watches_is_not():
    model = nn.Sequential(nn.Linear(3, 3), snn.Leaky(0.9, init_hidden=True))
    seen = []
    watching = model[1].register_forward_hook(lambda module, given, out: seen.append(out))
    trace(model, torch.zeros(1, 3))
    watching.remove()
    model[1].register_forward_hook(lambda module, given, out: out + 1)
    with pytest.raises(Unsupported, match=r"layer '1' \(Leaky\) has a forward hook that changes"):
        trace(model, torch.zeros(1, 3))


class Membranes(nn.Module):
    """A loop over time that returns membranes in one of several ways."""

    def __init__(self, give, last):
        super().__init__()
        self.give, self.fc, self.lif, self.out = give, nn.Linear(4, 3), neuron(), last

    def forward(self, x):
        mem, out, mems, spikes = self.lif.init_leaky(), self.out.init_leaky(), [], []
        for now in x:
            spike, mem = self.lif(self.fc(now), mem)
            spike, out = self.out(spike, out)
            mems.append(out)
            spikes.append(spike)
        return self.give(mems, spikes)


@pytest.mark.parametrize(
    ("give", "decoder"),
    [
        (lambda mems, spikes: torch.stack(mems), "none"),
        (lambda mems, spikes: (torch.stack(mems), torch.stack(spikes)), "none"),
        (lambda mems, spikes: torch.stack(mems).sum(0), "mean"),
        (lambda mems, spikes: mems[-1], "last"),
    ],
)
def test_membranes_as_the_output_are_refused_by_name_with_two_cures_that_work(give, decoder):
    example = torch.zeros(5, 1, 4)
    with pytest.raises(Unsupported) as caught:
        trace(Membranes(give, neuron()), example)
    assert str(caught.value).startswith(
        "the network returns the membrane potential of layer 'out' as its output, but only spikes "
        "leave a neuron that spikes. Return its spikes first, (spikes, potential), and read them"
    )
    readout = trace(Membranes(give, neuron(reset_mechanism="none")), example)
    assert readout.settings.decoder.kind == decoder

    def spikes_first(mems, spikes):
        return torch.stack(spikes), torch.stack(mems)

    rate = Settings(decoder=Decoder("rate"))
    assert trace(Membranes(spikes_first, neuron()), example, rate).settings.decoder.kind == "rate"


def test_the_names_that_its_energy_table_explains_are_those_that_a_network_gets(tmp_path, call):
    model = nn.Sequential(nn.Linear(3, 5), neuron(init_hidden=True))
    settings = Settings(1e-3, 6, Encoder("bernoulli"), Decoder("rate"))
    graph = save(model, tmp_path / "net.pt", torch.zeros(1, 3), settings=settings)
    data = nc.Data("mine", "x", np.full((2, 3), 0.9))
    compile(graph, "loihi2-sim", data=data).export(tmp_path / "out")
    code, text, _ = call("energy", tmp_path / "out", "--model", "loihi1-proxy")
    assert code == 0
    assert "0+1.gain" in text
    shown = " ".join(text.split())
    assert "a+b: the layers a and b, which became one synapse" in shown
    assert "a.gain: the factor that layer a puts on its input" in shown
    assert ("1.drop_1" in text) is ("a.drop_1, a.drop_2: what a spike" in shown)
