"""A loop over time that repeats no one step is refused by its line, with the form to write.

The loops that are read are in test_norse_forms.py.
"""

from dataclasses import replace

import norse.torch as norse
import pytest
import torch
from torch import nn

from neurocompile.errors import BadInput, Unsupported
from neurocompile.frontend.torch import trace
from neurocompile.ir.settings import Decoder, Encoder, Settings

STEPS = 8
HUNDRED = Settings(steps=100)


class Net(nn.Module):
    """A network with a forward given as a function."""

    def __init__(self, step):
        super().__init__()
        self.step = step
        self.fc, self.fc2 = nn.Linear(6, 5), nn.Linear(5, 5)
        self.lif = norse.LIFCell(norse.LIFParameters(v_th=torch.tensor(0.2)))
        self.lif2 = norse.LIFCell()
        self.out = norse.LICell()
        self.register_buffer("held", torch.zeros(STEPS, 2, 5))

    def forward(self, x):
        return self.step(self, x)


def rounds(m, x, each=lambda m, t, h: h, order=lambda x: range(x.shape[0])):
    """The spikes of every round, in a list."""
    state, outs = None, []
    for t in order(x):
        z, state = m.lif(each(m, t, m.fc(x[t])), state)
        outs.append(z)
    return outs


def another_fifth_step(m, x):
    return torch.stack(rounds(m, x, lambda m, t, h: h * 2 if t == 4 else h))


def branches_on_values(m, x):
    return torch.stack(rounds(m, x, lambda m, t, h: h * 2 if h.sum() > 0 else h))


def without_states(m, x):
    return torch.stack([m.lif(m.fc(now))[0] for now in x])


def backwards(m, x):
    return torch.stack(rounds(m, x, order=lambda x: reversed(range(x.shape[0]))))


def every_second_step(m, x):
    return torch.stack(rounds(m, x, order=lambda x: range(0, x.shape[0], 2)))


def spread_over_time(m, x):
    return torch.stack(rounds(m, x)).std(0)


def mean_over_neurons(m, x):
    return torch.stack(rounds(m, x)).mean(2)


def after_a_warm_up(m, x):
    return torch.stack(rounds(m, x)[3:]).mean(0)


def step_in_the_middle(m, x):
    return rounds(m, x)[4]


def into_a_buffer(m, x):
    for t, z in enumerate(rounds(m, x)):
        m.held[t] = z
    return m.held


def layer_every_other_step(m, x):
    state, outs = None, []
    for t, z in enumerate(rounds(m, x)):
        if t % 2:
            z, state = m.lif2(z, state)
        outs.append(z)
    return torch.stack(outs)


def table_of_results(m, x):
    return {"spikes": torch.stack(rounds(m, x))}


def all_steps_at_once(m, x):
    return torch.stack(rounds(m, x, lambda m, t, h: h + m.fc(x).sum(0)))


def constant_in_every_round(m, x):
    zeros = torch.zeros(2, 5)
    return torch.stack(rounds(m, x, lambda m, t, h: h + m.fc2(zeros)))


def softmax_over_samples(m, x):
    return torch.softmax(torch.stack(rounds(m, x)).sum(0), 0)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (another_fifth_step, "in its fifth step than in its second, at line"),
        (branches_on_values, "h.sum() > 0 else h))`) (TraceError: symbolically traced"),
        (without_states, "layer 'lif' is called in every round without the state that it returned"),
        (backwards, "call 1 of this layer is given a value of step 8. Every round takes its own"),
        (every_second_step, "call 2 of this layer is given a value of step 3."),
        (spread_over_time, "`return torch.stack(rounds(m, x)).std(0)`): 'std' is no sum, mean or"),
        (mean_over_neurons, "this is taken over axis 2, not over all steps"),
        (after_a_warm_up, "this is taken over axis 0, not over all steps"),
        (step_in_the_middle, "the forward returns step 5 of 8, not the last"),
        (into_a_buffer, "writes a signal into a tensor that it did not make itself"),
        (layer_every_other_step, "layer 'lif2' is called in 4 of 8 steps"),
        (table_of_results, "the forward returns a dict, not a tensor"),
        (constant_in_every_round, "layer 'fc2' (Linear) is not given the signal of a layer"),
        (softmax_over_samples, "a softmax over axis 0 is not over the classes, the last"),
    ],
)
def test_a_loop_that_is_no_repetition_of_one_step_is_refused(step, words):
    with pytest.raises(Unsupported) as caught:
        trace(Net(step), torch.zeros(STEPS, 2, 6))
    assert words in str(caught.value)


def test_an_input_that_is_used_with_all_of_its_steps_in_a_round_is_refused():
    with pytest.raises(Unsupported):
        trace(Net(all_steps_at_once), torch.zeros(STEPS, 2, 6))


def test_a_refusal_names_the_line_and_shows_the_form_to_write():
    with pytest.raises(Unsupported) as caught:
        trace(Net(layer_every_other_step), torch.zeros(STEPS, 2, 6))
    first, *form = str(caught.value).splitlines()
    assert "of test_loops_over_time.py (`z, state = m.lif2(z, state)`): layer 'lif2' is" in first
    assert form == [
        "    def forward(self, x, state=None):  # x: (N, ...)",
        "        s0, s1 = state or [None] * 2",
        "        z, s0 = self.lif(..., s0)",
        "        z, s1 = self.lif2(..., s1)",
        "        return z, (s0, s1)",
    ]


