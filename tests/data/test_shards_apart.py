"""HDF5 and zarr are read in a process of their own, whatever becomes of it."""

import os
import resource
import signal
import subprocess
import sys
import time
import zlib

import h5py
import numpy as np
import psutil
import pytest
import shard_files
import zarr
from shard_files import samples, write

from neurocompile import installed
from neurocompile.data.samples import load_data
from neurocompile.data.shards import apart
from neurocompile.errors import BadInput, NotInstalled

GIB = 1 << 30


def bomb(path, unpacked=4 * GIB):
    """A shard of one chunk of 64 numbers, whose few megabytes unpack to gigabytes."""
    pack = zlib.compressobj(9, wbits=31 if path.suffix == ".zarr" else 15)
    begin = pack.compress(b"\0") + pack.flush(zlib.Z_FULL_FLUSH)
    part = pack.compress(bytes(1 << 24)) + pack.flush(zlib.Z_FULL_FLUSH)  # as often as one likes
    packed = begin + part * (unpacked >> 24)
    if path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            made = file.create_dataset("x", (4, 16), "f4", chunks=(4, 16), compression="gzip")
            made.id.write_direct_chunk((0, 0), packed)
        return
    codec = zarr.codecs.GzipCodec()
    group = zarr.open_group(path, mode="w", zarr_format=3)
    group.create_array("x", shape=(4, 16), chunks=(4, 16), dtype="f4", compressors=codec)[:] = 1
    (chunk,) = (path / "x" / "c").rglob("0/0")
    chunk.write_bytes(packed)


def reader():
    """The process that waits for the next request."""
    (found,) = apart._READERS
    return found.process


@pytest.mark.parametrize("suffix", ["h5", "zarr"])
def test_a_chunk_that_unpacks_to_gigabytes_is_refused_by_name(suffix, tmp_path):
    bomb(tmp_path / f"one.{suffix}")
    data = load_data(f"shards:{tmp_path / f'one.{suffix}'}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadInput, match=rf"one\.{suffix}: c.*be read"):
        data.values[:1]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10  # KiB
    assert load_data(write(tmp_path / "good", shard_files.hdf5, *samples())).values[:2].any()


def test_a_reader_that_is_killed_is_a_sentence_and_the_next_one_reads_on(tmp_path):
    x, labels = samples()
    data = load_data(write(tmp_path / "many", shard_files.hdf5, x, labels))
    first = reader()
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    with pytest.raises(BadInput, match=r"part-0\.h5: could not be read: HDF5's reader crashed"):
        data.values[:5]
    np.testing.assert_array_equal(data.values[:50], x[:50])
    assert reader().pid != first.pid


def test_a_reader_that_is_asked_by_an_interrupted_process_is_ended(tmp_path, monkeypatch):
    x, labels = samples()
    data = load_data(write(tmp_path / "many", shard_files.hdf5, x, labels))
    first = reader()

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(apart._Reader, "_fill", interrupted)
        with pytest.raises(KeyboardInterrupt):
            data.values[:5]
    assert (first.poll(), apart._READERS) == (-signal.SIGKILL, [])
    np.testing.assert_array_equal(data.values[:50], x[:50])  # no answer of before


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\xff" * 8,
        b"{}",
        b'{"fields": {"x": [[1], "<f4", 1, 0]}}',
        b'{"shape": [1], "dtype": "|O"}',
        b'{"shape": [1], "dtype": "|S9"}',
        b'{"shape": [1], "dtype": "<z3"}',
        b'{"shape": [1073741824], "dtype": "<f4"}',
        b'{"shape": [-1], "dtype": "<f4"}',
        b'{"shape": [5], "dtype": "<f4"}',
    ],
)
def test_what_a_taken_over_reader_may_say_takes_no_memory_and_is_a_sentence(said, tmp_path):
    words = len(said).to_bytes(8, "little") + said if said.startswith(b"{") else said
    program = f"import sys; sys.stdin.readline(); sys.stdout.buffer.write({words!r})"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apart, "_READERS", [])
        patch.setattr(apart, "COMMAND", (sys.executable, "-c", program))
        with pytest.raises(BadInput, match=r"x\.h5: could not be read"):
            apart._asked("HDF5", tmp_path / "x.h5", None if b"fields" in said else "x", (0, 1))
        assert apart._READERS == []


def test_a_forked_process_asks_a_reader_of_its_own(tmp_path):
    x, labels = samples()
    data = load_data(write(tmp_path / "many", shard_files.hdf5, x, labels))
    ours = reader().pid
    child = os.fork()
    if not child:
        try:
            code = 1
            same = np.array_equal(data.values[:50], x[:50])
            code = 0 if same and reader().pid != ours else 2
            apart._end()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert reader().pid == ours
    np.testing.assert_array_equal(data.values[40:137], x[40:137])


def test_no_reader_outlives_what_asks_it_even_if_that_is_killed(tmp_path):
    write(tmp_path / "many", shard_files.hdf5, *samples())
    program = (
        "import os, signal\nfrom neurocompile.data.samples import load_data\n"
        "from neurocompile.data.shards import apart\n"
        f"load_data({f'shards:{tmp_path}/many'!r}).values[:3]\n"
        "print(apart._READERS[0].process.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False,
                          text=True, env=installed.child_environment())  # fmt: skip
    deadline = time.monotonic() + 15
    while psutil.pid_exists(pid := int(done.stdout)):
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            break
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_where_no_process_can_be_limited_hdf5_and_zarr_are_no_shards(tmp_path, monkeypatch):
    write(tmp_path / "many", shard_files.hdf5, *samples())
    monkeypatch.setattr(installed, "_has", lambda name: name != "resource")
    with pytest.raises(NotInstalled, match="shards HDF5 needs resource, which Python does not"):
        load_data(f"shards:{tmp_path / 'many'}")
