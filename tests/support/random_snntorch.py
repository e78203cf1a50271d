"""Random networks of snnTorch over every neuron, reset and calling form that has a rule.

In:  a seed.
Out: a model in float64, and spikes (steps, *shape) to run it on.
"""

import numpy as np
import snntorch as snn
import torch
from peers_agree import compare, one_sample, watched
from torch import nn

STEPS = 25
SHAPES = ((6,), (2, 6, 6))
NEURONS = (snn.Leaky, snn.Lapicque, snn.Synaptic, snn.RLeaky, snn.RSynaptic)


def step(above):
    """A spike in the type it is given: those of snntorch.surrogate return float32."""
    return (above > 0).to(above)


class Explicit(nn.Module):
    """Layers whose neurons hand their states in and out, as snnTorch's tutorials write them."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x, states=None):
        if states is None:
            states = [layer.reset_mem() for layer in self.layers if isinstance(layer, NEURONS)]
        after, states = [], list(states)
        for layer in self.layers:
            if not isinstance(layer, NEURONS):
                x = layer(x)
                continue
            state = states.pop(0)
            given = state if isinstance(state, (tuple, list)) else (state,)
            x, *state = layer(x, *given)
            own = isinstance(layer, (snn.RLeaky, snn.RSynaptic))
            after.append((x, *state) if own else tuple(state))
        return x, after


class Maker:
    """Draws layers."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        self.hidden = self.rng.random() < 0.5

    def between(self, low, high, shape):
        """A number, or one for each neuron."""
        each = self.rng.random() < 0.3
        return torch.as_tensor(self.rng.uniform(low, high, shape if each else ()))

    def neuron(self, shape):
        kind = NEURONS[int(self.rng.integers(len(NEURONS)))]
        options = {
            "threshold": self.between(0.3, 1.2, shape),
            "init_hidden": self.hidden,
            "spike_grad": step,
            "learn_threshold": bool(self.rng.random() < 0.3),
        }
        zero = kind is snn.Leaky and self.rng.random() < 0.3
        if self.rng.random() < 0.4 and kind not in (snn.Lapicque, snn.RSynaptic):
            zero, options["reset_delay"] = True, False
        options["reset_mechanism"] = "zero" if zero else "subtract"
        if kind is snn.Lapicque:
            resistance, capacity = self.rng.uniform(1, 3), self.rng.uniform(2, 6)
            return kind(R=resistance, C=capacity, time_step=1, **options)
        beta = self.between(0.2, 0.97, shape)
        if kind is snn.Leaky:
            beta = torch.tensor(1.0) if self.rng.random() < 0.2 else beta
            return kind(beta, learn_beta=bool(self.rng.random() < 0.3), **options)
        if kind is snn.Synaptic:
            return kind(self.between(0.1, 0.9, shape), beta, **options)
        if self.rng.random() < 0.4:
            back = {"all_to_all": False, "V": self.between(-0.5, 0.5, shape)}
        elif len(shape) == 1:
            back = {"linear_features": shape[0]}
        else:
            back = {"conv2d_channels": shape[0], "kernel_size": 3}
        if kind is snn.RLeaky:
            return kind(beta, **back, **options)
        return kind(self.between(0.1, 0.9, shape), beta, **back, **options)

    def weighted(self, shape):
        if len(shape) == 1:
            return nn.Linear(*shape, int(self.rng.integers(4, 9)), bias=self.rng.random() < 0.7)
        return nn.Conv2d(shape[0], 3, 3, padding=1, bias=self.rng.random() < 0.7)

    def network(self):
        shape = SHAPES[int(self.rng.integers(len(SHAPES)))]
        given, layers = shape, []
        for _ in range(int(self.rng.integers(1, 4))):
            if len(shape) == 3 and self.rng.random() < 0.4:
                layers.append(nn.Flatten())
                shape = (int(np.prod(shape)),)
            layer = self.weighted(shape)
            with torch.no_grad():
                layer.weight *= 3
            shape = (len(layer.weight), *shape[1:])
            layers += [layer, self.neuron(shape)]
        model = (nn.Sequential if self.hidden else Explicit)(*layers).double()
        spikes = self.rng.random((STEPS, *given)) < self.rng.uniform(0.2, 0.7)
        return model, spikes.astype(np.float64)


def spikes_of(model, x):
    """What snnTorch's own neurons give, (steps, *shape) by layer."""

    def run():
        state = ()
        for module in model.modules():
            if isinstance(module, NEURONS):
                module.reset_mem()
        for now in torch.from_numpy(x)[:, None]:
            out = model(now, *state)
            state = () if isinstance(model, nn.Sequential) else (out[1],)

    return watched(model, run, lambda m: isinstance(m, NEURONS), one_sample)


def compared(seed):
    """A random network against its graph."""
    model, x = Maker(seed).network()
    theirs = spikes_of(model, x)
    return compare(model, x, theirs, torch.zeros(1, *x.shape[1:]))
