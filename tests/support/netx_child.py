"""lava-dl's own netx on Lava, in a process that a test can end: `netx_child.py IN.npz OUT.npy`.

In:  the path of a .net file; spikes or payloads (steps, *shape) in PyTorch's order, or the
     mantissas that are written into the input neurons; how many chip steps to run; netx's reset
     options.
Out: what the last layer sends, (chip steps, n) int32 in PyTorch's order.
"""

import os
import sys
import traceback
import types

import numpy as np

from neurocompile.engines.lava import repairs

repairs.apply()
# netx imports slayer, which imports this package for detection and needs torchvision for it.
sys.modules["lava.lib.dl.slayer.object_detection"] = types.ModuleType("object_detection")

from lava.lib.dl import netx  # noqa: E402  behind its repairs
from lava.magma.core.run_conditions import RunSteps  # noqa: E402
from lava.magma.core.run_configs import Loihi2SimCfg  # noqa: E402
from lava.proc.io.sink import RingBuffer as Sink  # noqa: E402
from lava.proc.io.source import RingBuffer as Source  # noqa: E402


def main():
    given = np.load(sys.argv[1])
    interval = int(given["reset_interval"]) or None
    net = netx.hdf5.Network(
        net_config=str(given["path"]),
        reset_interval=interval,
        reset_offset=int(given["reset_offset"]),
    )
    steps = int(given["chip_steps"])
    if "mantissas" in given:
        mantissas = given["mantissas"].reshape(net.in_layer.shape[::-1])
        net.in_layer.neuron.bias_mant.init = mantissas.T.astype(np.int32)
    else:
        spikes = given["spikes"].reshape(len(given["spikes"]), *net.inp.shape[::-1])
        padded = np.zeros((steps, *spikes.shape[1:]), dtype=np.int32)
        padded[: len(spikes)] = spikes
        source = Source(data=padded.T)
        # netx leaves the port of an input layer of neurons open; its tests connect these.
        neurons = net.in_layer.block == "Input"
        source.s_out.connect(net.in_layer.neuron.a_in if neurons else net.inp)
    sink = Sink(shape=net.out.shape, buffer=steps)
    net.out.connect(sink.a_in)
    net.run(RunSteps(steps), Loihi2SimCfg(select_tag="fixed_pt"))
    found = sink.data.get()
    net.stop()
    np.save(sys.argv[2], found.T.reshape(steps, -1).astype(np.int32))


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        traceback.print_exc()
        os._exit(1)  # stop() hangs after a worker's exception; the test ends the workers
