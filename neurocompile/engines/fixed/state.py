"""The state of a network between two pieces of a recording.

In:  arrays of a run, the digest of its network.
Out: a Carried, which only the same network goes on from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from neurocompile.ir.digest import graph_digest
from neurocompile.ir.graph import Graph


@dataclass(frozen=True, eq=False)
class Carried:
    """The state of a network after some steps.

    Attributes:
        network: Digest of the FIXED graph that it is a state of.
        steps: Steps that were run since the initial state.
        values: Arrays (samples, ...) by name: `state/POPULATION/NAME` int64, the states of its
            neurons; `sent/POPULATION` (samples, delay, n), what the last steps sent, as far back
            as a delay reaches; `sums/SYNAPSE` and `reached/SYNAPSE`, what arrives later where
            delays differ inside a synapse.
        recent: (steps, *shape) uint8, which neurons of the last layer sent something in the last
            steps of a stream, as many as its window of rates reaches back; None of a run that
            counts no rates.
        window: Steps over which that stream counted rates; 0 of a run that counts none.
    """

    network: str
    steps: int
    values: Mapping[str, Array]
    recent: Array | None = None
    window: int = 0

    @property
    def samples(self) -> int:
        """Number of samples that are run side by side."""
        return len(next(iter(self.values.values())))

    def check(self, graph: Graph, samples: int) -> None:
        """Refuse to go on with another network, or with another number of samples.

        Raises:
            BadInput: Says which of both it is.
        """
        if self.network != graph_digest(graph):
            raise BadInput(
                f"the state is one of another network (digest {self.network[:12]}), but this one "
                f"has the digest {graph_digest(graph)[:12]}. Start without a state, or run the "
                "network that the state was taken from."
            )
        if self.samples != samples:
            raise BadInput(
                f"the state holds {self.samples} samples side by side, but {samples} are given. "
                "Give the next piece of the same samples."
            )
