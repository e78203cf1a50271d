"""A maximum pool of spikes: by option neurons that fire at any, else refused with both ways."""

import norse.torch as norse
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import neurocompile as nc
from neurocompile.cli import main
from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.errors import BadInput, Unsupported
from neurocompile.frontend import with_encoder
from neurocompile.frontend.torch import trace
from neurocompile.ir.fixed import CubaLIF
from neurocompile.ir.neurons import Neuron
from neurocompile.ir.reference import run_float
from neurocompile.ir.shapes import shapes
from neurocompile.ir.time import depths

STEPS = 12
POOLS = {
    "two axes": (nn.MaxPool2d(2), nn.LPPool2d(1, 2), (2, 6, 6)),
    "windows that overlap": (nn.MaxPool2d(3, 2), nn.LPPool2d(1, 3, 2), (2, 7, 7)),
    "one axis": (nn.MaxPool1d(4), nn.LPPool1d(1, 4), (3, 8)),
}


@pytest.fixture(params=POOLS)
def case(request):
    """The maximum pool, the form that the refusal names, and spikes of 20 % of the inputs."""
    pool, total, shape = POOLS[request.param]
    fires_at_any = norse.IAFCell(norse.IAFParameters(v_th=0.5))
    spikes = torch.rand(STEPS, 5, *shape, generator=torch.Generator().manual_seed(3)) < 0.2
    return pool, norse.SequentialState(total, fires_at_any), spikes.float()


def maxima(pool, spikes):
    """(n, steps, ...) maxima, which are neither all 0 nor all 1."""
    expected = torch.stack([pool(now) for now in spikes]).transpose(0, 1)
    assert 0.1 < expected.mean() < 0.9
    return expected


def test_the_module_gives_the_maximum_spike_by_spike_in_the_same_step(case):
    pool, form, spikes = case
    state, fired = None, []
    for now in spikes:
        out, state = form(now, state)
        fired.append(out)
    assert torch.equal(torch.stack(fired).transpose(0, 1), maxima(pool, spikes))


def test_the_chips_integers_give_the_same_spikes_in_the_same_step(case):
    pool, form, spikes = case
    compiled = nc.compile(
        form, "loihi-sim", example_input=spikes[0], settings=nc.Settings(steps=STEPS)
    )
    graph = compiled.fixed_graph
    (name,) = (name for name, _ in graph.of(CubaLIF))
    encoded = Encoded({"input": spikes.transpose(0, 1).numpy().astype("uint8")}, STEPS)
    fired = fixed.run(graph, encoded).recording.spikes[name]
    assert torch.equal(torch.from_numpy(fired).float(), maxima(pool, spikes))


def test_it_costs_one_more_neuron_per_output_of_the_pool(case):
    pool, form, spikes = case
    graph = trace(form, spikes[0])
    (neurons,) = (shape for name, shape in shapes(graph).items() if name in dict(graph.of(Neuron)))
    assert neurons == pool(spikes[0]).shape[1:]


class Functional(nn.Module):
    def __init__(self, call, *args, **kwargs):
        super().__init__()
        self.call, self.given = call, (args, kwargs)

    def forward(self, x):
        return self.call(x, *self.given[0], **self.given[1])


@pytest.mark.parametrize(
    ("pool", "shape", "form"),
    [
        (nn.MaxPool1d(2), (1, 8), "LPPool1d"),
        (nn.MaxPool2d(2), (1, 8, 8), "LPPool2d"),
        (Functional(nn.functional.max_pool2d, 2), (1, 8, 8), "LPPool2d"),
    ],
)
def test_the_refusal_names_the_exact_form_and_its_cost(pool, shape, form):
    with pytest.raises(Unsupported) as caught:
        trace(norse.SequentialState(norse.IAFCell(), pool, norse.IAFCell()), torch.zeros(1, *shape))
    said = str(caught.value)
    assert "max_pool='neurons' of save and compile (--max-pool neurons of a command)" in said
    assert f"torch.nn.{form}(1, kernel, stride)" in said
    assert "norse.torch.IAFCell(norse.torch.IAFParameters(v_th=0.5))" in said
    assert "one more neuron per output of the pool" in said


