"""Lava as its tutorials use it: a fresh network of stock processes for every sample.

In:  `lava_stock.py FOLDER sparse|conv`; the integers of the network, bias mantissas.
Out: spikes of the latent layer from a RingBuffer sink, the last potentials of the readout.
`conv` makes Conv processes of the convolutions; Lava has none for the transposed ones.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import worker
from scipy.sparse import csr_matrix

from neurocompile.engines.lava import repairs

repairs.apply()

from lava.magma.core.run_conditions import RunSteps  # noqa: E402  after its repairs
from lava.magma.core.run_configs import Loihi2SimCfg  # noqa: E402
from lava.proc.conv.process import Conv  # noqa: E402
from lava.proc.dense.process import Dense  # noqa: E402
from lava.proc.io.sink import RingBuffer  # noqa: E402
from lava.proc.lif.process import LIFReset  # noqa: E402
from lava.proc.sparse.process import Sparse  # noqa: E402
from lava.utils.weightutils import SignMode  # noqa: E402

KEEP_NO_CURRENT = 4095


def prepare(network: worker.Network) -> tuple[worker.Run, str]:
    """Prepare nothing: building is part of the timed work."""
    lowering = sys.argv[2]

    def run(samples: int) -> dict[str, Any]:
        return {"latent": sum(one(network, lowering, i) for i in range(samples)) / samples}

    return run, f"{lowering.title()} processes, a build per sample"


def one(network: worker.Network, lowering: str, sample: int) -> float:
    """Build, run and end the network for one sample; returns the spikes of its latent layer."""
    last = len(network.layers) + 1
    every = network.steps + last  # a reset interval that ends after the run
    before = pixels = _pixels(network, sample, every)
    sink, first = None, 0  # first: chip steps before the latent layer's own first
    for depth, layer in enumerate(network.layers, start=1):
        convolves = lowering == "conv" and layer["kind"] == "conv"
        synapse = _conv(network, layer) if convolves else _matrix(network, layer)
        after = _population(network, layer, depth, every, last_axis_channel=convolves)
        _connect(before, synapse, after, layer, convolves)
        if layer["neurons"] == "latent":
            sink = RingBuffer(shape=after.s_out.shape, buffer=network.steps + last)
            after.s_out.connect(sink.a_in)
            first = depth
        before = after
    assert sink is not None
    pixels.run(RunSteps(network.steps + last - 1), Loihi2SimCfg(select_tag="fixed_pt"))
    before.v.get()
    spikes = float(sink.data.get()[..., first : first + network.steps].sum())
    pixels.stop()
    return spikes


def _pixels(network: worker.Network, sample: int, every: int) -> Any:
    mantissas = network.arrays["mantissas"][sample].ravel().astype(np.int32)
    description = network.input
    return LIFReset(
        shape=mantissas.shape, du=KEEP_NO_CURRENT, dv=description["dv"], vth=description["vth"],
        bias_mant=mantissas, bias_exp=description["bias_exp"], reset_interval=every, reset_offset=1,
    )  # fmt: skip


def _population(
    network: worker.Network, layer: dict[str, Any], depth: int, every: int, *,
    last_axis_channel: bool,
) -> Any:  # fmt: skip
    """Neurons in PyTorch's order, flat; or (height, width, channels) after a Conv."""
    bias = network.arrays[f"{layer['name']}/mantissas"]
    if last_axis_channel:
        bias = bias.reshape(layer["shape"]).transpose(1, 2, 0)
    return LIFReset(
        shape=bias.shape, du=KEEP_NO_CURRENT, dv=layer["dv"], vth=layer["vth"],
        bias_mant=bias.astype(np.int32), bias_exp=layer["bias_exp"],
        reset_interval=every, reset_offset=depth + 1,
    )  # fmt: skip


def _matrix(network: worker.Network, layer: dict[str, Any]) -> Any:
    common = {"weight_exp": layer["weight_exp"], "sign_mode": SignMode.MIXED}
    if layer["kind"] == "dense":
        return Dense(weights=network.arrays[f"{layer['name']}/integers"], **common)
    shape = (int(np.prod(layer["shape"])), int(np.prod(layer["in_shape"])))
    # num_message_bits 1: a product, 4 to 8 times faster than picking columns
    return Sparse(
        weights=csr_matrix(network.matrix(layer), shape=shape), num_message_bits=1, **common
    )


def _conv(network: worker.Network, layer: dict[str, Any]) -> Any:
    """A Conv process: its kernel is flipped; its weights hold the exponent, which it lacks."""
    weight = network.arrays[f"{layer['name']}/integers"][:, :, ::-1, ::-1].transpose(0, 2, 3, 1)
    channels, height, width = layer["in_shape"]
    return Conv(
        weight=weight << layer["weight_exp"], input_shape=(height, width, channels),
        stride=tuple(layer["stride"]), padding=tuple(layer["padding"]),
    )  # fmt: skip


def _connect(before: Any, synapse: Any, after: Any, layer: dict[str, Any], convolves: bool) -> None:
    """Connect spikes to a synapse to neurons, in the order of axes that each uses."""
    spikes = before.s_out
    channels, height, width = (*layer["in_shape"], 1, 1)[:3]
    flat = len(spikes.shape) == 1
    if convolves and flat:
        spikes = spikes.reshape((channels, height, width)).transpose((1, 2, 0))
    elif not convolves and not flat:
        spikes = spikes.transpose((2, 0, 1)).reshape(synapse.s_in.shape)
    spikes.connect(synapse.s_in)
    synapse.a_out.connect(after.a_in)


if __name__ == "__main__":
    worker.serve(prepare, "lava-nc")
