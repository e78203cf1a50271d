"""A maximum pool of spikes as neurons: their sum over each window, and a neuron that fires at any.

In:  the windows of a pool, or a FLOAT graph.
Out: the two nodes, what they cost in words, and where a graph has them.
The maximum of zeros and ones is 1 where any of them is. Such a neuron fires where its input
exceeds 1/2, in the same step, and starts the next step at 0, whatever came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from neurocompile.errors import BadInput, Unsupported
from neurocompile.ir.graph import Edge, Graph
from neurocompile.ir.neurons import IAF
from neurocompile.ir.nodes import (
    Concat,
    Conv,
    Delay,
    Identity,
    Input,
    LinearMap,
    Reshape,
    Shape,
    SumPool,
    Upsample,
    size,
)
from neurocompile.ir.settings import Assumption

MaxPool = Literal["neurons"]
CARRIERS: tuple[type, ...] = (Identity, Reshape, Concat, Delay, Upsample)
KEY = "max_pool"  # of the assumption that says what a pool became
LEVEL = 0.5  # between no spike and one


def check_choice(max_pool: Any) -> None:
    """Refuse a word for the option that is none."""
    if max_pool not in (None, "neurons"):
        raise BadInput(f"max_pool is {max_pool!r}. Use 'neurons', or leave it out.")


@dataclass(frozen=True)
class Windows:
    """Where a pool looks.

    Attributes:
        kernel, stride, padding, dilation: One number per axis.
    """

    kernel: Shape
    stride: Shape
    padding: Shape
    dilation: Shape

    def wrong(self, before: Shape, after: Shape, *, ceil: bool = False) -> str:
        """What no sum over windows holds, in words; "" if nothing.

        Args:
            before, after: Sizes of the image on either side, without channels.
            ceil: Whether a last window may reach beyond the image.
        """
        if len(self.kernel) != len(before):
            return (
                f"it pools over {len(self.kernel)} axes of samples of {len(before) + 1} axes, "
                "allowed are channels and as many axes as it has"
            )
        axes = zip(before, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        for (n, k, s, p, d), m in zip(axes, after, strict=True):
            past = n + 2 * p - d * (k - 1) - 1
            if m != past // s + 1 or (ceil and past % s):
                return "its last windows reach beyond the image (ceil_mode=True). Use False"
            starts = np.arange(m) * s - p
            seen = starts[:, None] + np.arange(k) * d
            if not np.all(np.any((seen >= 0) & (seen < n), axis=1)):
                return "one of its windows holds padding only. Use less padding"
        return ""


def any_spike(windows: Windows, channels: int) -> tuple[LinearMap, IAF]:
    """The sum over windows, and the neurons after it that fire at any spike."""
    neurons = IAF(np.array(LEVEL), np.array(0.0))
    geometry = (windows.kernel, windows.stride, windows.padding)
    if all(d == 1 for d in windows.dilation):
        return SumPool(*geometry), neurons
    ones = np.ones((channels, 1, *windows.kernel))
    return Conv(ones, None, *geometry[1:], windows.dilation, channels), neurons


def cost(name: str, shape: Shape) -> Assumption:
    """What a maximum pool became, and what that costs."""
    return Assumption(
        KEY,
        f"the maximum pool '{name}' became {size(shape)} neurons that fire in the same step at "
        "any spike of their window: the same spikes, for as many neurons and their updates more, "
        "and one chip step more from the input to the layers after it.",
    )


def graded(
    name: str,
    nodes: Mapping[str, Any],
    edges: Iterable[Edge],
    carriers: tuple[type, ...] = CARRIERS,
) -> str | None:
    """The layer whose values arrive at a node's output and are not spikes; None if all are.

    An input counts as spikes: see `check_input`.

    Args:
        name: The node.
        nodes, edges: Of the graph so far.
        carriers: Kinds that hand on spikes as they are.
    """
    sources: dict[str, list[str]] = {}
    for before, after in edges:
        sources.setdefault(after, []).append(before)
    pending, met = [name], set[str]()
    while pending:
        here = pending.pop()
        node = nodes[here]
        if here in met or isinstance(node, Input) or getattr(node, "spiking", False):
            continue
        if not isinstance(node, carriers):
            return here
        met.add(here)
        pending += sources.get(here, [])
    return None


def pools(graph: Graph) -> dict[str, str]:
    """Neurons that fire at any spike, with the sum before them; an input of currents has none."""
    currents = graph.settings.encoder.kind == "current"
    return {
        name: total
        for name, total in _sums(graph).items()
        if not (currents and _from_input(graph, total))
    }


def check_input(graph: Graph) -> Graph:
    """The graph, unless a maximum pool that became neurons takes an input of currents.

    Raises:
        Unsupported: If one does.
    """
    made = any(assumption.key == KEY for assumption in graph.settings.assumed)
    if made and graph.settings.encoder.kind == "current":
        wrong = [name for name, total in _sums(graph).items() if _from_input(graph, total)]
        if wrong:
            raise Unsupported(
                f"layer '{wrong[0]}' is a maximum pool of the input, whose values enter as "
                "currents. Neurons can hold a maximum of spikes only: use "
                "Encoder('bernoulli'), or put the pool after a spiking layer and train again."
            )
    return graph


def _sums(graph: Graph) -> dict[str, str]:
    """Neurons that would fire at any spike, with the sum of spikes or input before them."""
    found: dict[str, str] = {}
    for name, node in graph.of(IAF):
        rests = node.reset == "zero" and not np.any(node.v_reset)
        if not rests or not np.all(node.v_th == LEVEL):
            continue
        source = graph.before(name)[0]
        while isinstance(graph.nodes[source], Identity | Reshape):
            source = graph.before(source)[0]
        if _adds_up(graph.nodes[source]):
            (before,) = graph.before(source)
            if graded(before, graph.nodes, graph.edges) is None:
                found[name] = source
    return found


def _adds_up(node: Any) -> bool:
    """Whether a node is the sum over windows, channel by channel."""
    if not isinstance(node, Conv):
        return isinstance(node, SumPool)
    alone = node.weight.shape[:2] == (node.groups, 1)
    return node.bias is None and alone and bool(np.all(node.weight == 1))


def _from_input(graph: Graph, name: str) -> bool:
    """Whether the input itself is among what comes to a node."""
    pending, met = [name], set[str]()
    while pending:
        here = pending.pop()
        if isinstance(graph.nodes[here], Input):
            return True
        if here not in met and not getattr(graph.nodes[here], "spiking", False):
            met.add(here)
            pending += graph.before(here)
    return False
