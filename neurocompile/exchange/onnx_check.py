"""What must hold before a graph can be written as ONNX, and of every graph that is read.

In:  any graph, also one rebuilt from a damaged or hostile file.
Out: the shape behind each node, or one sentence that names the layer.
After this check, writing cannot fail.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from neurocompile.errors import BadInput, Unsupported
from neurocompile.exchange.onnx_fields import FLOAT_NODES, mantissas
from neurocompile.exchange.onnx_ops import TYPES
from neurocompile.exchange.onnx_shapes import expect, shape_after
from neurocompile.ir.fixed import STATE_LIMIT, AlwaysOn, BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import FIXED_NODES, Graph
from neurocompile.ir.neurons import NEURONS
from neurocompile.ir.nodes import ConvTranspose, Input, Linear, Shape, Sparse, bias_of, size

RANGES = {  # of a population's registers; see CubaLIF
    "du": (-1, 4095),
    "dv": (0, 4096),
    "vth": (-(2**17) + 1, 2**17 - 1),
    "bias_mant": (-4096, 4095),
    "bias_exp": (0, 7),
    "v_init": (-STATE_LIMIT + 1, STATE_LIMIT - 1),
}
LARGEST_FLOAT = float(np.finfo(np.float32).max)
EXACT_IN_FLOAT32 = 1 << 24
LARGEST_LAYER = 1 << 24  # neurons; a chip has a million
LONGEST_DELAY = 1 << 20  # above any chip's; no padding beyond it from a damaged file
LARGEST_MATRIX = 1 << 28  # a Sparse is multiplied as a dense int8 or float32 matrix


def check(graph: Graph) -> dict[str, Shape]:
    """Shape of one step of a sample behind each node.

    Raises:
        BadInput: Naming the layer, what was found and what is allowed.
        Unsupported: If the graph is sound but has no ONNX form.
    """
    kinds = FIXED_NODES if graph.fixed else FLOAT_NODES
    _check_edges(graph)
    shapes: dict[str, Shape] = {}
    for name, node in graph.nodes.items():
        if not isinstance(node, kinds):
            raise Unsupported(f"layer '{name}' is a {type(node).__name__}, which has no ONNX form.")
        try:
            before = [shapes[b] for b in graph.before(name)]
            shapes[name] = (_fixed if graph.fixed else _float)(graph, name, node, before)
            _check_shape(shapes[name])
        except Unsupported:
            raise
        except BadInput as error:
            raise BadInput(f"layer '{name}' ({type(node).__name__}): {error}") from None
    return shapes


def _check_edges(graph: Graph) -> None:
    """Every node has a name, and every edge leads from an earlier node to a later one."""
    if not any(isinstance(n, Input | SpikeInput | BiasInput) for n in graph.nodes.values()):
        raise BadInput("the graph has no input. Start it with an Input, SpikeInput or BiasInput.")
    place = {name: i for i, name in enumerate(graph.nodes)}
    for name in place:
        if not name or any("\ud800" <= letter <= "\udfff" for letter in name):
            raise BadInput(f"a layer is called {name!a}. Give it a name of Unicode letters.")
    for a, b in graph.edges:
        if a not in place or b not in place:
            raise BadInput(f"the edge from '{a}' to '{b}' ends at a layer that does not exist.")
        if place[a] >= place[b]:
            raise Unsupported(
                f"the edge from '{a}' to '{b}' leads backwards. Recurrence has no ONNX form here; "
                "order the layers so that each stands behind those that feed it."
            )


def _check_shape(shape: Shape) -> None:
    good = len(shape) <= 6 and all(n >= 1 for n in shape) and size(shape) <= LARGEST_LAYER
    expect(good, f"its shape is {shape}; allowed are up to 6 axes and {LARGEST_LAYER} values")


def _check_arrays(node: Any) -> None:
    """Arrays have a type that the file holds, and finite values within float32."""
    for field in fields(node):
        array = getattr(node, field.name)
        if not isinstance(array, np.ndarray):
            continue
        expect(
            array.dtype in TYPES or array.dtype.kind in "iu",
            f"its {field.name} is {array.dtype}, allowed are float32, float64 and integers",
        )
        good = array.dtype.kind in "iu" or bool(np.all(np.abs(array) <= LARGEST_FLOAT))
        expect(good, f"its {field.name} holds NaN, infinity or a number beyond float32")


def _expect_float(node: Any) -> None:
    for field in fields(node):
        array = getattr(node, field.name)
        if isinstance(array, np.ndarray) and field.name not in ("indices", "indptr"):
            good = array.dtype in (np.float32, np.float64)
            expect(good, f"its {field.name} is {array.dtype}, allowed are float32 and float64")


def _expect_broadcast(array: Any, name: str, shape: Shape) -> None:
    """One value, or one for each neuron."""
    axes = zip(array.shape, shape[len(shape) - array.ndim :], strict=False)
    good = array.ndim <= len(shape) and all(a in (1, n) for a, n in axes)
    expect(good, f"its {name} has shape {array.shape}, allowed are () and {shape}")


def _float(graph: Graph, name: str, node: Any, before: list[Shape]) -> Shape:
    if isinstance(node, Input):
        expect(not before, "an input has a layer before it")
        return node.shape
    expect(len(set(before)) == 1, f"it needs layers of one shape before it but has {before}")
    _check_arrays(node)
    _expect_float(node)
    if not isinstance(node, NEURONS):
        if isinstance(node, Sparse):
            _check_matrix(node)
        return shape_after(node, before[0])
    for field in fields(node):
        if isinstance(getattr(node, field.name), np.ndarray):
            _expect_broadcast(getattr(node, field.name), field.name, before[0])
    return before[0]


def _fixed(graph: Graph, name: str, node: Any, before: list[Shape]) -> Shape:
    if isinstance(node, Synapse):
        return _synapse(graph, name, node, before)
    if isinstance(node, CubaLIF):
        _population(graph, name, node)
    else:
        expect(not before, "it has a layer before it")
    if isinstance(node, BiasInput):
        _bias_input(graph, name, node)
    return node.shape


def _synapse(graph: Graph, name: str, node: Synapse, before: list[Shape]) -> Shape:
    ends = [graph.nodes[n] for n in (*graph.before(name), *graph.after(name))]
    good = (
        len(before) == 1
        and len(ends) == 2
        and isinstance(ends[0], SpikeInput | AlwaysOn | CubaLIF)
        and isinstance(ends[1], CubaLIF)
    )
    expect(good, "it must join one population or input to one population")
    expect(bias_of(node.op) is None, "a synapse has no bias; it is a register of its target")
    expect(-32 <= node.weight_exp <= 31, f"its weight_exp is {node.weight_exp}, allowed is -8..7")
    longest = 0 if isinstance(ends[0], AlwaysOn) else LONGEST_DELAY  # it is on in every step
    expect(0 <= node.delay <= longest, f"its delay is {node.delay}, allowed is 0..{longest} steps")
    expect(size(node.in_shape) == size(before[0]), f"it takes {node.in_shape}, gets {before[0]}")
    _check_shape(node.in_shape)
    _check_shape(node.out_shape)
    _check_arrays(node.op)
    mantissas(name, node)
    after = shape_after(node.op, node.in_shape)
    target = ends[1].shape
    expect(
        size(after) == size(node.out_shape) == size(target),
        f"it makes {after}, says {node.out_shape}, and leads to {target}",
    )
    if isinstance(node.op, Sparse):
        _check_matrix(node.op)
    if isinstance(node.op, ConvTranspose):
        axes = tuple(i for i in range(node.op.weight.ndim) if i != 1)
        most = int(np.abs(node.op.weight.astype(np.int64)).sum(axis=axes).max())
        if most >= EXACT_IN_FLOAT32:
            raise Unsupported(
                f"synapse '{name}': its weights of one output sum up to {most}, but a transposed "
                f"convolution is exact below {EXACT_IN_FLOAT32} only. Use a Sparse synapse."
            )
    return node.out_shape


def _check_matrix(op: Sparse) -> None:
    _check_shape(op.in_shape)
    _check_shape(op.out_shape)
    entries = size(op.in_shape) * size(op.out_shape)
    if entries > LARGEST_MATRIX:
        raise Unsupported(
            f"a sparse map from {size(op.in_shape)} to {size(op.out_shape)} neurons would be a "
            f"matrix of {entries} entries, but the ONNX file allows {LARGEST_MATRIX}. "
            "Keep the convolution a Conv, or use another engine."
        )


def _population(graph: Graph, name: str, node: CubaLIF) -> None:
    sources = [graph.nodes[n] for n in graph.before(name)]
    good = all(isinstance(s, Synapse | BiasInput) for s in sources)
    expect(good, "only synapses and bias inputs lead to a population")
    writers = sum(isinstance(s, BiasInput) for s in sources)
    expect(writers <= 1, f"{writers} bias inputs write its registers, allowed is one")
    _check_shape(node.shape)
    _check_arrays(node)
    for register, (low, high) in RANGES.items():
        values = getattr(node, register)
        _expect_broadcast(values, register, node.shape)
        good = bool(np.all((values >= low) & (values <= high)))
        expect(good, f"its {register} is outside {low}..{high}")
    for array in ("scale", "offset"):
        _expect_broadcast(getattr(node, array), array, node.shape)


def _bias_input(graph: Graph, name: str, node: BiasInput) -> None:
    after = [graph.nodes[n] for n in graph.after(name)]
    good = len(after) == 1 and isinstance(after[0], CubaLIF) and after[0].shape == node.shape
    expect(good, f"it must lead to one population of its shape {node.shape}")
    _check_shape(node.in_shape)
    _check_arrays(node)
    _expect_broadcast(node.scale, "scale", node.shape)
    if node.host is None:
        expect(size(node.in_shape) == size(node.shape), f"{node.in_shape} is not {node.shape}")
        return
    _check_arrays(node.host)
    _expect_float(node.host)
    feeding = node.host.in_shape if isinstance(node.host, Sparse) else node.in_shape
    if isinstance(node.host, Linear) and node.in_shape[-1:] != node.host.weight.shape[1:]:
        feeding = (size(node.in_shape),)  # the host flattens what it multiplies
    after_host = shape_after(node.host, feeding)
    expect(size(after_host) == size(node.shape), f"its host synapse makes {after_host}")
