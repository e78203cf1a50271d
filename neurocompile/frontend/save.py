"""Save a trained network as a `.pt` file that is safe to read.

In:  any supported nn.Module, a Norse user's own included, and an example of its input.
Out: a checkpoint: the traced graph, the state dict, the settings; of a network trained on the
     grid its integers.
A failure leaves the file that was there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from neurocompile.data.inputs import input_shape
from neurocompile.errors import BadInput
from neurocompile.formats.checkpoint.write import write_checkpoint
from neurocompile.frontend.torch import trace
from neurocompile.ir.graph import Graph
from neurocompile.ir.settings import Settings
from neurocompile.ir.verify import verify
from neurocompile.nn.grid import GridNetwork


def save(
    model: nn.Module,
    path: str | Path,
    example_input: Tensor,
    *,
    settings: Settings | None = None,
) -> Graph:
    """Trace a network and write its checkpoint.

    Args:
        model: Trained network; see `frontend.torch.trace` for what it may hold. It is left as
            it was found.
        path: Where to write; an existing file is replaced, at once and only when all went well.
        example_input: One batch of input, (N, ...), or (T, N, ...) where the network takes all
            steps at once. Only its shape matters.
        settings: Time, input and output; by default those of a SpikingNetwork, else the defaults
            with the layers' dt.

    Returns:
        The graph that was written: FLOAT, or FIXED where the model is a `GridNetwork`.

    Raises:
        Unsupported: If the network holds what no rule covers.
        BadInput: If a parameter or a setting cannot be stored, or the file cannot be written.
    """
    if isinstance(model, GridNetwork):
        graph = _integers(model, example_input, settings)
    else:
        graph = verify(trace(model, example_input, settings), "float")
    write_checkpoint(graph, path, model.state_dict())
    return graph


def _integers(model: GridNetwork, example_input: Tensor, settings: Settings | None) -> Graph:
    """The FIXED graph that a network trained on the grid runs."""
    graph = verify(model.graph(), "fixed")
    lead = 2 if graph.settings.encoder.kind == "spikes" else 1
    found, wanted = tuple(example_input.shape[lead:]), input_shape(graph)
    if found != wanted:
        raise BadInput(f"example_input holds samples of shape {found}, the network takes {wanted}.")
    return graph if settings is None else replace(graph, settings=settings)