F = nn.functional
HELD = {
    "module": (nn.MaxPool2d(2), (2, 6, 6)),
    "overlap": (nn.MaxPool2d(3, 2), (2, 7, 7)),
    "a stride that leaves inputs out": (nn.MaxPool2d((1, 2), (2, 3)), (2, 7, 7)),
    "padding": (nn.MaxPool2d((3, 2), 2, padding=(1, 0)), (2, 6, 6)),
    "dilation": (nn.MaxPool2d(2, 1, dilation=(2, 3)), (2, 6, 6)),
    "dilation, padding and stride": (nn.MaxPool2d(3, 2, padding=1, dilation=2), (3, 9, 9)),
    "ceil_mode without a rest": (nn.MaxPool2d(2, ceil_mode=True), (2, 6, 6)),
    "one axis": (nn.MaxPool1d(4), (3, 8)),
    "one axis, dilation": (nn.MaxPool1d(3, 1, padding=1, dilation=2), (3, 8)),
    "call": (Functional(F.max_pool2d, 2), (2, 6, 6)),
    "call with everything": (
        Functional(F.max_pool2d, 3, 2, 1, dilation=1, ceil_mode=False),
        (2, 7, 7),
    ),
    "call of one axis": (Functional(F.max_pool1d, kernel_size=2), (3, 8)),
    "call of torch": (Functional(torch.max_pool2d, 2), (2, 6, 6)),
    "lifted": (norse.Lift(nn.MaxPool2d(2)), (2, 6, 6)),
}


@pytest.fixture(params=HELD)
def held(request):
    """The graph of a pool by option, its input (steps, *shape), and torch's own maxima of it."""
    pool, shape = HELD[request.param]
    random = torch.Generator().manual_seed(5)
    spikes = (torch.rand(STEPS, 1, *shape, generator=random) < 0.2).double()
    expected = pool(spikes) if isinstance(pool, norse.Lift) else torch.stack([*map(pool, spikes)])
    assert 0.1 < expected.mean() < 0.95
    example = spikes if isinstance(pool, norse.Lift) else spikes[0]
    graph = trace(pool, example, nc.Settings(steps=STEPS), max_pool="neurons")
    return graph, spikes[:, 0].numpy(), expected[:, 0].numpy().astype(bool)


def test_by_option_float_spikes_are_those_of_torchs_pool_step_by_step(held):
    graph, spikes, expected = held
    (name,) = (name for name, _ in graph.of(Neuron))
    assert np.array_equal(run_float(graph, spikes)[0][name], expected)


@pytest.mark.parametrize("bits", [2, 8])
def test_by_option_the_chips_integers_give_the_same_spikes(held, bits):
    graph, spikes, expected = held
    compiled = nc.compile(graph, "loihi-sim", bits=bits).fixed_graph
    (name,) = (name for name, _ in compiled.of(CubaLIF))
    encoded = Encoded({"input": spikes[None].astype("uint8")}, STEPS)
    fired = fixed.run(compiled, encoded).recording.spikes[name]
    assert np.array_equal(fired[0].astype(bool).reshape(expected.shape), expected)


def network():
    """A pool between neurons, all of whose layers fire."""
    torch.manual_seed(0)
    cells = [norse.LIFBoxCell(norse.LIFBoxParameters(v_th=torch.tensor(0.02))) for _ in range(2)]
    return norse.SequentialState(
        nn.Conv2d(1, 2, 3), cells[0], nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3), cells[1]
    )


IMAGE = torch.zeros(1, 1, 6, 6)


def test_what_it_costs_is_said_in_every_file_and_report(tmp_path):
    nc.save(network(), tmp_path / "pooled.pt", IMAGE, max_pool="neurons")
    graph = nc.load(tmp_path / "pooled.pt")
    (said,) = [each.sentence for each in graph.settings.assumed if each.key == "max_pool"]
    assert said.startswith("the maximum pool '2' became 8 neurons that fire in the same step")
    assert "one chip step more" in said
    compiled = nc.compile(network(), "loihi-sim", example_input=IMAGE, max_pool="neurons")
    by_hand = nc.compile(
        norse.SequentialState(*(network()[i] for i in (0, 1, 3)), nn.Linear(32, 3), network()[5]),
        "loihi-sim",
        example_input=IMAGE,
    )
    deep, plain = (max(depths(c.fixed_graph).values()) for c in (compiled, by_hand))
    assert deep == plain + 1  # as the sentence says


def test_the_pools_neurons_keep_their_reset_where_another_is_asked_for_the_others(tmp_path):
    nc.save(network(), tmp_path / "pooled.pt", IMAGE, max_pool="neurons")
    graph = nc.load(tmp_path / "pooled.pt", reset="subtract")
    assert {name: node.reset for name, node in graph.of(Neuron)} == {
        "1": "subtract",
        "2": "zero",
        "5": "subtract",
    }


@pytest.mark.parametrize(
    ("layers", "shape", "words"),
    [
        ([nn.Conv2d(1, 1, 1), nn.MaxPool2d(2)], (1, 4, 4), "what layer '0' \\(Conv\\) gives"),
        ([norse.LIFCell(), nn.AvgPool2d(1, 1), nn.MaxPool2d(2)], (1, 4, 4), "'1' \\(AvgPool\\)"),
        (
            [norse.LIFCell(), nn.MaxPool2d(2, ceil_mode=True)],
            (1, 5, 5),
            "ceil_mode=True.*Use False",
        ),
        ([norse.LIFCell(), nn.MaxPool1d(2, 1, 1, 3)], (1, 2), "padding only. Use less padding"),
        ([norse.LICell(), nn.MaxPool2d(2)], (1, 4, 4), "what layer '0' \\(LI\\) gives"),
    ],
)
def test_a_maximum_that_no_neurons_hold_is_refused_by_name(layers, shape, words):
    model = norse.SequentialState(*layers, norse.LIFCell())
    with pytest.raises(Unsupported, match=words):
        trace(model, torch.zeros(1, *shape), max_pool="neurons")


