"""Damage to numpy's files, gzip, IDX and folders of zarr: what their headers can say.

In:  the bytes of a sound file, random numbers.
Out: the bytes of another file. Checksums hold, so that readers come as far as the header.
Some hold pickled code that leaves a canary (mutations_code.py).
"""

import gzip
import io
import json
import re
import struct
import zipfile

import numpy as np
from fuzz.mutations_code import PICKLED
from fuzz.mutations_text import HUGE, WORDS, blind, json_edit, pick

DTYPES = (
    "|O", "<f4", ">f8", "<f2", "<i8", "|u1", "|b1", "<c8", "<U3", "|S2", "|V4", "<M8[s]", "<m8[ns]",
    "<f16", "|S0", "<U0", "|V0", "(2,3)<f4", "f4,i4", "i", "x", "", "<f99", "<U99999999999",
    "<U1000000000",
)  # fmt: skip
NUMBERS = (np.nan, np.inf, -np.inf, 1e300, 1e-320, -1.0, 0.5, 2.0**24, 2.0**63, -0.0)
STARTS = re.compile(rb"\{.*\}", re.DOTALL)
ZEROS = bytes(1 << 23)  # of which a packed file stores little
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def npy_edit(data, rng):
    """Another header before the same numbers, other numbers, or another length."""
    found = STARTS.search(data[:4000])
    if data[:6] != b"\x93NUMPY" or found is None:
        return blind(data, rng)
    words, body = found.group().decode(errors="replace"), bytes(data[found.end() :])
    body = body[body.index(b"\n") + 1 :] if b"\n" in body else body
    match int(rng.integers(8)):
        case 0:
            words = re.sub(r"'descr': [^,]*", f"'descr': {pick(rng, DTYPES)!r}", words)
        case 1:
            shape = [int(n) for n in re.findall(r"\d+", words.partition("'shape'")[2])]
            words = re.sub(r"\(.*\)", _shape(shape, rng), words)
        case 2:
            words = words.replace("'fortran_order': False", f"'fortran_order': {pick(rng, TRUTHS)}")
        case 3:
            words = pick(rng, ODD_HEADERS)
        case 4:
            words, body = re.sub(r"'descr': [^,]*", "'descr': '|O'", words), pick(rng, PICKLED)
        case 5:
            body = _numbers(words, body, rng)
        case 6:
            body = body[: int(rng.integers(len(body) + 1))] + bytes(int(rng.integers(9)))
        case _:
            return b"\x93NUMPY" + struct.pack("<BBI", *pick(rng, LENGTHS)) + words.encode() + body
    return npy(words, body, rng)


TRUTHS = ("True", "1", "None", "[]", "'yes'")
ODD_HEADERS = (
    "{}", "[]", "None", "{'descr': '<f4'}", "(" * 3000, "-" * 5000 + "1", f"{{{'1:1,' * 900}}}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'more': 1}", "__import__('os')",
    "{'descr': '<f4', 'fortran_order': False, 'shape': 3}", "\x00", "{'descr': '<f4'", "9" * 9000,
    "{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, 'shape': (3,)}",
    "{'descr': [('a', '<f4', (1000000, 1000000))], 'fortran_order': False, 'shape': (3,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 2)}",
)  # fmt: skip
LENGTHS = ((1, 0, 0), (2, 0, 2**31), (2, 0, 2**32 - 1), (3, 0, 118), (9, 9, 10), (2, 0, 70_000))


def npy(words, body, rng):
    """A file of numpy's with this header."""
    version = pick(rng, ((1, 0), (1, 0), (1, 0), (2, 0), (3, 0)))
    content = words.encode(errors="replace") + b"\n"
    length = struct.pack("<H" if version[0] == 1 else "<I", len(content) % 2**16)
    return b"\x93NUMPY" + bytes(version) + length + content + body


def _shape(shape, rng):
    shape = list(shape) or [1]
    at = int(rng.integers(len(shape)))
    match int(rng.integers(6)):
        case 0:
            shape[at] = pick(rng, HUGE)
        case 1:
            shape.insert(at, pick(rng, (1, 0, -1, 2)))
        case 2:
            del shape[at]
        case 3:
            shape[at] += pick(rng, (1, -1))
        case 4:
            shape = [*shape, *[1] * int(rng.integers(1, 80))]
        case _:
            shape = shape[::-1]
    return f"({''.join(f'{n},' for n in shape)})"


def _numbers(words, body, rng):
    """The same numbers but for some odd ones."""
    found = re.search(r"'descr': '([<>|][fiub]\d)'", words)
    size = np.dtype(found[1]).itemsize if found else 0
    if not size or len(body) < size or len(body) % size:
        return blind(body, rng)
    with np.errstate(all="ignore"):
        values = np.frombuffer(body, found[1]).copy()
        at = rng.integers(len(values), size=int(rng.integers(1, 4)))
        values[at] = np.asarray(pick(rng, NUMBERS)).astype(values.dtype)
    return values.tobytes()


