"""What cannot be compiled is refused by name, with what to do."""

import norse.torch as norse
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from neurocompile.errors import BadInput, Unsupported
from neurocompile.frontend.torch import trace
from neurocompile.ir.settings import Settings
from neurocompile.nn.layers import LIBox, SpikingOutput
from neurocompile.nn.layers import LIFBox as OurLIFBox


def refusal(module, *shape, settings=None, kind=Unsupported):
    with pytest.raises(kind) as caught:
        trace(module, torch.zeros(shape), settings)
    return str(caught.value)


def test_a_flip_of_the_potential_is_refused_by_name():
    words = refusal(nn.Sequential(nn.Linear(4, 3), OurLIFBox(flips=True)), 5, 1, 4)
    assert words.startswith("layer '1' (LIFBox): it flips potentials below -v_th to v_th")
    assert "Train it with flips=False" in words


def test_a_spiking_output_is_the_readout_that_it_is_read_as():
    readout, spiking = (
        trace(nn.Sequential(nn.Linear(4, 3), layer), torch.zeros(5, 1, 4))
        for layer in (LIBox(), SpikingOutput())
    )
    kinds = [[type(node) for node in graph.nodes.values()] for graph in (readout, spiking)]
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.ReLU(), "layer '1' (ReLU) may get negative values, and a chip has no such activation."),
        (nn.GELU(), "layer '1' is a GELU, which is not supported. A chip has no such activation."),
        (nn.BatchNorm2d(2, track_running_stats=False), "Train with track_running_stats=True."),
        (nn.MaxPool2d(2), "layer '1' is a MaxPool2d, which is not supported. A maximum is not"),
        (
            nn.AdaptiveAvgPool2d((3, 2)),
            "from (4, 4) to (3, 2) its windows differ in size. Use an output_size that divides its "
            "input: one of 1, 2, 4 by one of 1, 2, 4.",
        ),
        (nn.Conv3d(2, 2, 1), "use Conv1d, Conv2d, ConvTranspose1d or ConvTranspose2d or its form"),
        (nn.LSTM(4, 4), "layer '1' is a LSTM, which is not supported. Its state is real-valued"),
        (
            norse.LIFAdExCell(),
            "Use norse.torch.LIFCell, LIFBoxCell, IAFCell, LIFRefracCell, LSNNCell",
        ),
        (
            norse.LIFAdExRefracCell(),
            "layer '1' is a LIFAdExRefracCell, which is not supported. Its dynamics have no fixed-"
            "point model in Lava, so no target can run it. Use norse.torch.LIFRefracCell for a",
        ),
        (nn.Softmax(1), "is a Softmax, which is not supported. Leave it out and end the network"),
        (nn.AvgPool2d(3, ceil_mode=True), "ceil_mode=True is not supported. Use ceil_mode=False"),
        (nn.AvgPool2d(2, divisor_override=3), "divisor_override = 3 is not supported. Use None"),
        (nn.LPPool2d(2, 2), "norm_type = 2 is no linear map. Use 1"),
        (nn.Upsample(scale_factor=2, mode="bilinear"), "mode 'bilinear' is not supported."),
        (nn.Upsample(size=6), "(4, 4) to (6, 6) does not repeat every value equally often."),
        (
            nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"),
            "padding_mode 'circular' is not supported.",
        ),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, nn.Module) else "",
)
def test_a_layer_without_a_rule_is_refused_with_what_could_replace_it(module, words):
    # each stands behind a layer of its own, so that the path names the right one
    assert words in refusal(norse.SequentialState(nn.Identity(), module), 1, 2, 4, 4)


# PyTorch warns that such a convolution copies its input
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_padding_that_differs_between_the_sides_is_refused():
    net = nn.Sequential(nn.Conv2d(2, 2, (3, 2), padding="same"))
    assert (
        "layer '0' (Conv2d): padding='same' with kernel (3, 2) pads one side more than the other. "
        "Use an odd kernel, or a number as padding."
    ) in refusal(net, 1, 2, 4, 4)


