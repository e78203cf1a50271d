"""What an axon carries in a step: a bit, or a signed whole number that multiplies the weights.

In:  a population of a FIXED graph, or what it sent.
Out: the type of its recording, the number of its messages, the largest sum they can cause.
A message is one spike, whatever its payload; 0 is no message.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import ChipNeuron, SpikeInput, Synapse
from neurocompile.ir.nodes import ConvTranspose, Linear, Sparse
from neurocompile.ir.registers import BIT


def graded(node: Any) -> bool:
    """Whether a population sends payloads other than 0 and 1."""
    return isinstance(node, ChipNeuron | SpikeInput) and node.payload != BIT


def payload_type(node: Any) -> Any:
    """The type that holds what a population sends: uint8 for bits, int32 for payloads."""
    return np.int32 if graded(node) else np.uint8


def largest_payload(node: Any) -> int:
    """The largest |payload| of a population: 1 for bits."""
    return max(map(abs, node.payload)) if graded(node) else 1


def messages(sent: Array, axis: tuple[int, ...] | None = None) -> Any:
    """Number of messages in what populations sent, int64: those that are not 0.

    Args:
        sent: Bits or payloads.
        axis: Axes to sum over; all of them if None.
    """
    if sent.dtype == np.uint8:  # bits: their sum takes a fraction of the time
        return sent.sum(axis=axis, dtype=np.int64)
    return np.count_nonzero(sent, axis=axis)


def largest_sum(synapse: Synapse, source: Any) -> int:
    """The largest |sum| that any spikes of the source can cause, before the exponent."""
    return largest_row(synapse) * largest_payload(source)


def largest_row(synapse: Synapse) -> int:
    """The largest sum of |weights| onto a target neuron."""
    op = synapse.op
    if isinstance(op, Linear):
        return max((int(np.abs(r.astype(np.int64)).sum()) for r in op.weight), default=0)
    if isinstance(op, Sparse):
        before = np.concatenate([[0], np.cumsum(np.abs(op.data.astype(np.int64)))])
        return int((before[op.indptr[1:]] - before[op.indptr[:-1]]).max(initial=0))
    absolute = np.abs(op.weights.astype(np.int64))
    # Conv has its output channels on axis 0, ConvTranspose on axis 1.
    outputs = 1 if isinstance(op, ConvTranspose) else 0
    channels = absolute.sum(axis=tuple(axis for axis in range(absolute.ndim) if axis != outputs))
    return int(channels.max(initial=0))
