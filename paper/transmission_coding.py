"""Messages: spikes and integers as bits, by the range coder of the package constriction.

In:  symbols of the training part, from which the models are made; symbols to send.
Out: compressed words of 32 bits, and the symbols decoded from them.
Both ends know the models beforehand, as they know the weights; `table_bits` is the cost of sending
them once. A symbol that never occurred in training costs many bits but can be sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurocompile.errors import NotInstalled
from neurocompile.ir.arrays import Array

WORD = 32  # bits of a compressed word
TABLE = 16  # bits that send one probability well enough


@dataclass(frozen=True, eq=False)
class SpikeModel:
    """When a neuron spikes, given how long it has been silent.

    Attributes:
        probability: (neurons, memory + 1) of a spike now, by steps since the last one; `memory`
            stands for all longer times. Before the first spike, steps since the start count.
    """

    probability: Array

    @property
    def table_bits(self) -> int:
        """Bits that send the table once."""
        return TABLE * self.probability.size


def learn_spikes(spikes: Array, memory: int) -> SpikeModel:
    """The model of training spikes (n, steps, neurons); one spike more and one less of each.

    Args:
        spikes: 0 and 1.
        memory: Steps of silence that are told apart; 0: one probability a neuron.
    """
    samples, steps, neurons = spikes.shape
    seen = np.ones((neurons, memory + 1, 2))
    silent = np.zeros((samples, neurons), dtype=int)
    at = np.broadcast_to(np.arange(neurons), silent.shape)
    for step in range(steps):
        now = spikes[:, step].astype(int)
        np.add.at(seen, (at, np.minimum(silent, memory), now), 1)
        silent = np.where(now == 1, 0, silent + 1)
    return SpikeModel(seen[..., 1] / seen.sum(axis=-1))


def send_spikes(model: SpikeModel, spikes: Array) -> Array:
    """Spikes (n, steps, neurons) as one message, (words,) uint32."""
    coder = _constriction().stream.queue.RangeEncoder()
    family = _constriction().stream.model.Bernoulli(perfect=False)
    for sample in spikes:
        silent = np.zeros(spikes.shape[2], dtype=int)
        for now in sample.astype(np.int32):
            coder.encode(now, family, _probability(model, silent))
            silent = np.where(now == 1, 0, silent + 1)
    return np.asarray(coder.get_compressed())


def receive_spikes(model: SpikeModel, words: Array, samples: int, steps: int) -> Array:
    """The spikes of a message, (samples, steps, neurons) uint8."""
    neurons = len(model.probability)
    coder = _constriction().stream.queue.RangeDecoder(words)
    family = _constriction().stream.model.Bernoulli(perfect=False)
    found = np.empty((samples, steps, neurons), np.uint8)
    for sample in found:
        silent = np.zeros(neurons, dtype=int)
        for step in range(steps):
            now = np.asarray(coder.decode(family, _probability(model, silent)))
            sample[step] = now
            silent = np.where(now == 1, 0, silent + 1)
    return found


def _probability(model: SpikeModel, silent: Array) -> Array:
    """(neurons,) float64 of a spike now."""
    memory = model.probability.shape[1] - 1
    return model.probability[np.arange(len(silent)), np.minimum(silent, memory)]


@dataclass(frozen=True, eq=False)
class NumberModel:
    """How often each whole number comes, by place in a code.

    Attributes:
        low: (places,) the smallest number of each.
        probability: By place, (numbers,) of low, low + 1 and so on.
    """

    low: Array
    probability: tuple[Array, ...]

    @property
    def table_bits(self) -> int:
        """Bits that send the tables once."""
        return TABLE * sum(p.size for p in self.probability)

    def cut(self, numbers: Array) -> Array:
        """Numbers (n, places), each brought into the range that training showed."""
        high = self.low + [len(p) - 1 for p in self.probability]
        return np.clip(numbers, self.low, high)


def learn_numbers(numbers: Array) -> NumberModel:
    """The model of training codes (n, places); every number of the range counts half once more."""
    low = numbers.min(axis=0)
    counts = [np.bincount(column) + 0.5 for column in (numbers - low).T]
    return NumberModel(low, tuple(c / c.sum() for c in counts))


def send_numbers(model: NumberModel, numbers: Array) -> Array:
    """Codes (n, places) within the model's range as one message, (words,) uint32."""
    coder = _constriction().stream.queue.RangeEncoder()
    for column, law in zip((numbers - model.low).T, _laws(model), strict=True):
        coder.encode(np.ascontiguousarray(column, np.int32), law)
    return np.asarray(coder.get_compressed())


def receive_numbers(model: NumberModel, words: Array, samples: int) -> Array:
    """The codes of a message, (samples, places)."""
    coder = _constriction().stream.queue.RangeDecoder(words)
    columns = [coder.decode(law, samples) for law in _laws(model)]
    return np.asarray(np.stack(columns, axis=1) + model.low)


def _laws(model: NumberModel) -> list[Any]:
    """A place with a single number takes no bits; the coder wants two, so it gets a second one."""
    categorical = _constriction().stream.model.Categorical
    padded = (np.append(p, 1e-9) if len(p) == 1 else p for p in model.probability)
    return [categorical(np.asarray(p, np.float64), perfect=False) for p in padded]


def _constriction() -> Any:
    try:
        import constriction
    except ImportError:
        raise NotInstalled(
            "compressed transmission needs the package constriction, which is not installed. "
            "Run: neurocompile doctor --install paper"
        ) from None
    return constriction
