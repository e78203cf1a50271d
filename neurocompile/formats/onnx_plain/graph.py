"""A FLOAT graph under construction, as the rules of a plain ONNX file add to it.

In:  layers and the signals that they take.
Out: `Building`: nodes, edges, the dt that neurons name.
A layer's geometry is checked when it is added, so that no rule meets a shape that cannot be.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurocompile.errors import BadInput
from neurocompile.formats.onnx_plain.call import Call, PlainSignal
from neurocompile.ir.checks import check_shape
from neurocompile.ir.nodes import Identity, LinearMap, Shape
from neurocompile.ir.pools import MaxPool
from neurocompile.ir.settings import Assumption
from neurocompile.ir.shapes import out_shape


class Building:
    """Nodes and edges so far.

    Attributes:
        nodes: By name.
        edges: Between names.
        timed: Whether the signals of the file have an axis of steps.
        batch: Samples in a batch, where the file gives their number.
        dts: Length of a step in seconds, by the neurons that name it.
        left: Numbers that layers may still hold: they may share those of the file, which are
            then copied.
        numbers: Of the last layer of each name that several have.
        max_pool: What becomes of a MaxPool of spikes; None refuses it.
        said: What those became.
    """

    def __init__(self, timed: bool, batch: int | None, left: int) -> None:
        self.nodes: dict[str, Any] = {}
        self.edges: list[tuple[str, str]] = []
        self.timed = timed
        self.batch = batch
        self.dts: dict[str, float] = {}
        self.left = left
        self.numbers: dict[str, int] = {}
        self.max_pool: MaxPool | None = None
        self.said: list[Assumption] = []

    def add(self, call: Call, node: Any, x: PlainSignal) -> PlainSignal:
        """Add a layer after a signal."""
        shape = x.shape
        if isinstance(node, LinearMap):
            try:
                shape = out_shape(node, x.shape)
            except BadInput as error:
                raise error.within(call) from None
        self.left -= sum(a.size for a in vars(node).values() if isinstance(a, np.ndarray))
        if self.left < 0:
            call.refuse("the layers up to it hold far more numbers than the file. Use fewer.")
        self.nodes[call.name] = node
        self.edges.append((x.layer, call.name))
        return PlainSignal(call.name, shape, x.lead)

    def join(self, call: Call, node: Any, parts: list[PlainSignal], shape: Shape) -> PlainSignal:
        """Add a layer after several; what comes twice takes a way of its own the second time."""
        try:
            check_shape(shape)
        except BadInput as error:
            raise error.within(call) from None
        sources: dict[str, None] = {}  # in their order, and found at once among thousands
        for part in parts:
            source = part.layer
            if source in sources:
                source = self.unique(f"{call.name}.{len(sources)}")
                self.nodes[source] = Identity()
                self.edges.append((part.layer, source))
            sources[source] = None
        self.nodes[call.name] = node
        self.edges += [(source, call.name) for source in sources]
        return PlainSignal(call.name, shape, parts[0].lead)

    def unique(self, wanted: str) -> str:
        """A name that a layer may have; ONNX allows slashes, which a layer's name may not hold."""
        base = wanted.strip("/").replace("/", ".") or "layer"
        number = self.numbers.get(base, 1)
        name = base if number == 1 else f"{base}_{number}"
        while name in self.nodes:
            number += 1
            name = f"{base}_{number}"
        self.numbers[base] = number
        return name
