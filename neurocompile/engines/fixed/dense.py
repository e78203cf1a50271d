"""A synapse as a product over many rows: the path for busy layers.

In:  spikes (rows, n_source) in the engine's order of neurons.
Out: whole sums (rows, n_target) in the engine's order, exactly.
float32 is used only if the largest sum is below 2^24. If a library loses bits by a transform
(Winograd, FFT), this is detected and the result is computed again in float64.
A transposed convolution is one matrix product, position by position, whose columns are then added
at the targets of the kernel: with few channels that takes a fifth of the library's time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from neurocompile.engines.fixed.loops import fold, settle
from neurocompile.engines.fixed.result import EXACT_FLOAT32
from neurocompile.engines.fixed.tables import Table, channels_last
from neurocompile.engines.torch_ops import apply
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.nodes import ConvTranspose, Linear, size

Product = Callable[[torch.Tensor], torch.Tensor]

COLUMNS = 1 << 18  # values of a folded product at a time: these stay in the second-level cache


class Dense:
    """A dense or convolving synapse; its products are made when they are first used.

    Args:
        synapse: Synapse that is not a Sparse.
        source, target: C index of the neuron at each position of the engine's order.
        table: Table of the synapse, in the same orders.
    """

    def __init__(self, synapse: Synapse, source: Array, target: Array, table: Table) -> None:
        self.synapse, self.source, self.target, self.table = synapse, source, target, table
        self.products: dict[torch.dtype, Product] = {}
        op = synapse.op
        self._channels_last = np.array_equal(source, channels_last(synapse.in_shape))
        self.folds = (
            isinstance(op, ConvTranspose)
            and op.groups == 1
            and (self._channels_last or _plain(source))
            and np.array_equal(target, channels_last(synapse.out_shape))
        )

    def sums(self, fired: Array, total: Array, bound: int) -> None:
        """Write the sums of spikes (rows, n_source) to total (rows, n_target).

        Args:
            fired: Bits uint8 or payloads int32.
            total: Any integer type that holds the sums; overwritten.
            bound: Largest |sum| that these spikes can cause.
        """
        if not total.size:
            return
        narrow = bound < EXACT_FLOAT32
        number, integer = (torch.float32, np.int32) if narrow else (torch.float64, np.int64)
        if self.folds:
            self._fold(fired, total, number, integer)
        elif settle(self._product(fired, number), total, integer):
            settle(self._product(fired, torch.float64), total, np.int64)

    def _fold(self, fired: Array, total: Array, number: torch.dtype, integer: Any) -> None:
        """Spikes (rows, places, channels) times the kernel (channels, taps), then folded.

        A matrix product may add in any order, but below the bound it loses no bit.
        """
        channels, t = self.synapse.in_shape[0], self.table
        if number not in self.products:
            kernel = torch.from_numpy(t.weights.astype(np.int64) << t.shift).to(number)
            self.products[number] = partial(torch.matmul, other=kernel.reshape(channels, -1))
        places = fired.shape[1] // channels
        rows = max(1, COLUMNS // (places * t.weights.size // channels))
        for first in range(0, len(fired), rows):
            part = torch.from_numpy(fired[first : first + rows]).to(number)
            image = (
                part.reshape(-1, channels)
                if self._channels_last
                else (part.reshape(len(part), channels, places).mT)
            )
            with torch.inference_mode():
                columns = self.products[number](image).numpy()
            sums = np.empty((1, total.shape[1]), columns.dtype)
            columns = columns.reshape(len(part), places, -1)
            into = total[first : first + rows]
            fold(columns, t.first, t.target, t.weight, t.length, sums, into, integer)

    def _product(self, fired: Array, number: torch.dtype) -> Array:
        if number not in self.products:
            op = self.synapse.op
            if isinstance(op, Linear) and size(self.synapse.in_shape) == op.weight.shape[1]:
                self.products[number] = self._matrix(op.weight, number)
            else:
                self.products[number] = self._map
        with torch.inference_mode():
            sums = self.products[number](torch.from_numpy(fired).to(number))
            return np.asarray(sums.contiguous().numpy())

    def _matrix(self, weight: Array, number: torch.dtype) -> Product:
        if not _plain(self.target):
            weight = weight[self.target]
        if not _plain(self.source):
            weight = weight[:, self.source]
        matrix = torch.from_numpy(np.array(weight)).to(number)
        return lambda x: F.linear(x, matrix)

    def _map(self, x: torch.Tensor) -> torch.Tensor:
        """The map in its own shapes, without a copy if the engine's order allows it."""
        shape, after = self.synapse.in_shape, self.synapse.out_shape
        if np.array_equal(self.source, channels_last(shape)):
            image = x.reshape(-1, *shape[1:], shape[0]).movedim(-1, 1)
        elif _plain(self.source):
            image = x.reshape(-1, *shape)
        else:
            image = x[:, torch.from_numpy(np.argsort(self.source))].reshape(-1, *shape)
        out = apply(self.synapse.op, image, shape)
        if np.array_equal(self.target, channels_last(after)):
            return out.movedim(1, -1).reshape(len(x), -1)
        flat = out.reshape(len(x), -1)
        return flat if _plain(self.target) else flat[:, torch.from_numpy(self.target.copy())]


def _plain(order: Array) -> bool:
    return bool(np.array_equal(order, np.arange(len(order))))