def test_a_subclass_with_a_forward_of_its_own_is_not_taken_for_its_parent():
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    assert "operation 'linear' in the forward of 'a' (Doubled)" in refusal(
        nn.Sequential(nn.ModuleDict({"a": Doubled(3, 3)})["a"]), 1, 3
    ).replace("'0'", "'a'")


def added_and_used(y, x, shape=None):
    z = y if shape is None else y.view(shape)
    return z.add_(x) + y


class Step(nn.Module):
    """A module with a forward given as a function."""

    def __init__(self, step, **layers):
        super().__init__()
        self.step = step
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x, state=None):
        return self.step(self, x, state)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (
            lambda m, x, s: m.fc(x) + 1.0,
            "operation 'add' in the forward of Step is not supported. Only the outputs of two",
        ),
        (lambda m, x, s: torch.add(m.fc(x), x, alpha=2), "the forward of Step adds 2 times a sig"),
        (lambda m, x, s: added_and_used(m.fc(x), x), "adds to the output of layer 'fc' in place"),
        (lambda m, x, s: added_and_used(m.fc(x), x, (1, 3)), "of layer 'fc' in place"),
        (
            lambda m, x, s: torch.stack([m.fc(x), x]),
            "the network returns a stack. Use torch.cat of the outputs",
        ),
        (lambda m, x, s: torch.cat([m.fc(x), x], 0), "concatenates along axis 0, allowed is 1"),
        (lambda m, x, s: torch.cat([m.fc(x), torch.ones(1, 3)], 1), "operation 'cat' in the forw"),
        (lambda m, x, s: F.relu(m.fc(x)), "in the forward of Step may get negative values, and a"),
        (lambda m, x, s: F.gelu(m.fc(x)), "A chip has no such activation. Use a spiking layer"),
        (lambda m, x, s: F.linear(x, m.fc.weight), "Use the module of that name from torch.nn"),
        (lambda m, x, s: m.fc(x) * torch.rand(3), "A signal can be multiplied by one number, no"),
        (lambda m, x, s: m.fc(x[:, :3]), "Signals cannot be indexed or transposed"),
        (lambda m, x, s: F.dropout(m.fc(x)), "operation 'dropout' in the forward of Step is not"),
        (lambda m, x, s: m.lif(m.fc(x))[1].v, "reads the state of layer 'lif' ('getattr')"),
        (lambda m, x, s: [m.fc(x)], "the network returns an immutable_list as its output"),
        (lambda m, x, s: m.fc(x) if x.sum() > 0 else x, "must not branch or loop on values of its"),
        (lambda m, x, s: m.fc(x, x), "layer 'fc' (Linear) is called with more than its input"),
        (lambda m, x, s: m.fc(torch.zeros(1, 3)), "layer 'fc' (Linear) is not given the signal"),
    ],
)
def test_a_forward_that_no_rule_covers_is_refused_by_the_name_of_the_operation(step, words):
    assert words in refusal(Step(step, fc=nn.Linear(3, 3), lif=norse.LIFCell()), 1, 3)


def test_a_layer_over_time_that_is_called_twice_is_refused():
    lif = OurLIFBox()
    assert "layer '0' (LIFBox) is called twice in a step, but it has one state" in refusal(
        nn.Sequential(lif, nn.Linear(3, 3), lif), 4, 1, 3
    )


def test_a_neuron_layer_whose_state_is_dropped_is_refused():
    step = Step(lambda m, x, s: m.lif(x)[0], lif=norse.LIFCell())
    assert "layer 'lif' (LIFCell) goes on from no state, not from the state that it" in refusal(
        step, 1, 3
    )


def test_a_neuron_layer_that_starts_elsewhere_is_refused():
    step = Step(lambda m, x, s: m.lif(x, torch.zeros(3)), lif=norse.LIFCell())
    assert "layer 'lif' (LIFCell) starts from a Tensor, not from its own state" in refusal(
        step, 1, 3
    )


