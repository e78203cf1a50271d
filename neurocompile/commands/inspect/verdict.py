"""Whether a network would compile for a target, and what stands against it.

In:  a graph, or the error that kept it from being read; a target.
Out: Verdict; its JSON-ready values.
No data are run: scales come from the weights, as in an export without training samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from neurocompile.chip.mesh import chips_allowed
from neurocompile.chip.record import Chip
from neurocompile.compiler import compile_graph
from neurocompile.errors import BadInput, DoesNotFit, NeurocompileError
from neurocompile.ir.graph import Graph
from neurocompile.place.target import Target


@dataclass(frozen=True)
class Verdict:
    """Whether a network compiles for a chip.

    Attributes:
        chip: The chip.
        cores: Number of cores that the network takes; None if it does not compile.
        error: What refused the network; None if it compiles.
    """

    chip: Chip
    cores: int | None = None
    error: NeurocompileError | None = None

    def to_dict(self) -> dict[str, Any]:
        """The `target` of the document: `cores_limit` is null for a chip without a limit."""
        limit = self.chip.limits.cores
        return {
            "name": self.chip.name,
            "compiles": self.error is None,
            "cores": self.cores,
            "cores_limit": None if limit is None else int(limit.value) * chips_allowed(self.chip),
            "reasons": [] if self.error is None else list(self.error.each),
        }


def verdict(graph: Graph, chip: Chip) -> Verdict:
    """Compile a graph of either stage without data, and say how that ended."""
    try:
        compiled = compile_graph(graph, Target(chip))
    except (BadInput, DoesNotFit) as error:
        return Verdict(chip, error=error)
    return Verdict(chip, len(compiled.placed.cores))
