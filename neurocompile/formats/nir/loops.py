"""Which edges of a NIR graph lead back: where a loop's feedback arrives one step later.

In:  edges in the order of the file, the name of the Input.
Out: the edges that close a loop, and what the Input reaches. Reader and writer share this rule.
A loop in NIR has no delay; in steps, what an edge leads back arrives in the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

Edge = tuple[str, str]


class Edges:
    """Edges, and the neighbours of every node in their order."""

    def __init__(self, edges: Iterable[Edge]) -> None:
        self.all = tuple(edges)
        self.before: dict[str, list[str]] = {}
        self.after: dict[str, list[str]] = {}
        for a, b in self.all:
            self.before.setdefault(b, []).append(a)
            self.after.setdefault(a, []).append(b)


@dataclass(frozen=True)
class Walk:
    """A depth-first walk from the Input.

    Attributes:
        back: Edges that lead to a node from which the walk is still coming, in its order.
        order: What was reached; without the edges of `back`, each stands after its sources.
    """

    back: tuple[Edge, ...]
    order: tuple[str, ...]


def walk(edges: Edges, start: str) -> Walk:
    """Follow the edges in their order, depth first."""
    back: list[Edge] = []
    left: list[str] = []  # nodes in the order in which the walk left them
    visited, open_now = {start}, {start}
    stack = [(start, iter(edges.after.get(start, ())))]
    while stack:
        name, targets = stack[-1]
        target = next(targets, None)
        if target is None:
            stack.pop()
            open_now.discard(name)
            left.append(name)
        elif target in open_now:
            back.append((name, target))
        elif target not in visited:
            visited.add(target)
            open_now.add(target)
            stack.append((target, iter(edges.after.get(target, ()))))
    return Walk(tuple(back), tuple(reversed(left)))


def way_back(edges: Edges, edge: Edge, passes: Callable[[str], bool]) -> list[Edge]:
    """The edges on which the one step of a loop may stand, the closing one first.

    From an edge that closes a loop it goes back through maps (`passes`) that have one source
    and one target, to the neuron whose spikes they weigh.
    """
    way = [edge]
    name = edge[0]
    while passes(name) and len(edges.before[name]) == 1 and len(edges.after[name]) == 1:
        (source,) = edges.before[name]
        way.append((source, name))
        name = source
        if len(way) > len(edges.all):  # a loop of maps only
            break
    return way
