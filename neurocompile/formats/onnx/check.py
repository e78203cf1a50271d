"""Refuse what ONNX cannot express or onnxruntime cannot run, though the graph is sound.

In:  a graph that `ir.verify` has accepted.
Out: the output shape of each node, or an Unsupported that names the layer.
After this check, writing cannot fail.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurocompile.errors import Unsupported
from neurocompile.formats.onnx.fields import WEIGHT_TYPES
from neurocompile.ir.checks import naming_layer
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import ConvTranspose, Shape, Sparse, size
from neurocompile.ir.shapes import shapes

EXACT_IN_FLOAT32 = 1 << 24
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
                _check_exact(node)
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


def _check_exact(synapse: Synapse) -> None:
    op = synapse.op
    if isinstance(op, ConvTranspose):
        axes = tuple(i for i in range(op.weight.ndim) if i != 1)
        most = int(np.abs(op.weight.astype(np.int64)).sum(axis=axes).max())
        if most >= EXACT_IN_FLOAT32:
            raise Unsupported(
                f"the weights of one output add up to {most}, but a transposed convolution is "
                f"exact only below {EXACT_IN_FLOAT32}. Use a Sparse synapse."
            )