def test_states_that_change_places_are_refused():
    def step(m, x, s):
        a, b = s or (None, None)
        z, a = m.a(x, a)
        z, b = m.b(z, b)
        return z, (b, a)

    assert "layer 'a' (LIFCell) goes on from the state of layer 'b'" in refusal(
        Step(step, a=norse.LIFCell(), b=norse.LIFCell()), 1, 3
    )


def test_an_output_that_takes_the_place_of_the_input_is_refused():
    def step(m, x, s):
        last, state = s or (None, None)
        z, state = m.lif(m.fc(x if last is None else last), state)
        return z, (z, state)

    words = refusal(Step(step, fc=nn.Linear(3, 3), lif=norse.LIFCell()), 1, 3)
    assert "something else in its second step than in its first, at line " in words
    assert ". Do the same in every step. What comes back a step later through the state" in words


def test_a_second_step_that_differs_from_the_first_is_refused():
    def step(m, x, s):
        z = m.fc(x) if s is None else x
        return m.lif(z, s)

    # its input layer is there in the first step alone
    assert "does something else in its second step than in its first" in refusal(
        Step(step, fc=nn.Linear(3, 3), lif=norse.LIFCell()), 1, 3
    )


def test_an_output_of_two_steps_before_is_refused():
    def step(m, x, s):
        older, last, state = s or (torch.zeros(1, 3), torch.zeros(1, 3), None)
        z, state = m.lif(m.fc(x) + older, state)
        return z, (last, z, state)

    assert "the forward of Step joins a signal with zeros in its second step too. What comes" in (
        refusal(Step(step, fc=nn.Linear(3, 3), lif=norse.LIFCell()), 1, 3)
    )


def test_a_bias_that_the_first_step_leaves_out_is_refused():
    def step(m, x, s):
        last, state = s or (None, None)
        drive = x if last is None else x + m.fc(last)
        z, state = m.lif(drive, state)
        return z, (z, state)

    layers = {"lif": norse.LIFCell()}
    assert "in its second step than in its first" in refusal(
        Step(step, fc=nn.Linear(3, 3), **layers), 1, 3
    )
    without = Step(step, fc=nn.Linear(3, 3, bias=False), **layers)
    assert "fc" in trace(without, torch.zeros(1, 3)).nodes


def test_a_start_that_is_not_silent_is_refused():
    def step(m, x, s):
        last, state = s or (torch.ones(1, 3), None)
        z, state = m.lif(x + last, state)
        return z, (z, state)

    assert "operation 'add' in the forward of Step is not supported. Only the outputs of two" in (
        refusal(Step(step, lif=norse.LIFCell()), 1, 3)
    )


def test_a_layer_that_is_there_in_the_first_step_alone_is_refused():
    def step(m, x, s):
        last, state = s or (torch.zeros(1, 3), None)
        z, state = m.lif((m.fc(x) if s is None else x) + last, state)
        return z, (m.fc(x) if s is None else z, state)

    assert "does something else in its" in refusal(
        Step(step, fc=nn.Linear(3, 3), lif=norse.LIFCell()), 1, 3
    )


def test_recurrent_sequential_around_layers_over_time_is_refused():
    net = norse.RecurrentSequential(nn.Linear(3, 3), norse.LIF())
    assert "(RecurrentSequential) feeds its output back in its next call, but other" in refusal(
        norse.SequentialState(nn.Linear(3, 3), net), 5, 1, 3
    )


def test_a_batch_norm_that_would_take_the_batch_for_channels_is_refused():
    net = nn.Sequential(nn.BatchNorm1d(3), norse.LIF())  # given (T, N = channels, features)
    assert "layer '0' (BatchNorm1d) does a single step, but other layers take all" in refusal(
        net, 5, 3, 3
    )


