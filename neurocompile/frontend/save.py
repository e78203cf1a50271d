"""Save a trained network as a `.pt` file that is safe to read.

In:  any supported nn.Module, a Norse user's own included, and an example of its input.
Out: a checkpoint: the traced graph, the state dict, the settings; of a network trained on the
     grid its integers.
A failure leaves the file that was there.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from neurocompile.formats.checkpoint.write import write_checkpoint
from neurocompile.frontend.given import module_of
from neurocompile.frontend.module import graph_of
from neurocompile.ir.graph import Graph
from neurocompile.ir.pools import MaxPool
from neurocompile.ir.settings import Settings


def save(
    model: nn.Module,
    path: str | Path,
    example_input: Tensor,
    *,
    settings: Settings | None = None,
    max_pool: MaxPool | None = None,
) -> Graph:
    """Trace a network and write its checkpoint.

    Args:
        model: Trained network; see `frontend.torch.trace` for what it may hold. It is left as
            it was found.
        path: Where to write; an existing file is replaced, at once and only when all went well.
        example_input: One batch of input, (N, ...), or (T, N, ...) where the network takes all
            steps at once, (N, ..., T) for slayer. Only its shape matters.
        settings: Time, input and output; by default those of a SpikingNetwork, else the defaults
            with the layers' dt.
        max_pool: "neurons" to read a maximum pool of spikes as neurons that fire at any spike of
            its window: exact, for as many neurons as it has outputs. By default it is refused.

    Returns:
        The graph that was written: FLOAT, or FIXED where the model is a `GridNetwork` or made of
        the blocks of lava-dl's slayer. Print it to see its layers and what was assumed.

    Raises:
        Unsupported: If the network holds what no rule covers.
        BadInput: If a parameter or a setting cannot be stored, or the file cannot be written.
    """
    model = module_of(model)
    graph = graph_of(model, example_input, settings, max_pool)
    write_checkpoint(graph, path, model.state_dict())
    return graph
