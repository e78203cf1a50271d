"""What a pickle calls is looked at before PyTorch puts it into a message."""

import io
import pickle
import struct
import time
import zipfile

import pytest
import torch

from neurocompile.errors import BadInput
from neurocompile.formats.checkpoint.calls import check_calls
from neurocompile.formats.checkpoint.read import load

PROTOCOL = b"\x80\x02"


def text(length):
    return b"X" + struct.pack("<I", length) + b"a" * length


def laughs(depth):
    """A list in a list ..., each eight times: 8**depth lists to print."""
    levels = (
        b"(" + b"h" + bytes([i]) + (b"h" + bytes([i])) * 7 + b"tq" + bytes([i + 1])
        for i in range(depth)
    )
    return b"]q\x00" + b"".join(levels)


@pytest.mark.parametrize(
    ("pickled", "said"),
    [
        (text(300_000) + b")R.", "calls what is not a function"),
        (text(300_000) + b")\x81.", "calls what is not a function"),
        (laughs(12) + b")R.", "calls what is not a function"),
        (b"c" + b"a" * 300_000 + b"\n" + b"b" * 300_000 + b"\n.", "a class of 600001 letters"),
        (b")R.", "is damaged"),
        (b"t.", "is damaged"),
        (b"h\x07.", "is damaged"),
        (b"\xff", "is damaged"),
        (text(10)[:-3], "is damaged"),
    ],
    ids=["text", "object", "laughs", "name", "nothing", "no mark", "memo", "opcode", "cut"],
)
def test_what_is_called_is_a_name_or_it_is_one_sentence_at_once(pickled, said, tmp_path):
    with zipfile.ZipFile(tmp_path / "net.pt", "w") as archive:
        archive.writestr("net/data.pkl", PROTOCOL + pickled)
        archive.writestr("net/version", "3\n")
    begun = time.monotonic()
    with pytest.raises(BadInput, match=f"net.pt' .*{said}"):
        load(tmp_path / "net.pt")
    assert time.monotonic() - begun < 5


class Own:
    """A class of somebody's own."""


@pytest.mark.parametrize("protocol", range(6))
def test_every_pickle_that_python_writes_passes(protocol):
    value = [{"a": (1, 2.5, None, True), "b": [b"x" * 300, {1, 2}, frozenset((3,))]}, Own(), Own]
    check_calls(pickle.dumps([value, value, 1 << 70, -1, range(3)], protocol), "it")


def test_what_torch_writes_passes():
    content = io.BytesIO()
    torch.save({"a": torch.zeros(2), "b": torch.nn.Parameter(torch.ones(1)), "c": [1]}, content)
    with zipfile.ZipFile(content) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("data.pkl"))
        check_calls(archive.read(name), "it")
