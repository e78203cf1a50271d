"""Run and train a network with the chip's own integers.

In:  a FIXED graph in which spikes only lead forward.
Out: a module: samples (N, ...) -> results (N, ...), whose parameters are float shadows of weights,
     biases and thresholds; at any time `graph()` is the FIXED graph that it runs.
The forward pass is the fixed engine bit for bit. The backward pass treats every rounding as the
identity, and a spike as the float layers do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from neurocompile.data import encoding
from neurocompile.data.inputs import carried, mantissas
from neurocompile.engines.decode import last_layer
from neurocompile.engines.fixed.result import schedule
from neurocompile.errors import BadInput, Unsupported
from neurocompile.ir.after_spikes import AdaptiveLIF, RefractoryLIF
from neurocompile.ir.arrays import Array
from neurocompile.ir.chip_neurons import ATRLIF
from neurocompile.ir.fixed import AlwaysOn, BiasInput, ChipNeuron, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.time import depths
from neurocompile.ir.verify import verify
from neurocompile.nn.grid_changes import CHANGES, GridChanges
from neurocompile.nn.grid_parts import GridPopulation, GridSynapse
from neurocompile.nn.network import read_out

TRAINED = (CubaLIF, RefractoryLIF, AdaptiveLIF, ATRLIF, *CHANGES)


class GridNetwork(nn.Module):
    """A FIXED graph as a module that can be trained.

    Attributes:
        source: Graph from which the training started.
        seed: Seed of random input spikes. In eval mode sample k of a data set gets the spikes of
            `encoding.bernoulli`; in training mode every forward pass draws new ones.
        draws: Number of forward passes in training mode so far.
    """

    def __init__(self, graph: Graph, exact: Mapping[str, Array] | None = None, *, seed: int = 0):
        """Hold the integers.

        Args:
            graph: FIXED graph.
            exact: By synapse, its weights before they were rounded, as `grid_formats.coarser`
                returns them; a synapse that is not named uses its own weights.
            seed: Seed of random input spikes.

        Raises:
            Unsupported: If spikes lead back in a loop.
            BadInput: If the graph is not a sound FIXED one with one last layer.
        """
        super().__init__()
        self.source, self.seed, self.draws = verify(graph, "fixed"), seed, 0
        self.last = last_layer(graph)
        parts = schedule(graph)
        for names, loop in parts:
            if loop:
                raise Unsupported(
                    f"'{names[0]}' is part of a loop; training on the grid takes networks without "
                    "loops in this version. Train the float network, then export it."
                )
        _check_decoder(graph, self.last)
        _check_neurons(graph)
        self.order = [name for part in parts for name in part.names]
        self.names = [name for name, _ in graph.of(Synapse, ChipNeuron)]
        self.parts = nn.ModuleList(_parts(graph, self.names, exact or {}))

    def graph(self) -> Graph:
        """The FIXED graph with the current integers of the network."""
        return self.source.with_nodes(**{n: part.integers() for n, part in self.named().items()})

    def named(self) -> dict[str, GridSynapse | GridPopulation | GridChanges]:
        """Synapses and populations by name."""
        return dict(zip(self.names, self.parts, strict=True))  # type: ignore[arg-type]

    def rates(self) -> dict[str, Tensor]:
        """Spikes per step in the last forward pass, (N, *shape), by population that can learn."""
        parts = self.named().items()
        return {
            n: p.rates for n, p in parts if not isinstance(p, GridSynapse) and p.rates is not None
        }

    def keep_in_range(self) -> None:
        """Bring every shadow within the range of its register; call it after each update."""
        for part in self.named().values():
            part.keep_in_range()

    def forward(self, x: Tensor, first_index: int = 0) -> Tensor:
        """Results of a batch of samples.

        Args:
            x: Samples, (N, ...); where the encoder is "spikes" or "sequence", (N, T, ...).
            first_index: Index of x[0] in its data set; random input spikes in eval mode depend
                on it.

        Returns:
            Results gain * reading + offset within the decoder's limits, (N, ...) float64.

        Raises:
            DoesNotFit: If a current leaves 24 bits, or a readout spikes.
        """
        decoder = self.source.settings.decoder
        spikes, v = self.traces(x, first_index)[self.last]
        last: Any = self.named()[self.last]
        read = spikes.double() if decoder.kind == "rate" else last.membrane(v)
        if decoder.kind == "last":
            reading = read[-1]
        elif decoder.kind == "max":
            reading = read.amax(0)
        else:
            reading = read.mean(0)
        return read_out(decoder, reading)

    def traces(
        self, x: Tensor, first_index: int = 0, *, membrane: bool = False
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """The activity of every population.

        Args:
            x, first_index: As in `forward`.
            membrane: Whether to keep the potentials of neurons that spike, too.

        Returns:
            By population, spikes (T, N, *shape), and potentials after the reset where they are
            kept (always for a readout), in chip units of v.
        """
        steps = self.source.settings.steps
        traces: dict[str, tuple[Tensor, Tensor]] = {}
        for name in self.order:
            node = self.source.nodes[name]
            if isinstance(node, SpikeInput):
                traces[name] = (self._spikes(x, first_index), torch.empty(0))
            elif isinstance(node, AlwaysOn):
                traces[name] = (torch.ones(steps, 1, *node.shape), torch.empty(0))
            else:
                written, arriving = self._arrivals(name, x, traces)
                traces[name] = self.named()[name](arriving, steps, written, membrane)
        return traces

    def _arrivals(
        self, name: str, x: Tensor, traces: Mapping[str, tuple[Tensor, Tensor]]
    ) -> tuple[Tensor | None, Tensor | None]:
        """The mantissas that the host writes for a population, and the sum of its synapses."""
        written, arriving = None, []
        for before in self.source.before(name):
            if isinstance(self.source.nodes[before], BiasInput):
                values = mantissas(self.source, before, x.numpy(force=True))
                written = torch.from_numpy(values).double()
            else:
                (source,) = self.source.before(before)
                arriving.append(self.named()[before](traces[source][0]))
        if len(arriving) < 2:
            return written, arriving[0] if arriving else None
        return written, sum(arriving[1:], arriving[0].double())

    def _spikes(self, x: Tensor, first_index: int) -> Tensor:
        """Input spikes of samples, (T, N, *shape) float32, or payloads in float64."""
        settings = self.source.settings
        if settings.encoder.timed:
            if x.dim() < 2 or x.shape[1] != settings.steps:
                raise BadInput(
                    f"input has shape {list(x.shape)}; expected (n, {settings.steps}, ...) spikes "
                    "or values."
                )
            name, node = next(self.source.of(SpikeInput))
            if settings.encoder.kind == "sequence":
                exact = x.numpy(force=True).astype("float64") * settings.encoder.gain
                return torch.from_numpy(carried(name, node, exact)).transpose(0, 1).double()
            return x.transpose(0, 1).to(torch.float64 if node.payload_bits else torch.float32)
        seed = self.seed
        if self.training:
            self.draws += 1
            seed += 1_000_003 * self.draws
        spikes = encoding.bernoulli(
            x.numpy(force=True),
            settings.steps,
            gain=settings.encoder.gain,
            seed=seed,
            first_index=first_index,
        )
        return torch.from_numpy(spikes).transpose(0, 1).float()


def _parts(
    graph: Graph, names: list[str], exact: Mapping[str, Array]
) -> Iterator[GridSynapse | GridPopulation | GridChanges]:
    depth = depths(graph)
    for name in names:
        node = graph.nodes[name]
        if isinstance(node, Synapse):
            yield GridSynapse(node, exact.get(name))
        elif isinstance(node, CHANGES):
            yield GridChanges(name, node, depth[name])
        else:
            host = any(isinstance(graph.nodes[b], BiasInput) for b in graph.before(name))
            yield GridPopulation(name, node, depth[name], written=host)


def _check_neurons(graph: Graph) -> None:
    """Refuse neurons whose gradients are not known here."""
    for name, node in graph.of(ChipNeuron):
        if not isinstance(node, TRAINED):
            raise Unsupported(
                f"layer '{name}' ({type(node).__name__}) cannot be trained on the grid; "
                f"{', '.join(kind.__name__ for kind in TRAINED)} can. Train the float network, "
                "then export it."
            )


def _check_decoder(graph: Graph, last: str) -> None:
    """Refuse a decoder that does not suit the last layer."""
    kind, node = graph.settings.decoder.kind, graph.nodes[last]
    reads = node.readout or node.always_sends
    wanted = "last, max or mean" if reads else "rate"
    if kind == "none" or (kind == "rate") == reads:
        raise BadInput(
            f"the network has the decoder '{kind}', but training compares a result: with the last "
            f"layer '{last}' use the decoder {wanted}."
        )
