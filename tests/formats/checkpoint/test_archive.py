"""PyTorch reads no archive but one that was written from what was checked."""

import io
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from neurocompile.errors import BadInput
from neurocompile.formats.checkpoint import read
from neurocompile.formats.checkpoint.archive import canonical
from neurocompile.formats.checkpoint.read import load
from neurocompile.frontend.save import save
from neurocompile.ir.graph import same

# Of protocol 2: bytearray(5); a tuple that holds the one before it twice, 45 times, as a key
ROOM = b"\x80\x02c__builtin__\nbytearray\nK\x05\x85R."
ENDLESS = b"\x80\x02)q\x00" + b"h\x00h\x00\x86q\x00" * 45 + b"}h\x00Ns."
KILOBYTE = torch.arange(256, dtype=torch.float32)


@pytest.fixture
def good(tmp_path):
    """The entries of a sound checkpoint, by name."""
    model = nn.Sequential(OrderedDict(layer=nn.Linear(3, 2)))
    save(model, tmp_path / "good.pt", torch.zeros(1, 3))
    return entries_of(tmp_path / "good.pt")


def entries_of(source):
    with zipfile.ZipFile(source) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


def archive_of(entries):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return made.getvalue()


def parts(archive):
    """An archive's entries, its list of them and its end record."""
    end = archive.rindex(b"PK\x05\x06")
    length, start = struct.unpack("<II", archive[end + 12 : end + 20])
    return archive[:start], archive[start : start + length], archive[end:]


def two_lists(python_sees, torch_sees):
    """A file in which zipfile and PyTorch each find a list of entries of their own.

    The end record says where the list begins: PyTorch looks there. zipfile looks just before the
    end record, and takes what lies between for bytes that were put before the archive.
    """
    ours, our_list, our_end = parts(python_sees)
    theirs, their_list, _ = parts(torch_sees)
    assert len(our_list) == len(their_list)
    moved, at = bytearray(our_list), 0
    while at < len(moved):  # each place as zipfile counts it, from where the archive would begin
        (offset,) = struct.unpack("<I", moved[at + 42 : at + 46])
        moved[at + 42 : at + 46] = struct.pack("<I", offset + len(theirs) - len(ours))
        at += 46 + sum(struct.unpack("<3H", moved[at + 28 : at + 34]))
    end = our_end[:16] + struct.pack("<I", len(theirs)) + our_end[20:]
    return theirs + their_list + ours + bytes(moved) + end


def refusal(tmp_path, data):
    (tmp_path / "net.pt").write_bytes(data)
    with pytest.raises(BadInput) as caught:
        load(tmp_path / "net.pt")
    return str(caught.value)


@pytest.mark.parametrize("name", ["DATA.PKL", "Data.pkl"])
@pytest.mark.parametrize("pickled", [ROOM, ENDLESS], ids=["room", "endless"])
def test_a_pickle_whose_name_differs_in_case_is_not_read(tmp_path, good, name, pickled):
    del good["archive/data.pkl"]
    words = refusal(tmp_path, archive_of({f"archive/{name}": pickled, **good}))
    assert f"holds the entry 'archive/{name}', which torch.save does not write" in words


def test_what_only_pytorchs_reader_would_see_is_not_read(tmp_path, good):
    longer = ROOM.ljust(1 << 16, b".")  # as this file needs it; nothing after a stop is read
    data = two_lists(archive_of(good), archive_of({**good, "archive/data.pkl": longer}))
    assert torch.load(io.BytesIO(data), weights_only=False) == bytearray(5)  # all that PyTorch sees
    (tmp_path / "net.pt").write_bytes(data)
    assert same(load(tmp_path / "net.pt").graph, load(tmp_path / "good.pt").graph)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("archive/data/1x", "'archive/data/1x', which torch.save does not write"),
        ("archive/data/01", "'archive/data/01', which torch.save does not write"),
        ("archive/VERSION", "'archive/VERSION', which torch.save does not write"),
        ("archive/", "'archive/', which torch.save does not write"),
        ("Archive/data/9", "holds 2 folders, but torch.save writes one"),
        ("data.pkl", "holds 2 folders, but torch.save writes one"),
    ],
)
def test_entries_that_torch_does_not_write_are_refused_by_name(tmp_path, good, name, words):
    assert words in refusal(tmp_path, archive_of({**good, name: b""}))


@pytest.mark.parametrize("name", ["data.pkl", "version", "data/0"])
def test_an_entry_that_is_missing_is_said(tmp_path, good, name):
    del good[f"archive/{name}"]
    assert name in refusal(tmp_path, archive_of(good))


def test_numbers_that_are_not_all_there_are_refused_before_pytorch_reads(tmp_path, good):
    good["archive/data/0"] = good["archive/data/0"][:-4]  # 2 x 3 weights of 4 bytes
    words = refusal(tmp_path, archive_of(good))
    assert "a tensor in it has 24 bytes, but its entry 'data/0' holds 20" in words


@pytest.mark.parametrize("count", [2**31 - 1, -1])
def test_a_count_that_its_entry_has_not_is_refused_before_pytorch_makes_room(count):
    content = io.BytesIO()
    torch.save({"w": KILOBYTE}, content)
    entries = entries_of(content)
    pickled = entries["archive/data.pkl"]
    assert pickled.count(b"M\x00\x01tq") == 1  # 256, the end of a tuple, its place in the memo
    entries["archive/data.pkl"] = pickled.replace(
        b"M\x00\x01tq", b"J" + struct.pack("<i", count) + b"tq"
    )
    words = rf"a tensor in it has {4 * count} bytes, but its entry 'data/0' holds 1024"
    with pytest.raises(BadInput, match=words):
        canonical(io.BytesIO(archive_of(entries)), "it")


