"""A folder of files is one data set: the same samples, in parts, and refused where one is wrong."""

import gzip
import io
import json
import os
import pickle
import shutil

import h5py
import numpy as np
import pytest
import shard_files
import zarr
from shard_files import CUTS, samples, write

from neurocompile import installed
from neurocompile.data.samples import load_data, load_training_data
from neurocompile.data.shards import rows as rows_of_shards
from neurocompile.data.shards import shard
from neurocompile.errors import BadInput, NotInstalled

FORMATS = ("npz", "hdf5", "zarr2", "zarr3", "idx")


@pytest.mark.parametrize("name", FORMATS)
def test_shards_hold_the_samples_of_one_file_and_have_its_digest(name, tmp_path):
    x, labels = samples()
    if name == "idx":
        x = np.rint(x * 255).astype(np.float32) / np.float32(255)
    np.savez(tmp_path / "one.npz", x=x, labels=labels)
    one = load_data(str(tmp_path / "one.npz"))
    data = load_data(write(tmp_path / "many", getattr(shard_files, name), x, labels))
    assert (data.kind, len(data), data.values.shape) == ("x", 137, x.shape)
    for first, last in ((0, 50), (5, 133), (60, 61), (136, 137), (137, 137)):
        np.testing.assert_array_equal(data.values[first:last], one.values[first:last])
        np.testing.assert_array_equal(data.labels[first:last], one.labels[first:last])
    assert data.digest == one.digest
    assert data.exactly(20).digest == one.first(20).digest
    np.testing.assert_array_equal(np.asarray(data.first(99).values), one.values[:99])


def test_a_plain_array_has_no_labels_and_one_file_is_a_folder_too(tmp_path):
    x, labels = samples()
    data = load_data(write(tmp_path / "many", shard_files.npy, x, labels))
    assert data.labels is None
    np.testing.assert_array_equal(data.values[3:120], x[3:120])
    alone = load_data(f"shards:{tmp_path / 'many' / 'part-2.npy'}")
    np.testing.assert_array_equal(alone.values[:], x[CUTS[2] : CUTS[3]])
    assert load_training_data(alone.name) is None


def test_only_a_block_is_in_memory_and_another_process_reads_for_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(shard, "BLOCK_BYTES", 5 * 64)  # rows of 64 bytes
    x, labels = samples()
    data = load_data(write(tmp_path / "many", shard_files.npy, x, labels))
    read = []
    monkeypatch.setattr(np, "fromfile", lambda *a, of=np.fromfile: read.append(a[2]) or of(*a))
    np.testing.assert_array_equal(data.values[0:137], x)
    assert max(read) <= 5 * 16
    monkeypatch.chdir(tmp_path)
    again = pickle.loads(pickle.dumps(load_data("shards:many").values))
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(again[20:30], x[20:30])
    assert len(pickle.dumps(again)) < x.nbytes


def test_the_digest_is_read_when_it_is_asked_for_and_once(tmp_path, monkeypatch):
    data = load_data(write(tmp_path / "many", shard_files.npy, *samples()))
    read = []
    monkeypatch.setattr(np, "fromfile", lambda *a, of=np.fromfile: read.append(a[2]) or of(*a))
    said = []
    assert (len(data), data.first(3).name, repr(data)[:4], read) == (137, data.name, "Data", [])
    assert data.digested(lambda *words: said.append(words)) is data
    assert (said[-1], sum(read)) == (("reading", 137, 137), 137 * 16)
    assert data.digest == pickle.loads(pickle.dumps(data)).digest
    assert sum(read) == 137 * 16


def test_what_needs_all_samples_at_once_is_bounded(tmp_path, monkeypatch):
    data = load_data(write(tmp_path / "many", shard_files.npz, *samples()))
    monkeypatch.setattr(rows_of_shards, "HELD_BYTES", 100)
    with pytest.raises(BadInput, match=r"needs all 137 samples at once.*Ask for fewer"):
        data.held()
    monkeypatch.undo()
    assert data.held().digest == data.digest
    assert not data.held().in_shards


