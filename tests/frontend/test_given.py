"""What is given in the place of a module is read, or refused in one sentence."""

import norse.torch as norse
import numpy as np
import pytest
import torch
from norse_agrees import compare
from torch import nn

import neurocompile as nc
from neurocompile.errors import BadInput, NeurocompileError, Unsupported
from neurocompile.frontend.torch import trace
from neurocompile.ir.graph import same
from neurocompile.nn.layers import LIFBox


def cell():
    return norse.LIFBoxCell(
        norse.LIFBoxParameters(tau_mem_inv=torch.tensor(300.0), v_th=torch.tensor(0.1))
    )


def network():
    torch.manual_seed(0)
    return norse.SequentialState(nn.Linear(4, 3), cell())


def test_a_module_that_torch_compile_made_is_the_module_inside():
    model = network()
    expected = trace(model, torch.zeros(1, 4))
    assert same(trace(torch.compile(model, backend="eager"), torch.zeros(1, 4)), expected)
    model.compile(backend="eager")
    assert same(trace(model, torch.zeros(1, 4)), expected)
    assert model._compiled_call_impl is not None  # it is left as it was found


def test_a_compiled_module_inside_of_another_is_read():
    model = norse.SequentialState(
        torch.compile(nn.Sequential(nn.Linear(4, 3)), backend="eager"), cell()
    )
    kinds = [type(node).__name__ for node in trace(model, torch.zeros(1, 4)).nodes.values()]
    assert kinds == ["Input", "Linear", "LIFBox"]


def test_an_example_without_values_is_a_shape():
    model = network()
    assert same(trace(model, torch.zeros(1, 4, device="meta")), trace(model, torch.zeros(1, 4)))


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        (
            lambda: torch.export.export(nn.Sequential(nn.Linear(4, 3)), (torch.zeros(1, 4),)),
            Unsupported,
            "this is a program of torch.export, which has no layers. Give the module",
        ),
        (
            lambda: torch.export.export(nn.Linear(4, 3), (torch.zeros(1, 4),)).module(),
            Unsupported,
            "this is a program of torch.export, which has no layers. Give the module",
        ),
        (lambda: network().state_dict(), BadInput, "this is a state dict: weights without layers"),
        (lambda: nn.Linear, BadInput, "this is the class Linear, not a module. Give one: build"),
        (lambda: torch.zeros, BadInput, "this is a builtin_function_or_method. Give a torch.nn.M"),
        (
            lambda: network().to("meta"),
            BadInput,
            "layer '0': weight is on the device 'meta', where it has a shape but no values.",
        ),
        (
            lambda: nn.Sequential(nn.Linear(4, 3), cell(), nn.Linear(3, 2)),
            BadInput,
            "layer '1' (LIFBoxCell) returns an (output, state) pair, which torch.nn.Sequential",
        ),
    ],
)
def test_what_is_no_module_of_layers_is_refused_in_a_sentence(given, kind, words):
    with pytest.raises(kind) as caught:
        trace(given(), torch.zeros(1, 4))
    assert words in str(caught.value)


@pytest.mark.parametrize("example", [torch.zeros(1, 4), torch.ones(1, 4)])
def test_a_hook_that_changes_an_input_is_seen_whatever_the_example_holds(example):
    model = network()
    model[0].register_forward_pre_hook(lambda module, args: (args[0] / 255,))
    with pytest.raises(Unsupported, match="has a forward hook that changes its input or output"):
        trace(model, example)


@pytest.mark.filterwarnings("ignore:.*weight_norm")
def test_weights_that_a_hook_makes_are_read_as_it_makes_them_now():
    model = network()
    nn.utils.weight_norm(model[0])
    with torch.no_grad():
        model[0].weight_g.mul_(3)  # the weight that is held is stale until the next call
        wanted = model[0].weight_g * model[0].weight_v / model[0].weight_v.norm(dim=1)[:, None]
    found = trace(model, torch.zeros(1, 4)).nodes["0"].weight
    np.testing.assert_allclose(found, wanted.detach().numpy(), rtol=1e-6)


def test_a_linear_layer_that_is_used_many_times_is_written_and_read(tmp_path):
    linear = nn.Linear(300, 300)
    model = norse.SequentialState(*[m for _ in range(17) for m in (linear, cell())])
    graph = nc.save(model, tmp_path / "m.pt", torch.zeros(1, 300))
    assert same(nc.load(tmp_path / "m.pt"), graph)


@pytest.mark.parametrize(
    ("layer", "refused"),
    [
        (nn.AvgPool2d(2, ceil_mode=True), False),  # 6 = 3 windows of 2
        (nn.AvgPool2d(4, 2, ceil_mode=True), False),
        (nn.AvgPool2d(4, ceil_mode=True), True),
        (nn.LPPool2d(1, 3, ceil_mode=True), False),
        (nn.Conv2d(1, 1, 3, padding_mode="circular"), False),
        (nn.Conv2d(1, 1, 1, padding="same", padding_mode="reflect"), False),
        (nn.Conv2d(1, 1, 3, padding="valid", padding_mode="reflect"), False),
        (nn.Conv2d(1, 1, 3, padding="same", padding_mode="reflect"), True),
        (nn.Conv2d(1, 1, 3, padding=(0, 1), padding_mode="circular"), True),
    ],
)
def test_an_option_that_changes_nothing_is_no_reason_to_refuse(layer, refused):
    model = norse.SequentialState(layer, cell()).double()
    if refused:
        with pytest.raises(NeurocompileError, match=r"ceil_mode=True|padding_mode"):
            trace(model, torch.zeros(1, 1, 6, 6))
    else:
        x = (np.random.default_rng(0).random((20, 1, 6, 6)) < 0.4).astype(np.float64)
        assert compare(model, x).wrong == []


def test_a_threshold_that_would_get_no_gradient_is_refused():
    parameters = norse.LIFBoxParameters(v_th=nn.Parameter(torch.tensor(0.5)))
    with pytest.raises(BadInput, match=r"LIFBox: v_th asks for a gradient .* get none"):
        LIFBox(parameters)
