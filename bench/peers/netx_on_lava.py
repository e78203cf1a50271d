"""lava-dl's netx on Lava, on the encoder half: the .net file of its own reader.

In:  `netx_on_lava.py FOLDER`; the integers of the network, spikes of the input neurons.
Out: spikes of the latent layer, from a RingBuffer. One build, run and read-back for all samples,
     all of it timed; netx resets its neurons between samples.
netx has no exponent for Conv and one exponent for all biases, so thresholds and biases are
divided by the exponent's power instead and rounded: near the network, not equal to it.
"""

from __future__ import annotations

import sys
import types
from typing import Any

import h5py
import numpy as np
import worker

from neurocompile.engines.lava import repairs

repairs.apply()
# netx imports slayer, which imports this package for detection and needs torchvision for it.
sys.modules["lava.lib.dl.slayer.object_detection"] = types.ModuleType("object_detection")

from lava.lib.dl import netx  # noqa: E402  after its repairs
from lava.magma.core.run_conditions import RunSteps  # noqa: E402
from lava.magma.core.run_configs import Loihi2SimCfg  # noqa: E402
from lava.proc.io.sink import RingBuffer as Sink  # noqa: E402
from lava.proc.io.source import RingBuffer as Source  # noqa: E402

BIAS_EXP = 6  # of every bias of a .net file


def prepare(network: worker.Network) -> tuple[worker.Run, str]:
    """Write the .net file once."""
    path = network.folder / "encoder.net"
    write(network, path)

    def run(samples: int) -> dict[str, Any]:
        return {"latent": through(network, str(path), samples) / samples}

    return run, "Conv and Dense processes, all samples in one run"


def through(network: worker.Network, path: str, samples: int) -> float:
    """Build, run and end the network; returns the spikes of its latent layer."""
    built = netx.hdf5.Network(
        net_config=path, input_shape=(28, 28, 1), reset_interval=network.steps
    )
    spikes = network.arrays["pixels"][:samples].reshape(-1, 1, 28, 28)
    source = Source(data=spikes.transpose(3, 2, 1, 0).astype(np.int32))
    depth = len(network.encoder())  # number of chip steps by which the latent layer lags
    steps = len(spikes) + depth
    sink = Sink(shape=built.out.shape, buffer=steps)
    source.s_out.connect(built.inp)
    built.out.connect(sink.a_in)
    built.run(RunSteps(steps), Loihi2SimCfg(select_tag="fixed_pt"))
    latent = float(sink.data.get()[..., depth:].sum())
    built.stop()
    return latent


def write(network: worker.Network, path: Any) -> None:
    """The encoder half as a .net file."""
    with h5py.File(path, "w") as file:
        layers = file.create_group("layer")
        for layer in network.encoder():
            if layer["kind"] == "dense":
                layers.create_group(str(len(layers)))["type"] = np.bytes_("flatten")
            _layer(network, layer, layers.create_group(str(len(layers))))


def _layer(network: worker.Network, layer: dict[str, Any], group: Any) -> None:
    name, dense = layer["name"], layer["kind"] == "dense"
    power = 2.0 ** layer["weight_exp"]
    per_output = network.arrays[f"{name}/bias"].reshape(layer["shape"][0], -1)[:, 0]
    group["type"] = np.bytes_("dense" if dense else "conv")
    group["shape"] = np.array(layer["shape"])  # (C, H, W)
    group["weight"] = network.arrays[f"{name}/integers"]
    group["bias"] = np.rint(per_output / power / 2**BIAS_EXP).astype(np.int32)
    for part in () if dense else ("stride", "padding"):
        group[part] = np.array(layer[part])
    if not dense:
        group["dilation"], group["groups"] = np.array([1, 1]), 1
    neuron = {"type": np.bytes_("CUBA"), "iDecay": 4096, "vDecay": layer["dv"], "refDelay": 1}
    for key, value in neuron.items():
        group[f"neuron/{key}"] = value
    group["neuron/vThMant"] = round(layer["vth"] / power)
    group["neuron/gradedSpike"] = False


if __name__ == "__main__":
    worker.serve(prepare, "lava-dl", "lava-nc")
