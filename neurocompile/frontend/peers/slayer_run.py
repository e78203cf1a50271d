"""Running a copy of a slayer model: which block comes after which, and whether a graph is exact.

In:  a model of slayer blocks, and an example of its input.
Out: its blocks in order, with what each was given and gave; or a refusal that names a block whose
     spikes are not those of the graph.

Source: lava-dl 0.6.0, lava/lib/dl/slayer/{block,neuron}/.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lava.lib.dl.slayer.block import base
from torch import Tensor, nn

from neurocompile.errors import BadInput, first_line
from neurocompile.frontend.site import Site
from neurocompile.frontend.stateful import copy_of, versions
from neurocompile.ir import reference
from neurocompile.ir.fixed import ChipNeuron
from neurocompile.ir.graph import Graph

PACKAGE = "lava-dl"
PROOF_STEPS, PROOF_RATE = 16, 0.4
BLOCK = tuple(kind for kind in vars(base).values() if isinstance(kind, type))
STATES = (
    *("current_state", "voltage_state", "spike_state", "refractory_state"),
    *("real_state", "imag_state"),
)
CURE = "Leave it out, or write the network with export_hdf5 and read the .net file."


@dataclass(frozen=True, eq=False)
class Ran:
    """A block, and what it was given and gave when the model ran.

    Attributes:
        path: Its name in the model.
        block: Of the copy that ran.
        given, gave: (N, *shape, T).
    """

    path: str
    block: Any
    given: Tensor
    gave: Tensor

    @property
    def site(self) -> Site:
        """Where it is."""
        return Site(self.path, tuple(self.given.shape[1:-1]), tuple(self.gave.shape[1:-1]))


def run(model: nn.Module, x: Tensor) -> list[Ran]:
    """The blocks in the order in which a fresh copy of the model runs them.

    Raises:
        Unsupported: If they are no chain from the input to the output.
        BadInput: If one cannot take what it is given, as where the axes are in another order.
    """
    own = _fresh(model)
    ran: list[Ran] = []
    begun: list[tuple[str, nn.Module, tuple[int, ...]]] = []

    def begin(path: str) -> Callable[..., None]:
        def hook(block: nn.Module, given: tuple[Any, ...]) -> None:
            begun.append((path, block, tuple(given[0].shape)))

        return hook

    def keep(path: str) -> Callable[..., None]:
        def hook(block: nn.Module, given: tuple[Any, ...], gave: Any) -> None:
            ran.append(Ran(path, block, given[0], gave[0] if isinstance(gave, tuple) else gave))

        return hook

    block: nn.Module
    for path, block in own.named_modules():
        if isinstance(block, BLOCK):
            name = path or type(block).__name__.lower()
            block.register_forward_pre_hook(begin(name))
            block.register_forward_hook(keep(name))
    try:
        with torch.no_grad():
            out = own(x)
    except (RuntimeError, ValueError, IndexError) as error:
        where, shape = f"the forward of {type(model).__name__}", tuple(x.shape)
        if len(begun) > len(ran):
            path, block, shape = begun[-1]
            where = f"layer '{path}' ({type(block).__name__})"
        raise BadInput(
            f"{where} cannot take the shape {shape}: {first_line(error).rstrip('.!')}. One sample "
            f"of the example, {tuple(x.shape)}, is read as (N, ..., T): {x.shape[-1]} steps of "
            f"samples of shape {tuple(x.shape[1:-1])}. Put the batch first and time last."
        ) from None
    output = out[0] if isinstance(out, tuple | list) else out
    for each, before in zip(ran, [x, *(r.gave for r in ran)], strict=False):
        if each.given is not before:
            raise each.site.refuse(
                each.block,
                "it is not given what the block before it gave. Blocks are read one after the "
                f"other; sums and branches are not. {CURE}",
            )
    if output is not ran[-1].gave:
        raise ran[-1].site.refuse(
            ran[-1].block,
            "the model returns something else than what this last block gave. Return its spikes, "
            "as the first value, and decode them by Settings(decoder=Decoder('rate')).",
        )
    return ran


def _fresh(model: nn.Module) -> Any:
    """A copy in eval mode whose neurons are at rest."""
    own = copy_of(model).eval()
    for block in own.modules():
        block.count_log = getattr(block, "count_log", False)
        for name in STATES:
            if name in getattr(block, "_buffers", {}):
                block._buffers[name] = torch.zeros(1)
        if "threshold_state" in getattr(block, "_buffers", {}):
            block._buffers["threshold_state"] = torch.tensor([block.threshold])
        if hasattr(block, "delay_buffer"):
            block.delay_buffer = None
    return own


def prove(model: nn.Module, graph: Graph, example: Tensor, ran: list[Ran]) -> None:
    """Hold every block's spikes against those of the graph, on random input.

    Raises:
        Unsupported: If one differs.
    """
    shape = tuple(example.shape[1:-1])
    x = np.random.default_rng(0).random((PROOF_STEPS, *shape)) < PROOF_RATE
    own = _fresh(model)
    seen: dict[str, list[Tensor]] = {}
    for path, block in own.named_modules():
        if path in graph.nodes and isinstance(graph.nodes[path], ChipNeuron):
            _watch(block, path, seen)
    with torch.no_grad():
        own(torch.from_numpy(np.moveaxis(x, 0, -1).astype(np.float32))[None])
    fired, _ = reference.run_fixed(graph, {"input": x.astype(np.int64)}, PROOF_STEPS)
    for each in ran:
        if each.path not in seen:
            continue
        theirs = torch.cat(seen[each.path], -1)[0].numpy()
        ours = np.moveaxis(fired[each.path].reshape(PROOF_STEPS, -1), 0, -1)
        wrong = int(np.sum(ours != (theirs.reshape(ours.shape) != 0)))
        if wrong:
            raise each.site.refuse(
                each.block,
                f"{wrong} of {ours.size} spikes that it gave for random input are not those of the "
                f"step that is known here. {versions(PACKAGE)}",
            )


def _watch(block: Any, path: str, seen: dict[str, list[Tensor]]) -> None:
    """Keep what the neurons of a block give, before any delay."""

    def keep(neuron: nn.Module, given: Any, gave: Tensor) -> None:
        seen.setdefault(path, []).append(gave.detach())

    block.neuron.register_forward_hook(keep)
