"""The fixed engine in pure torch: for GPUs, and as a second implementation to compare with.

In:  FIXED graph and encoded input.
Out: a FixedRun with the same bits as the compiled path.
All steps of a synapse are one batched kernel, then the neurons step through time; a loop goes
step by step. Synaptic sums use float32 only if their bound is exact in it, and are checked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import torch

from neurocompile.data.inputs import Encoded
from neurocompile.engines.fixed.result import (
    EXACT_FLOAT32,
    FixedRun,
    beyond_one_wrap,
    readout_spiked,
    refuse_beyond,
    schedule,
    spikes_in,
)
from neurocompile.engines.recording import Activity, Recording
from neurocompile.engines.torch_ops import TorchOps, apply, one_thread
from neurocompile.errors import DoesNotFit
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import (
    AlwaysOn,
    BiasInput,
    ChipNeuron,
    SpikeInput,
    Synapse,
    by_delay,
)
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Linear, size
from neurocompile.ir.order import Group
from neurocompile.ir.payloads import graded, largest_sum
from neurocompile.ir.registers import CURRENT_WRAP_LIMIT, STATE_LIMIT

Targets = torch.Tensor | None  # of a part of a synapse: (n,) bool, or all


def run_torch(
    graph: Graph,
    encoded: Encoded,
    *,
    spikes: Collection[str] | None = None,
    membrane: Collection[str] | None = None,
    device: str = "cpu",
) -> FixedRun:
    """Run a batch of samples from the initial state; see `engines.fixed.run`."""
    kept_spikes: dict[str, Array] = {}
    kept_membrane: dict[str, Array] = {}
    activity: dict[str, Activity] = {}
    groups = schedule(graph)
    with one_thread(), torch.inference_mode():
        fired, layers = _layers(graph, encoded, membrane, device)
        try:
            _advance(groups, layers, encoded.steps)
        except DoesNotFit:
            # Populations run one after the other, and samples together: name what comes first.
            together = [Group(tuple(name for group in groups for name in group.names), True)]
            for sample in range(encoded.samples):
                values = {name: each[sample : sample + 1] for name, each in encoded.values.items()}
                one = Encoded(values, encoded.steps)
                _advance(together, _layers(graph, one, (), device)[1], encoded.steps)
            raise
        for name, node in graph.of(SpikeInput, ChipNeuron):
            if isinstance(node, SpikeInput):
                activity[name] = Activity(_count(fired[name]), 0, 0, 0)
            if name in layers:
                activity[name] = layers[name].activity()
                if layers[name].keep:
                    kept_membrane[name] = _samples_first(layers[name].potentials)
            if spikes is None or name in spikes:
                kept_spikes[name] = _samples_first(fired[name])
    return FixedRun(Recording(kept_spikes, kept_membrane), activity)


def _layers(
    graph: Graph, encoded: Encoded, membrane: Collection[str] | None, device: str
) -> tuple[dict[str, torch.Tensor], dict[str, _TorchPopulation]]:
    """What each population sends, none yet or all of an input; and the populations of neurons."""
    fired: dict[str, torch.Tensor] = {}
    for name, node in graph.of(SpikeInput, AlwaysOn, ChipNeuron):
        if isinstance(node, SpikeInput):
            rows = torch.from_numpy(spikes_in(graph, name, encoded)).transpose(0, 1)
            fired[name] = rows.contiguous().to(device)
            continue
        make = torch.ones if isinstance(node, AlwaysOn) else torch.zeros
        shape = (encoded.steps, encoded.samples, *node.shape)
        sent = torch.int32 if graded(node) else torch.uint8
        fired[name] = make(shape, dtype=sent, device=device)
    layers = {}
    for name, _ in graph.of(ChipNeuron):
        keep = membrane is None or name in membrane
        layers[name] = _TorchPopulation(graph, name, encoded, fired, keep)
    return fired, layers


def _advance(groups: list[Group], layers: dict[str, _TorchPopulation], steps: int) -> None:
    """Take all populations through all steps, those of a loop step by step."""
    for names, loop in groups:
        neurons = [layers[name] for name in names if name in layers]
        width = 1 if loop else max(steps, 1)
        for begin in range(0, steps, width):
            for layer in neurons:
                layer.advance(begin, begin + width)


class _TorchPopulation:
    """A population that is run through time; tensors are (steps, n, *shape)."""

    def __init__(
        self, graph: Graph, name: str, encoded: Encoded, fired: dict[str, torch.Tensor], keep: bool
    ) -> None:
        self.name, self.node, self.keep = name, graph.nodes[name], keep
        self.fired = fired[name]
        device = self.fired.device
        self.synapses: list[tuple[Synapse, torch.Tensor]] = []
        self.largest: list[int] = []
        self.at = self.node.state_names.index("v")
        self.p = self.node.Constants(*(_number(a, device) for a in self.node.constants()))
        for before in graph.before(name):
            synapse = graph.nodes[before]
            if isinstance(synapse, BiasInput):
                written = torch.from_numpy(encoded.values[before].astype(np.float64)).to(device)
                exponent = _number(self.node.bias_exp, device)
                self.p = self.p._replace(bias=written * 2.0**exponent)
                continue
            (source,) = graph.before(before)
            self.synapses.append((synapse, fired[source]))
            self.largest.append(largest_sum(synapse, graph.nodes[source]))
        v = np.broadcast_to(self.node.v_init, self.node.shape).astype(np.float64)
        zero = torch.zeros(self.fired.shape[1:], dtype=torch.float64, device=device)
        starts = self.node.start(self.p, torch.from_numpy(v).to(device), zero)
        self.state = tuple(
            torch.as_tensor(start, dtype=zero.dtype, device=device).expand_as(zero)
            for start in starts
        )
        kept = self.fired.shape if keep else (0,)
        self.potentials = torch.empty(kept, dtype=torch.int32, device=device)
        self.touched = _Touched(self.p.bias, self.node.resting(self.p, 0.0))
        self.wraps = self.saturations = 0

    def advance(self, begin: int, end: int) -> None:
        """Take the population through the steps [begin, end)."""
        shape = (end - begin, *self.fired.shape[1:])
        arriving = {
            part: torch.zeros(shape, dtype=torch.float64, device=self.fired.device)
            for part in self.node.inputs
        }
        sources: list[tuple[Targets, Synapse, torch.Tensor]] = []
        for (synapse, fired), largest in zip(self.synapses, self.largest, strict=True):
            sources += _parts(synapse, fired, begin, end)
            sums = _arriving(synapse, fired, largest, begin, end)
            arriving[synapse.into] += sums.view(shape)
        ops = TorchOps()
        for t in range(begin, end):
            now = [(targets, part, sent[t - begin]) for targets, part, sent in sources]
            self.touched.count(now, self.state)
            a = self.node.arriving([sums[t - begin] for sums in arriving.values()])
            done = self.node.step(ops, self.state, a, self.p)
            if done.current is not None:
                self.wraps += _wraps(done.current, self.name, t + 1)
            for v in (done.potential, *done.clipped):
                if v is not None:
                    self.saturations += _outside(v, 1 - STATE_LIMIT, STATE_LIMIT - 1)
            sizes = [float(x.abs().max()) for x in done.unclipped]
            refuse_beyond(self.name, self.node, t + 1, sizes)
            self.state = done.state
            self.fired[t] = done.out
            if self.keep:
                self.potentials[t] = self.state[self.at]

    def activity(self) -> Activity:
        """What the population did."""
        counts = _count(self.fired)
        if self.node.readout and counts.any():
            raise readout_spiked(self.name, int(counts.sum()))
        return Activity(counts, self.touched.total, self.saturations, self.wraps)


def _arriving(
    synapse: Synapse, fired: torch.Tensor, largest: int, begin: int, end: int
) -> torch.Tensor:
    """What arrives through a synapse in the steps [begin, end), (steps, n, n_target)."""
    if synapse.late_of != "target":
        total = torch.zeros((), dtype=torch.float64, device=fired.device)
        for _, part, sent in _parts(synapse, fired, begin, end):
            total = total + weighted_sum(part, sent, largest)
        return total
    late = torch.from_numpy(np.array(synapse.late)).to(fired.device)
    longest = int(late.max())
    sums = weighted_sum(synapse, _late(fired, synapse.delay, begin - longest, end), largest)
    at = torch.arange(longest, longest + end - begin, device=fired.device)[:, None] - late
    return sums[at, :, torch.arange(len(late), device=fired.device)].transpose(1, 2)


def _parts(
    synapse: Synapse, fired: torch.Tensor, begin: int, end: int
) -> Iterator[tuple[Targets, Synapse, torch.Tensor]]:
    """A synapse in parts with one delay each, and what arrives through each in the steps."""
    late, delay = synapse.late, synapse.delay
    if late is None:
        yield None, synapse, _late(fired, delay, begin, end)
        return
    steps = torch.from_numpy(late.astype(np.int64)).to(fired.device)
    match synapse.late_of:
        case "target":
            for more in steps.unique().tolist():
                yield steps == more, synapse, _late(fired, delay + more, begin, end)
        case "source":
            sent = torch.zeros_like(fired[begin:end])
            for more in steps.unique().tolist():
                these = (steps[0] == more).reshape(fired.shape[2:])
                sent += _late(fired, delay + more, begin, end) * these
            yield None, synapse, sent
        case _:
            for more, part in by_delay(synapse):
                yield None, part, _late(fired, delay + more, begin, end)


def _late(fired: torch.Tensor, delay: int, begin: int, end: int) -> torch.Tensor:
    """Spikes of a source as they arrive in the steps [begin, end), none before step 0."""
    if not delay and begin >= 0:
        return fired[begin:end]
    late = fired.new_zeros(end - begin, *fired.shape[1:])
    first = max(begin, delay)
    if first < end:
        late[first - begin :] = fired[first - delay : end - delay]
    return late


def weighted_sum(synapse: Synapse, fired: torch.Tensor, largest: int) -> torch.Tensor:
    """What arrives through a synapse: (steps, n, *source) spikes -> (steps, n, n_target) float64.

    The sums are exact whole numbers, of size `largest` at most before the exponent; a negative
    exponent drops their low bits (floor).
    """
    rows = fired.reshape(-1, *synapse.in_shape)
    number = torch.float32 if largest < EXACT_FLOAT32 else torch.float64
    total = apply(synapse.op, rows.to(number), synapse.in_shape)
    whole = total.round()
    if total.numel() and float((total - whole).abs().max()) > 0.25:
        # A convolution library may lose bits by a transform (Winograd, FFT): use float64 then.
        whole = apply(synapse.op, rows.to(torch.float64), synapse.in_shape).round()
    arriving = whole.to(torch.float64).reshape(*fired.shape[:2], size(synapse.out_shape))
    return torch.floor(arriving * 2.0**synapse.weight_exp) if synapse.weight_exp else arriving


class _Touched:
    """Counts updated neurons per step: input arrived, a state is not at rest, or there is a bias.

    Args:
        bias: Bias of the population.
        rest: Value at which each state rests.
    """

    def __init__(self, bias: Any, rest: tuple[Any, ...]) -> None:
        self.rest = rest
        self.by_bias = torch.as_tensor(bias != 0)
        self.all_by_bias = bool(self.by_bias.all())
        self.total = 0

    def count(
        self,
        sources: list[tuple[Targets, Synapse, torch.Tensor]],
        state: tuple[torch.Tensor, ...],
    ) -> None:
        """Add the updated neurons of a step that starts with a state."""
        if self.all_by_bias:
            self.total += state[0].numel()
            return
        touched = self.by_bias.to(state[0].device)
        for each, rest in zip(state, self.rest, strict=True):
            touched = touched | (each != rest)
        flat = touched.view(len(touched), -1)
        for targets, synapse, spikes in sources:
            reached = arrived(synapse, spikes)
            flat |= reached if targets is None else reached & targets
        self.total += int(touched.sum())


def _number(values: Any, device: Any) -> Any:
    """A register as a float if it is one per layer, as a float64 tensor if one per neuron."""
    if values.ndim == 0:
        return float(values)
    return torch.from_numpy(values.astype(np.float64)).to(device)


def _wraps(current: torch.Tensor, name: str, step: int) -> int:
    """Number of currents that wrap.

    Raises:
        DoesNotFit: If a single wrap does not bring one back into 24 bits.
    """
    count = _outside(current, 1 - STATE_LIMIT, STATE_LIMIT)
    if count and float(current.abs().max()) >= CURRENT_WRAP_LIMIT:
        raise beyond_one_wrap(name, step, int(current.abs().max()))
    return count


def _outside(values: torch.Tensor, lowest: int, highest: int) -> int:
    """Number of values outside [lowest, highest]; only one pass if there are none."""
    low, high = torch.aminmax(values)
    if low >= lowest and high <= highest:
        return 0
    return int(((values < lowest) | (values > highest)).sum())


def arrived(synapse: Synapse, fired: torch.Tensor) -> torch.Tensor:
    """Which targets a spike reaches, whatever its weight: (n, *source) -> (n, n_target) bool."""
    rows = fired.reshape(-1, *synapse.in_shape).ne(0).to(torch.float32)
    op = synapse.op
    if isinstance(op, Linear) and size(synapse.in_shape) == op.weight.shape[1]:
        return (rows.flatten(1).amax(1) > 0)[:, None].expand(-1, size(synapse.out_shape))
    ones = op.with_weights(np.ones_like(op.weights))
    return (apply(ones, rows, synapse.in_shape) > 0.5).flatten(1)


def _count(fired: torch.Tensor) -> Array:
    """(*shape) int64, number of spikes of each neuron."""
    return np.asarray(fired.ne(0).sum(dim=(0, 1), dtype=torch.int64).numpy(force=True))


def _samples_first(trace: torch.Tensor) -> Array:
    """(steps, n, *shape) as (n, steps, *shape)."""
    return np.asarray(trace.transpose(0, 1).numpy(force=True))
