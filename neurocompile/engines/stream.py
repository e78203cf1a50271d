"""A network that runs for ever: pieces of one recording go in, what its last layer does comes out.

In:  a FIXED graph; rows of input, as many at a time as there are.
Out: a Piece for each push: spikes and potentials of the last layer, rates over a window, results;
     the activity so far. Memory does not grow with the number of steps.
Nothing is reset between two pieces, nor between two samples: the state goes on. Where the input has
a value for each step (spikes, payloads, sequences), a row is a step; where a sample is shown for T
steps (current, bernoulli), a row is a sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neurocompile.data.encoding import bernoulli
from neurocompile.data.inputs import Encoded, check_data, encode, input_shape, mantissas
from neurocompile.data.samples import Data
from neurocompile.engines.decode import decode, last_layer, potentials, require_integers
from neurocompile.engines.fixed import run
from neurocompile.engines.fixed.state import Carried
from neurocompile.engines.recording import Activity, add_up
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import BiasInput, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.payloads import graded

AT_ONCE = 4096  # steps of a run: bounds the memory, changes no bit


@dataclass(frozen=True, eq=False)
class Piece:
    """What the last layer did in the steps of one push.

    Attributes:
        first: Number of its first step since the stream began, from 0.
        spikes: (steps, *shape) spikes of 0 and 1, or payloads.
        potentials: (steps, *shape) float64 potentials after the reset, in float units.
        rates: (steps, *shape) float64, spikes per step over the last `window` steps, fewer at the
            beginning of the stream.
        results: (rows, *shape) float64 results of the decoder, a row for each sample; None where a
            row is a step, or the network has no decoder.
    """

    first: int
    spikes: Array
    potentials: Array
    rates: Array
    results: Array | None

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.spikes)

    def first_spikes(self) -> Array:
        """(*shape) step of each neuron's first spike in this piece, numbered as `first`; or -1."""
        fired = self.spikes != 0
        return np.where(fired.any(axis=0), self.first + fired.argmax(axis=0), -1)


