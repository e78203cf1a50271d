"""The float network in snnTorch's own cells, without gradient.

In:  `snntorch_float.py FOLDER`; trained weights, constant currents.
Out: spikes of the latent layer. Step by step and layer by layer; the faster one counts.
Leaky is mem <- beta mem + input: beta = 1 - dt tau_mem_inv, weights times dt tau_mem_inv.
"""

from __future__ import annotations

from typing import Any

import snntorch
import torch
import torch_layers
import worker


def prepare(network: worker.Network) -> tuple[worker.Run, str]:
    """The cells and synapses."""
    pixels = cell(network.input)
    layers = [
        (layer, torch_layers.synapse(network, layer, bias=True, gain=rate(layer)), cell(layer))
        for layer in network.layers
    ]
    samples = torch.from_numpy(network.arrays["samples"]) * rate(network.input)
    steps = network.steps

    def by_steps(first: int, last: int) -> float:
        potentials: list[Any] = [None] * (len(layers) + 1)
        latent = 0.0
        for _ in range(steps):
            x, potentials[0] = step(pixels, samples[first:last], potentials[0])
            for i, (layer, product, neurons) in enumerate(layers, start=1):
                current = product(x.reshape(-1, *layer["in_shape"])).reshape(-1, *layer["shape"])
                x, potentials[i] = step(neurons, current, potentials[i])
                if layer["neurons"] == "latent":
                    latent += float(x.sum())
        return latent

    def by_layers(first: int, last: int) -> float:
        x = through(pixels, samples[first:last].expand(steps, -1, -1, -1, -1))
        latent = 0.0
        for layer, product, neurons in layers:
            current = product(x.reshape(-1, *layer["in_shape"]))
            x = through(neurons, current.reshape(steps, -1, *layer["shape"]))
            if layer["neurons"] == "latent":
                latent = float(x.sum())
        return latent

    run = torch_layers.decided({"step by step": by_steps, "layer by layer": by_layers})

    def counted(count: int) -> dict[str, Any]:
        spikes, how = run(count)
        return {"latent": sum(spikes) / count, "how": how}

    return counted, ""


def rate(layer: dict[str, Any]) -> float:
    """The part of v that is lost in each step."""
    return float(layer["dt"] * layer["tau_mem_inv"])


def cell(layer: dict[str, Any]) -> Any:
    """snnTorch's leaky neuron with Norse's equation."""
    threshold = layer["threshold"]
    return snntorch.Leaky(
        beta=1 - rate(layer),
        threshold=1.0 if threshold is None else threshold,
        reset_mechanism="none" if threshold is None else "zero",
        reset_delay=False,  # the reset in the step of the spike, as in Norse
    )


def step(neurons: Any, current: torch.Tensor, potential: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """One step; starts from rest if there is no potential yet."""
    spikes, after = neurons(current, torch.zeros_like(current) if potential is None else potential)
    return spikes, after


def through(neurons: Any, current: torch.Tensor) -> torch.Tensor:
    """A cell over all steps: (steps, n, ...) in and out."""
    potential, out = None, []
    for now in current:
        spikes, potential = step(neurons, now, potential)
        out.append(spikes)
    return torch.stack(out)


if __name__ == "__main__":
    worker.serve(prepare, "snntorch", "torch")
