"""Damage to the archives of torch.save: their content, their entries, their directory.

In:  the bytes of a sound file, random numbers.
Out: the bytes of another one, whose checksums hold where its directory is sound.
"""

import io
import struct
import zipfile

import torch
from fuzz.mutations_text import HUGE, blind, edit_value, odd_value, pick


def _odd_leaf(rng, old):
    """An odd tensor for a tensor, or anything else."""
    if isinstance(old, torch.Tensor) and rng.random() < 0.7:
        return odd_tensor(rng, old)
    return odd_value(rng, old)


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


def checkpoint_edit(data, rng):
    """Sound archives with another content."""
    content = torch.load(io.BytesIO(data), weights_only=True)
    stream = io.BytesIO()
    torch.save(edit_value(content, rng, _odd_leaf), stream)
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
