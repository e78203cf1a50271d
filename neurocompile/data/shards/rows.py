"""The rows of all shards as one array, of which only a block is in memory.

In:  shards that were checked, in order.
Out: rows by their number in the whole data set, as any array returns them for a slice.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from neurocompile.data.kinds import Kind, check_numbers
from neurocompile.data.shards.formats import format_of
from neurocompile.data.shards.shard import Field, Shard
from neurocompile.errors import BadInput

HELD_BYTES = 1 << 30  # of all rows at once, where somebody needs them as one array


class Rows:
    """An array (n, ...) that stays in its files: `rows[first:last]` reads.

    Args:
        shards: The files, in order.
        key: Key under which they hold these rows.
        field: "values" or "labels" of a shard.
        count: Number of rows, the first ones; None for all.
    """

    def __init__(
        self,
        shards: tuple[Shard, ...],
        key: Kind | Literal["labels"],
        field: Literal["values", "labels"],
        count: int | None = None,
    ) -> None:
        self.shards, self.key, self.field = shards, key, field
        ends = accumulate(self._field(shard).shape[0] for shard in shards)
        self.starts = [0, *ends]
        self.count = self.starts[-1] if count is None else min(count, self.starts[-1])
        self.dtype = np.dtype(np.int64 if field == "labels" else np.float32)
        self._held: tuple[int, int, NDArray] | None = None  # shard, its first row, rows as stored

    def __len__(self) -> int:
        return self.count

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, ...)."""
        return (self.count, *self._field(self.shards[0]).shape[1:])

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return self.count * int(np.prod(self.shape[1:]))

    def first(self, count: int) -> Rows:
        """The first rows, which are not read."""
        return Rows(self.shards, self.key, self.field, min(count, self.count))

    def __getitem__(self, part: slice) -> NDArray:
        first, last, step = part.indices(self.count)
        if step != 1:
            raise IndexError("rows of shards are read in order, by slices without a step")
        found = []
        while first < last:
            at = bisect_right(self.starts, first) - 1
            begin = first - self.starts[at]
            rows = self._block(at, begin, min(last, self.starts[at + 1]) - self.starts[at])
            found.append(rows)
            first += len(rows)
        if not found:
            return np.zeros((0, *self.shape[1:]), self.dtype)
        return np.concatenate(found).astype(self.dtype, copy=False)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        """All rows at once, if they are few.

        Raises:
            BadInput: If they take more than `HELD_BYTES`.
        """
        if self.size * self.dtype.itemsize > HELD_BYTES:
            raise BadInput(
                f"{Path(self.shards[0].path).parent}: this needs all {self.count} samples at once, "
                f"{self.size * self.dtype.itemsize} bytes, but at most {HELD_BYTES} are held. Ask "
                "for fewer samples."
            )
        return np.asarray(self[:], dtype)

    def __getstate__(self) -> dict[str, Any]:
        """Another process, which may work in another folder, reads for itself."""
        absolute = tuple(replace(one, path=os.path.abspath(one.path)) for one in self.shards)
        return {**self.__dict__, "shards": absolute, "_held": None}

    def _field(self, shard: Shard) -> Field:
        found: Field = getattr(shard, self.field)
        return found

    def _block(self, at: int, first: int, last: int) -> NDArray:
        """Rows of a shard from `first` on, at most to `last` and to the end of a block."""
        field = self._field(self.shards[at])
        begin = first - first % field.at_once
        if self._held is None or self._held[:2] != (at, begin):
            self._held = None  # before the next one takes memory
            end = min(begin + field.at_once, field.shape[0])
            self._held = (at, begin, self._read(self.shards[at], begin, end))
        return self._held[2][first - begin : last - begin].astype(self.dtype)

    def _read(self, shard: Shard, first: int, last: int) -> NDArray:
        """Rows as they are stored, checked."""
        path, field = Path(shard.path), self._field(shard)
        file = format_of(path)
        if file.fields(path).get(self.key) != field:
            raise BadInput(f"{path}: was changed after the run began. Start the run again.")
        rows = file.rows(path, self.key, first, last)
        if rows.shape != (last - first, *field.shape[1:]):
            raise BadInput(
                f"{path}: {self.key} has fewer rows than its header declares. Save it again."
            )
        if self.field == "values":
            check_numbers(self.key, rows, f"{path}, rows {first} to {last - 1}")
        return rows
