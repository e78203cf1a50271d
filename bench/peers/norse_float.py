"""The float network in Norse's own cells, without gradient.

In:  `norse_float.py FOLDER`; trained weights, constant currents.
Out: spikes of the latent layer. Step by step and layer by layer; the faster one counts.
"""

from __future__ import annotations

from typing import Any

import norse.torch as norse
import torch
import torch_layers
import worker


def prepare(network: worker.Network) -> tuple[worker.Run, str]:
    """The cells and synapses."""
    pixels = cell(network.input)
    layers = [
        (layer, torch_layers.synapse(network, layer, bias=True), cell(layer))
        for layer in network.layers
    ]
    samples = torch.from_numpy(network.arrays["samples"])
    steps = network.steps

    def by_steps(first: int, last: int) -> float:
        states: list[Any] = [None] * (len(layers) + 1)
        latent = 0.0
        for _ in range(steps):
            x, states[0] = pixels(samples[first:last], states[0])
            for i, (layer, product, neurons) in enumerate(layers, start=1):
                product_in = x.reshape(-1, *layer["in_shape"])
                x, states[i] = neurons(product(product_in).reshape(-1, *layer["shape"]), states[i])
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


def cell(layer: dict[str, Any]) -> Any:
    """Norse's cell for a layer; a leaky integrator if the layer has no threshold."""
    leak = torch.as_tensor(layer["tau_mem_inv"])
    if layer["threshold"] is None:
        return norse.LIBoxCell(norse.LIBoxParameters(tau_mem_inv=leak), dt=layer["dt"])
    threshold = torch.as_tensor(layer["threshold"])
    return norse.LIFBoxCell(
        norse.LIFBoxParameters(tau_mem_inv=leak, v_th=threshold), dt=layer["dt"]
    )


def through(neurons: Any, current: torch.Tensor) -> torch.Tensor:
    """A cell over all steps: (steps, n, ...) in and out."""
    state, out = None, []
    for now in current:
        spikes, state = neurons(now, state)
        out.append(spikes)
    return torch.stack(out)


if __name__ == "__main__":
    worker.serve(prepare, "norse", "torch")
