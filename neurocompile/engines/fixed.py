"""The fixed engine: a FIXED graph on torch, many samples at once, bit for bit as the chip.

In:  FIXED graph and encoded input.
Out: spikes and potentials where asked for, and the activity that energy is computed from.
Layer by layer: all steps of a synapse are one batched kernel, then the neurons step through
time. Synaptic sums run in float32 only where their bound is exact, and are checked.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from neurocompile.energy.counts import Activity
from neurocompile.engines.recording import Encoded, Recording
from neurocompile.engines.torch_ops import TorchOps, apply, one_thread
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.ir.fixed import (
    CURRENT_WRAP_LIMIT,
    STATE_LIMIT,
    AlwaysOn,
    BiasInput,
    CubaLIF,
    FixedConstants,
    SpikeInput,
    Synapse,
)
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import matrix
from neurocompile.ir.nodes import ConvTranspose, Linear, Sparse, size

EXACT_FLOAT32 = 1 << 24  # every integer up to here is a float32
WHAT = ("spikes", "membrane")


@dataclass(frozen=True, eq=False)
class Run:
    """What a batch did.

    Attributes:
        recording: Spikes and potentials of the layers asked for.
        activity: By SpikeInput and CubaLIF population, summed over samples and steps.
    """

    recording: Recording
    activity: dict[str, Activity]


def run(
    graph: Graph,
    encoded: Encoded,
    *,
    spikes: Collection[str] | None = None,
    membrane: Collection[str] | None = None,
) -> Run:
    """Run a batch of samples from the initial state.

    Args:
        graph: FIXED graph.
        encoded: Input of n samples.
        spikes, membrane: Names of the populations to record; all of them if None.

    Raises:
        DoesNotFit: If a current reaches 3 x 2^23 before its wrap, where Lava's own
            arithmetic is no longer that of a chip, or if a readout spikes.
    """
    batch = _Batch(graph, encoded)
    kept_spikes: dict[str, Any] = {}
    kept_membrane: dict[str, Any] = {}
    activity: dict[str, Activity] = {}
    with one_thread(), torch.inference_mode():
        for name, node in graph.nodes.items():
            if isinstance(node, SpikeInput):
                batch.fired[name] = _steps_first(encoded.values[name])
                activity[name] = _input_activity(batch.fired[name])
            elif isinstance(node, CubaLIF):
                fired, potentials, activity[name] = batch.population(name, node)
                batch.fired[name] = fired
                if membrane is None or name in membrane:
                    kept_membrane[name] = potentials.to(torch.int32).transpose(0, 1).numpy()
            else:
                continue
            if spikes is None or name in spikes:
                kept_spikes[name] = batch.fired[name].transpose(0, 1).numpy()
    return Run(Recording(kept_spikes, kept_membrane), activity)


class _Batch:
    """One batch on its way through the network: who fired when, (steps, n, *shape) uint8."""

    def __init__(self, graph: Graph, encoded: Encoded) -> None:
        self.graph = graph
        self.encoded = encoded
        self.fired: dict[str, torch.Tensor] = {}

    def population(self, name: str, node: CubaLIF) -> tuple[torch.Tensor, torch.Tensor, Activity]:
        """Run one population through all steps; spikes, potentials, activity."""
        shape = (self.encoded.steps, self.encoded.samples, *node.shape)
        arriving = torch.zeros(shape, dtype=torch.float64)
        written = None
        synapses: list[tuple[Synapse, torch.Tensor]] = []
        for before in self.graph.before(name):
            source = self.graph.nodes[before]
            if isinstance(source, BiasInput):
                written = torch.from_numpy(self.encoded.values[before].astype(np.int64))
            else:
                synapses.append((source, self._arrivals_of(before, source)))
                arriving += weighted_sum(before, *synapses[-1]).reshape(shape)
        return _step_through(name, node, arriving, written, synapses)

    def _arrivals_of(self, name: str, synapse: Synapse) -> torch.Tensor:
        """Source spikes of a synapse as they arrive, delay included."""
        (origin,) = self.graph.before(name)
        source = self.graph.nodes[origin]
        if isinstance(source, AlwaysOn):
            steps, samples = self.encoded.steps, self.encoded.samples
            return torch.ones((steps, samples, *source.shape), dtype=torch.uint8)
        fired = self.fired[origin]
        if not synapse.delay:
            return fired
        late = torch.zeros_like(fired)
        late[synapse.delay :] = fired[: -synapse.delay]
        return late


def weighted_sum(name: str, synapse: Synapse, fired: torch.Tensor) -> torch.Tensor:
    """What arrives through a synapse: (steps, n, *source) spikes -> (steps, n, n_target) float64.

    Whole numbers, exactly: a negative exponent drops low bits of the sum (floor).
    """
    rows = fired.reshape(-1, *synapse.in_shape)
    bound = _largest_sum(synapse)
    number = torch.float32 if bound < EXACT_FLOAT32 else torch.float64
    total = apply(synapse.op, rows.to(number), synapse.in_shape)
    whole = total.round()
    if float((total - whole).abs().max()) > 0.25:
        # A convolution library may transform (Winograd, FFT) and lose bits: then no short cut.
        whole = apply(synapse.op, rows.to(torch.float64), synapse.in_shape).round()
    arriving = whole.to(torch.float64).reshape(*fired.shape[:2], size(synapse.out_shape))
    return torch.floor(arriving * 2.0**synapse.weight_exp) if synapse.weight_exp else arriving


def _largest_sum(synapse: Synapse) -> int:
    """The largest |sum| that any spikes can make, before the exponent."""
    op = synapse.op
    if isinstance(op, Linear):
        return int(np.abs(op.weight.astype(np.int64)).sum(axis=1).max(initial=0))
    if isinstance(op, Sparse):
        rows = abs(matrix(op, synapse.in_shape).astype(np.int64)).sum(axis=1)
        return int(rows.max(initial=0))
    every = np.abs(op.weight.astype(np.int64))
    # Conv sums over the inputs of an output channel; ConvTranspose keeps outputs on axis 1.
    outputs = 1 if isinstance(op, ConvTranspose) else 0
    channels = every.sum(axis=tuple(axis for axis in range(every.ndim) if axis != outputs))
    return int(channels.max(initial=0))


def _step_through(
    name: str,
    node: CubaLIF,
    arriving: torch.Tensor,
    written: torch.Tensor | None,
    synapses: list[tuple[Synapse, torch.Tensor]],
) -> tuple[torch.Tensor, torch.Tensor, Activity]:
    """All steps of a population; arriving (steps, n, *shape) float64."""
    p = FixedConstants(*(_number(a) for a in node.constants()))
    if written is not None:
        p = p._replace(bias=written.to(torch.float64) * 2.0 ** _number(node.bias_exp))
    v = torch.from_numpy(np.broadcast_to(node.v_init, node.shape).astype(np.float64))
    state = (torch.zeros_like(arriving[0]), v.expand_as(arriving[0]))
    fired = torch.empty(arriving.shape, dtype=torch.uint8)
    potentials = torch.empty_like(arriving)
    touched = _Touched(p.bias, synapses)
    wraps = saturations = 0
    ops = TorchOps()
    for t in range(len(arriving)):
        touched.count(t, state)
        done = node.step(ops, state, arriving[t], p)
        wraps += _wraps(done.current, f"layer '{name}', step {t + 1}")
        saturations += _outside(done.potential, 1 - STATE_LIMIT, STATE_LIMIT - 1)
        state = done.state
        fired[t] = done.out
        potentials[t] = state[1]
    if node.readout and bool(fired.any()):
        raise DoesNotFit(
            f"readout '{name}' reached its threshold, the top of 24 bits, "
            f"{int(fired.sum())} times. Calibrate on data like these, or lower the weights "
            "before it."
        )
    counts = fired.sum(dim=(0, 1), dtype=torch.int64).numpy()
    return fired, potentials, Activity(counts, touched.total, saturations, wraps)


class _Touched:
    """Counts neurons that a step finds touched: input arrived, or u, v or the bias is not 0."""

    def __init__(self, bias: Any, synapses: list[tuple[Synapse, torch.Tensor]]) -> None:
        self.by_bias = torch.as_tensor(bias != 0)
        self.all_by_bias = bool(self.by_bias.all())
        self.synapses = synapses
        self.total = 0

    def count(self, t: int, state: tuple[torch.Tensor, torch.Tensor]) -> None:
        """Add the neurons touched in step t, at whose start the state is (u, v)."""
        if self.all_by_bias:
            self.total += state[0].numel()
            return
        touched = self.by_bias | (state[0] != 0) | (state[1] != 0)
        for synapse, spikes in self.synapses:
            touched |= arrived(synapse, spikes[t]).reshape(touched.shape)
        self.total += int(touched.sum())


def _number(values: Any) -> Any:
    """A register as a float for a layer, a float64 tensor for a value per neuron."""
    return float(values) if values.ndim == 0 else torch.from_numpy(values.astype(np.float64))


def _wraps(current: torch.Tensor, where: str) -> int:
    """How many currents wrap.

    Raises:
        DoesNotFit: If one is beyond what a single wrap brings back.
    """
    count = _outside(current, 1 - STATE_LIMIT, STATE_LIMIT)
    if count and float(current.abs().max()) >= CURRENT_WRAP_LIMIT:
        raise DoesNotFit(
            f"{where}: the synaptic current reaches {int(current.abs().max())} before its 24-bit "
            f"wrap, beyond {CURRENT_WRAP_LIMIT - 1}, where one wrap no longer brings it into "
            "range. Lower the weights or the exponent of the synapses before this layer."
        )
    return count


def _outside(values: torch.Tensor, lowest: int, highest: int) -> int:
    """How many values are outside [lowest, highest]; one pass where none is."""
    low, high = torch.aminmax(values)
    if low >= lowest and high <= highest:
        return 0
    return int(((values < lowest) | (values > highest)).sum())


def arrived(synapse: Synapse, fired: torch.Tensor) -> torch.Tensor:
    """Which targets a spike reached, whatever its weight: (n, *source) -> (n, n_target) bool."""
    rows = fired.reshape(-1, *synapse.in_shape).to(torch.float32)
    op = synapse.op
    if isinstance(op, Linear):
        return (rows.flatten(1).amax(1) > 0)[:, None].expand(-1, size(synapse.out_shape))
    if isinstance(op, Sparse):
        ones: Any = replace(op, data=np.ones_like(op.data))
    else:
        ones = replace(op, weight=np.ones_like(op.weight))
    return (apply(ones, rows, synapse.in_shape) > 0.5).flatten(1)


def _steps_first(values: Any) -> torch.Tensor:
    """(n, steps, *shape) 0 and 1 -> (steps, n, *shape) uint8."""
    array = np.asarray(values)
    if array.size and (array.min() < 0 or array.max() > 1):
        raise BadInput(
            f"input spikes range from {array.min()} to {array.max()}, but an axon carries 0 or 1."
        )
    return torch.from_numpy(array.astype(np.uint8)).transpose(0, 1).contiguous()


def _input_activity(fired: torch.Tensor) -> Activity:
    return Activity(fired.sum(dim=(0, 1), dtype=torch.int64).numpy(), 0, 0, 0)
