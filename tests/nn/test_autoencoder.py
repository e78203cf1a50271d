"""The shipped architecture: sizes that fit a Loihi, seeded, and it learns digits."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from neurocompile.data.samples import load_data
from neurocompile.errors import BadInput
from neurocompile.nn import (
    LIF,
    LIFBox,
    Regularization,
    SpikingAutoencoder,
    TrainingPlan,
    reconstruction_error,
    train,
)
from neurocompile.nn.training import moved, shifted


@pytest.fixture(scope="module")
def digits():
    return torch.tensor(load_data("digits:train", samples=256).values)


def small(**options):
    return SpikingAutoencoder(shape=(1, 8, 8), channels=(8, 16), latent=32, **options)


def test_the_layers_of_a_28_pixel_image_have_the_papers_order_and_loihis_fan_in():
    model = SpikingAutoencoder(latent=100)
    assert model.layer_names() == [
        *("pixels", "conv1", "lif1", "conv2", "lif2", "flatten", "to_latent", "latent"),
        *("from_latent", "unflatten", "lif3", "conv3", "lif4", "conv4", "output"),
    ]
    image = torch.rand(2, 1, 28, 28)
    assert model(image).shape == image.shape
    sizes = {name: layer.activity.counts[0].numel() for name, layer in model.neurons().items()
             if layer.activity.counts is not None}  # fmt: skip
    assert sizes == {
        "pixels": 784, "lif1": 3136, "lif2": 1568, "latent": 100, "lif3": 1568, "lif4": 3136
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "first"),
    [
        ({"encoder": "current"}, "pixels"),
        ({"encoder": "current", "input_population": False}, "conv1"),
        ({"encoder": "bernoulli"}, "conv1"),
        ({"neuron": "lif"}, "pixels"),
    ],
)
def test_every_encoder_and_neuron_gives_an_image_and_gradients(options, first):
    model = small(**options)
    image = torch.rand(2, 1, 8, 8)
    model(image).sum().backward()
    assert model.layer_names()[0] == first
    assert all(p.grad is not None for p in model.parameters())
    spiking = LIF if options.get("neuron") == "lif" else LIFBox
    assert isinstance(model.layers.latent, spiking)


def test_a_white_pixel_spikes_in_every_second_step_by_default():
    model = small(steps=16)
    model(torch.ones(1, 1, 8, 8))
    assert model.layers.pixels.activity.counts.unique().tolist() == [8]


def test_weights_follow_the_seed_and_leave_the_callers_random_state():
    state = torch.get_rng_state()
    first, same, other = small(seed=1), small(seed=1), small(seed=2)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.layers.conv1.weight, same.layers.conv1.weight)
    assert not torch.equal(first.layers.conv1.weight, other.layers.conv1.weight)


@pytest.mark.parametrize("options", [{"shape": (1, 10, 8)}, {"neuron": "izhikevich"}])
def test_sizes_and_neurons_that_cannot_be_are_refused(options):
    with pytest.raises(BadInput):
        SpikingAutoencoder(**options)


PLAN = TrainingPlan(
    epochs=4,
    batch=32,
    learning_rate=1e-2,
    weight_noise=0.004,
    regularization=Regularization(band=0.1, low=0.02, high=0.3),
)


def test_training_beats_the_mean_image_and_revives_dead_neurons(digits):
    """The mean image is what a network without a code can reach."""
    model, images = small(steps=10), digits[:128]
    history = train(model, images, replace(PLAN, epochs=12, batch=16, learning_rate=2e-2))
    assert [epoch.number for epoch in history] == list(range(1, 13))
    mean_image = float((images - images.mean(0)).square().mean())
    assert reconstruction_error(model, images) < 0.9 * mean_image
    dead = [sum(layer.dead for layer in epoch.layers.values()) for epoch in history]
    assert dead[-1] < dead[0] / 10


def test_an_interrupted_training_goes_on_to_the_same_weights(digits, tmp_path):
    def interrupt(epoch):
        if epoch.number == 2:
            raise KeyboardInterrupt

    images = digits[:96]
    options = {"steps": 6, "encoder": "bernoulli"}
    whole = small(**options)
    train(whole, images, PLAN)

    state = tmp_path / "training.state"
    torn, resumed = small(**options), small(**options)
    with pytest.raises(KeyboardInterrupt):
        train(torn, images, PLAN, state=state, on_epoch=interrupt)
    history = train(resumed, images, PLAN, state=state)
    assert [epoch.number for epoch in history] == [3, 4]
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_state_of_another_model_is_refused(digits, tmp_path):
    state = tmp_path / "training.state"
    train(small(steps=2), digits[:32], TrainingPlan(epochs=1), state=state)
    with pytest.raises(BadInput, match="not the state of this training"):
        train(SpikingAutoencoder(shape=(1, 8, 8), latent=3), digits[:32], PLAN, state=state)


def test_a_state_of_another_plan_is_refused_with_what_changed(digits, tmp_path):
    state = tmp_path / "training.state"
    train(small(steps=2), digits[:32], TrainingPlan(epochs=1), state=state)
    with pytest.raises(BadInput, match="another epochs"):
        train(small(steps=2), digits[:32], TrainingPlan(epochs=2), state=state)


def test_parameters_are_back_in_place_after_the_noise_even_if_a_step_fails():
    model = small()
    before = [p.detach().clone() for p in model.parameters()]
    largest = [float(p.detach().abs().max()) for p in before]

    def failing_step():
        with moved(model, 0.01, torch.Generator().manual_seed(0)):
            for p, was, top in zip(model.parameters(), before, largest, strict=True):
                assert 0 < (p - was).abs().max() <= 0.010001 * top
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failing_step()
    assert all(torch.equal(p, was) for p, was in zip(model.parameters(), before, strict=True))


def test_a_trained_model_can_be_copied(digits):
    model = small(steps=2)
    train(model, digits[:32], TrainingPlan(epochs=1))
    assert torch.equal(copy.deepcopy(model)(digits[:2]), model(digits[:2]))


def test_shifts_move_images_within_the_limit_and_fill_with_zeros():
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 2, 2] = 1.0
    moved = shifted(image.repeat(200, 1, 1, 1), 1, torch.Generator().manual_seed(0))
    places = {tuple(place) for place in moved.nonzero()[:, 2:].tolist()}
    assert places == {(y, x) for y in (1, 2, 3) for x in (1, 2, 3)}
    assert np.array_equal(moved.sum((1, 2, 3)), np.ones(200))
