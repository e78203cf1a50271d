"""Damage to files: blind, of their bytes, and aware, of what each format holds.

In:  a sound file, and a generator of random numbers.
Out: a mutant and the name of what was done. The same numbers give the same mutant.
Aware mutants get past checksums and parsers, to where a reader believes what it is told.
"""

import io
import json
import struct
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from fuzz.mutations_hdf5 import hdf5_edit
from onnx import ModelProto

HUGE = (0, 1, -1, 2, 255, 2**15, 2**31 - 1, 2**31, -(2**31), 2**53, 2**62, 2**63 - 1, -(2**63))
WORDS = ("", "\x00", "é", "a" * 5000, "/", "../../x", "{0}", "%s", "\n", "none", "[", "\u202e")
FLOATS = (0.0, -0.0, -1.0, 1e-320, 1e308, float("nan"), float("inf"), float("-inf"), 0.5, 2.0)
TOKENS = ("1e999", "nan", "-inf", "-1", "9" * 5000, "0x10", "true", '""', "[]", "{}", "[" * 3000)
MOST_EDITS = 4


def pick(rng, options):
    return options[int(rng.integers(len(options)))]


# --- Bytes ---------------------------------------------------------------------------------


def flip_bits(data, rng):
    for _ in range(rng.integers(1, 5)):
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    return data


def set_bytes(data, rng):
    for _ in range(rng.integers(1, 5)):
        data[rng.integers(len(data))] = rng.integers(256)
    return data


def cut_off(data, rng):
    return data[: rng.integers(len(data))]


def _span(data, rng):
    start = int(rng.integers(len(data)))
    return start, start + int(rng.integers(1, 200))


def remove_span(data, rng):
    a, b = _span(data, rng)
    return data[:a] + data[b:]


def repeat_span(data, rng):
    a, b = _span(data, rng)
    return data[:a] + data[a:b] * int(rng.integers(2, 5)) + data[b:]


def splice(data, rng):
    a, b = _span(data, rng)
    to = int(rng.integers(len(data)))
    return data[:to] + data[a:b] + data[to + (b - a) * int(rng.integers(2)) :]


def number_in_bytes(data, rng):
    """A length field: 1 to 8 bytes become an extreme, or one more or less."""
    width = pick(rng, (1, 2, 4, 8))
    if len(data) <= width:
        return data
    at = int(rng.integers(len(data) - width))
    now = int.from_bytes(data[at : at + width], "little")
    new = pick(rng, (now + 1, now - 1, *HUGE)) % (1 << 8 * width)
    data[at : at + width] = new.to_bytes(width, "little")
    return data


BLIND = (flip_bits, set_bytes, cut_off, remove_span, repeat_span, splice, number_in_bytes)


def blind(data, rng):
    return bytes(pick(rng, BLIND)(bytearray(data), rng)) if data else data


# --- Texts and plain values ----------------------------------------------------------------


def text_edit(data, rng):
    """A token, a line or a key of a text file."""
    lines = data.decode().splitlines()
    for _ in range(rng.integers(1, MOST_EDITS)):
        at = int(rng.integers(len(lines)))
        match int(rng.integers(6)):
            case 0:
                lines.insert(at, pick(rng, lines))
            case 1 if len(lines) > 1:
                del lines[at]
            case 2:
                lines[at] = lines[at].replace(pick(rng, '=[].",:{}0123456789'), pick(rng, WORDS))
            case 3:
                key, _, _ = lines[at].partition("=")
                lines[at] = f"{key}= {pick(rng, TOKENS)}"
            case 4:
                lines[at] = lines[at] + pick(rng, TOKENS)
            case _:
                lines[at] = pick(rng, WORDS) + lines[at]
    return "\n".join(lines).encode(errors="surrogatepass")


def odd_value(rng, old):
    """What stands where something else is expected."""
    if isinstance(old, torch.Tensor) and rng.random() < 0.7:
        return odd_tensor(rng, old)
    pools = (HUGE, FLOATS, WORDS, (None, True, [], {}, [[]], 10**400, [old] * 3, {"kind": old}))
    return pick(rng, pick(rng, pools))


def odd_tensor(rng, old):
    match int(rng.integers(7)):
        case 0:
            return old.to(pick(rng, (torch.float16, torch.int8, torch.complex64, torch.bool)))
        case 1:
            return old.flatten()[:1].expand(10**9)
        case 2:
            return torch.full_like(old, float("nan")) if old.is_floating_point() else -old
        case 3:
            return old.unsqueeze(0)
        case 4:
            return old.flatten()[1:]
        case 5:
            return old.to_sparse()
        case _:
            return torch.zeros(0, *old.shape[1:])


def _leaves(value):
    if isinstance(value, dict | list):
        return sum(_leaves(v) for v in (value.values() if isinstance(value, dict) else value))
    return 1


def edit_value(value, rng):
    """A tree of dicts and lists with some leaves, keys or entries changed."""
    for _ in range(rng.integers(1, MOST_EDITS)):
        at = value
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = pick(rng, keys)
            if at is value and rng.random() < 0.7:  # where most of it stands
                key = max(keys, key=lambda k: _leaves(at[k]))
            inner = isinstance(at[key], dict | list) and len(at[key]) > 0
            if inner and rng.random() < 0.85:
                at = at[key]
                continue
            match int(rng.integers(5)):
                case 0:
                    del at[key]
                case 1 if isinstance(at, dict):
                    at[pick(rng, (*WORDS, *keys))] = at.pop(key)
                case 1:
                    at.append(at[key])
                case _:
                    at[key] = odd_value(rng, at[key])
            break
    return value


