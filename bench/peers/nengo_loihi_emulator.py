"""nengo-loihi's emulator on the encoder half, in its own blocks.

In:  `nengo_loihi_emulator.py FOLDER`; the integers of the network, spikes of the input neurons.
Out: spikes of the latent layer. Samples run one after the other in fresh emulators of one model;
     making an emulator is timed, building and discretizing the model is not.
Blocks are not split into cores: the emulator does not ask for it. It discretizes weights again,
so spikes are near ours and not equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import worker
from nengo_loihi.block import Axon, LoihiBlock, Synapse
from nengo_loihi.builder import Model
from nengo_loihi.builder.discretize import discretize_model
from nengo_loihi.emulator import EmulatorInterface
from nengo_loihi.inputs import SpikeInput
from scipy.sparse import csr_matrix

ALIGN = 64  # weights and thresholds are 6 bits above biases


def prepare(network: worker.Network) -> tuple[worker.Run, str]:
    """Build the model once."""
    layers = network.encoder()
    model = Model(dt=0.001)
    source = SpikeInput(int(np.prod(layers[0]["in_shape"])), label="pixels")
    model.add_input(source)
    before: Any = source
    for layer in layers:
        block = neurons(network, layer)
        synapse = Synapse(int(np.prod(layer["in_shape"])), label=layer["name"])
        synapse.set_weights(weights(network, layer).T.tocsr())
        block.add_synapse(synapse)
        axon = Axon(synapse.n_axons, label=layer["name"])
        axon.target = synapse
        axon.set_compartment_axon_map(np.arange(synapse.n_axons))
        before.add_axon(axon)
        model.add_block(block)
        before = block
    discretize_model(model)
    pixels = network.arrays["pixels"]
    start = int(sum(np.prod(layer["shape"]) for layer in layers[:-1]))

    def run(samples: int) -> dict[str, Any]:
        spikes = 0
        for sample in range(samples):
            with EmulatorInterface(model, seed=0) as emulator:
                source.spikes.clear()
                for t, now in enumerate(pixels[sample], start=1):
                    source.add_spikes(t, np.flatnonzero(now))
                emulator.run_steps(len(layers))  # until the latent layer's own first step
                for _ in range(network.steps):
                    emulator.step()
                    spikes += int(emulator.compartment.spiked[start:].sum())
        return {"latent": spikes / samples}

    return run, "fresh emulator per sample, model built once"


def neurons(network: worker.Network, layer: dict[str, Any]) -> Any:
    """A block of neurons; real numbers, in units of the threshold."""
    block = LoihiBlock(int(np.prod(layer["shape"])), label=layer["neurons"])
    part = block.compartment
    part.configure_lif(tau_ref=0.0, vth=1.0)
    part.decay_u[:] = 1.0
    part.scale_u, part.scale_v = False, False
    part.decay_v[:] = layer["dv"] / 4096
    part.bias[:] = network.arrays[f"{layer['name']}/bias"] / (layer["vth"] * ALIGN)
    part.vmin = -8.0
    part.refract_delay[:] = 0
    return block


def weights(network: worker.Network, layer: dict[str, Any]) -> Any:
    """(n_target, n_source) weights in units of the threshold."""
    shape = (int(np.prod(layer["shape"])), int(np.prod(layer["in_shape"])))
    whole = csr_matrix(network.matrix(layer), shape=shape).astype(np.float32)
    return whole * (2.0 ** layer["weight_exp"] / layer["vth"])


if __name__ == "__main__":
    worker.serve(prepare, "nengo-loihi", "nengo", "numpy")
