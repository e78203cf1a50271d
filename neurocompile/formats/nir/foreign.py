"""A FLOAT graph out of a NIR graph that another program wrote.

In:  the tree of a NIRGraph; dt, which NIR does not hold; how a spike resets.
Out: the graph. What was taken for granted stands in its settings, `assumed`.
Edges that meet are added up; every loop gets one step of delay, where its spikes leave.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np

from neurocompile.errors import BadInput, Refusals, Unsupported
from neurocompile.formats.nir.fields import NirNode
from neurocompile.formats.nir.flat import Flat, Tree, flatten
from neurocompile.formats.nir.loops import Edge, Edges, walk, way_back
from neurocompile.formats.nir.primitives import AXES, MAPS, Named, nodes_of
from neurocompile.formats.nir.reset import reset_of
from neurocompile.ir.checks import check_shape, naming_layer
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import Reset
from neurocompile.ir.nodes import Add, Delay, Input, LinearMap, Shape, size
from neurocompile.ir.settings import Assumption, Settings, dt_assumed
from neurocompile.ir.shapes import out_shape
from neurocompile.ir.verify import verify

DEFAULT_DT = 1e-4  # s, with which snnTorch and SpikingJelly write tau, and NIR's paper ran


def foreign_graph(graph: Tree, dt: float | None, reset: Reset | None) -> Graph:
    """The network of a NIRGraph without metadata of ours.

    Args:
        graph: Its tree.
        dt: Length of a step, seconds; DEFAULT_DT where None, which `assumed` then says.
        reset: What a spike does to v, where the caller knows it. None: the default of the program
            that the file names, else NIR's reset to v_reset, which `assumed` then says.
    """
    assumed: list[Assumption] = []
    if dt is None:
        dt = DEFAULT_DT
        assumed.append(dt_assumed(dt, "NIR files do not hold it"))
    flat = flatten(graph)
    edges = Edges(flat.edges)
    reset = reset_of(graph, flat, dt, assumed) if reset is None else reset
    closing, parts = _parts(flat, edges, dt, reset, assumed)
    delayed = _delayed(flat, edges, closing)
    names = _order(flat, edges, delayed)
    network = _joined(flat, edges, names, delayed, parts)
    network = Graph(network.nodes, network.edges, Settings(dt=dt, assumed=tuple(assumed)))
    return _ends(verify(network, "float"), flat)


def _parts(
    flat: Flat, edges: Edges, dt: float, reset: Reset, assumed: list[Assumption]
) -> tuple[tuple[Edge, ...], dict[str, Named]]:
    """The edges that close loops, and our nodes for each primitive.

    Raises:
        BadInput, Unsupported: Names every layer that cannot be read.
    """
    walked = walk(edges, flat.input)
    closing, order = walked.back, walked.order
    lost = next((name for name in flat.nodes if name not in set(order)), None)
    if lost is not None:
        raise BadInput(
            f"layer '{lost}' ({flat.nodes[lost]['type']}): nothing leads to it from the Input. "
            "Remove it, or join it."
        )
    back = set(closing)
    shape: dict[str, Shape] = {}
    parts: dict[str, Named] = {}
    refusals = Refusals()
    guessed: set[str] = set()  # what follows a refusal, where no shape is sure
    for name in order:
        fields = flat.nodes[name]
        if name == flat.input:
            shape[name] = _arriving(flat, edges, NirNode(name, fields, (), dt, assumed=assumed))
            parts[name] = (("", Input(shape[name])),)
            with naming_layer(name, parts[name][0][1]):
                check_shape(shape[name])
            continue
        before = next(a for a in edges.before[name] if (a, name) not in back)
        takes = _takes(flat, edges.after.get(name, []))
        site = NirNode(name, fields, shape[before], dt, reset, takes, assumed)
        try:
            parts[name] = nodes_of(site)
            shape[name] = _leaving(site, parts[name][-1][1])
        except BadInput as error:
            if before not in guessed or isinstance(error, Unsupported):
                refusals.errors.append(error)
            shape[name] = shape[before]
            guessed.add(name)
        if before in guessed:
            guessed.add(name)
    refusals.answer()
    _check_outputs(flat, shape, dt)
    return closing, parts


def _leaving(site: NirNode, node: Any) -> Shape:
    """The shape after a layer."""
    if not isinstance(node, LinearMap):
        return site.shape
    try:
        return out_shape(node, site.shape)
    except BadInput as error:
        raise site.wrong(str(error)) from None


def _check_outputs(flat: Flat, shape: dict[str, Shape], dt: float) -> None:
    """What the file says of the shape of an Output is what arrives there."""
    for name, sources in flat.outputs.items():
        site = NirNode(name, flat.ends[name], shape[sources[0]], dt)
        what = "shape" if site.has("shape") else "output_type"
        if site.has(what) and _longer(site.whole(what)) != _longer(site.shape):
            raise site.wrong(
                f"its {what} is {site.whole(what)}, but {site.shape} arrives from "
                f"'{sources[0]}'. Correct the one or the other."
            )


def _arriving(flat: Flat, edges: Edges, site: NirNode) -> Shape:
    """The shape of the Input, without the axes of one that some exporters put before it."""
    shape = site.whole("shape" if site.has("shape") else "input_type")
    takers = {AXES.get(flat.nodes[b]["type"]) for b in edges.after.get(site.name, ())}
    (axes,) = takers if len(takers) == 1 else (None,)
    kept = shape if axes is None else shape[max(0, len(shape) - axes) :]
    if kept == shape or size(kept) != size(shape):
        return shape
    site.assume(
        "shape",
        f"its shape {shape} is read as {kept} and a batch of one, for the layer after it takes "
        f"{axes} axes.",
    )
    return kept


def _longer(shape: Shape) -> Shape:
    """The axes of a shape that are longer than 1; some exporters add others."""
    return tuple(n for n in shape if n > 1)


def _takes(flat: Flat, after: list[str]) -> int | None:
    """How many values the one layer after it takes, where that is a matrix."""
    if len(after) != 1 or after[0] not in flat.nodes:
        return None
    fields = flat.nodes[after[0]]
    weight = fields.get("weight")
    dense = fields["type"] in ("Affine", "Linear")
    return weight.shape[-1] if dense and isinstance(weight, np.ndarray) and weight.ndim else None


def _delayed(flat: Flat, edges: Edges, closing: tuple[Edge, ...]) -> set[Edge]:
    """Where the step of each loop stands: as soon after its neurons as possible."""
    return {way_back(edges, edge, lambda n: flat.nodes[n]["type"] in MAPS)[-1] for edge in closing}


def _order(flat: Flat, edges: Edges, delayed: set[Edge]) -> list[str]:
    """Each node after its sources, as near to the order of the walk as that allows."""
    place = {name: i for i, name in enumerate(walk(edges, flat.input).order)}
    waits = {n: sum((a, n) not in delayed for a in edges.before.get(n, ())) for n in place}
    ready = [(i, n) for n, i in place.items() if not waits[n]]
    heapify(ready)
    names: list[str] = []
    while ready:
        _, name = heappop(ready)
        names.append(name)
        for b in edges.after.get(name, ()):
            if (name, b) not in delayed:
                waits[b] -= 1
                if not waits[b]:
                    heappush(ready, (place[b], b))
    return names


def _joined(
    flat: Flat, edges: Edges, names: list[str], delayed: set[Edge], parts: dict[str, Named]
) -> Graph:
    """Our nodes with their edges, an Add where several meet, a Delay where a loop returns."""
    taken = set(names)
    nodes: dict[str, Any] = {}
    joins: list[Edge] = []

    def new(name: str) -> str:
        while name in taken:
            name += "_"
        taken.add(name)
        return name

    late = {
        a: new(f"{a}.delay")
        for a in names
        if any((a, b) in delayed for b in edges.after.get(a, ()))
    }
    for name in names:
        sources = [late[a] if (a, name) in delayed else a for a in edges.before.get(name, ())]
        if len(sources) > 1:
            join = new(f"{name}.sum")
            nodes[join] = Add()
            joins += [(a, join) for a in sources]
            sources = [join]
        for suffix, node in parts[name]:
            each = new(name + suffix) if suffix else name
            nodes[each] = node
            joins += [(a, each) for a in sources]
            sources = [each]
        if name in late:
            nodes[late[name]] = Delay(1)
            joins.append((name, late[name]))
    for output, into in flat.outputs.items():
        if len(into) > 1:
            join = new(f"{output}.sum")
            nodes[join] = Add()
            joins += [(a, join) for a in into]
    return Graph(nodes, tuple(joins))


def _ends(graph: Graph, flat: Flat) -> Graph:
    """Refuse a graph that ends elsewhere than its Outputs say."""
    wanted = {s[0] for s in flat.outputs.values() if len(s) == 1}
    ends = {
        n for n in graph.outputs() if not (isinstance(graph.nodes[n], Add) and n not in flat.nodes)
    }
    for name in sorted(wanted - ends):
        raise BadInput(
            f"layer '{name}' ({flat.nodes[name]['type']}): it leads to an Output and also onward, "
            "but a network here ends in layers that nothing follows. Remove one of the two."
        )
    for name in sorted(ends - wanted):
        raise BadInput(
            f"layer '{name}': it leads to no Output and to no other layer. Remove it, or join it "
            "to an Output."
        )
    return graph