class Stream:
    """A running network.

        stream = compiled.stream()
        for rows in source:
            print(stream.push(rows).rates[-1])

    Args:
        graph: FIXED graph.
        steps: Steps for which a sample is shown, where a row is a sample; None: the network's own.
        window: Steps over which rates are counted; None: the network's own steps.
        seed: Seed of the random encoder.
        state: State to go on from, with the spikes that the window of rates reaches back to; None:
            the initial one.

    Attributes:
        activity: Activity by population since this object was made.
        done: Steps run since this object was made.

    Raises:
        BadInput: If the graph is one of floats, a number of steps is below 1, the state is that of
            another network, or its stream counted rates over a shorter window.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        steps: int | None = None,
        window: int | None = None,
        seed: int = 0,
        state: Carried | None = None,
    ) -> None:
        require_integers(graph)
        own = graph.settings.steps
        self.graph, self.seed, self.state = graph, seed, state
        self.sample_steps = 1 if graph.settings.encoder.timed else steps or own
        self.window = own if window is None else window
        if self.window < 1 or self.sample_steps < 1:
            raise BadInput(
                f"the window is {self.window} and a sample is shown for {self.sample_steps} steps. "
                "Use 1 or more for both."
            )
        if state is not None:
            state.check(graph, 1)
        self.activity: dict[str, Activity] = {}
        self.done = 0
        self._layer = last_layer(graph)
        self._recent = np.zeros((0, *graph.nodes[self._layer].shape), np.uint8)
        if state is not None and state.recent is not None:
            self._recent = state.recent[max(0, len(state.recent) - self.window + 1) :]
            if self.window > state.window and len(self._recent) < min(self.window - 1, state.steps):
                raise BadInput(
                    f"the window is {self.window}, but the state knows the spikes of a window of "
                    f"{state.window} only. Use that window (--window), or a shorter one."
                )

    @property
    def steps(self) -> int:
        """Steps since the initial state."""
        return 0 if self.state is None else self.state.steps

    def push(self, rows: Array) -> Piece:
        """Run the next rows of the recording.

        Args:
            rows: (n, *shape of the input), at least one. Values to be encoded count as float32, as
                samples do.

        Raises:
            BadInput: If the rows are not what the network takes.
            DoesNotFit: If a number leaves its register.
            The stream is then where it was before this push.
        """
        rows = np.asarray(rows)
        if rows.ndim < 2 or not len(rows):
            raise BadInput(
                f"a piece has the shape {rows.shape}, but must be (n, ...) with at least one row. "
                f"The network takes rows of {input_shape(self.graph)}."
            )
        if self._kind == "x":
            with np.errstate(over="ignore"):  # an infinity then, which is refused
                rows = rows.astype(np.float32)
        first, before = self.steps, (self.state, self.done, dict(self.activity))
        try:
            found = [self._run(encoded) for encoded in self._encoded(rows)]
        except BaseException:
            self.state, self.done, self.activity = before
            raise
        spikes, membrane = (np.concatenate(parts) for parts in zip(*found, strict=True))
        floats, rates = potentials(self.graph, self._layer, membrane), self._rates(spikes)
        assert self.state is not None
        self.state = replace(self.state, recent=self._recent, window=self.window)
        return Piece(first, spikes, floats, rates, self._results(spikes, floats))

    def _run(self, encoded: Encoded) -> tuple[Array, Array]:
        """Take some steps; spikes and potentials of the last layer."""
        read = (self._layer,)
        done = run(self.graph, encoded, spikes=read, membrane=read, state=self.state, carry=True)
        self.state = done.state
        self.done += encoded.steps
        add_up(self.activity, done.activity)
        recorded = done.recording
        return recorded.spikes[self._layer][0], recorded.membrane[self._layer][0]

    def _encoded(self, rows: Array) -> Iterator[Encoded]:
        """The input of the rows, some steps at a time."""
        at_once = max(1, AT_ONCE // self.sample_steps)
        for begin in range(0, len(rows), at_once):
            some, first = rows[begin : begin + at_once], self.done // self.sample_steps
            _check_rows(some, first)
            try:
                encoded = self._encode(some)
            except (BadInput, DoesNotFit) as error:
                last = first + len(some) - 1
                raise type(error)(f"rows {first}..{last}, counted from 0: {error}") from None
            yield from encoded

    def _encode(self, some: Array) -> list[Encoded]:
        """The input of rows that are run at once."""
        graph, steps = self.graph, self.sample_steps
        name, node = next(graph.of(SpikeInput, BiasInput))
        if graph.settings.encoder.timed:
            data = Data("stream", self._kind, some[None])
            return [encode(graph, data, 0, 1, len(some), self.seed)]
        check_data(graph, Data("stream", self._kind, some), steps)
        if isinstance(node, BiasInput):
            return [
                Encoded({name: written[None]}, steps) for written in mantissas(graph, name, some)
            ]
        index, gain = self.steps // steps, graph.settings.encoder.gain
        sent = bernoulli(some, steps, gain=gain, seed=self.seed, first_index=index)
        axons = sent.reshape(1, len(some) * steps, *node.shape)
        return [Encoded({name: axons}, len(some) * steps)]

    @property
    def _kind(self) -> Any:
        """What rows hold."""
        if self.graph.settings.encoder.kind != "spikes":
            return "x"
        return "payloads" if any(graded(n) for _, n in self.graph.of(SpikeInput)) else "spikes"

    def _rates(self, spikes: Array) -> Array:
        """Spikes per step over the window that ends in each step."""
        before = len(self._recent)
        both = np.concatenate([self._recent, (spikes != 0).astype(np.uint8)])
        sums = np.concatenate([np.zeros_like(both[:1]), both]).cumsum(axis=0, dtype=np.int64)
        ends = np.arange(before + 1, len(both) + 1)
        begins = np.maximum(ends - self.window, 0)
        width = (ends - begins).reshape(-1, *[1] * (spikes.ndim - 1))
        self._recent = both[len(both) - min(self.window - 1, len(both)) :]
        return np.asarray((sums[ends] - sums[begins]) / width)

    def _results(self, spikes: Array, floats: Array) -> Array | None:
        """The decoder's result of each sample."""
        if self.graph.settings.encoder.timed:
            return None
        shape = (-1, self.sample_steps, *spikes.shape[1:])
        decoder, readout = self.graph.settings.decoder, self.graph.nodes[self._layer].readout
        return decode(decoder, None if readout else spikes.reshape(shape), floats.reshape(shape))


def _check_rows(rows: Array, first: int) -> None:
    """Refuse rows with what is no number, by their number since the stream's object was made."""
    if rows.dtype.kind != "f" or np.isfinite(rows).all():
        return
    row, *at = map(int, np.argwhere(~np.isfinite(rows))[0])
    raise BadInput(
        f"row {first + row}, counted from 0, holds {rows[row, *at]} at {at}: NaN, infinity or a "
        "number beyond float32. Send finite numbers."
    )