def npz_edit(data, rng):
    """Entries whose checksums hold: one damaged, renamed, twice, gone, of another packing."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except (zipfile.BadZipFile, ValueError, OSError):
        return blind(data, rng)
    at = int(rng.integers(len(entries)))
    name, content = entries[at]
    match int(rng.integers(9)):
        case 0:
            names = ("x.npy", "spikes.npy", "labels.npy", "../../x.npy", "/etc/x.npy", "x", *WORDS)
            entries[at] = (pick(rng, names), content)
        case 1:
            del entries[at]
        case 2:
            entries.append((name, npy_edit(content, rng)))  # the same name twice
        case 3:
            entries[at] = (name, content + ZEROS)
        case 4:
            entries[at] = (name, pick(rng, PICKLED))
        case _:
            entries[at] = (name, npy_edit(content, rng))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", pick(rng, METHODS)) as archive:
        for name, content in entries:
            archive.writestr(name.replace("\0", "") or "x", content)
    return stream.getvalue()


def gzip_edit(data, rng):
    """A stream of gzip whose checksum holds, around damaged content; or two, or one that grows."""
    try:
        content = gzip.decompress(data)
    except (OSError, EOFError, ValueError):
        return blind(data, rng)
    match int(rng.integers(5)):
        case 0:
            return data + pick(rng, (data, b"x", bytes(100)))
        case 1:
            return gzip.compress(content + ZEROS, 1)
        case 2:
            return gzip.compress(idx_edit(content, rng))
        case 3:
            return content
        case _:
            return gzip.compress(blind(content, rng))


def idx_edit(data, rng):
    """A number of the header of an IDX file, or its magic number."""
    changed = bytearray(data)
    at = pick(rng, (0, 4, 4, 8, 12))
    if at + 4 <= len(changed):
        now = int.from_bytes(changed[at : at + 4])
        new = pick(rng, (now + 1, now - 1, 0x801, 0x803, 0xD03, *HUGE))
        changed[at : at + 4] = (new % 2**32).to_bytes(4)
    return bytes(changed)


def zarr_edit(data, rng):
    """The description of an array of zarr, or of a group: another field, or any other JSON."""
    described = json.loads(data)
    if rng.random() < 0.3 or not isinstance(described, dict):
        return json_edit(data, rng)
    field, values = pick(rng, ZARR)
    described[field] = pick(rng, values)
    if rng.random() < 0.3:
        field, values = pick(rng, ZARR)
        described[field] = pick(rng, values)
    return json.dumps(described).encode()


PICKLES = ({"id": "pickle"}, {"id": "json2"}, {"id": "pickle", "protocol": 4})
ZARR = (
    ("compressor", (*PICKLES, {"id": "blosc", "clevel": 99}, {"id": "zlib", "level": "x"}, {}, 3)),
    ("filters", ([PICKLES[0]], [{"id": "delta", "dtype": "|O"}], [{"id": "shuffle"}], [[]], 1)),
    (
        "codecs",
        (
            *(
                [{"name": name}]
                for name in ("numcodecs.pickle", "pickle", "bytes", "vlen-utf8", "x")
            ),
            [{"name": "bytes"}, {"name": "gzip", "configuration": {"level": -5}}],
            [
                {
                    "name": "sharding_indexed",
                    "configuration": {
                        "chunk_shape": [1, 1, 1, 1],
                        "codecs": [{"name": "numcodecs.pickle"}],
                        "index_codecs": [{"name": "bytes"}],
                    },
                }
            ],
            [],
            None,
        ),
    ),
    ("dtype", DTYPES),
    ("data_type", ("float32", "int8", "object", "string", "bytes", "r64", "complex64", {}, None)),
    ("shape", ([], [0], [-1, 1, 4, 4], [2**40, 1, 4, 4], [12, 1, 4, 2**31], [2.5], "12")),
    ("chunks", ([], [0, 1, 4, 4], [2**40, 1, 4, 4], [-1, 1, 4, 4], [1, 1, 1, 1], None)),
    (
        "chunk_grid",
        tuple(
            {"name": "regular", "configuration": {"chunk_shape": shape}}
            for shape in ([0, 1, 4, 4], [2**40, 1, 4, 4], [-1, 1, 4, 4], [1], "x")
        ),
    ),
    ("fill_value", ("NaN", "Infinity", None, [], "0x", 1e300, 10**400)),
    ("zarr_format", (1, 2, 3, 4, "3", None)),
    ("node_type", ("group", "array", "x", 3)),
    ("order", ("F", "C", "X", 0)),
    ("storage_transformers", ([{"name": "x"}], [])),
)
