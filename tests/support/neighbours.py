"""Networks of snnTorch, SpikingJelly and Norse, their own NIR exports and their own spikes.

In:  nothing; `python tests/support/neighbours.py` writes tests/support/files anew.
Out: a network by name: its NIR graph as its exporter makes it, input spikes, output spikes of
     its own forward pass, and what NIR does not say (dt, reset).
All run in float64, so that no spike hangs on the last bit of a float32.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch
from torch import nn

FILES = Path(__file__).parent / "files"
SAMPLES, STEPS, RATE = 3, 60, 0.4
KEPT = (
    "snntorch_leaky", "snntorch_synaptic", "snntorch_rleaky",
    "spikingjelly_lif", "spikingjelly_conv", "norse_box",
)  # fmt: skip


@dataclass(frozen=True)
class Neighbour:
    """A network of another program.

    Attributes:
        exported: Its NIR graph.
        x: (samples, steps, *shape) input spikes.
        spikes: (samples, steps, *shape) of its last layer, by its own forward pass.
        told: What a user tells `load`: dt and reset, where the file does not say them.
    """

    exported: nir.NIRGraph
    x: np.ndarray
    spikes: np.ndarray
    told: dict[str, Any]


def make(name: str) -> Neighbour:
    """Build, export and run a network; it is the same each time."""
    torch.manual_seed(1)
    return MAKERS[name]()


# --- snnTorch: Leaky, Synaptic, RLeaky, RSynaptic ------------------------------------------


def each(value: float, *shape: int) -> torch.Tensor:
    """One value a neuron: snnTorch's exporter stops at one value for a layer."""
    return torch.full(shape, value, dtype=torch.float64)


def snntorch(layers: Callable[[Any], list[nn.Module]], shape: tuple[int, ...], **how: Any) -> Any:
    """A Sequential of layers; `how` holds the reset of its neurons, and `told`."""
    import snntorch as snn

    told = how.pop("told", {})
    how = {"reset_mechanism": "zero", "reset_delay": False} | how

    def neuron(kind: str, *arguments: Any, **options: Any) -> nn.Module:
        def spike(v: torch.Tensor) -> torch.Tensor:  # snnTorch's own return float32
            return (v > 0).to(v)

        return getattr(snn, kind)(*arguments, **options, **how, init_hidden=True, spike_grad=spike)

    net = nn.Sequential(*layers(neuron)).double()
    x = drawn(shape)
    from snntorch.export_nir import export_to_nir

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # nirtorch's, of its own functions
        exported = export_to_nir(net, torch.from_numpy(x[:1, 0]), ignore_dims=[0])
    for module in net:
        for state in ("mem", "syn", "spk"):
            if hasattr(module, state):
                setattr(module, state, torch.zeros(0, dtype=torch.float64))
    return Neighbour(exported, x, forward(net, x), told)


def leaky_layers(neuron: Any) -> list[nn.Module]:
    rates = torch.linspace(0.5, 0.9, 12, dtype=torch.float64)
    return [
        nn.Linear(8, 12),
        neuron("Leaky", rates, threshold=each(0.6, 12)),
        nn.Linear(12, 6, bias=False),
        neuron("Leaky", each(0.8, 6), threshold=each(0.4, 6)),
    ]


def quiet_layers(neuron: Any) -> list[nn.Module]:
    """No input is above 0.5, no threshold below 1: v stays below twice the threshold."""
    first = nn.Linear(8, 12)
    nn.init.uniform_(first.weight, 0, 0.5 / 8)
    nn.init.zeros_(first.bias)
    return [first, neuron("Leaky", each(0.9, 12), threshold=each(1.0, 12))]


def synaptic_layers(neuron: Any) -> list[nn.Module]:
    rates = torch.linspace(0.3, 0.6, 12, dtype=torch.float64)
    return [
        nn.Linear(8, 12),
        neuron("Synaptic", rates, each(0.9, 12), threshold=each(0.7, 12)),
        nn.Linear(12, 6),
        neuron("Synaptic", each(0.7, 6), each(0.8, 6), threshold=each(0.4, 6)),
    ]


