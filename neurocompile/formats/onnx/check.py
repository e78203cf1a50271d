"""Refuse what ONNX cannot express or onnxruntime cannot run, though the graph is sound.

In:  a graph that `ir.verify` has accepted.
Out: the output shape of each node, or an Unsupported that names the layer.
After this check, writing cannot fail.
"""

from __future__ import annotations

from typing import Any

from neurocompile.errors import Unsupported
from neurocompile.formats.onnx.fields import WEIGHT_TYPES
from neurocompile.formats.onnx.payloads import largest_byte
from neurocompile.ir.checks import naming_layer
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import ConvTranspose, Shape, Sparse, size
from neurocompile.ir.payloads import graded, largest_row
from neurocompile.ir.shapes import shapes

EXACT_IN_FLOAT32 = 1 << 24
EXACT_IN_INT32 = 1 << 32  # weights are halved in the file, so that their sums are below 2^31
LARGEST_MATRIX = 1 << 28  # entries; a Sparse is multiplied as a dense int8 or float32 matrix


def check(graph: Graph) -> dict[str, Shape]:
    """Output shape of each node, for one step of a sample.

    Raises:
        Unsupported: If the graph is sound but has no ONNX form.
    """
    for name, node in graph.nodes.items():
        with naming_layer(name, node):
            _check_map(node.op if isinstance(node, Synapse) else node)
            if isinstance(node, Synapse):
                _check_type(node)
                (source,) = graph.before(name)
                _check_exact(node, graph.nodes[source])
    if not graph.fixed:
        return shapes(graph)
    return {
        name: node.out_shape if isinstance(node, Synapse) else node.shape
        for name, node in graph.nodes.items()
    }


def _check_map(op: Any) -> None:
    if isinstance(op, Sparse):
        n_in, n_out = size(op.in_shape), size(op.out_shape)
        if n_in * n_out > LARGEST_MATRIX:
            raise Unsupported(
                f"a sparse map from {n_in} to {n_out} neurons would be a matrix of {n_in * n_out} "
                f"entries, but the ONNX file allows {LARGEST_MATRIX}. "
                "Keep the convolution a Conv, or use another engine."
            )
    if isinstance(op, ConvTranspose):
        axes = zip(op.output_padding, op.stride, op.padding, strict=True)
        if any(extra >= s and extra > p for extra, s, p in axes):
            raise Unsupported(
                f"its output_padding {op.output_padding} is neither below its stride {op.stride} "
                f"nor within its padding {op.padding}, which ONNX cannot hold. Use a smaller one."
            )


def _check_type(synapse: Synapse) -> None:
    dtype = str(synapse.op.weights.dtype)
    if dtype not in WEIGHT_TYPES:
        raise Unsupported(f"its weights are {dtype}, allowed are {', '.join(WEIGHT_TYPES)}.")


def _check_exact(synapse: Synapse, source: Any) -> None:
    """Check that the sums of weights, times a byte of a payload, are exact."""
    transposed = isinstance(synapse.op, ConvTranspose)
    if not transposed and not graded(source):
        return
    most = largest_row(synapse) * (largest_byte(source) if graded(source) else 1)
    if transposed and most >= EXACT_IN_FLOAT32:
        raise Unsupported(
            f"the weights of one output add up to {most}, but a transposed convolution is "
            f"exact only below {EXACT_IN_FLOAT32}. Use a Sparse synapse."
        )
    if most >= EXACT_IN_INT32:
        raise Unsupported(
            f"the weights of one output times a byte of the payloads add up to {most}, but the "
            f"file's integer maps are exact only below {EXACT_IN_INT32}. Let a neuron see fewer "
            "inputs, or use the engine fixed."
        )
