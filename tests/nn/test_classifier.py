"""A classifier learns from labels, and its error is the share of wrong answers."""

from collections import OrderedDict

import torch
from norse.torch import LIBoxParameters, LIFBoxParameters
from torch import nn
from torch.nn.functional import cross_entropy

from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn import (
    LIBox,
    LIFBox,
    RateNetwork,
    SpikingNetwork,
    TrainingPlan,
    accuracy,
    train,
)

LABELS = torch.arange(40) % 2


def network():
    torch.manual_seed(0)
    layers = OrderedDict(
        flatten=nn.Flatten(),
        dense=nn.Linear(16, 12),
        hidden=LIFBox(LIFBoxParameters(v_th=torch.tensor(0.1)), surrogate_width=0.05),
        scores=nn.Linear(12, 2),
        output=LIBox(LIBoxParameters()),
    )
    decoder = Decoder("mean", gain=20.0, task="classification")
    return SpikingNetwork(layers, Settings(steps=10, encoder=Encoder("current"), decoder=decoder))


def bars():
    """Upright bars are of class 0, lying ones of class 1."""
    random = torch.Generator().manual_seed(1)
    images = torch.rand(40, 1, 4, 4, generator=random) * 0.2
    for at, image in enumerate(images):
        line = int(torch.randint(0, 4, (1,), generator=random))
        (image[0, :, line] if LABELS[at] == 0 else image[0, line])[:] = 1.0
    return images


def test_rates_and_then_spikes_learn_to_tell_bars_apart():
    model, images = network(), bars()
    assert accuracy(model, images, LABELS) < 0.8
    train(RateNetwork(model), images, TrainingPlan(20, 8, 1e-2), labels=LABELS)
    history = train(model, images, TrainingPlan(5, 8, 1e-3), labels=LABELS)
    assert accuracy(model, images, LABELS) == 1.0
    assert history[-1].error < 0.1


def test_the_error_of_an_epoch_is_the_share_of_wrong_answers_before_each_update():
    model, images = network(), bars()
    wrong = int((model.eval()(images).argmax(1) != LABELS).sum())
    (epoch,) = train(model, images, TrainingPlan(1, len(images), 1e-3), labels=LABELS)
    assert epoch.error == wrong / len(images)


def test_the_loss_is_the_cross_entropy_of_the_scores():
    model, images = network(), bars()
    own = network()
    cross_entropy(own.train()(images), LABELS).backward()
    expected = own.layers.scores.weight.grad
    norm = torch.cat([p.grad.flatten() for p in own.parameters()]).norm()
    train(model, images, TrainingPlan(1, len(images), 1e-3), labels=LABELS)
    clipped = expected * min(1.0, 50.0 / norm)
    torch.testing.assert_close(model.layers.scores.weight.grad, clipped, rtol=1e-4, atol=1e-6)