def json_edit(data, rng):
    return json.dumps(edit_value(json.loads(data), rng)).encode()


# --- .pt -----------------------------------------------------------------------------------


def checkpoint_edit(data, rng):
    """Sound archives with another content."""
    content = torch.load(io.BytesIO(data), weights_only=True)
    stream = io.BytesIO()
    torch.save(edit_value(content, rng), stream)
    return stream.getvalue()


def entry_edit(data, rng):
    """An archive whose checksums hold, with an entry damaged, renamed, twice or gone."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = [(info.filename, archive.read(info)) for info in archive.infolist()]
    at = int(rng.integers(len(entries)))
    if rng.random() < 0.5:  # what PyTorch unpickles
        at = next(i for i, (name, _) in enumerate(entries) if name.endswith("data.pkl"))
    name, content = entries[at]
    match int(rng.integers(6)):
        case 0:
            entries[at] = (pick(rng, ("../../x", "/etc/x", "x\\y", name.upper(), "é")), content)
        case 1:
            del entries[at]
        case 2:
            entries.append((name + "2", content))
        case _:
            entries[at] = (name, blind(content, rng))
    stream = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if rng.random() < 0.05 else zipfile.ZIP_STORED
    with zipfile.ZipFile(stream, "w", kind) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return stream.getvalue()


def directory_edit(data, rng):
    """A field of the zip's central directory, or of its end."""
    changed = bytearray(data)
    marks = [i for i in range(len(data)) if data[i : i + 4] in (b"PK\x01\x02", b"PK\x05\x06")]
    at = pick(rng, marks) + int(rng.integers(4, 46))
    width = pick(rng, (2, 4))
    if at + width <= len(changed):
        changed[at : at + width] = struct.pack("<Q", pick(rng, HUGE) % 2**64)[:width]
    return bytes(changed)


# --- .onnx ---------------------------------------------------------------------------------


def message_edit(data, rng):
    """Fields of the protobuf messages of a model, some levels down."""
    model = ModelProto.FromString(data)
    for _ in range(rng.integers(1, MOST_EDITS)):
        message = model
        while True:
            fields = message.ListFields()
            if not fields:
                break
            field, value = pick(rng, fields)
            if message is model and rng.random() < 0.8:  # where most of it stands
                wanted = pick(rng, ("graph", "graph", "metadata_props"))
                field, value = next((f for f in fields if f[0].name == wanted), (field, value))
            repeated = hasattr(value, "append") or hasattr(value, "add")
            inner = pick(rng, value) if repeated else value
            if field.message_type and (field.name == "graph" or rng.random() < 0.8):
                message = inner
                continue
            _edit_field(message, field, value, repeated, rng)
            break
    return model.SerializeToString()


def _edit_field(message, field, value, repeated, rng):
    if field.message_type or rng.random() < 0.2:
        if repeated and rng.random() < 0.7:
            at = int(rng.integers(len(value)))
            if field.message_type and rng.random() < 0.5:
                value.add().CopyFrom(value[at])
            else:
                del value[at]
        else:
            message.ClearField(field.name)
        return
    new = _odd_scalar(field, pick(rng, value) if repeated else value, rng)
    try:
        if repeated and rng.random() < 0.3:
            value.append(new)
        elif repeated:
            value[int(rng.integers(len(value)))] = new
        else:
            setattr(message, field.name, new)
    except (ValueError, TypeError):
        message.ClearField(field.name)  # protobuf holds no such number


def _odd_scalar(field, old, rng):
    if isinstance(old, str):
        if field.name == "value" and old.startswith("{") and rng.random() < 0.9:
            return json.dumps(edit_value(json.loads(old), rng))
        return pick(rng, (*WORDS, old + "x", "Add", "LIF", "Reshape"))
    if isinstance(old, bytes):
        return blind(old, rng)
    return pick(rng, FLOATS) if isinstance(old, float) else pick(rng, (*HUGE, old + 1, old - 1))


# --- All -----------------------------------------------------------------------------------

AWARE = {
    "pt": (checkpoint_edit, checkpoint_edit, entry_edit, entry_edit, directory_edit),
    "float": (message_edit, message_edit, message_edit),
    "fixed": (message_edit, message_edit, message_edit),
    "plain": (message_edit, message_edit, message_edit, message_edit),
    "target": (text_edit,),
    "manifest": (text_edit, json_edit),
    "nir": (hdf5_edit, hdf5_edit, hdf5_edit),
    "net": (hdf5_edit, hdf5_edit, hdf5_edit),
}


def mutant(kind, data, rng):
    """A damaged copy of a file, and what was done to it."""
    operators = (*AWARE[kind], blind) if kind in AWARE else (blind,)
    operator = pick(rng, operators)
    if operator is hdf5_edit:
        with tempfile.TemporaryDirectory() as folder:
            return hdf5_edit(data, rng, Path(folder)), operator.__name__
    changed = operator(data, rng)
    for _ in range(int(rng.integers(3)) if operator is blind else 0):
        changed = blind(changed, rng)
    return changed, operator.__name__


def generator(seed, kind, number):
    """Random numbers for one mutant."""
    return np.random.default_rng([seed, *kind.encode(), number])