def test_a_pair_in_the_place_of_a_tensor_is_refused():
    net = nn.Sequential(norse.LIFCell(), nn.Linear(3, 3))
    words = refusal(net, 1, 3, kind=BadInput)
    assert "layer '0' (LIFCell) returns an (output, state) pair, which torch.nn.Seq" in words
    net = nn.Sequential(norse.LIF(), nn.Linear(3, 3))
    assert "layer '1' (Linear) is given an (output, state) pair" in refusal(
        net, 4, 1, 3, kind=BadInput
    )


def test_a_cell_among_layers_over_time_is_refused_and_lifting_is_named():
    net = norse.SequentialState(norse.LIF(), norse.LIFCell())
    words = "Use norse.torch.LIF, or norse.torch.Lift(LIFCell(...)) in a forward of your own"
    assert words in refusal(net, 4, 1, 3)
    net = norse.SequentialState(norse.LIF(), norse.LIFBoxCell())
    assert "Use norse.torch.Lift(LIFBoxCell(...)) in a forward of your own" in refusal(net, 4, 1, 3)

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.box, self.last = (
                norse.LIF(),
                norse.Lift(norse.LIFBoxCell()),
                norse.LI(),
            )

        def forward(self, x):
            x, _ = self.first(x)
            x, _ = self.box(x)
            return self.last(x)[0]

    assert list(trace(Own(), torch.zeros(4, 1, 3)).nodes) == ["input", "first", "box", "last"]


def test_lifting_a_layer_over_time_is_refused():
    net = nn.Sequential(nn.Linear(3, 3), norse.Lift(OurLIFBox()))
    assert "layer '1' (LIFBox) runs over time already. Do not lift it." in refusal(net, 4, 1, 3)


def test_lifting_cells_inside_a_network_is_refused_and_lifting_each_is_read():
    cells = norse.SequentialState(nn.Linear(3, 3), norse.LIFCell())
    net = norse.SequentialState(nn.Linear(3, 3), norse.Lift(cells), norse.LI())
    assert "Lift takes one supported layer here, or an nn.Sequential of" in refusal(net, 4, 1, 3)
    each = norse.SequentialState(nn.Linear(3, 3), norse.Lift(cells[0]), norse.LIF(), norse.LI())
    assert list(trace(each, torch.zeros(4, 1, 3)).nodes) == ["input", "0", "1", "2", "3"]


@pytest.mark.parametrize("hooked", ["1", "1.lifted_module", "1.lifted_module.0"])
def test_a_hook_on_a_lifted_sequential_or_its_layers_is_refused_by_name(hooked):
    lifted = norse.Lift(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)))
    net = norse.SequentialState(nn.Linear(3, 3), lifted, norse.LIF())
    net.get_submodule(hooked).register_forward_hook(lambda m, i, o: o + 1)
    assert refusal(net, 4, 1, 3).startswith(f"layer '{hooked}' (")


def test_a_hook_that_changes_an_output_is_refused():
    net = nn.Sequential(nn.Linear(3, 2))
    net[0].register_forward_hook(lambda m, i, o: o + 1)
    assert "layer '0' (Linear) has a forward hook that changes its input or" in refusal(net, 1, 3)


def test_layers_with_unequal_dt_are_refused_by_both_names():
    net = norse.SequentialState(norse.LIFCell(dt=0.001), norse.LIFCell(dt=0.002))
    words = refusal(net, 1, 3, kind=BadInput)
    assert words.startswith("layer '0' has dt = 0.001 s, but layer '1' has 0.002 s.")


def test_settings_with_another_dt_than_the_layers_are_refused():
    net = norse.SequentialState(norse.LIFCell(dt=0.002))
    assert "the settings have dt = 0.001 s, but layer '0' has 0.002 s" in refusal(
        net, 1, 3, settings=Settings(dt=0.001), kind=BadInput
    )


