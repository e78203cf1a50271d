"""The compiled loops give the bits of the loops in torch, forward and back."""

import subprocess
import sys

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from norse.torch import LIFBoxParameters, LIFParameters, reset_subtract

from neurocompile.nn import LIF, LIFBox, bptt, fused

SHAPES = [(1,), (5,), (2100,), (3, 4, 5), (1, 6, 6), (8, 1, 1), (2, 3)]


@st.composite
def cases(draw):
    """A layer and its input, and whether the input is one step's."""
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    shape = draw(st.sampled_from(SHAPES))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))

    def constant(low, high):
        # One number, or one a neuron, or (of images) one a channel.
        own = draw(st.sampled_from([(), shape, (shape[0], *(1,) * (len(shape) - 1))]))
        values = low + (high - low) * torch.rand(own, generator=random, dtype=torch.float64)
        return values.to(dtype if own else torch.float32)

    fields = {
        "tau_mem_inv": constant(20, 600),
        "v_leak": draw(st.sampled_from([torch.tensor(0.0), constant(-0.1, 0.1)])),
        "v_th": constant(0.05, 0.3),
        "v_reset": draw(st.sampled_from([torch.tensor(0.0), constant(-0.2, 0.04)])),
    }
    options = {
        "backprop": draw(st.sampled_from(["surrogate", "membrane"])),
        "reset_gradient": draw(st.booleans()),
        "surrogate_width": draw(st.sampled_from([1.0, 0.07])),
        "surrogate_gain": draw(st.sampled_from([1.0, 0.3])),
    }
    kind = draw(st.sampled_from(["lif", "box", "subtract"]))
    if kind == "lif":
        layer = LIF(LIFParameters(tau_syn_inv=constant(50, 700), **fields), **options)
    else:
        reset = {"reset_method": reset_subtract} if kind == "subtract" else {}
        options["straight_leak"] = draw(st.booleans())
        options["flips"] = draw(st.booleans())
        if options["flips"]:
            fields["v_leak"] = torch.tensor(0.0)
        layer = LIFBox(LIFBoxParameters(**fields, **reset), **options)
    steps, samples = draw(st.integers(1, 7)), draw(st.sampled_from([1, 3]))
    same = draw(st.booleans())
    lead = (samples,) if same else (steps, samples)
    current = 0.8 * torch.randn((*lead, *shape), generator=random, dtype=dtype)
    order = draw(st.sampled_from(["as it is", "channels last", "time second"]))
    if order == "channels last" and len(shape) == 3:
        flat = current.flatten(0, -4).to(memory_format=torch.channels_last)
        current = flat.unflatten(0, lead)
    if order == "time second" and not same:
        current = current.transpose(0, 1).contiguous().transpose(0, 1)
    return layer, current, steps if same else None


def everything(layer, current, steps):
    """All that a layer gives: spikes, counts, potentials, and a gradient of spikes and counts."""
    leaf = current.detach().requires_grad_()
    spikes = layer(leaf, steps)
    counts = layer.activity.counts
    random = torch.Generator().manual_seed(1)
    to_spikes = torch.randn(spikes.shape, generator=random, dtype=spikes.dtype)
    to_counts = torch.randn(counts.shape, generator=random, dtype=spikes.dtype)
    (gradient,) = torch.autograd.grad((spikes, counts), leaf, (to_spikes, to_counts))
    trace = layer.trace(current, steps)
    return spikes, counts, trace.spikes, trace.before, trace.after, trace.counts, gradient


def compare(layer, current, steps):
    """Both ways; the compiled one must have run, and the bits must be the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bptt, "compiled_form", lambda step, c: None)
        expected = everything(layer, current, steps)
    first = current[0] if steps is None else current
    assert bptt.compiled_form(first, layer.constants()) is fused
    for found, other in zip(everything(layer, current, steps), expected, strict=True):
        assert found.dtype == other.dtype
        assert torch.equal(found, other)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_spikes_potentials_counts_and_gradients_are_those_of_the_torch_loop(case):
    compare(*case)


@pytest.mark.parametrize("kind", [LIF, LIFBox])
def test_threads_share_the_neurons_and_change_no_bit(kind):
    current = torch.randn(9, 4, 32, 31, 29, generator=torch.Generator().manual_seed(0))
    layer, threads = kind(), torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert current.numel() > 3 * fused.SHARE
        compare(layer, current, None)
    finally:
        torch.set_num_threads(threads)


def test_a_surrogate_of_another_form_takes_the_torch_loop_back(monkeypatch):
    monkeypatch.setattr(fused, "backward", lambda *_: pytest.fail("has no such formula"))
    layer = LIFBox(LIFBoxParameters(method="tanh", v_th=torch.tensor(0.1)))
    current = torch.rand(4, 2, 3, requires_grad=True)
    layer(current).sum().backward()
    assert current.grad.any()


def test_a_gradient_of_the_gradient_takes_the_torch_loop_back(monkeypatch):
    monkeypatch.setattr(fused, "backward", lambda *_: pytest.fail("has no gradient itself"))
    current = torch.rand(4, 2, 3, requires_grad=True)
    torch.autograd.grad(LIFBox()(current).sum(), current, create_graph=True)


def test_constants_that_change_the_type_or_follow_the_sample_take_the_torch_loop():
    step = torch.rand(2, 3)
    for own in (torch.full((3,), 0.1, dtype=torch.float64), torch.full((2, 3), 0.1)):
        constants = LIFBox(LIFBoxParameters(v_th=own)).constants()
        assert bptt.compiled_form(step, constants) is None
    assert bptt.compiled_form(step.half(), LIFBox().constants()) is None


def test_without_numba_neurons_step_in_torch_and_it_is_said_once():
    code = (
        "import sys, warnings; sys.modules['numba'] = None\n"
        "import importlib.util as util; real = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'numba' else real(name, *more)\n"
        "import torch; from neurocompile.nn import LIFBox\n"
        "with warnings.catch_warnings(record=True) as said:\n"
        "    warnings.simplefilter('always')\n"
        "    spikes = [LIFBox()(torch.full((30, 1, 1), 5.0)).sum().item() for _ in range(2)]\n"
        "print(spikes, [str(one.message) for one in said if 'numba' in str(one.message)])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # u = 5 (1 - 0.9^n) passes the threshold 1 after 3 steps: 5 * 0.271
    assert ran.stdout.startswith("[10.0, 10.0] ['numba is not installed")
    assert ran.stdout.count("numba is not installed") == 1
    assert "doctor --install train" in ran.stdout
