"""A synapse as a product over many rows: the path for busy layers.

In:  spikes (rows, n_source) in the engine's order of neurons.
Out: whole sums (rows, n_target) in the engine's order, exactly.
int8 is used only if weights and payloads fit it and the largest sum fits what a library returns.
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

from neurocompile.engines.fixed import int8
from neurocompile.engines.fixed.choice import FLOAT, INT8
from neurocompile.engines.fixed.loops import fold, settle, widen
from neurocompile.engines.fixed.result import EXACT_FLOAT32, EXACT_FLOAT64
from neurocompile.engines.fixed.tables import Table, channels_last
from neurocompile.engines.torch_ops import apply
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, size

Product = Callable[[torch.Tensor], torch.Tensor]

COLUMNS = 1 << 18  # values of a folded product at a time: these stay in the second-level cache


class Dense:
    """A dense or convolving synapse; its products are made when they are first used.

    Args:
        synapse: Synapse that is not a Sparse.
        source, target: C index of the neuron at each position of the engine's order.
        table: Table of the synapse, in the same orders.
        row: Largest sum of |weights| onto a target neuron.
        signed: Whether payloads may be negative.
    """

    def __init__(
        self,
        synapse: Synapse,
        source: Array,
        target: Array,
        table: Table,
        row: int,
        *,
        signed: bool,
    ) -> None:
        self.synapse, self.source, self.target, self.table = synapse, source, target, table
        self.row, self.signed = row, signed
        self.products: dict[torch.dtype, Product] = {}
        op = synapse.op
        self._channels_last = np.array_equal(source, channels_last(synapse.in_shape))
        self._into_channels_last = np.array_equal(target, channels_last(synapse.out_shape))
        self.folds = (
            isinstance(op, ConvTranspose)
            and op.groups == 1
            and (self._channels_last or _plain(source))
            and self._into_channels_last
        )

    def exact(self, bound: int) -> tuple[str, ...]:
        """The products that are exact if the largest |sum| is `bound`.

        A bound of k times the sum of a row's weights says that payloads are at most k. int8 weights
        stand for themselves shifted, so their sums are smaller by this shift.
        """
        if bound >= EXACT_FLOAT64:
            return ()
        most, largest, fits = int8.EXACT_INT32, int8.LARGEST, True
        if isinstance(self.synapse.op, Conv):
            most = EXACT_FLOAT32  # its sums come in float32
        elif self._whole:
            largest = int8.LARGEST_OF_TWO
        else:
            fits = self.folds
        fits = fits and self.table.weights.dtype == np.int8 and bound >> self.table.shift < most
        fits = fits and bound <= largest * self.row and not int8.why_not()
        return (INT8, FLOAT) if fits else (FLOAT,)

    def sums(self, fired: Array, total: Array, bound: int, product: str) -> None:
        """Write the sums of spikes (rows, n_source) to total (rows, n_target).

        Args:
            fired: Bits uint8 or payloads int32.
            total: Any integer type that holds the sums; overwritten.
            bound: Largest |sum| that these spikes can cause.
            product: One of `exact(bound)`.
        """
        if not total.size:
            return
        narrow = bound < EXACT_FLOAT32
        number, integer = (torch.float32, np.int32) if narrow else (torch.float64, np.int64)
        if product == INT8:
            number = torch.int8
        if self.folds:
            self._fold(fired, total, number, integer)
        elif product == INT8:
            if bound > int8.LARGEST * self.row:
                high, low = int8.digits(fired)
                sums = self._product(high, number)
                sums <<= int8.DIGIT_BITS
                sums += self._product(low, number)
            else:
                sums = self._product(fired, number)
            widen(sums, total, self.table.shift)
        elif settle(self._product(fired, number), total, integer):
            settle(self._product(fired, torch.float64), total, np.int64)

    def _fold(self, fired: Array, total: Array, number: torch.dtype, integer: Any) -> None:
        """Spikes (rows, places, channels) times the kernel (channels, taps), then folded.

        A matrix product may add in any order, but below the bound it loses no bit.
        """
        channels, t = self.synapse.in_shape[0], self.table
        whole = number == torch.int8
        if number not in self.products:
            kernel = t.weights.reshape(channels, -1)
            if whole:
                self.products[number] = int8.matrix(kernel)
            else:
                wide = torch.from_numpy(kernel.astype(np.int64) << t.shift).to(number)
                self.products[number] = partial(torch.matmul, other=wide)
        places = fired.shape[1] // channels
        rows = max(1, COLUMNS // (places * t.weights.size // channels))
        for first in range(0, len(fired), rows):
            part = _as(number, fired[first : first + rows])
            if not self._channels_last:
                part = part.reshape(len(part), channels, places).mT
            with torch.inference_mode():
                columns = self.products[number](part.reshape(-1, channels)).numpy()
            sums = np.empty((len(part), total.shape[1]), columns.dtype)
            columns = columns.reshape(len(part), places, -1)
            fold(columns, t.first, t.target, t.weight, t.length, sums)
            into = total[first : first + rows]
            if whole:
                widen(sums, into, t.shift)
            else:
                settle(sums, into, integer)

    def _product(self, fired: Array, number: torch.dtype) -> Array:
        if number not in self.products:
            op = self.synapse.op
            if number == torch.int8:
                self.products[number] = self._in_int8()
            elif isinstance(op, Linear) and self._whole:
                self.products[number] = self._matrix(op.weight, number)
            else:
                self.products[number] = self._map
        with torch.inference_mode():
            sums = self.products[number](_as(number, fired))
            return np.asarray(sums.contiguous().numpy())

    @property
    def _whole(self) -> bool:
        """Whether every source reaches every target by a weight of its own."""
        op = self.synapse.op
        return isinstance(op, Linear) and size(self.synapse.in_shape) == op.weight.shape[1]

    def _in_int8(self) -> Product:
        """The product of int8 weights, without the shift."""
        t, op, shape = self.table, self.synapse.op, self.synapse.in_shape
        if isinstance(op, Linear):
            return int8.matrix(t.weights.reshape(len(self.source), len(self.target)))
        assert isinstance(op, Conv)
        kernel = (op.weight >> t.shift).astype(np.int8)
        run = int8.convolution(kernel, op, shape, signed=self.signed)

        def product(x: torch.Tensor) -> torch.Tensor:
            return self._in_order(run(self._image(x if self.signed else x.view(torch.uint8))))

        return product

    def _matrix(self, weight: Array, number: torch.dtype) -> Product:
        if not _plain(self.target):
            weight = weight[self.target]
        if not _plain(self.source):
            weight = weight[:, self.source]
        matrix = torch.from_numpy(np.array(weight)).to(number)
        return lambda x: F.linear(x, matrix)

    def _map(self, x: torch.Tensor) -> torch.Tensor:
        """The map in its own shapes, without a copy if the engine's order allows it."""
        return self._in_order(apply(self.synapse.op, self._image(x), self.synapse.in_shape))

    def _image(self, x: torch.Tensor) -> torch.Tensor:
        """Values (rows, n_source) in the shape of their population."""
        shape = self.synapse.in_shape
        if self._channels_last:
            return x.reshape(-1, *shape[1:], shape[0]).movedim(-1, 1)
        if _plain(self.source):
            return x.reshape(-1, *shape)
        return x[:, torch.from_numpy(np.argsort(self.source))].reshape(-1, *shape)

    def _in_order(self, out: torch.Tensor) -> torch.Tensor:
        """Sums (rows, *shape) in the engine's order."""
        if self._into_channels_last:
            return out.movedim(1, -1).reshape(len(out), -1)
        flat = out.reshape(len(out), -1)
        return flat if _plain(self.target) else flat[:, torch.from_numpy(self.target.copy())]


def _as(number: torch.dtype, fired: Array) -> torch.Tensor:
    """Bits or payloads as numbers of another type; bits are int8 already."""
    x = torch.from_numpy(fired)
    return x.view(number) if number == torch.int8 and x.dtype == torch.uint8 else x.to(number)


def _plain(order: Array) -> bool:
    return bool(np.array_equal(order, np.arange(len(order))))