def test_settings_that_leave_the_step_open_take_that_of_the_layers_which_is_not_assumed():
    net = norse.SequentialState(norse.LIFCell(dt=0.002))
    settings = trace(net, torch.zeros(1, 3), Settings(steps=5)).settings
    assert (settings.dt, settings.steps, settings.assumed) == (0.002, 5, ())


def test_weights_that_are_not_finite_are_counted_and_the_first_is_named():
    net = nn.Sequential(nn.Linear(3, 2))
    with torch.no_grad():
        net[0].weight[0, 2] = torch.nan
        net[0].weight[1, 1] = torch.inf
    assert refusal(net, 1, 3, kind=BadInput) == (
        "layer '0': weight holds 2 of 6 values that are NaN or infinite, the first at [0, 2] "
        "(nan). Load finite parameters."
    )


@pytest.mark.parametrize(
    ("constants", "words"),
    [
        ({"v_th": torch.tensor(torch.inf)}, "v_th holds 1 of 1 values that are NaN or infinite (i"),
        ({"tau_mem_inv": torch.tensor(0.0)}, "tau_mem_inv = 0.0 1/s, but a time constant is"),
        ({"tau_syn_inv": torch.tensor([1.0, -2.0, 3.0])}, "tau_syn_inv = -2.0 1/s, but"),
        ({"v_leak": torch.zeros(2)}, "v_leak has shape (2,), but the layer has (3,). Give one"),
        ({"v_reset": torch.zeros((), dtype=torch.half)}, "v_reset is torch.float16. Use float32"),
    ],
)
def test_constants_that_no_neuron_can_have_are_refused_by_name(constants, words):
    net = norse.SequentialState(norse.LIFCell(norse.LIFParameters(**constants)))
    assert f"layer '0': {words}" in refusal(net, 1, 3, kind=BadInput)


def test_an_unknown_reset_is_refused():
    def reset_half(z, v, reset, th):
        return v - z * th / 2

    net = norse.SequentialState(norse.LIFBoxCell(norse.LIFBoxParameters(reset_method=reset_half)))
    assert "layer '0' (LIFBoxCell): reset method 'reset_half' is unknown." in refusal(net, 1, 3)


def test_a_layer_without_weights_yet_is_refused():
    net = nn.Sequential(nn.LazyLinear(3))
    assert "layer '0' (LazyLinear) has no weights yet" in refusal(net, 1, 3, kind=BadInput)


@pytest.mark.parametrize(
    ("module", "shape", "words"),
    [
        (nn.Linear(3, 2), (3,), "example_input has shape (3,), but (N, ...) with at least one"),
        (nn.Linear(3, 2), (0, 3), "example_input has shape (0, 3), but (N, ...)"),
        (norse.LIF(), (4, 3), "example_input has shape (4, 3), but (T, N, ...)"),
        (nn.Linear(3, 2), (1, 4), "layer 'linear' (Linear) cannot take the shape (1, 4): mat1"),
        (nn.Flatten(0), (2, 3), "turns shape (2, 3) into (6,), which changes the batch."),
        (nn.Conv2d(1, 1, 2), (1, 4, 4), "(Conv): it was given the shape (4, 4), but"),
    ],
)
def test_an_example_that_does_not_fit_is_refused(module, shape, words):
    assert words in refusal(module, *shape, kind=BadInput)


def test_a_convolution_that_takes_the_batch_for_its_channels_is_refused():
    conv = nn.Conv2d(2, 2, 3, padding=1)
    net = nn.Sequential(conv, norse.LIF())  # not lifted, and time first: (T, N = channels, H, W)
    assert "layer '0' (Conv): it was given the shape (4, 4), but takes" in refusal(
        net, 5, 2, 4, 4, kind=BadInput
    )


def test_an_example_that_is_no_tensor_is_refused():
    with pytest.raises(BadInput, match=r"example_input is a list\. Give a tensor"):
        trace(nn.Linear(3, 2), [1.0, 2.0, 3.0])
