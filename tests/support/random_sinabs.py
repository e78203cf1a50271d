"""Random networks of Sinabs over every layer of neurons, over time or squeezed.

In:  a seed.
Out: a model in float64, and spikes (steps, *shape) to run it on.
"""

import numpy as np
import sinabs.layers as sl
import torch
from peers_agree import compare, watched
from sinabs.activation import MembraneReset, MembraneSubtract, SingleSpike
from torch import nn

STEPS = 25
SHAPES = ((6,), (2, 8, 8))
NEURONS = (sl.LIF, sl.IAF)  # and what is derived from them


class Single(SingleSpike):
    """SingleSpike in the type that it is given: Sinabs' own returns float32."""

    @staticmethod
    def forward(ctx, v_mem, spike_threshold, surrogate_grad_fn):
        return SingleSpike.forward(ctx, v_mem, spike_threshold, surrogate_grad_fn).to(v_mem)


class Maker:
    """Draws layers."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        self.squeezed = self.rng.random() < 0.5

    def odds(self, chance):
        return bool(self.rng.random() < chance)

    def between(self, low, high, shape):
        """A number, or one for each neuron."""
        return torch.as_tensor(self.rng.uniform(low, high, shape if self.odds(0.3) else ()))

    def neuron(self, shape):
        options = {"spike_fn": Single, "spike_threshold": self.between(0.2, 1.0, shape)}
        options["reset_fn"] = MembraneReset()
        if self.odds(0.7):
            value = float(self.rng.uniform(0.3, 0.8)) if self.odds(0.3) else None
            options["reset_fn"] = MembraneSubtract(value)
        leaky = self.odds(0.6)
        if leaky:
            options["tau_mem"] = self.between(0.8, 8.0, shape)
            options["norm_input"] = self.odds(0.5)
            options["train_alphas"] = self.odds(0.2)
            if self.odds(0.5):
                options["tau_syn"] = self.between(0.5, 5.0, shape)
        if self.squeezed:
            options["batch_size"] = 1
            return (sl.LIFSqueeze if leaky else sl.IAFSqueeze)(**options)
        if self.odds(0.4):
            back = nn.Linear(*shape, *shape, bias=False) if len(shape) == 1 else None
            back = nn.Conv2d(shape[0], shape[0], 3, padding=1, bias=False) if back is None else back
            return (sl.LIFRecurrent if leaky else sl.IAFRecurrent)(rec_connect=back, **options)
        return (sl.LIF if leaky else sl.IAF)(**options)

    def lifted(self, module):
        return module if self.squeezed or isinstance(module, nn.Linear) else sl.Repeat(module)

    def network(self):
        shape = SHAPES[int(self.rng.integers(len(SHAPES)))]
        given, layers = shape, []
        for _ in range(int(self.rng.integers(1, 4))):
            if len(shape) == 3 and self.odds(0.4):
                layers.append(self.lifted(nn.Flatten()))
                shape = (int(np.prod(shape)),)
            if len(shape) == 1:
                weighted = nn.Linear(*shape, int(self.rng.integers(4, 9)), bias=self.odds(0.7))
            else:
                weighted = nn.Conv2d(shape[0], 3, 3, padding=1, bias=self.odds(0.7))
            weighted.weight.data *= 3
            layers.append(self.lifted(weighted))
            shape = (len(weighted.weight), *shape[1:])
            if len(shape) == 3 and shape[1] > 2 and self.odds(0.5):
                layers.append(self.lifted(self.rng.choice([nn.AvgPool2d, sl.SumPool2d])(2)))
                shape = (shape[0], shape[1] // 2, shape[2] // 2)
            layers.append(self.neuron(shape))
        model = nn.Sequential(*layers).double().eval()
        spikes = self.rng.random((STEPS, *given)) < self.rng.uniform(0.2, 0.7)
        return model, spikes.astype(np.float64), self.squeezed


def spikes_of(model, x, squeezed):
    """What Sinabs' own layers give, (steps, *shape) by layer."""
    given = torch.from_numpy(x)

    def run():
        for module in model.modules():
            if isinstance(module, sl.StatefulLayer):
                module.reset_states()
        model(given if squeezed else given[None])

    return watched(
        model,
        run,
        lambda module: isinstance(module, sl.StatefulLayer),
        lambda outs: outs[0] if squeezed else outs[0][0],
    )


def compared(seed):
    """A random network against its graph."""
    model, x, squeezed = Maker(seed).network()
    theirs = spikes_of(model, x, squeezed)
    lead = (1,) if squeezed else (1, 2)
    return compare(model, x, theirs, torch.zeros(*lead, *x.shape[1:]))
