"""The graph of a live module: traced, or its own integers where it was trained on the grid.

In:  any supported nn.Module, a Norse user's own included, and an example of its input.
Out: a verified graph. The module is left as it was found.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from neurocompile.data.inputs import input_shape
from neurocompile.errors import BadInput
from neurocompile.frontend.peers import integers_of
from neurocompile.frontend.torch import trace
from neurocompile.ir.decoder import check_decoder
from neurocompile.ir.graph import Graph
from neurocompile.ir.pools import MaxPool
from neurocompile.ir.settings import Settings
from neurocompile.ir.verify import verify
from neurocompile.nn.grid import GridNetwork


def graph_of(
    model: nn.Module,
    example_input: Tensor | None,
    settings: Settings | None = None,
    max_pool: MaxPool | None = None,
) -> Graph:
    """The graph of a network: FLOAT, or FIXED of a `GridNetwork` or of slayer's blocks.

    Args:
        model: See `frontend.torch.trace` for what it may hold.
        example_input: One batch of input, (N, ...), or (T, N, ...) where the network takes all
            steps at once, (N, ..., T) for slayer. Only its shape matters.
        settings: Time, input and output; by default those of a SpikingNetwork, else the defaults
            with the layers' dt.
        max_pool: What becomes of maximum pools; see `frontend.torch.trace`.

    Raises:
        BadInput: If it is no module, the example does not fit it, or the decoder counts spikes of
            a readout.
        Unsupported: If the network holds what no rule covers.
    """
    if not isinstance(model, nn.Module):
        raise BadInput(
            f"the model is of the type {type(model).__name__}. Give the path of a file, a graph "
            "from load, or a torch.nn.Module with example_input."
        )
    if example_input is None:
        raise BadInput(
            f"{type(model).__name__} is a live module, and example_input is missing. Give one "
            "batch of its input, such as torch.zeros(1, 28, 28)[None]; only its shape matters."
        )
    if settings is not None and not isinstance(settings, Settings):
        raise BadInput(
            f"the settings are of the type {type(settings).__name__}. Give "
            "neurocompile.Settings(steps=20, ...)."
        )
    graph = _graph_of(model, example_input, settings, max_pool)
    check_decoder(graph)
    return graph


def _graph_of(
    model: nn.Module,
    example_input: Tensor,
    settings: Settings | None,
    max_pool: MaxPool | None,
) -> Graph:
    """The verified graph, by what the network is made of."""
    if isinstance(model, GridNetwork):
        return _integers(model, example_input, settings)
    integers = integers_of(model)
    if integers is not None:
        return integers(model, example_input, settings)
    return verify(trace(model, example_input, settings, max_pool), "float")


def _integers(model: GridNetwork, example_input: Tensor, settings: Settings | None) -> Graph:
    """The FIXED graph that a network trained on the grid runs."""
    graph = verify(model.graph(), "fixed")
    lead = 2 if graph.settings.encoder.timed else 1
    found, wanted = tuple(example_input.shape[lead:]), input_shape(graph)
    if found != wanted:
        raise BadInput(f"example_input holds samples of shape {found}, the network takes {wanted}.")
    return graph if settings is None else replace(graph, settings=settings.over(graph.settings))