def rleaky_layers(neuron: Any) -> list[nn.Module]:
    own = torch.linspace(-0.5, 0.5, 6, dtype=torch.float64)
    return [
        nn.Linear(8, 12),
        neuron("RLeaky", 0.9, threshold=0.4, linear_features=12),
        nn.Linear(12, 6),
        neuron("RLeaky", 0.8, threshold=0.2, all_to_all=False, V=own),
    ]


def rsynaptic_layers(neuron: Any) -> list[nn.Module]:
    return [nn.Linear(8, 12), neuron("RSynaptic", 0.4, 0.8, threshold=0.3, linear_features=12)]


def conv_layers(neuron: Any) -> list[nn.Module]:
    return [
        nn.Conv2d(1, 3, 3, padding=1, bias=False),
        neuron("Leaky", each(0.9, 3, 6, 6), threshold=each(0.9, 3, 6, 6)),
        nn.AvgPool2d((2, 2)),
        nn.Flatten(),
        nn.Linear(27, 6),
        neuron("Leaky", each(0.8, 6), threshold=each(0.2, 6)),
    ]


# --- SpikingJelly: LIFNode, IFNode, ParametricLIFNode, CUBALIFNode -------------------------


def spikingjelly(layers: Callable[[Any, Any], list[nn.Module]], shape: tuple[int, ...]) -> Any:
    """A Sequential of layers."""
    logging.getLogger("torch._library.triton").setLevel(logging.ERROR)
    with contextlib.redirect_stderr(io.StringIO()):
        from spikingjelly.activation_based import functional, layer, neuron
        from spikingjelly.activation_based.nir_exchange import export_to_nir

        net = nn.Sequential(*layers(layer, neuron)).double()
        x = drawn(shape)
        exported = export_to_nir(net, torch.from_numpy(x[:1, 0]))
    functional.reset_net(net)
    return Neighbour(exported, x, forward(net, x), {})


def lif_nodes(layer: Any, neuron: Any) -> list[nn.Module]:
    return [
        layer.Linear(8, 12),
        neuron.LIFNode(tau=2.0, v_threshold=0.2),
        layer.Linear(12, 6),
        neuron.LIFNode(tau=3.0, decay_input=False, v_threshold=0.3, v_reset=0.1),
    ]


def if_nodes(layer: Any, neuron: Any) -> list[nn.Module]:
    return [
        layer.Linear(8, 12, bias=False),
        neuron.IFNode(v_threshold=0.8),
        layer.Linear(12, 6),
        neuron.ParametricLIFNode(init_tau=2.0, v_threshold=0.2),
    ]


def cuba_nodes(layer: Any, neuron: Any) -> list[nn.Module]:
    node = neuron.CUBALIFNode(c_decay=0.3, v_decay=0.8, v_threshold=0.9, v_reset=0.0)
    return [layer.Linear(8, 12), node]


def conv_nodes(layer: Any, neuron: Any) -> list[nn.Module]:
    return [
        layer.Conv2d(1, 3, 3, padding=1, bias=False),
        neuron.LIFNode(tau=2.0, v_threshold=0.2),
        layer.AvgPool2d(2),
        layer.Flatten(),
        layer.Linear(27, 6),
        neuron.IFNode(),
    ]


def conv1d_nodes(layer: Any, neuron: Any) -> list[nn.Module]:
    return [layer.Conv1d(2, 4, 3, padding="same"), neuron.IFNode(v_threshold=0.7)]


# --- Norse: LIFBoxCell, IAFCell, LIFCell ---------------------------------------------------