def npy_bytes(array, **kept):
    """A file of numpy's, with its header changed."""
    content = io.BytesIO()
    np.save(content, array)
    data = content.getvalue()
    for old, new in kept.items():
        data = data.replace(old.encode(), new.encode())
    return data


X, LABELS = samples(5)
ROWS = {"x": X, "labels": LABELS}


def saved(name, **arrays):
    return lambda folder: np.savez(folder / name, **arrays)


def edited(make, name, edit):
    """Write a shard, then change its bytes."""

    def damage(folder):
        make(folder / "part-7", X, LABELS)
        path = folder / name
        path.write_bytes(edit(path.read_bytes()))

    return damage


def flipped(content):
    """A byte in the middle has other bits."""
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


def cut_off(content):
    return content[: len(content) // 2]


def plain_npz(path, x, labels):
    np.savez(path.with_suffix(".npz"), x=x, labels=labels)


def linked(folder):
    with h5py.File(folder / "part-7.h5", "w") as file:
        file["x"] = h5py.ExternalLink("part-0.h5", "x")


def kept_elsewhere(folder):
    with h5py.File(folder / "part-7.h5", "w") as file:
        outside = [(str(folder / "secret"), 0, X.nbytes)]
        file.create_dataset("x", X.shape, X.dtype, external=outside)


def filtering(codec):
    """A zarr array that is read through one more codec."""

    def make(folder):
        shard_files.zarr2(folder / "part-7", X, LABELS)
        file = folder / "part-7.zarr" / "x" / ".zarray"
        described = json.loads(file.read_text())
        assert described["filters"] is None
        file.write_text(json.dumps({**described, "filters": [codec]}))

    return make


def without_rows(folder):
    """A zarr array whose chunks have no rows."""
    shard_files.zarr2(folder / "part-7", X, LABELS)
    file = folder / "part-7.zarr" / "x" / ".zarray"
    described = json.loads(file.read_text())
    file.write_text(json.dumps({**described, "chunks": [0, *described["chunks"][1:]]}))


def torn_chunk(folder):
    shard_files.zarr3(folder / "part-7", X, LABELS)
    chunk = folder / "part-7.zarr" / "x" / "c" / "0" / "0" / "0" / "0"
    chunk.write_bytes(cut_off(chunk.read_bytes()))


def half_a_header(folder):
    shard_files.idx(folder / "part-7", X, LABELS)
    path = folder / "part-7-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:8]))


def odd_images(folder):
    shard_files.idx(folder / "part-7", X, LABELS)
    path = folder / "part-7-images-idx3-ubyte.gz"
    with gzip.open(path, "wb") as stream:
        stream.write(b"\x00\x00\x08\x01" + bytes(20))


WRONG = {
    "another shape": ("npz", saved("part-7.npz", x=X[:, :, :3], labels=LABELS), "samples of the"),
    "another type": ("npz", saved("part-7.npz", x=X.astype(float), labels=LABELS), "of the type"),
    "another key": ("npz", saved("part-7.npz", spikes=X > 0, labels=LABELS), "the key spikes"),
    "no labels": ("npz", saved("part-7.npz", x=X), "no labels"),
    "few labels": ("npz", saved("part-7.npz", x=X, labels=LABELS[:3]), "one per sample"),
    "no samples": ("npz", saved("part-7.npz", x=X[:0], labels=LABELS[:0]), "at least one sample"),
    "two keys": ("npz", saved("part-7.npz", **ROWS, spikes=X), "needs one of x"),
    "pickles": ("npz", saved("part-7.npz", x=np.array([{}]), labels=LABELS), "pickled objects"),
    "NaN": ("npz", saved("part-7.npz", x=X * np.float32("nan"), labels=LABELS), "holds nan"),
    "other bits": ("npz", edited(plain_npz, "part-7.npz", flipped), "cannot be read"),
    "half a zip": ("npz", edited(shard_files.npz, "part-7.npz", cut_off), "cannot be read"),
    "a stray file": ("npz", lambda folder: (folder / "part-7.txt").touch(), "is no shard"),
    "a pipe": ("npz", lambda folder: os.mkfifo(folder / "part-7.npz"), "is a pipe"),
    "half an array": ("npy", edited(shard_files.npy, "part-7.npy", cut_off), "but the file holds"),
    "a lie of size": (
        "npy",
        lambda folder: (folder / "part-7.npy").write_bytes(npy_bytes(X, **{"(5, 1": "(9, 1"})),
        "declares 576 bytes of shape",
    ),
    "columns first": (
        "npy", lambda folder: np.save(folder / "part-7.npy", np.asfortranarray(X)), "Fortran order",
    ),
    "half a HDF5": ("hdf5", edited(shard_files.hdf5, "part-7.h5", cut_off), "cannot be read"),
    "a link": ("hdf5", linked, "is a link"),
    "another file": ("hdf5", kept_elsewhere, "in another file"),
    "pickles in zarr": ("zarr2", filtering({"id": "pickle", "protocol": 5}), "cannot be read"),
    "an odd codec": ("zarr2", filtering({"id": "delta", "dtype": "<f4"}), "packed with delta"),
    "chunks of nothing": ("zarr2", without_rows, "a chunk of x has no rows"),
    "half a chunk": ("zarr3", torn_chunk, "cannot be read"),
    "half a header": ("idx", half_a_header, "ends in its header, after 8 of 16 bytes"),
    "no zarr": ("zarr3", lambda folder: (folder / "part-7.zarr").mkdir(), "cannot be read"),
    "other images": ("idx", odd_images, "starts with 0x00000801"),
    "half a gzip": (
        "idx", edited(shard_files.idx, "part-7-images-idx3-ubyte.gz", cut_off), "cannot be read",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Folders without a fault, made when they are asked for."""
    made = {}

    def of(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp("good") / name
            write(made[name], getattr(shard_files, name), *samples())
        return made[name]

    return of


@pytest.mark.parametrize("fault", WRONG)
def test_a_poisoned_shard_is_named(fault, good, tmp_path):
    name, spoil, words = WRONG[fault]
    shutil.copytree(good(name), tmp_path / "many")
    spoil(tmp_path / "many")
    with pytest.raises(BadInput, match=rf"part-7[\w.-]*.*{words}"):
        load_data(f"shards:{tmp_path / 'many'}").digested()


def test_a_shard_that_changes_while_it_is_run_is_named(good, tmp_path):
    shutil.copytree(good("npz"), tmp_path / "many")
    data = load_data(f"shards:{tmp_path / 'many'}")
    np.savez(tmp_path / "many" / "part-6.npz", x=X[:2], labels=LABELS[:2])
    assert len(data.values[:100]) == 100
    with pytest.raises(BadInput, match=r"part-6\.npz: was changed after the run began"):
        data.values[100:]


def test_more_than_a_block_is_refused_before_it_is_read(good, monkeypatch):
    monkeypatch.setattr(shard, "WHOLE_BYTES", 1000)
    with pytest.raises(BadInput, match=r"part-2\.npz: x has 49 rows of 64 bytes, .*only be"):
        load_data(f"shards:{good('npz')}")


@pytest.mark.parametrize("suffix", ["h5", "zarr"])
def test_a_chunk_of_more_than_256_mib_is_refused_before_it_is_read(suffix, tmp_path):
    path = tmp_path / f"one.{suffix}"
    declared(path, shape=(2, 1, 8192, 8192), chunks=(2, 1, 8192, 8192))
    with pytest.raises(BadInput, match=rf"one\.{suffix}: a chunk of x has 2 rows of 268435456 byt"):
        load_data(f"shards:{path}")


@pytest.mark.parametrize("suffix", ["h5", "zarr"])
def test_chunks_of_single_numbers_are_read_a_few_thousand_at_a_time(suffix, tmp_path):
    path = tmp_path / f"one.{suffix}"
    declared(path, shape=(1 << 20, 1, 28, 28), chunks=(1, 1, 1, 1))
    values = load_data(f"shards:{path}").values
    assert [field.at_once for field in (values.shards[0].values,)] == [8192 // 784]
    np.testing.assert_array_equal(values[5:6], np.zeros((1, 1, 28, 28)))
    declared(tmp_path / f"two.{suffix}", shape=(9, 1, 128, 65), chunks=(1, 1, 1, 1))
    with pytest.raises(
        BadInput, match=rf"two\.{suffix}: rows of x are in 8320 chunks each, and at mo"
    ):
        load_data(f"shards:{tmp_path / f'two.{suffix}'}")


@pytest.mark.parametrize("name", ["zarr.json", "x/zarr.json", "x/c/0/0/0/0"])
def test_a_pipe_inside_of_a_zarr_group_is_not_waited_for(name, tmp_path):
    x, labels = samples(3)
    shard_files.zarr3(tmp_path / "one", x, labels)
    (tmp_path / "one.zarr" / name).unlink()
    os.mkfifo(tmp_path / "one.zarr" / name)
    with pytest.raises(BadInput, match=r"one\.zarr: cannot be read \(.* is a pipe"):
        load_data(f"shards:{tmp_path / 'one.zarr'}").values[:1]


@pytest.mark.parametrize(("inner", "said"), [((1, 1, 8, 8), "16384 chunks"), (None, "shards in")])
def test_chunks_inside_of_chunks_of_zarr_are_counted_and_no_deeper(inner, said, tmp_path):
    path = tmp_path / "one.zarr"
    declared(path, (1 << 14, 1, 8, 8), inner or (1 << 14, 1, 8, 8), shards=(1 << 14, 1, 8, 8))
    if inner is None:
        text = json.loads((path / "x" / "zarr.json").read_text())
        (outer,) = text["codecs"]
        outer["configuration"]["codecs"] = [outer | {"configuration": dict(outer["configuration"])}]
        (path / "x" / "zarr.json").write_text(json.dumps(text))
    with pytest.raises(BadInput, match=rf"one\.zarr: .*{said}"):
        load_data(f"shards:{path}")


def declared(path, shape, chunks, **options):
    """A file with an array x of zeros, none of which takes room."""
    if path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("x", shape, "f4", chunks=chunks)
    else:
        zarr.open_group(path, mode="w").create_array(
            "x", shape=shape, dtype="f4", chunks=chunks, **options
        )


def test_a_folder_without_shards_and_labels_without_images_are_refused(tmp_path):
    with pytest.raises(BadInput, match="holds no shards"):
        load_data(f"shards:{tmp_path}")
    with pytest.raises(BadInput, match="missing: cannot be read"):
        load_data(f"shards:{tmp_path / 'missing'}")
    (tmp_path / ".hidden").touch()
    (tmp_path / "a-labels-idx1-ubyte").touch()
    with pytest.raises(BadInput, match="a-labels-idx1-ubyte: has labels without images"):
        load_data(f"shards:{tmp_path}")


def test_labels_are_found_whatever_stands_before_the_end_of_a_name(tmp_path):
    x, labels = samples(3)
    shard_files.idx(tmp_path / "images-of-idx3", x, labels)
    assert load_data(f"shards:{tmp_path}").labels[:].tolist() == labels.tolist()


def test_a_folder_of_which_no_system_says_whether_it_is_there_is_refused():
    for name in ("a\0b", "a" * 5000):
        with pytest.raises(BadInput, match="Give another path"):
            load_data(f"shards:{name}")


def test_without_zarr_the_command_that_installs_it_is_named(good, monkeypatch):
    monkeypatch.setattr(installed, "installed", lambda name: None if name == "zarr" else "1")
    with pytest.raises(NotInstalled, match=r"zarr, not installed.*doctor --install sweep"):
        load_data(f"shards:{good('zarr3')}")


def test_chunks_that_zarr_groups_in_shards_of_its_own_are_read(tmp_path):
    x, _ = samples(30)
    group = zarr.open_group(tmp_path / "one.zarr", mode="w")
    made = group.create_array("x", shape=x.shape, dtype=x.dtype, chunks=(5, 1, 4, 4),
                              shards=(10, 1, 4, 4), filters=[])  # fmt: skip
    made[:] = x
    np.testing.assert_array_equal(
        load_data(f"shards:{tmp_path / 'one.zarr'}").values[7:23], x[7:23]
    )
