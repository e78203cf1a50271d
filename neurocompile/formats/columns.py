"""Write columns of numbers as a table in a file: CSV, or Parquet where pyarrow is installed.

In:  columns by name, whole numbers or floats, all of one length; a column may be unknown.
Out: a .csv or .parquet file, written whole or not at all. Floats keep all their digits. A column
     that is unknown has empty cells in CSV and nulls in Parquet.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from neurocompile.errors import BadInput
from neurocompile.formats.whole import write_file
from neurocompile.installed import require
from neurocompile.ir.arrays import Array

SUFFIXES = (".csv", ".parquet")


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


def write_columns(path: Path, columns: Mapping[str, Array | None]) -> None:
    """Write columns of equal length, in their order.

    Raises:
        BadInput: As in `check_table_file`, or if the file cannot be written.
        NotInstalled: As in `check_table_file`.
    """
    check_table_file(path)
    write_file(path, _csv(columns) if path.suffix == ".csv" else _parquet(columns))


def _csv(columns: Mapping[str, Array | None]) -> bytes:
    """A line of names, then a line per row; Python's digits of a float, which are exact."""
    length = _rows(columns)
    cells = [[""] * length if c is None else c.tolist() for c in columns.values()]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*cells, strict=True))
    return text.getvalue().encode()


def _parquet(columns: Mapping[str, Array | None]) -> bytes:
    """One table with the types of the columns; float64 where a column is unknown."""
    import pyarrow
    from pyarrow import parquet

    length = _rows(columns)
    table = pyarrow.table({
        name: pyarrow.nulls(length, pyarrow.float64()) if column is None else pyarrow.array(column)
        for name, column in columns.items()
    })  # fmt: skip
    written = pyarrow.BufferOutputStream()
    parquet.write_table(table, written)
    content: bytes = written.getvalue().to_pybytes()
    return content


def _rows(columns: Mapping[str, Array | None]) -> int:
    (length,) = {len(column) for column in columns.values() if column is not None} or {0}
    return int(length)
