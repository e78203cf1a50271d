"""Random networks of lava-dl's CUBA and ALIF blocks over every block that has a rule.

In:  a seed.
Out: a model, and spikes (steps, *shape) to run it on.
"""

import sys
import types
import warnings

import numpy as np
import torch
from peers_agree import Agreement
from torch import nn

# slayer imports OpenCV and torchvision for a part of it that no block uses.
sys.modules.setdefault("lava.lib.dl.slayer.object_detection", types.ModuleType("not_installed"))
from lava.lib.dl.slayer.block import alif, cuba  # noqa: E402

from neurocompile.data.inputs import Encoded  # noqa: E402
from neurocompile.engines import fixed  # noqa: E402
from neurocompile.frontend.peers.slayer import integers  # noqa: E402

STEPS = 25


class Blocks(nn.Module):
    """Blocks one after the other, with the spike counts that slayer's tutorials log."""

    def __init__(self, *blocks):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, spike):
        counts = []
        for block in self.blocks:
            spike = block(spike)
            counts.append(torch.mean(spike).item())
        return spike, torch.FloatTensor(counts)


class Maker:
    """Draws blocks."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        torch.manual_seed(seed)

    def odds(self, chance):
        return bool(self.rng.random() < chance)

    def family(self):
        """The blocks of one kind of neuron, and a function that draws its parameters."""
        if self.odds(0.7):
            return cuba, self.neuron
        return alif, lambda image=False: {
            **self.neuron(image),
            "threshold_step": float(self.rng.uniform(0, 0.6)),
            "threshold_decay": float(self.rng.uniform(0, 0.6)),
            "refractory_decay": float(self.rng.uniform(0.05, 1.0)),
        }

    def neuron(self, image=False):
        own = self.odds(0.3) and not image  # a decay for each neuron: slayer fails on images
        return {
            "threshold": float(self.rng.uniform(0.3, 1.5)),
            "current_decay": float(self.rng.uniform(0.05, 1.0)),
            "voltage_decay": float(self.rng.uniform(0.01, 0.9)),
            "shared_param": not own,
        }

    def options(self):
        return {
            "weight_scale": float(self.rng.uniform(2, 5)),
            "weight_norm": self.odds(0.3),
            "delay": self.odds(0.4),
            "delay_shift": self.odds(0.7),
        }

    def network(self):
        image = self.odds(0.5)
        given = shape = (2, 8, 8) if image else (int(self.rng.integers(4, 12)),)
        blocks = [cuba.Input(None, delay_shift=False)] if self.odds(0.3) else []
        if image:
            for _ in range(int(self.rng.integers(1, 3))):
                kernel, options = int(self.rng.choice([1, 3])), self.options()
                kind, neuron = self.family()
                blocks.append(
                    kind.Conv(neuron(True), shape[0], 3, kernel, padding=kernel // 2, **options)
                )
                shape = (3, *shape[1:])
                if self.odds(0.5):
                    kind, neuron = self.family()
                    scale = float(self.rng.uniform(1, 3))
                    blocks.append(kind.Pool(neuron(True), 2, weight_scale=scale))
                    shape = (3, shape[1] // 2, shape[2] // 2)
            blocks.append(cuba.Flatten())
            shape = (int(np.prod(shape)),)
        for _ in range(int(self.rng.integers(1, 4))):
            family, neuron = self.family()
            kind, rows = family.Dense, int(self.rng.integers(4, 10))
            options = self.options()
            if self.odds(0.3):
                kind, options["weight_norm"] = family.Recurrent, False
            blocks.append(kind(neuron(), *shape, rows, **options))
            shape = (rows,)
        spikes = self.rng.random((STEPS, *given)) < self.rng.uniform(0.2, 0.7)
        model = Blocks(*blocks)
        with torch.no_grad():
            model(torch.zeros(1, *given, 2))  # which is when slayer draws decays and delays
        for block in blocks:
            if getattr(block, "delay", None) is not None:
                block.delay.delay.data = torch.rand(block.delay.delay.shape) * 6
        return model, spikes


def make(seed):
    """A random network; PyTorch has a newer weight_norm than slayer's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return Maker(seed).network()


def rest(model):
    """Let the neurons of recurrent blocks, which keep their state, forget it."""
    for module in model.modules():
        for name in ("current_state", "voltage_state", "spike_state", "refractory_state"):
            if name in module._buffers:
                module._buffers[name] = torch.zeros(1)
        if "threshold_state" in module._buffers:
            module._buffers["threshold_state"] = torch.tensor([module.threshold])


def spikes_of(model, x):
    """What the neurons of each block give, before any delay: (steps, neurons) by block."""
    seen = {}
    hooks = [
        block.neuron.register_forward_hook(
            lambda module, given, gave, name=name: seen.setdefault(name, []).append(gave.detach())
        )
        for name, block in model.named_modules()
        if getattr(block, "neuron", None) is not None
    ]
    rest(model)
    with torch.no_grad():
        model(torch.from_numpy(np.moveaxis(x, 0, -1).astype(np.float32))[None])
    for hook in hooks:
        hook.remove()
    rest(model)
    every = {name: torch.cat(parts, -1)[0].numpy() for name, parts in seen.items()}
    return {name: np.moveaxis(out, -1, 0).reshape(len(x), -1) for name, out in every.items()}


def compared(seed):
    """A random network against the integers that are read of it, run by our fixed engine."""
    model, x = make(seed)
    theirs = spikes_of(model, x)
    graph = integers(model, torch.zeros(1, *x.shape[1:], STEPS), None)
    found = fixed.run(graph, Encoded({"input": x[None].astype(np.uint8)}, STEPS))
    wrong, spikes, places = [], 0, 0
    for name, out in theirs.items():
        ours = found.recording.spikes[name][0].reshape(len(x), -1)
        differ = int(np.sum(ours != (out > 0)))
        wrong += [f"{differ} spikes of {name}"] if differ else []
        spikes, places = spikes + int((out > 0).sum()), places + out.size
    return Agreement(
        wrong,
        spikes,
        places,
        {f"{type(m).__module__.rpartition('.')[2]}.{type(m).__name__}" for m in model.modules()},
    )
