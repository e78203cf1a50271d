"""NeuroBench's own harness on a small network: python tests/energy/neurobench_harness.py.

In:  nothing; the network and its input are here.
Out: neurobench.json beside this file, with the metrics as NeuroBench gives them.
The network is written a second time, as torch layers and neurons that step in float64 where
every integer is exact; nothing of neurocompile counts here.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("neurobench.json")
SAMPLES, STEPS = 4, 12
PLANES, SIDE, HIDDEN, OUT = 2, 6, 3, 10
DECAY_U, DECAY_V = 1024, 512  # parts in 4096 lost each step
THRESHOLD, BIAS = 40, 3  # of both layers; the bias of the second alone


def numbers():
    """Spikes (n, steps, ...) of the input, and even weights of which some are 0."""
    rng = np.random.default_rng(7)
    spikes = rng.random((SAMPLES, STEPS, PLANES, SIDE, SIDE)) < 0.3
    kernel = 2 * rng.integers(-6, 9, (HIDDEN, PLANES, 3, 3))
    weight = 2 * rng.integers(-6, 9, (OUT, HIDDEN * 9))
    kernel[rng.random(kernel.shape) < 0.2] = 0
    weight[rng.random(weight.shape) < 0.1] = 0
    return spikes, kernel, weight


def network():
    """The torch module: a convolution of stride 2, neurons, a dense layer, neurons."""
    import torch
    from torch import nn

    class Neurons(nn.Module):
        """u <- u (4096 - du) / 4096 + 64 a; v <- v (4096 - dv) / 4096 + u + bias; v > 64 vth."""

        def __init__(self, bias):
            super().__init__()
            self.more = bias
            self.state = None

        def forward(self, a):
            u, v = self.state or (torch.zeros_like(a), torch.zeros_like(a))
            u = torch.trunc(u * (4096 - DECAY_U) / 4096) + 64 * a
            v = torch.trunc(v * (4096 - DECAY_V) / 4096) + u + self.more
            spikes = v > 64 * THRESHOLD
            self.state = u, torch.where(spikes, torch.zeros_like(v), v)
            return spikes.to(a.dtype)

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            _, kernel, weight = numbers()
            self.conv = nn.Conv2d(PLANES, HIDDEN, 3, 2, 1, bias=False, dtype=torch.float64)
            self.one = Neurons(0)
            self.dense = nn.Linear(HIDDEN * 9, OUT, bias=False, dtype=torch.float64)
            self.two = Neurons(BIAS)
            self.conv.weight.data = torch.tensor(kernel, dtype=torch.float64)
            self.dense.weight.data = torch.tensor(weight, dtype=torch.float64)

        def forward(self, batch):
            self.one.state = self.two.state = None
            steps = [self.two(self.dense(self.one(self.conv(x)).flatten(1)))
                     for x in batch.unbind(1)]  # fmt: skip
            return torch.stack(steps, 1)

    return Network(), Neurons


def stored():
    """A module that holds what a chip stores: int8 weights (half of them), an int32 a bias."""
    import torch
    from torch import nn

    _, kernel, weight = numbers()
    module = nn.Module()
    for name, values in (("conv", kernel), ("dense", weight)):
        kept = torch.tensor(values // 2, dtype=torch.int8)
        module.register_parameter(name, nn.Parameter(kept, requires_grad=False))
    module.register_buffer("bias", torch.full((OUT,), BIAS, dtype=torch.int32))
    return module


def measure():
    """Metrics by NeuroBench's harness."""
    import torch
    from neurobench.benchmarks import Benchmark
    from neurobench.metrics.static import ConnectionSparsity, Footprint
    from neurobench.metrics.workload import ActivationSparsity, SynapticOperations
    from neurobench.models import TorchModel
    from torch.utils.data import DataLoader, TensorDataset

    net, neurons = network()
    model = TorchModel(net)
    model.add_activation_module(neurons)
    spikes = torch.tensor(numbers()[0], dtype=torch.float64)
    loader = DataLoader(TensorDataset(spikes, torch.zeros(SAMPLES)), batch_size=2)
    metrics = [[ConnectionSparsity], [ActivationSparsity, SynapticOperations]]
    with torch.no_grad():
        found = Benchmark(model, loader, [], [], metrics).run(quiet=True)
    return {"Footprint": Footprint()(TorchModel(stored())), **found}


if __name__ == "__main__":
    result = {
        "made_by": "python tests/energy/neurobench_harness.py",
        "neurobench": version("neurobench"),
        "torch": version("torch"),
        "metrics": measure(),
    }
    if sys.argv[1:] == ["--print"]:
        print(json.dumps(result["metrics"]))  # noqa: T201
    else:
        FILE.write_text(json.dumps(result, indent=2) + "\n")