def test_a_pool_behind_the_spiking_layer_as_the_refusal_says_is_read():
    before = norse.SequentialState(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), norse.LIFCell())
    behind = norse.SequentialState(nn.Conv2d(1, 2, 3), norse.LIFCell(), nn.MaxPool2d(2))
    with pytest.raises(
        Unsupported,
        match=r"Put the pool after the spiking layer.*use AvgPool2d here, and train again",
    ):
        trace(before, IMAGE, max_pool="neurons")
    assert len(dict(trace(behind, IMAGE, max_pool="neurons").of(Neuron))) == 2


def test_the_option_is_not_offered_to_pools_that_take_no_spikes():
    image = torch.zeros(1, 1, 12, 12)
    model = norse.SequentialState(
        *(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), norse.LIFCell()),
        *(nn.Conv2d(2, 2, 2), Functional(F.max_pool2d, 2), norse.LIFCell(), nn.MaxPool2d(2)),
    )
    with pytest.raises(Unsupported) as caught:
        trace(model, image)
    first, second, third = caught.value.each
    for said, source in ((first, "'0' (Conv)"), (second, "'3' (Conv)")):
        assert f"what layer {source} gives, which is not spikes" in said
        assert "Put the pool after the spiking layer" in said
        assert "--max-pool" not in said
    assert "layer '6' is a MaxPool2d" in third
    assert "--max-pool neurons" in third
    with pytest.raises(Unsupported) as again:
        trace(model, image, max_pool="neurons")
    assert again.value.each == (first, second)


def test_a_pool_of_the_input_needs_spikes_there(tmp_path):
    model, path = norse.SequentialState(nn.MaxPool2d(2), norse.LIFCell()), tmp_path / "first.pt"
    current = nc.Settings(encoder=nc.Encoder("current"))
    with pytest.raises(Unsupported, match="layer '0' is a maximum pool of the input"):
        trace(model, IMAGE, current, max_pool="neurons")
    nc.save(model, path, IMAGE, max_pool="neurons")
    asked = with_encoder(nc.load(path), nc.Encoder("bernoulli"), path)
    assert asked.settings.encoder.kind == "bernoulli"
    with pytest.raises(Unsupported, match="layer '0' is a maximum pool of the input"):
        with_encoder(nc.load(path), nc.Encoder("current"), path)


def test_the_option_is_refused_where_nothing_can_have_a_maximum_pool(tmp_path):
    nc.save(network(), tmp_path / "pooled.pt", IMAGE, max_pool="neurons")
    with pytest.raises(BadInput, match=r"already read as neurons \('2'\). Leave out max_pool="):
        nc.load(tmp_path / "pooled.pt", max_pool="neurons")
    nc.save(norse.SequentialState(nn.Flatten(), nn.Linear(36, 2)), tmp_path / "plain.pt", IMAGE)
    with pytest.raises(BadInput, match=r"holds no maximum pool.*Leave out max_pool="):
        nc.load(tmp_path / "plain.pt", max_pool="neurons")
    with pytest.raises(BadInput, match="a graph has no maximum pool any more"):
        nc.compile(nc.load(tmp_path / "pooled.pt"), "loihi-sim", max_pool="neurons")
    with pytest.raises(BadInput, match="max_pool is 'or'"):
        trace(network(), IMAGE, max_pool="or")


def test_the_command_line_has_it_for_a_pickled_module(tmp_path):
    path = tmp_path / "pickled.pt"
    model = norse.SequentialState(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(9, 3))
    torch.save({"model": model, "example_input": IMAGE}, path)
    inspect = ["inspect", str(path), "--allow-pickle"]
    refused = CliRunner().invoke(main, inspect)
    assert refused.exit_code == 2
    assert "--max-pool neurons" in refused.stderr
    read = CliRunner().invoke(main, [*inspect, "--max-pool", "neurons", "--json"])
    assert read.exit_code == 0, read.stderr
    assert "the maximum pool '0' became 9 neurons" in read.stdout


def test_a_pool_behind_a_refused_layer_is_not_refused_for_that():
    model = norse.SequentialState(nn.Conv2d(1, 2, 3), norse.LIFAdExCell(), nn.MaxPool2d(2))
    with pytest.raises(Unsupported, match=r"^layer '1' is a LIFAdExCell"):
        trace(model, IMAGE, max_pool="neurons")
