"""Networks in the forms in which people write them with Norse are read as they stand.

Each is held against the module's own spikes in float64, layer by layer, on random input.
"""

import norse.torch as norse
import numpy as np
import pytest
import torch
from norse.torch.module.snn import SNN, SNNCell, SNNRecurrentCell
from norse_forms import FORMS, REFUSED

from neurocompile.errors import Unsupported
from neurocompile.frontend.torch import trace
from neurocompile.ir.pools import pools
from neurocompile.ir.reference import run_float

CELLS = (SNNCell, SNNRecurrentCell, norse.LILinearCell)
ONE_STEP = 15  # steps that a module of one step is called for


def watched(model, call):
    """What each neuron layer gave out in its calls, by its path, each (N, ...)."""
    seen, hooks = {}, []
    for path, module in model.named_modules():
        if isinstance(module, (*CELLS, SNN)):

            def keep(m, given, out, path=path):
                outs = list(out[0]) if isinstance(m, SNN) else [out[0]]
                seen.setdefault(path, []).extend(o.detach().double().numpy().copy() for o in outs)

            hooks.append(module.register_forward_hook(keep))
        if isinstance(module, norse.PoissonEncoder | norse.ConstantCurrentLIFEncoder):

            def encode(m, given, out, path=path):
                seen.setdefault(path, []).extend(o.double().numpy().copy() for o in out)
                return out.double()

            hooks.append(module.register_forward_hook(encode))
    with torch.no_grad():
        call()
    for hook in hooks:
        hook.remove()
    return seen


def in_norse(form, model, graph):
    """What each neuron layer of Norse gave out, and the graph's input, of the first sample."""
    torch.manual_seed(1)
    if form.one_step:
        x = (torch.rand(ONE_STEP, *form.shape) < 0.4).double()

        def call():
            state = None
            for now in x:
                _, state = model(now, state)

        return watched(model, call), x[:, 0].numpy()
    kind = graph.settings.encoder.kind
    x = torch.rand(form.shape).double() * 2 - 0.5
    if kind == "spikes":
        x = (x > 0.7).double()
    seen = watched(model, lambda: model(x))
    steps = graph.settings.steps
    if kind == "bernoulli":
        (encoder,) = (p for p, m in model.named_modules() if isinstance(m, norse.PoissonEncoder))
        return seen, np.stack(seen[encoder])[:, 0]
    if kind == "current":
        one = x.numpy()[0] * graph.settings.encoder.gain
        return seen, np.broadcast_to(one, (steps, *one.shape))
    shape = next(iter(graph.nodes.values())).shape
    axis = next(a for a, n in enumerate(x.shape) if n == steps and _without(x.shape, a) == shape)
    return seen, x.movedim(axis, 0)[:, 0].numpy()


def _without(shape, axis):
    """A shape without time and without the batch, the first of the others."""
    return tuple(n for a, n in enumerate(shape) if a != axis)[1:]


def built(form):
    """The network with weights that make all of its layers spike."""
    torch.manual_seed(0)
    model = form.make()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3)
    return model


def compared(form):
    """Wrong and all spikes of the graph against Norse's, on one sample; the graph."""
    model = built(form)
    graph = trace(model, torch.zeros(form.shape), max_pool=form.max_pool)
    torch.set_default_dtype(torch.float64)  # for the tensors that a forward makes
    try:
        theirs, x = in_norse(form, model.double().eval(), graph)
    finally:
        torch.set_default_dtype(torch.float32)
    ours = run_float(graph, x)[0]
    wrong = spikes = 0
    met = set()
    for path, outs in theirs.items():
        names = [n for n in (path, *(f"{path}_{k}" for k in (2, 3))) if n in ours]
        met.update(names)
        steps = graph.settings.steps if not form.one_step else ONE_STEP
        for place, name in enumerate(names):
            # An encoder gives all of its steps in one call, a cell one in each.
            calls = outs[place * steps :][:steps] if "enc" in path else outs[place :: len(names)]
            found = np.stack(calls)[:, 0]
            if ours[name].dtype == bool:
                wrong += int(np.sum(ours[name] != (found > 0)))
                spikes += int(np.sum(found > 0))
            else:
                np.testing.assert_allclose(ours[name], found, rtol=1e-9, atol=1e-12)
    # Every layer was compared; a pool that became neurons is, by the layers that it leads to.
    assert met == set(ours) - set(pools(graph))
    return wrong, spikes, graph


def test_of_more_than_thirty_forms_as_they_stand_nine_in_ten_are_read():
    assert len(FORMS) + len(REFUSED) > 30
    assert len(FORMS) >= 0.9 * (len(FORMS) + len(REFUSED))


@pytest.mark.parametrize("name", [name for name, form in FORMS.items() if form.max_pool])
def test_a_form_with_a_maximum_pool_needs_the_option_and_its_refusal_names_it(name):
    with pytest.raises(Unsupported, match="max_pool='neurons'"):
        trace(built(FORMS[name]), torch.zeros(FORMS[name].shape))


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_read_as_it_stands_and_spikes_as_in_norse(name):
    wrong, spikes, _ = compared(FORMS[name])
    assert wrong == 0
    assert spikes > 20


@pytest.mark.parametrize("name", REFUSED)
def test_a_form_that_is_refused_names_a_cure_that_works(name):
    refused = REFUSED[name]
    with pytest.raises(Unsupported, match=refused.words):
        trace(
            built(refused.form),
            torch.zeros(refused.form.shape),
            max_pool=refused.form.max_pool,
        )
    wrong, spikes, _ = compared(refused.cured)
    assert wrong == 0
    assert spikes > 20


@pytest.mark.parametrize(
    ("name", "encoder", "decoder", "steps"),
    [
        ("MNIST notebook, voltages stacked", ("spikes", 1.0), ("none", 1.0), 15),
        ("MNIST notebook, Poisson encoder and decoder", ("bernoulli", 0.4), ("max", 1.0), 15),
        ("MNIST task", ("current", 1.0), ("max", 1.0), 12),
        ("speech commands task", ("spikes", 1.0), ("last", 1.0), 15),
        ("DVS gestures, batch first", ("spikes", 1.0), ("mean", 1.0), 15),
        ("a loop around a module of one step", ("spikes", 1.0), ("rate", 15.0), 15),
        ("a sum of spikes over an image", ("current", 1.0), ("rate", 1.0), 14),
        ("own recurrence from the second step on", ("spikes", 1.0), ("max", 1.0), 15),
        ("residual network, transposed input", ("spikes", 1.0), ("mean", 15.0), 15),
        ("layers over time, last step", ("spikes", 1.0), ("last", 1.0), 10),
    ],
)
def test_how_the_result_is_made_becomes_the_decoder(name, encoder, decoder, steps):
    settings = trace(
        built(FORMS[name]), torch.zeros(FORMS[name].shape), max_pool=FORMS[name].max_pool
    ).settings
    assert (settings.encoder.kind, settings.encoder.gain) == encoder
    assert (settings.decoder.kind, settings.decoder.gain) == decoder
    assert settings.steps == steps


def test_a_softmax_that_is_left_out_is_said_and_makes_it_a_classification():
    form = FORMS["speech commands task"]
    settings = trace(built(form), torch.zeros(form.shape)).settings
    assert settings.decoder.task == "classification"
    assert [each.sentence for each in settings.assumed] == [
        "the log_softmax at the end is left out: the largest value is the same without it.",
        "the result is read as the forward does: the decoder is 'last', gain 1.",
    ]
