"""Cut one population into parts that each fit a core.

In:  a population, the synapses that end on it, the limits of a core.
Out: parts: neurons in the order in which they lie on their core, and what they take.
Parts are runs of neurons in one order of the axes: channel by channel, or place by place.
The order that needs fewer cores wins, then the one that needs fewer messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from neurocompile.chip import Chip
from neurocompile.errors import DoesNotFit
from neurocompile.ir.arrays import Array
from neurocompile.ir.entries import Rows
from neurocompile.ir.fixed import CubaLIF, Synapse
from neurocompile.ir.nodes import size
from neurocompile.place.memory import addressable, lists
from neurocompile.place.placed import RESOURCES

ADVICE = {
    "input_axons": "Let a neuron see fewer inputs: a stride or a pooling before this layer, a "
    "smaller kernel, or fewer neurons in the layer before it.",
    "synapse_memory": "Let a neuron see fewer inputs, or use fewer weight bits.",
    "output_axons": "Let a neuron reach fewer neurons: a smaller kernel, or a smaller layer "
    "behind it.",
    "synapse_configurations": "Join synapses into this layer, or give them one weight exponent.",
}


class Incoming(NamedTuple):
    """A synapse that ends on the population, with its connection map (target, source)."""

    synapse: Synapse
    map: Rows


class Part(NamedTuple):
    """Neurons for one core, and what they take of it (output axons are not known yet)."""

    neurons: Array
    use: dict[str, int | None]


def split(
    name: str, population: CubaLIF, incoming: Sequence[Incoming], chip: Chip, most: int
) -> list[Part]:
    """Parts of a population, each within the limits of a core.

    Args:
        name: Of the population, for messages.
        population: Its neurons.
        incoming: The synapses that end on it.
        chip: The chip.
        most: Neurons a core may take at most, whatever the chip says.

    Raises:
        DoesNotFit: If one neuron alone is too much for a core.
    """
    best: list[Part] = []
    for order in _orders(population):
        parts = _Run(name, population, incoming, chip, order).parts(most, len(best))
        if parts and (not best or _cost(parts) <= _cost(best)):
            best = parts
    return best


def limit_of(chip: Chip, resource: str) -> int | None:
    """What a core of the chip has of a resource; None is no limit."""
    limit = getattr(chip.limits, RESOURCES[resource])
    return None if limit is None else int(limit.value)


def too_much(name: str, neuron: int, resource: str, found: int, chip: Chip) -> DoesNotFit:
    """The error for one neuron that no core can hold."""
    what = resource.replace("_", " ")
    unit = " bits of" if resource == "synapse_memory" else ""
    limit = limit_of(chip, resource)
    return DoesNotFit(
        f"layer '{name}': neuron {neuron} alone takes {found}{unit} {what}, but a core of "
        f"{chip.name} has {limit}. At most {limit} fit. {ADVICE.get(resource, '')}".rstrip()
    )


def _cost(parts: Sequence[Part]) -> tuple[int, int]:
    """Cores, then messages of one spike of every source."""
    return len(parts), sum(part.use["input_axons"] or 0 for part in parts)


def _orders(population: CubaLIF) -> Iterator[Array]:
    """Orders of the neurons to try: channels last, where there are places; and as they are."""
    index = np.arange(size(population.shape)).reshape(population.shape)
    if len(population.shape) > 1 and population.shape[0] > 1:
        yield np.moveaxis(index, 0, -1).ravel()
    yield index.ravel()


class _Run:
    """A population in one order, cut greedily from its first neuron on."""

    def __init__(
        self,
        name: str,
        population: CubaLIF,
        incoming: Sequence[Incoming],
        chip: Chip,
        order: Array,
    ) -> None:
        self.name, self.chip, self.order = name, chip, order
        self.incoming = [Incoming(i.synapse, i.map.take(order)) for i in incoming]
        register = {
            r: np.broadcast_to(getattr(population, r), population.shape).ravel()[order]
            for r in ("vth", "du", "dv")
        }
        self.thresholds = register["vth"]
        self.decays = (register["du"] + 1) * (1 << 13) + register["dv"]  # dv needs 13 bits
        self.limits = {r: limit_of(chip, r) for r in RESOURCES}

    def parts(self, most: int, few: int) -> list[Part]:
        """Parts as equal as the limits allow: the fullest core sets the pace of a step.

        None at all where they would be more than `few` (0: any number).
        """
        bounds = [most, self.limits["neurons"]]
        bounds.append(addressable(self.chip.memory) if self.chip.memory else None)
        most = min(b for b in bounds if b is not None)
        greedy: list[Part] = []
        start, guess = 0, most
        while start < self.order.size:
            if few and len(greedy) == few:
                return []
            greedy.append(self._longest(start, min(most, self.order.size - start), guess))
            guess = greedy[-1].neurons.size  # the next part is seldom far from this one
            start += guess
        cuts = [self.order.size * k // len(greedy) for k in range(len(greedy) + 1)]
        even = [self._part(a, b) for a, b in pairwise(cuts)]
        good = all(self._over(p) is None and p.neurons.size <= most for p in even)
        return even if good else greedy

    def _longest(self, start: int, most: int, guess: int) -> Part:
        """A run from a neuron on that fits, at most 1/32 shorter than the longest found.

        Nothing is assumed of runs in between: the one returned was itself checked.
        """
        best: Part | None = None
        good, bad, probe = 0, most + 1, min(guess, most)
        while bad - good > max(1, good // 32):
            part = self._part(start, start + probe)
            over = self._over(part)
            if over is None:
                best, good = part, probe
            elif probe == 1:
                found = part.use[over] or 0
                raise too_much(self.name, int(self.order[start]), over, found, self.chip)
            else:
                bad = probe
            upwards = min(most, good + good // 8 + 1)
            probe = upwards if bad > most else max(1, (good + bad) // 2)
        if best is None:  # only where most is below 1
            raise ValueError(f"'{self.name}': a part of {most} neurons")
        return best

    def _over(self, part: Part) -> str | None:
        """The first resource of which a part takes too much."""
        for resource, limit in self.limits.items():
            used = part.use.get(resource)
            if limit is not None and used is not None and used > limit:
                return resource
        return None

    def _part(self, start: int, stop: int) -> Part:
        """What a run of neurons takes of a core; memory is not measured where axons run out."""
        blocks = [(i.synapse, i.map.columns(start, stop)) for i in self.incoming]
        use: dict[str, int | None] = {
            "neurons": stop - start,
            "input_axons": sum(int(np.count_nonzero(np.diff(b.indptr))) for _, b in blocks),
            "synapse_memory": None,
            "threshold_configurations": np.unique(self.thresholds[start:stop]).size,
            "neuron_configurations": np.unique(self.decays[start:stop]).size,
            "synapse_configurations": None,
        }
        axons = self.limits["input_axons"]
        enough = axons is None or (use["input_axons"] or 0) <= axons
        if self.chip.memory is not None and enough:
            stored = [lists(s, b, self.chip.memory) for s, b in blocks]
            use["synapse_memory"] = sum(s.bits for s in stored)
            use["synapse_configurations"] = len({s.layout for s in stored})
        return Part(self.order[start:stop], use)
