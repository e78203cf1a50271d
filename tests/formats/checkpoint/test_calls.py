"""What a pickle calls is looked at before PyTorch puts it into a message."""

import io
import pickle
import struct
import time
import zipfile
from pickle import UnpicklingError

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


def name(of):
    return b"c" + of.encode().replace(b" ", b"\n") + b"\n"


def number(value):
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


# A tuple that holds the one before it twice, 45 times: as a key it is hashed 2**45 times
NESTED = b")q\x00" + b"h\x00h\x00\x86q\x00" * 45
# Whole numbers of one hash, which a dict compares with each other
ALIKE = b"".join(number((2**61 - 1) * k) + b"N" for k in range(1, 40_000))
OBJECTS = "holds pickled Python objects, which could run code"


@pytest.mark.parametrize(
    ("pickled", "said"),
    [
        (text(300_000) + b")R.", f"{OBJECTS}: a call of what is not a function"),
        (text(300_000) + b")\x81.", f"{OBJECTS}: the opcode NEWOBJ"),
        (laughs(12) + b")R.", f"{OBJECTS}: a call of what is not a function"),
        (laughs(12) + b"\x85Q.", f"{OBJECTS}: a reference to something else than numbers"),
        (b"c" + b"a" * 300_000 + b"\n" + b"b" * 300_000 + b"\n.", "a class of 600001 letters"),
        (b"}" + NESTED + b"h\x00K\x01s.", "a key of a dict that is neither a text nor a small"),
        (b"}(" + ALIKE + b"u.", "a key of a dict that is neither a text nor a small number"),
        (name("collections OrderedDict") + b")R" + NESTED + b"K\x01\x86\x85b.", "with a state"),
        (
            NESTED + name("collections OrderedDict") + b"h\x00\x85R.",
            f"{OBJECTS}: a call of collections",
        ),
        (NESTED + name("builtins set") + b"]h\x00a\x85R.", f"{OBJECTS}: a call of builtins.set"),
        (
            name("builtins bytearray") + number(6 * 10**9) + b"\x85R.",
            "a call of builtins.bytearray",
        ),
        (name("_codecs encode") + text(8) + text(3) + b"\x86R.", "a call of _codecs.encode"),
        (name("torch Tensor") + number(2**18) * 2 + b"\x86R.", "a call of torch.Tensor"),
        (b"N" * (1 << 22) + b".", "describes its tensors in 4194307 bytes, over 4194304"),
        (b")R.", "is damaged"),
        (b"t.", "is damaged"),
        (b"h\x07.", "is damaged"),
        (b"\xff", "is damaged"),
        (text(10)[:-3], "is damaged"),
    ],
)
def test_what_a_file_of_tensors_does_not_need_is_one_sentence_at_once(pickled, said, tmp_path):
    with zipfile.ZipFile(tmp_path / "net.pt", "w") as archive:
        archive.writestr("net/data.pkl", PROTOCOL + pickled)
        archive.writestr("net/version", "3\n")
    begun = time.monotonic()
    with pytest.raises(BadInput, match=f"net.pt' .*{said}"):
        load(tmp_path / "net.pt")
    assert time.monotonic() - begun < 5


def test_a_pickle_of_as_many_opcodes_as_it_may_have_is_refused_in_time(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.pt", "w") as archive:
        archive.writestr("net/data.pkl", PROTOCOL + b"(" * 2_000_000 + b"t" * 2_000_000 + b".")
        archive.writestr("net/version", "3\n")
    begun = time.process_time()
    with pytest.raises(BadInput, match=r"net\.pt'"):
        load(tmp_path / "net.pt")
    assert time.process_time() - begun < 10


def test_a_tensor_that_is_not_dense_is_refused(tmp_path):
    torch.save({"w": torch.zeros(3).to_sparse()}, tmp_path / "net.pt")
    with pytest.raises(BadInput, match=r"a call of torch\.serialization\._get_layout"):
        load(tmp_path / "net.pt")


class Own:
    """A class of somebody's own."""


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", [Own(), {3.5: 1}, {1, 2}, b"x" * 300, range(3)])
def test_whatever_else_python_pickles_is_refused_and_said(value, protocol):
    with pytest.raises(UnpicklingError, match=r"a call of |the opcode |an? (key|object) of "):
        check_calls(pickle.dumps([value, value], protocol), "it")


def test_plain_values_pass_as_torch_pickles_them():
    value = {"a": (1, 2.5, None, True), "b": [{}, ["x" * 300, ()], (1,)], 3: [1 << 70, -1]}
    check_calls(pickle.dumps([value, value, (1, 2, 3, 4)], 2), "it")


def test_what_torch_writes_passes():
    """Shared storages, parameters, buffers, views, a state dict with its metadata, an optimizer."""
    weight = torch.nn.Parameter(torch.ones(4, 3))
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.zeros(2, 1, 5, 5)).sum().backward()
    optimizer.step()
    everything = {
        "same": [weight, weight.detach()[1:, ::2], torch.zeros((), dtype=torch.int64)],
        "state": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "type": torch.float16,
    }
    content = io.BytesIO()
    torch.save(everything, content)
    with zipfile.ZipFile(content) as archive:
        (entry,) = (n for n in archive.namelist() if n.endswith("data.pkl"))
        check_calls(archive.read(entry), "it")
    content.seek(0)
    assert len(torch.load(content, weights_only=True)["same"]) == 3
