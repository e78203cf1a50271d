"""Vectors that prove a program: inputs, and what every layer sends and holds in every step.

In:  a FIXED graph and encoded samples.
Out: what the engine `fixed` computes, and files of it that any language reads.
A file is a header of 32 bytes and whole numbers, all little-endian: sample by sample, step by step,
layer by layer, each layer's neurons in the C order of their shape.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.engines.recording import Recording
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import BiasInput, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size
from neurocompile.ir.payloads import graded, messages

MAGIC = b"NCVECTOR"
VERSION = 1
HEADER = "<8s6I"  # magic, version, samples, steps, layers, values per step, 0
SAMPLES = 2  # by default: potentials take 4 bytes per neuron, step and sample


@dataclass(frozen=True, eq=False)
class Vectors:
    """What a network was given and what it did.

    Attributes:
        graph: The FIXED graph.
        encoded: Its input.
        did: Spikes and potentials of every population.
    """

    graph: Graph
    encoded: Encoded
    did: Recording

    @property
    def samples(self) -> int:
        """Number of samples."""
        return self.encoded.samples

    @property
    def steps(self) -> int:
        """Steps of each sample."""
        return self.encoded.steps

    def rates(self) -> dict[str, float]:
        """Messages per neuron and step of each population."""
        return {name: float(messages(sent)) / sent.size for name, sent in self.did.spikes.items()}

    def inputs(self, number: str) -> bytes:
        """The file of inputs.

        Args:
            number: Type of a value, in numpy's words. What the host writes for a sample is the
                same in each of its steps.
        """
        ((name, node),) = self.graph.of(SpikeInput, BiasInput)
        values = np.asarray(self.encoded.values[name])
        if isinstance(node, BiasInput):
            values = np.repeat(values[:, None], self.steps, axis=1)
        return self._file([values.astype(number)])

    def spikes(self, layers: Sequence[str]) -> bytes:
        """The file of what these layers send: uint8 bits or int32 payloads."""
        return self._file([self.did.spikes[name] for name in layers])

    def potentials(self, layers: Sequence[str]) -> bytes:
        """The file of the potentials of these layers after the reset, int32."""
        return self._file([self.did.membrane[name] for name in layers])

    def _file(self, arrays: Sequence[Array]) -> bytes:
        rows = [
            np.ascontiguousarray(a, a.dtype.newbyteorder("<")).reshape(self.samples, self.steps, -1)
            for a in arrays
        ]
        each = sum(row.shape[2] for row in rows)
        head = struct.pack(HEADER, MAGIC, VERSION, self.samples, self.steps, len(rows), each, 0)
        joined = np.concatenate([row.view(np.uint8) for row in rows], axis=2)
        return head + joined.tobytes()


def vectors_of(graph: Graph, encoded: Encoded) -> Vectors:
    """Run a network on samples and keep everything.

    Raises:
        DoesNotFit: If a number leaves its register; names layer and step.
    """
    return Vectors(graph, encoded, fixed.run(graph, encoded).recording)


def spike_bytes(graph: Graph, name: str) -> int:
    """Bytes of what a neuron of a layer sends, in a file."""
    return 4 if graded(graph.nodes[name]) else 1


def neurons(graph: Graph, name: str) -> int:
    """Number of neurons of a layer."""
    return size(graph.nodes[name].shape)