@pytest.mark.parametrize("kept", [(), ("byteorder",)])
def test_files_of_older_versions_of_torch_are_read(tmp_path, good, kept):
    """Before 2.1 there are three kinds of entry, before 1.8 storages are named by addresses."""
    old = {
        name.replace("archive", "net"): data
        for name, data in good.items()
        if name.partition("/")[2].startswith(("data", "version", *kept))
    }
    numbers = [name for name in old if name.startswith("net/data/")]
    for name in numbers:
        key = name.rpartition("/")[2]
        long = f"9482{int(key):09}"
        old[f"net/data/{long}"] = old.pop(name)
        old["net/data.pkl"] = old["net/data.pkl"].replace(
            b"X" + struct.pack("<I", len(key)) + key.encode() + b"q",
            b"X" + struct.pack("<I", len(long)) + long.encode() + b"q",
        )
    (tmp_path / "old.pt").write_bytes(archive_of(old))
    assert len(numbers) >= 2
    assert same(load(tmp_path / "old.pt").graph, load(tmp_path / "good.pt").graph)


def test_every_type_of_number_arrives_as_it_was_written():
    given = {
        str(dtype): torch.arange(5).to(dtype)
        for dtype in (
            *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64),
            *(torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
            *(torch.complex64, torch.complex128),
        )
    }
    content = io.BytesIO()
    torch.save({**given, "part": KILOBYTE[3:9:2]}, content)
    found = torch.load(canonical(content, "it"), weights_only=True)
    assert found.pop("part").tolist() == [3, 5, 7]
    assert {name: t.dtype for name, t in found.items()} == {n: t.dtype for n, t in given.items()}
    assert all(torch.equal(found[name], given[name]) for name in given)


def test_a_file_that_is_overwritten_after_its_check_is_read_as_it_was_checked(
    tmp_path, monkeypatch
):
    path = tmp_path / "net.pt"
    graph = save(nn.Sequential(nn.Linear(99, 99)), path, torch.zeros(1, 99))  # over a buffer long

    def swapped(file, what):
        made = canonical(file, what)
        path.write_bytes(bytes(path.stat().st_size))
        return made

    monkeypatch.setattr(read, "canonical", swapped)
    assert same(load(path).graph, graph)


def test_the_copy_takes_no_more_than_the_file(tmp_path):
    import tracemalloc

    weights = torch.zeros(1 << 22)  # 16 MiB
    torch.save({"w": weights}, tmp_path / "big.pt")
    with (tmp_path / "big.pt").open("rb") as file:
        tracemalloc.start()
        made = canonical(file, "it")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert made.getbuffer().nbytes < (16 << 20) + 10_000
    assert most < 1.25 * (16 << 20) + (4 << 20)  # what BytesIO keeps to grow into, and a piece


NETWORK = nn.Sequential(nn.Linear(3, 2, bias=False))


def cured(message, folder, old, monkeypatch):
    """Run the lines that a message gives, as a user would who has the file and the model."""
    lines = [line[4:] for line in message.splitlines() if line.startswith("    ")]
    code = "\n".join(line for line in lines if not line.startswith("torch.save("))
    code = code.replace("old.pt", old.name).replace("model = ...", "model = made()")
    monkeypatch.chdir(folder)
    network = nn.Sequential(nn.Linear(3, 2, bias=False))
    exec(code, {"made": lambda: network, "example_input": torch.zeros(1, 3), "torch": torch})
    return load(folder / "model.pt").graph


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # as users have such files
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("script", "is TorchScript, which torch.jit.save wrote"),
        ("export", "is a program that torch.export.save wrote"),
        ("legacy", "is in the format that torch.save had before PyTorch 1.6"),
    ],
)
def test_other_files_of_torch_are_named_and_the_cure_works(tmp_path, monkeypatch, kind, said):
    old = tmp_path / "theirs.pt"
    match kind:
        case "script":
            torch.jit.save(torch.jit.script(NETWORK), old)
        case "export":
            with old.open("wb") as file:
                torch.export.save(torch.export.export(NETWORK, (torch.zeros(1, 3),)), file)
        case "legacy":
            torch.save(NETWORK.state_dict(), old, _use_new_zipfile_serialization=False)
    message = refusal(tmp_path, old.read_bytes())
    assert said in message
    assert len(message) - len(str(tmp_path)) < 700
    weight = cured(message, tmp_path, old, monkeypatch).nodes["0"].weight
    assert np.array_equal(weight, NETWORK[0].weight.detach().numpy())


def test_a_checkpoint_in_the_legacy_format_needs_only_to_be_saved_again(tmp_path, good):
    content = torch.load(tmp_path / "good.pt", weights_only=True)
    torch.save(content, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    message = refusal(tmp_path, (tmp_path / "old.pt").read_bytes())
    assert 'torch.save(torch.load("old.pt", weights_only=True), "new.pt")' in message
    torch.save(torch.load(tmp_path / "old.pt", weights_only=True), tmp_path / "new.pt")
    assert same(load(tmp_path / "new.pt").graph, load(tmp_path / "good.pt").graph)


def test_a_pickled_module_is_refused_with_the_name_of_its_class(tmp_path):
    torch.save(NETWORK, tmp_path / "module.pt")
    words = refusal(tmp_path, (tmp_path / "module.pt").read_bytes())
    assert "an object of the class torch.nn.modules.container.Sequential" in words
    assert "neurocompile.save(model" in words
