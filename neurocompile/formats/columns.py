"""Write columns of numbers as a table in a file: CSV, or Parquet where pyarrow is installed.

In:  columns by name, all of one length: arrays of numbers, or lists of numbers, truth values or
     texts with None for what is unknown; a whole column may be unknown.
Out: a .csv or .parquet file, written whole or not at all. Floats keep all their digits. What is
     unknown is an empty cell in CSV and a null in Parquet.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from neurocompile.errors import BadInput
from neurocompile.formats.whole import encoded, write_file
from neurocompile.installed import require
from neurocompile.ir.arrays import Array

SUFFIXES = (".csv", ".parquet")
Column = Array | Sequence[Any] | None


def check_table_file(path: Path) -> None:
    """Refuse a file of columns that cannot be written, before any work is done for it.

    Raises:
        BadInput: If its name ends otherwise.
        NotInstalled: If it is a Parquet file and pyarrow is missing.
    """
    if path.suffix not in SUFFIXES:
        raise BadInput(f"{path}: a table of columns is a {' or '.join(SUFFIXES)} file. Rename it.")
    if path.suffix == ".parquet":
        require("tables .parquet")


def write_columns(path: Path, columns: Mapping[str, Column], *, replace: bool = True) -> None:
    """Write columns of equal length, in their order.

    Raises:
        BadInput: As in `check_table_file`, or if the file cannot be written.
        NotInstalled: As in `check_table_file`.
    """
    check_table_file(path)
    content = _csv(columns) if path.suffix == ".csv" else _parquet(columns)
    write_file(path, content, replace=replace)


def _csv(columns: Mapping[str, Column]) -> bytes:
    """A line of names, then a line per row; Python's digits of a float, which are exact."""
    length = _rows(columns)
    cells = [[None] * length if c is None else _list(c) for c in columns.values()]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*cells, strict=True))
    return encoded(text.getvalue())


def _parquet(columns: Mapping[str, Column]) -> bytes:
    """One table with the types of the columns; float64 where a column is unknown."""
    import pyarrow
    from pyarrow import parquet

    length = _rows(columns)
    nothing = pyarrow.nulls(length, pyarrow.float64())
    table = pyarrow.table({
        name: nothing if unknown(column) else pyarrow.array(_shown(column))
        for name, column in columns.items()
    })  # fmt: skip
    written = pyarrow.BufferOutputStream()
    parquet.write_table(table, written)
    content: bytes = written.getvalue().to_pybytes()
    return content


def _shown(column: Array | Sequence[Any] | None) -> Any:
    """A column whose texts are UTF-8."""
    if isinstance(column, Sequence) and any(isinstance(cell, str) for cell in column):
        return [encoded(cell).decode() if isinstance(cell, str) else cell for cell in column]
    return column


def unknown(column: Column) -> bool:
    """Whether nothing of a column is known."""
    if column is None:
        return True
    return isinstance(column, list) and bool(column) and all(cell is None for cell in column)


def _list(column: Array | Sequence[Any]) -> Sequence[Any]:
    return column if isinstance(column, Sequence) else column.tolist()


def _rows(columns: Mapping[str, Column]) -> int:
    (length,) = {len(column) for column in columns.values() if column is not None} or {0}
    return int(length)