def norse(layers: list[nn.Module], *, exported_dt: float, told: dict[str, float]) -> Neighbour:
    """A SequentialState of Norse's cells, whose dt is 1 ms."""
    import norse.torch

    net = norse.torch.SequentialState(*layers).double()
    x = drawn((8,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        exported = norse.torch.to_nir(net, torch.from_numpy(x[:1, 0]), dt=exported_dt)
    state, found = None, []
    with torch.no_grad():
        for now in torch.from_numpy(x).transpose(0, 1):
            z, state = net(now, state)
            found.append(z)
    return Neighbour(exported, x, torch.stack(found, 1).numpy(), told)


def boxes() -> list[nn.Module]:
    import norse.torch

    def box(threshold: float) -> nn.Module:
        p = norse.torch.LIFBoxParameters(v_th=torch.as_tensor(threshold))
        return norse.torch.LIFBoxCell(p)

    return [nn.Linear(8, 12), box(0.1), nn.Linear(12, 6), box(0.03)]


def iafs() -> list[nn.Module]:
    import norse.torch

    return [nn.Linear(8, 12), norse.torch.IAFCell(), nn.Linear(12, 6), norse.torch.IAFCell()]


def lifs() -> list[nn.Module]:
    import norse.torch

    p = norse.torch.LIFParameters(v_th=torch.as_tensor(0.1))
    return [nn.Linear(8, 12), norse.torch.LIFCell(p)]


# --- all -----------------------------------------------------------------------------------


def drawn(shape: tuple[int, ...]) -> np.ndarray:
    """Input spikes in float64."""
    rng = np.random.default_rng(0)
    return (rng.random((SAMPLES, STEPS, *shape)) < RATE).astype(np.float64)


def forward(net: nn.Module, x: np.ndarray) -> np.ndarray:
    """Output of a module with hidden states, step by step."""
    with torch.no_grad():
        found = [net(now) for now in torch.from_numpy(x).transpose(0, 1)]
    return torch.stack(found, 1).numpy()


SUBTRACT = {"reset_mechanism": "subtract", "told": {"reset": "subtract"}}
MAKERS: dict[str, Callable[[], Neighbour]] = {
    "snntorch_leaky": lambda: snntorch(leaky_layers, (8,)),
    "snntorch_leaky_delayed": lambda: snntorch(leaky_layers, (8,), reset_delay=True),
    "snntorch_subtract": lambda: snntorch(quiet_layers, (8,), **SUBTRACT),
    "snntorch_subtract_delayed": lambda: snntorch(quiet_layers, (8,), **SUBTRACT, reset_delay=True),
    "snntorch_synaptic": lambda: snntorch(synaptic_layers, (8,)),
    "snntorch_rleaky": lambda: snntorch(rleaky_layers, (8,)),
    "snntorch_rsynaptic": lambda: snntorch(rsynaptic_layers, (8,), reset_delay=True),
    "snntorch_conv": lambda: snntorch(conv_layers, (1, 6, 6)),
    "spikingjelly_lif": lambda: spikingjelly(lif_nodes, (8,)),
    "spikingjelly_if": lambda: spikingjelly(if_nodes, (8,)),
    "spikingjelly_cuba": lambda: spikingjelly(cuba_nodes, (8,)),
    "spikingjelly_conv": lambda: spikingjelly(conv_nodes, (1, 6, 6)),
    "spikingjelly_conv1d": lambda: spikingjelly(conv1d_nodes, (2, 8)),
    # to_nir(dt=1) writes tau = 1 / tau_inv, in seconds; the default 0.001 a thousandth of it
    "norse_box": lambda: norse(boxes(), exported_dt=1.0, told={"dt": 1e-3}),
    "norse_box_default": lambda: norse(boxes(), exported_dt=1e-3, told={"dt": 1e-6}),
    "norse_iaf": lambda: norse(iafs(), exported_dt=1.0, told={"dt": 1e-3}),
    "norse_lif": lambda: norse(lifs(), exported_dt=1.0, told={"dt": 1e-3}),
}


def write_files() -> None:
    """The files that the tests read where nothing of the neighbours is installed."""
    FILES.mkdir(exist_ok=True)
    for name in KEPT:
        made = make(name)
        nir.write(FILES / f"{name}.nir", made.exported, compression=None)
        np.savez_compressed(
            FILES / f"{name}.npz",
            x=made.x.astype(np.uint8),
            spikes=made.spikes.astype(np.uint8),
            dt=made.told.get("dt", 0.0),
        )


if __name__ == "__main__":
    write_files()
