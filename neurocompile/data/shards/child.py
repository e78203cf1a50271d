"""The process that reads HDF5 and zarr for `apart.py`; a crash of their libraries ends only it.

In:  requests on standard input, a line of JSON each: a format, and what of a file it is to read.
Out: for each, the length of a header in 8 bytes, the header in JSON, then the numbers of rows.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import IO, Any

import numpy as np

from neurocompile.data.shards.hdf5 import hdf5_fields, hdf5_rows
from neurocompile.data.shards.zarr_groups import zarr_fields, zarr_rows
from neurocompile.errors import NeurocompileError
from neurocompile.formats.hdf5.child import limit

MEMORY = 3 << 30  # bytes of address space; libraries and their threads take 1.3 GiB of it
CPU_S = 60  # for one request
READS = {"HDF5": (hdf5_fields, hdf5_rows), "zarr": (zarr_fields, zarr_rows)}


def main(requests: IO[bytes], out: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    limit(resource.RLIMIT_AS, MEMORY)
    for line in requests:
        spent = resource.getrusage(resource.RUSAGE_SELF)
        seconds = int(spent.ru_utime + spent.ru_stime) + CPU_S
        limit(resource.RLIMIT_CPU, seconds, for_good=False)
        header, rows = _answer(**json.loads(line))
        text = json.dumps(header).encode()
        out.write(len(text).to_bytes(8, "little") + text)
        out.write(rows.data.cast("B") if rows.size else b"")
        out.flush()


def _answer(format: str, path: str, key: str | None, rows: list[int]) -> tuple[dict[str, Any], Any]:
    """A header, and numbers that follow it."""
    nothing = np.zeros(0)
    fields_of, rows_of = READS[format]
    try:
        if key is None:
            found = fields_of(Path(path))
            listed = {k: [f.shape, f.dtype, f.chunk, f.pieces] for k, f in found.items()}
            return {"fields": listed}, nothing
        numbers = np.ascontiguousarray(rows_of(Path(path), key, *rows))
        return {"shape": numbers.shape, "dtype": numbers.dtype.str}, numbers
    except NeurocompileError as error:
        return {"error": str(error)}, nothing


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
