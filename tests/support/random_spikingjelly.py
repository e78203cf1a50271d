"""Random networks of SpikingJelly over every neuron, mode and container that has a rule.

In:  a seed.
Out: a model in float64, and spikes (steps, *shape) to run it on.
"""

import numpy as np
import torch
from peers_agree import compare, one_sample, watched
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

STEPS = 25
SHAPES = ((6,), (2, 8, 8))
NEURONS = (neuron.IFNode, neuron.LIFNode, neuron.ParametricLIFNode, neuron.CUBALIFNode)
LAYERS = (*NEURONS, layer.LinearRecurrentContainer, layer.ElementWiseRecurrentContainer)


class Maker:
    """Draws layers; `mode` is "s", "m", or "containers" around layers of PyTorch."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        self.mode = str(self.rng.choice(["s", "m", "containers"]))
        self.inner = "m" if self.mode == "m" else "s"

    def odds(self, chance):
        return bool(self.rng.random() < chance)

    def spiking(self):
        kind = NEURONS[int(self.rng.integers(len(NEURONS)))]
        options = {
            "v_threshold": float(self.rng.uniform(0.3, 1.2)),
            "v_reset": None if self.odds(0.5) else 0.0,
        }
        if options["v_reset"] is not None and self.odds(0.4) and kind is not neuron.CUBALIFNode:
            options["v_reset"] = float(self.rng.uniform(-0.3, 0.2))
        if kind is neuron.CUBALIFNode:
            decays = self.rng.uniform(0.1, 0.9, 2)
            return kind(*map(float, decays), **options)
        if kind is neuron.IFNode:
            return kind(**options)
        tau = float(self.rng.uniform(1.2, 6.0))
        return kind(tau, decay_input=self.odds(0.5), **options)

    def neuron(self, shape):
        made = self.spiking()
        if len(shape) == 1 and self.odds(0.3):
            if self.odds(0.5):
                made = layer.LinearRecurrentContainer(made, *shape, *shape, bias=self.odds(0.5))
            else:
                made = layer.ElementWiseRecurrentContainer(made, lambda y, x: x + y)
        made.step_mode = self.inner
        return made

    def stateless(self, shape):
        library = layer if self.mode == "m" else nn
        options = {"step_mode": "m"} if self.mode == "m" else {}
        if len(shape) == 1:
            return [nn.Linear(*shape, int(self.rng.integers(4, 9)), bias=self.odds(0.7))]
        made = [library.Conv2d(shape[0], 3, 3, padding=1, bias=self.odds(0.7), **options)]
        if self.odds(0.5):
            norm = library.BatchNorm2d(3, **options)
            norm.running_mean = torch.randn(3) * 0.2
            norm.running_var = torch.rand(3) + 0.5
            made.append(norm)
        if self.odds(0.5) and shape[1] > 2:
            made.append(library.AvgPool2d(2, **options))
        if self.odds(0.3):
            made.append(layer.Dropout(0.5, step_mode=self.inner))
        return made

    def network(self):
        shape = SHAPES[int(self.rng.integers(len(SHAPES)))]
        given, layers = shape, []
        library = layer if self.mode == "m" else nn
        for _ in range(int(self.rng.integers(1, 4))):
            maps = []
            if len(shape) == 3 and self.odds(0.4):
                maps.append(library.Flatten(**({"step_mode": "m"} if self.mode == "m" else {})))
                shape = (int(np.prod(shape)),)
            maps += self.stateless(shape)
            for made in maps:
                if isinstance(made, nn.Linear | nn.Conv2d):
                    made.weight.data *= 3
                    shape = (len(made.weight), *shape[1:])
                if isinstance(made, nn.AvgPool2d):
                    shape = (shape[0], shape[1] // 2, shape[2] // 2)
            cells = self.neuron(shape)
            if self.mode != "containers":
                layers += [*maps, cells]
            elif self.odds(0.5):
                layers.append(layer.MultiStepContainer(*maps, cells))
            else:
                cells.step_mode = "m"
                layers += [layer.SeqToANNContainer(*maps), cells]
        model = nn.Sequential(*layers).double().eval()
        spikes = self.rng.random((STEPS, *given)) < self.rng.uniform(0.2, 0.7)
        return model, spikes.astype(np.float64), self.mode != "s"


def is_neuron(model):
    """Whether a module is a layer of neurons inside no other one."""
    inside = {
        m.sub_module
        for m in model.modules()
        if isinstance(m, layer.LinearRecurrentContainer | layer.ElementWiseRecurrentContainer)
    }
    return lambda module: isinstance(module, LAYERS) and module not in inside


def spikes_of(model, x, over_time):
    """What SpikingJelly's own neurons give, (steps, *shape) by layer."""
    steps = torch.from_numpy(x)[:, None]

    def run():
        functional.reset_net(model)
        if over_time:
            model(steps)
        else:
            for now in steps:
                model(now)

    def steps_of(outs):
        return outs[0][:, 0] if len(outs) == 1 else one_sample(outs)

    return watched(model, run, is_neuron(model), steps_of)


def compared(seed):
    """A random network against its graph."""
    model, x, over_time = Maker(seed).network()
    theirs = spikes_of(model, x, over_time)
    lead = (2, 1) if over_time else (1,)
    return compare(model, x, theirs, torch.zeros(*lead, *x.shape[1:]))