def test_a_number_of_the_module_that_changes_from_call_to_call_does_not_pass_the_comparison():
    class Counting(Net):
        calls = 0

        def forward(self, x):
            self.calls += 1  # the record is of the first call, the comparison of the second
            return torch.stack(rounds(self, x, lambda m, t, h: h * self.calls))

    with pytest.raises(Unsupported, match=r"values of layer 'lif' differ in step"):
        trace(Counting(None), torch.zeros(STEPS, 2, 6))


def test_a_forward_that_holds_on_to_float32_is_told_how_to_make_its_tensors():
    def step(m, x):
        z, state, outs = torch.zeros(2, 5, dtype=torch.float32), None, []
        for now in x:
            z, state = m.lif(m.fc(now) + m.fc2(z), state)
            outs.append(z)
        return torch.stack(outs)

    with pytest.raises(Unsupported, match=r"Make its tensors as its input is, by x\.new_zeros"):
        trace(Net(step), torch.zeros(STEPS, 2, 6))


def test_the_module_is_left_as_it_was_found():
    model = Net(lambda m, x: torch.stack(rounds(m, x))).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trace(model, torch.zeros(STEPS, 2, 6))
    assert model.training
    assert torch.get_default_dtype() == torch.float32
    for name, value in model.state_dict().items():
        assert value.dtype == before[name].dtype
        assert torch.equal(value, before[name])
    assert not any(m._forward_hooks for m in model.modules())


def test_settings_that_are_given_keep_what_the_forward_says():
    given = Settings(steps=STEPS, encoder=Encoder("bernoulli", 0.5), data="mine")
    settings = trace(
        Net(lambda m, x: torch.stack(rounds(m, x)).mean(0)), torch.zeros(STEPS, 2, 6), given
    ).settings
    assert settings.encoder == Encoder("bernoulli", 0.5)
    assert settings.decoder == Decoder("rate")
    assert settings.data == "mine"


def test_settings_with_other_steps_than_the_loop_are_refused():
    with pytest.raises(BadInput, match="the settings have steps = 100, but the forward loops over"):
        trace(Net(lambda m, x: torch.stack(rounds(m, x))), torch.zeros(STEPS, 2, 6), HUNDRED)


def test_settings_that_leave_the_steps_open_take_those_of_the_loop():
    example, settings = torch.zeros(STEPS, 2, 6), Settings(data="digits")
    found = trace(Net(lambda m, x: torch.stack(rounds(m, x))), example, settings).settings
    assert (found.steps, found.data, found.assumed) == (STEPS, "digits", ())


def test_a_decoder_of_the_settings_is_said_to_override_what_the_forward_returns():
    model, example = Net(lambda m, x: sum(rounds(m, x))), torch.zeros(STEPS, 2, 6)
    own = trace(model, example).settings
    settings = Settings(decoder=Decoder("rate", 3.0))
    found = trace(model, example, settings).settings
    assert found.decoder == Decoder("rate", 3.0)
    (said,) = found.assumed
    assert said.is_note
    assert said.sentence == (
        "the decoder is 'rate', gain 3, as the settings say; the forward's own is "
        f"'{own.decoder.kind}', gain {STEPS}."
    )
    for same in (own.decoder, replace(own.decoder, task="classification")):
        assert trace(model, example, Settings(decoder=same)).settings.assumed == ()


def test_an_encoder_that_the_forward_shows_is_said_and_one_of_the_settings_is_not():
    def constant(m, x):
        state, outs = None, []
        for _ in range(STEPS):
            z, state = m.lif(m.fc(x), state)
            outs.append(z)
        return torch.stack(outs)

    found = trace(Net(constant), torch.zeros(2, 6)).settings
    assert (found.encoder.kind, [a.key for a in found.assumed]) == ("current", ["encoder"])
    assert "a constant current: the encoder is 'current', gain 1." in found.assumed[0].sentence
    asked = Settings(encoder=Encoder("bernoulli", 0.5))
    found = trace(Net(constant), torch.zeros(2, 6), asked).settings
    assert found.encoder == asked.encoder
    assert [a.key for a in found.assumed] == ["overridden encoder"]


def test_a_long_loop_is_read_in_seconds():
    graph = trace(Net(lambda m, x: torch.stack(rounds(m, x))), torch.zeros(300, 1, 6))
    assert graph.settings.steps == 300


class OverFirst(nn.Module):
    """Loops over the first axis of its input."""

    def __init__(self):
        super().__init__()
        self.fc, self.lif = nn.Linear(4, 3), norse.LIFBoxCell()

    def forward(self, x):
        state, out = None, []
        for step in range(x.shape[0]):
            z, state = self.lif(self.fc(x[step]), state)
            out.append(z)
        return torch.stack(out)


class OverSecond(OverFirst):
    """Loops over the second axis of its input."""

    def forward(self, x):
        return super().forward(x.transpose(0, 1))


@pytest.mark.parametrize(
    ("made", "shape", "words", "cure"),
    [
        (
            OverFirst,
            (1, 1, 4),
            "first axis .* and has 1 step: give (T, N, ...) with T > 1",
            (7, 1, 4),
        ),
        (OverFirst, (1, 7, 4), "batch comes first, give example.transpose(0, 1).", (7, 1, 4)),
        (OverSecond, (2, 1, 4), "second axis .* has 1 step: give (N, T, ...) with", (2, 7, 4)),
    ],
)
def test_a_loop_over_an_axis_of_one_step_asks_for_a_longer_example(made, shape, words, cure):
    with pytest.raises(BadInput) as refused:
        trace(made(), torch.zeros(shape))
    for part in words.split(" .* "):
        assert part in str(refused.value)
    assert trace(made(), torch.zeros(cure)).settings.steps == 7
