"""Signals that a forward hands back to itself through its state, a step later.

In:  the graphs of three recorded steps.
Out: the one graph of all steps, in which such a signal passes a Delay of 1 step.
Before the first step nothing has come back: a Delay gives 0 there. So the first step must be
what the later ones are when all that comes back is 0, whether its forward adds zeros or leaves
the addition out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from neurocompile.errors import Unsupported
from neurocompile.frontend.lines import Line, line_text
from neurocompile.ir.arrays import same_fields
from neurocompile.ir.graph import Edge, Graph, same
from neurocompile.ir.neurons import Neuron
from neurocompile.ir.nodes import Add, Delay, LinearMap, Shape, bias_of
from neurocompile.ir.settings import Assumption


@dataclass(frozen=True)
class Silent:
    """Zeros in the place of what comes back, in the first step only.

    Attributes:
        shape: Of one sample in one step.
    """

    shape: Shape


@dataclass(frozen=True)
class Rectified:
    """A relu whose input may be negative: nothing only where it goes to neurons that are alike.

    Attributes:
        where: The forward that it is in.
    """

    where: str


@dataclass(frozen=True, eq=False)
class Traced:
    """One step of a network.

    Attributes:
        graph: With default settings.
        dts: Length of a step by neuron layer, seconds.
        output: Name of the node that the network returns.
        late: Names of the Delays whose source is of the step before.
        lines: Of the user's forward, by node.
        said: What its maximum pools became.
    """

    graph: Graph
    dts: dict[str, float]
    output: str
    late: frozenset[str] = frozenset()
    lines: Mapping[str, Line] = field(default_factory=dict)
    said: tuple[Assumption, ...] = ()


def is_silent(value: Any) -> bool:
    """Whether a value is a tensor of zeros, with which a state usually starts."""
    return isinstance(value, Tensor) and not bool(torch.count_nonzero(value))


def in_order(
    nodes: dict[str, Any], edges: list[Edge], late: dict[str, str]
) -> tuple[dict[str, Any], list[Edge]]:
    """Nodes and edges with each Delay after its source.

    Args:
        nodes: Of one step.
        edges: Between them, none into a late Delay.
        late: Delay by source. One whose source is not there comes last, without a source.
    """
    ordered: dict[str, Any] = {}
    for name, node in nodes.items():
        if name in late.values():
            continue
        ordered[name] = node
        if name in late:
            ordered[late[name]] = nodes[late[name]]
    edges = [*edges, *((a, b) for a, b in late.items() if b in ordered)]
    return ordered | {name: nodes[name] for name in late.values()}, edges


def one_of(steps: list[Traced], kind: str, advice: str = "") -> Traced:
    """The step that stands for all.

    Args:
        steps: One or more, in order.
        kind: Of the module, for the message.
        advice: More to say to its user.

    Raises:
        Unsupported: If a step does something else than the others.
    """
    first, *others = steps
    if not others:
        return first
    later, *rest = others
    more = f" {advice}" if advice else ""
    lost = next((s for s in later.graph.nodes if _is_lost(later, s)), None)
    for number, other in enumerate(rest, start=3):
        is_last = number == len(steps) > 3
        if not (same(later.graph, other.graph) or (is_last and _ends_like(other, later))):
            raise Unsupported(
                f"the forward of {kind} does something else in its {_ordinal(number)} step than in "
                f"its second{_where(other, later)}. Do the same in every step.{more}"
            )
    if lost is not None:
        raise Unsupported(
            f"the forward of {kind} hands the output of a layer on to its second step that its "
            f"second hands to none. Do the same in every step.{more}"
        )
    if not _alike(first, later):
        raise Unsupported(
            f"the forward of {kind} does something else in its second step than in its first"
            f"{_where(later, first)}. Do the same in every step. What comes back a step later "
            "through the state must be added or concatenated, and be zeros at the start: "
            f"z = torch.zeros(...) where the state is None.{more}"
        )
    return later


def _where(one: Traced, other: Traced) -> str:
    """The first line at which a step has another layer or operation than another step."""
    a, b = one.graph.nodes, other.graph.nodes
    differ = [n for n in a if n in one.lines and not (n in b and same_fields(a[n], b[n]))]
    differ += [n for n in b if n not in a and n in other.lines]
    if not differ:
        return ""
    line = one.lines.get(differ[0]) or other.lines[differ[0]]
    return f", at {line_text(line)}"


def _is_lost(traced: Traced, name: str) -> bool:
    """Whether a Delay has lost its source: the layer was there in the step before only."""
    return isinstance(traced.graph.nodes[name], Delay) and not traced.graph.before(name)


def _ends_like(last: Traced, later: Traced) -> bool:
    """Whether the last step is a later one without what only a next step would be given."""
    nodes, others = last.graph.nodes, later.graph.nodes
    lost = {name for name in nodes if _is_lost(last, name)}
    edges = {edge for edge in later.graph.edges if edge[1] in nodes and edge[1] not in lost}
    return (
        last.output == later.output
        and set(last.graph.edges) == edges
        and all(name in others and same_fields(nodes[name], others[name]) for name in nodes)
    )


def _ordinal(number: int) -> str:
    """A step's number in words, as far as anyone counts them in words."""
    words = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}
    return words.get(number, f"{number}th")


def _alike(first: Traced, later: Traced) -> bool:
    """Whether a later step is the first one where zeros come back."""
    a, b = _Quiet(first), _Quiet(later)
    pending, met = [(a.of(first.output), b.of(later.output))], set()
    while pending:
        pair = pending.pop()
        if pair in met or pair == ("", ""):
            continue
        met.add(pair)
        x, y = pair
        if not x or not y:
            return False
        p, q = first.graph.nodes[x], later.graph.nodes[y]
        sources = a.before(x), b.before(y)
        if not same_fields(p, q) or len(sources[0]) != len(sources[1]):
            return False
        if isinstance(p, Neuron) and x != y:
            return False
        pending += zip(*sources, strict=True)
    return True


class _Quiet:
    """A step where nothing comes back: an Add without the terms that are 0."""

    def __init__(self, traced: Traced):
        self.graph = traced.graph
        silent = (n for n, node in self.graph.nodes.items() if isinstance(node, Silent))
        self.stands_for = dict.fromkeys([*silent, *traced.late], "")  # "" for what is 0
        for name, node in self.graph.nodes.items():
            terms = self.before(name)
            if isinstance(node, Add) and len(terms) < 2:
                self.stands_for[name] = terms[0] if terms else ""
            elif isinstance(node, LinearMap) and bias_of(node) is None and terms == [""]:
                self.stands_for[name] = ""

    def of(self, name: str) -> str:
        """The node whose value this one has."""
        return self.stands_for.get(name, name)

    def before(self, name: str) -> list[str]:
        """What a node is given; an Add, without zeros."""
        sources = [self.of(b) for b in self.graph.before(name)]
        return [b for b in sources if b] if isinstance(self.graph.nodes[name], Add) else sources
