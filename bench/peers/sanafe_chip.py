"""SANA-FE on the encoder half, live on its shipped Loihi.

In:  `sanafe_chip.py FOLDER`; the integers of the network, spikes of the input neurons.
Out: spikes of the latent layer. The network is built once with the spike trains of all samples,
     which is not timed (8 s). Samples run back to back, without a reset between them. So there
     are fewer spikes than with a reset, and as many as in our engine without one (296 to 289).
Timing model "simple", the cheapest it has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sanafe
import worker

ALIGN = 64  # weights and thresholds are 6 bits above biases
CORE = 1024  # neurons a core
MOST = 20  # samples whose spike trains are built


def prepare(network: worker.Network) -> tuple[worker.Run, str]:
    """Build the chip once: spike trains are part of the network."""
    chip = build(network, MOST)

    def run(samples: int) -> dict[str, Any]:
        chip.reset()
        steps = min(samples, MOST) * network.steps
        trace = chip.sim(steps, timing_model="simple", spike_trace=True)
        return {"latent": latent(trace["spike_trace"]) / samples}

    return run, "built once, no reset between samples"


def build(network: worker.Network, samples: int) -> Any:
    """The chip with the network and its spike trains."""
    arch, net = sanafe.load_loihi(), sanafe.Network()
    cores = [core for tile in arch.tiles for core in tile.cores]
    pixels = network.arrays["pixels"][:samples].reshape(samples * network.steps, -1)
    before = net.create_neuron_group("pixels", pixels.shape[1])
    for i, neuron in enumerate(before):
        neuron.set_attributes(
            soma_hw_name=f"loihi_inputs[{i}]",
            model_attributes={"spikes": pixels[:, i].astype(int).tolist()},
        )
    used = place(before, cores, 0)
    for layer in network.encoder():
        after = neurons(network, net, layer)
        used = place(after, cores, used)
        connect(network, layer, before, after)
        before = after
    chip = sanafe.SpikingChip(arch)
    chip.load(net)
    return chip


def neurons(network: worker.Network, net: Any, layer: dict[str, Any]) -> Any:
    """A group of its leaky integrate-and-fire somas."""
    bias = network.arrays[f"{layer['name']}/bias"] / ALIGN
    common = {
        "threshold": float(layer["vth"]),
        "leak_decay": 1 - layer["dv"] / 4096,
        "reset_mode": "hard",
    }
    last = layer["neurons"] == "latent"
    group = net.create_neuron_group(
        layer["neurons"], len(bias), model_attributes=common, soma_hw_name="loihi_lif",
        default_synapse_hw_name="loihi_sparse_synapse",
        default_dendrite_hw_name="loihi_dendrites", log_spikes=last,
    )  # fmt: skip
    for neuron, value in zip(group, bias, strict=True):
        neuron.set_attributes(model_attributes={"bias": float(value)})
    return group


def place(group: Any, cores: list[Any], used: int) -> int:
    """Place neurons on cores, starting with a new one; returns the number of cores used."""
    count = 0
    for count, neuron in enumerate(group, start=1):
        neuron.map_to_core(cores[used + (count - 1) // CORE])
    return used + -(-count // CORE)


def connect(network: worker.Network, layer: dict[str, Any], before: Any, after: Any) -> None:
    """Connect all synapses of a layer, pair by pair."""
    data, indices, indptr = network.matrix(layer)
    targets = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    pairs = list(zip(indices.tolist(), targets.tolist(), strict=True))
    weights = (data * 2.0 ** layer["weight_exp"]).tolist()
    before.connect_neurons_sparse(after, {"weight": weights}, pairs)


def latent(trace: list[Any]) -> int:
    """Number of spikes in a trace of the latent layer."""
    return sum(len(step) for step in trace)


if __name__ == "__main__":
    worker.serve(prepare, "sanafe")
