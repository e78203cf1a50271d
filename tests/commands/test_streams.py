"""`neurocompile simulate --stream`: a recording of any length through one network."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest
from click.testing import CliRunner

from neurocompile.cli import main
from neurocompile.compiler import compile_graph
from neurocompile.data.sampling import Sampling
from neurocompile.engines.stream import Stream
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.neurons import LIBox, LIFBox
from neurocompile.ir.nodes import Input, Linear
from neurocompile.ir.settings import Decoder, Encoder, Settings


def network(encoder="spikes", decoder="last", task="none"):
    rng = np.random.default_rng(5)
    nodes = {
        "in": Input((9,)),
        "w": Linear(rng.normal(size=(12, 9))),
        "lif": LIFBox(*(np.float64(x) for x in (10.0, 0.0, 0.3, 0.0))),
        "v": Linear(rng.normal(size=(9, 12))),
        "out": LIBox(np.float64(10.0), np.float64(0.0)),
    }
    settings = Settings(
        dt=1 / 64, steps=5, encoder=Encoder(encoder), decoder=Decoder(decoder, task=task)
    )
    return chain(nodes, settings)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Directories of two networks: rows are steps, rows are samples."""
    made = {}
    for encoder, task in (("spikes", "none"), ("current", "reconstruction")):
        out = tmp_path_factory.mktemp("stream") / encoder
        graph: Graph = network(encoder, task=task)
        compile_graph(graph, "loihi-sim", sampling=Sampling(None)).export(out)
        made[encoder] = out
    return made


def rows(encoder, count=600):
    rng = np.random.default_rng(8)
    if encoder == "spikes":
        return (rng.random((count, 9)) < 0.4).astype(np.uint8)
    return rng.random((count, 9)).astype(np.float32)


def npy(values):
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def streamed(*arguments, stdin=None, code=0):
    """What `simulate` prints as JSON."""
    given = [str(a) for a in ("simulate", *arguments, "--json")]
    done = CliRunner().invoke(main, given, input=stdin)
    assert done.exit_code == code, done.output
    return json.loads(done.stdout) if code == 0 else done.stderr


def expected(encoder, values, **options):
    """The same by the class itself."""
    stream = Stream(compile_graph(network(encoder), "loihi-sim").fixed_graph, **options)
    return stream, stream.push(values)


def test_rows_come_from_a_file_or_a_pipe_and_results_are_kept(exported, tmp_path):
    values = rows("spikes")
    np.save(tmp_path / "rows.npy", values)
    _, piece = expected("spikes", values)
    file, pipe = (tmp_path / name for name in ("file.npy", "pipe.npy"))
    done = streamed(exported["spikes"], "--stream", "--data", tmp_path / "rows.npy",
                    "--results", file)  # fmt: skip
    streamed(exported["spikes"], "--data", "-", "--results", pipe, stdin=npy(values))
    np.testing.assert_array_equal(np.load(file), piece.potentials)
    assert file.read_bytes() == pipe.read_bytes()
    assert (done["rows"], done["steps"], done["began_at_step"]) == (600, 600, 0)
    assert done["dt_s"] == 1 / 64
    assert done["energy_per_step"]["nominal_j"] * 64 == pytest.approx(done["power_w"]["nominal_j"])


def test_pieces_with_a_state_say_what_one_stream_says(exported, tmp_path):
    for encoder in ("spikes", "current"):
        values, state, kept = rows(encoder, 90), tmp_path / f"{encoder}.npz", []
        stream, piece = expected(encoder, values)
        for part in (values[:1], values[1:50], values[50:]):
            at = tmp_path / "part.npy"
            streamed(exported[encoder], "--data", "-", "--state", state, "--results", at,
                     "--force", stdin=npy(part))  # fmt: skip
            kept.append(np.load(at))
        says = piece.potentials if encoder == "spikes" else piece.results
        np.testing.assert_array_equal(np.concatenate(kept), says)
        last = streamed(exported[encoder], "--data", "-", "--state", state, stdin=npy(values[:1]))
        assert last["began_at_step"] == stream.steps == len(values) * stream.sample_steps


def test_the_joules_of_a_stream_are_those_of_one_long_sample(exported):
    values = rows("spikes", 300)
    done = streamed(exported["spikes"], "--data", "-", stdin=npy(values))
    compiled = compile_graph(network("spikes"), "loihi-sim")
    stream = compiled.stream()
    stream.push(values)
    from neurocompile.data.samples import Data

    data = Data("one", "spikes", values[None].astype(np.float32))
    whole = compiled.run(Sampling(data, steps=300))
    assert compiled.energy_of(stream).total == whole.energy.total
    assert done["energy_per_step"]["nominal_j"] * 300 == whole.energy.total.nominal_j


def test_a_stream_that_breaks_off_keeps_what_it_ran(exported, tmp_path):
    values, state = rows("spikes", 300), tmp_path / "s.npz"
    said = streamed(exported["spikes"], "--data", "-", "--state", state,
                    stdin=npy(values)[:-4], code=2)  # fmt: skip
    assert "stops in the middle of row 299, counted from 0: 5 of 9 bytes" in said
    assert streamed(exported["spikes"], "--data", "-", "--state", state,
                    stdin=npy(values[:1]))["began_at_step"] == 299  # fmt: skip


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--stream", "--engine", "onnx"), "runs on the engine fixed only"),
        (("--stream", "--record", "spikes", "--to", "x.h5"), "is not recorded"),
        (("--stream", "--data", "absent.npy"), "absent.npy: cannot be read"),
        (("--data", "-"), "standard input: does not begin as a .npy file"),
    ],
)
def test_what_a_stream_cannot_do_is_refused(exported, options, says):
    assert says in streamed(exported["spikes"], *options, stdin=b"1,2,3", code=2)


def test_rows_that_the_network_does_not_take_are_refused(exported, tmp_path):
    said = streamed(exported["spikes"], "--data", "-", stdin=npy(np.zeros((4, 8))), code=2)
    assert "a sample has shape (8,), but the network takes (9,)" in said
    said = streamed(exported["spikes"], "--data", "-", stdin=npy(np.full((4, 9), 0.5)), code=2)
    assert "0.5" in said


def test_a_closed_standard_input_is_no_stream(exported, monkeypatch, capsys):
    command = ["simulate", str(exported["spikes"]), "--data", "-"]
    monkeypatch.setattr("sys.stdin", None)  # as Python leaves it where a shell says <&-
    with pytest.raises(SystemExit) as ended:
        main.main(command)
    assert ended.value.code == 2
    assert "BadInput: standard input is closed. Give rows through it" in capsys.readouterr().err


def test_memory_does_not_grow_with_the_stream(exported):
    script = (
        "import resource, sys, numpy as np\n"
        "from neurocompile.engines.stream import Stream\n"
        "from neurocompile.formats.load_onnx import load_onnx\n"
        "from pathlib import Path\n"
        "stream = Stream(load_onnx(Path(sys.argv[1])))\n"
        "rows = (np.random.default_rng(0).random((256, 9)) < 0.4).astype(np.uint8)\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for _ in range(40): stream.push(rows)\n"
        "before = peak()\n"
        "for _ in range(400): stream.push(rows)\n"
        "print((peak() - before) / 1024)\n"
    )
    file = exported["spikes"] / "fixed.onnx"
    done = subprocess.run(
        [sys.executable, "-c", script, str(file)], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 10  # MiB, over 102,400 steps


# --- What breaks off, and what is refused before anything runs --------------------------------


def test_a_row_that_holds_no_number_is_refused_by_its_place_and_rows_before_it_are_kept(
    exported, tmp_path
):
    state, kept = tmp_path / "s.npz", tmp_path / "r.npy"
    for wrong in (np.nan, np.inf, 1e300):
        values = rows("current", 400).astype(np.float64)
        values[300, 4] = wrong
        said = streamed(exported["current"], "--data", "-", "--state", state, "--results", kept,
                        "--force", stdin=npy(values), code=2)  # fmt: skip
        assert "standard input: row 300, counted from 0, holds" in said
        assert "256 rows before it ran" in said
        _, piece = expected("current", values[:256])
        np.testing.assert_array_equal(np.load(kept), piece.results)
        begun = streamed(exported["current"], "--data", "-", "--state", state,
                         stdin=npy(values[:1]))["began_at_step"]  # fmt: skip
        assert begun == 256 * 5
        state.unlink()


def test_a_file_in_float64_says_what_the_same_file_says_as_samples(exported, tmp_path):
    values = np.random.default_rng(3).random((50, 9))  # float64, rounded to float32 in samples
    np.save(tmp_path / "x.npy", values)
    np.savez(tmp_path / "x.npz", x=values)
    said = []
    for name in ("x.npy", "x.npz"):
        streamed(exported["current"], "--stream", "--data", tmp_path / name,
                 "--results", tmp_path / "r.npy", "--force")  # fmt: skip
        said.append((tmp_path / "r.npy").read_bytes())
    assert said[0] == said[1]


def test_two_files_one_after_the_other_are_no_stream(exported):
    values = rows("spikes", 40)
    said = streamed(exported["spikes"], "--data", "-", stdin=npy(values) * 2, code=2)
    assert "goes on after the 40 rows that it declares" in said
    assert "40 rows before it ran" in said


def test_a_stream_without_rows_leaves_earlier_results(exported, tmp_path):
    (tmp_path / "r.npy").write_bytes(b"earlier")
    header = npy(rows("spikes", 40))[:128]
    said = streamed(exported["spikes"], "--data", "-", "--results", tmp_path / "r.npy",
                    "--force", stdin=header, code=2)  # fmt: skip
    assert "holds no rows" in said
    assert (tmp_path / "r.npy").read_bytes() == b"earlier"


def test_files_of_a_stream_that_cannot_be_written_are_refused_before_anything_runs(
    exported, tmp_path, monkeypatch
):
    def ran(*args, **kwargs):
        raise AssertionError("it ran")

    monkeypatch.setattr(Stream, "push", ran)
    os.mkfifo(tmp_path / "pipe")
    for option in ("--state", "--results"):
        for name, says in (
            ("pipe", "is a folder or a device"),
            (".", "is a folder or a device"),
            ("absent/x.npz", "was not written: No such file"),
            ("x" * 300, ": File name too long. Give another path."),
        ):
            said = streamed(exported["spikes"], "--data", "-", option, tmp_path / name,
                            stdin=npy(rows("spikes", 4)), code=2)  # fmt: skip
            assert says in said
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--state", "a.npz", "--results", "a.npz"), "the file of --state and of --results"),
        (("--results", "rows.npy"), "the file of --results and of --data"),
        (("--state", "./link.npz"), "the file of --state and of --data"),
    ],
)
def test_a_file_is_not_replaced_by_another_of_the_same_stream(
    options, says, exported, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    np.save("rows.npy", rows("spikes", 4))
    os.symlink("rows.npy", "link.npz")
    before = (tmp_path / "rows.npy").read_bytes()
    said = streamed(exported["spikes"], "--stream", "--data", "rows.npy", *options, code=2)
    assert says in said
    assert (tmp_path / "rows.npy").read_bytes() == before


def test_results_replace_a_file_only_with_force_and_never_one_of_an_export(exported, tmp_path):
    kept, given = tmp_path / "r.npy", npy(rows("spikes", 4))
    words = (exported["spikes"], "--data", "-", "--state", tmp_path / "s.npz", "--results")
    kept.write_bytes(b"precious")
    said = streamed(*words, kept, stdin=given, code=2)
    assert "r.npy exists. Choose another --results, or replace it (--force)" in said
    assert kept.read_bytes() == b"precious"
    assert not (tmp_path / "s.npz").exists()
    streamed(*words, kept, "--force", stdin=given)
    assert np.load(kept).shape == (4, 9)
    integers = exported["spikes"] / "fixed.onnx"
    before = integers.read_bytes()
    for more in ((), ("--force",)):
        said = streamed(*words, integers, *more, stdin=given, code=2)
        assert "is a file of the export in" in said
        assert "which no option replaces. Choose another --results." in said
    assert integers.read_bytes() == before


def test_results_that_appear_while_a_stream_runs_are_not_replaced(exported, tmp_path, monkeypatch):
    kept, push = tmp_path / "r.npy", Stream.push

    def meanwhile(self, values):
        kept.write_bytes(b"precious")
        return push(self, values)

    monkeypatch.setattr(Stream, "push", meanwhile)
    words = (exported["spikes"], "--data", "-", "--results", kept)
    said = streamed(*words, stdin=npy(rows("spikes", 4)), code=2)
    assert "r.npy appeared while this ran; it was not touched" in said
    assert kept.read_bytes() == b"precious"


def test_a_state_is_never_ahead_of_results_that_were_lost(exported, tmp_path, monkeypatch):
    calls, fsync = [], os.fsync

    def full(number):
        calls.append(number)
        if len(calls) == 1:  # the results; the state would follow
            raise OSError(28, "No space left on device")
        fsync(number)

    monkeypatch.setattr(os, "fsync", full)
    files = ("--state", tmp_path / "s.npz", "--results", tmp_path / "r.npy")
    given = npy(rows("spikes", 300))
    said = streamed(exported["spikes"], "--data", "-", *files, stdin=given, code=2)
    assert "r.npy was not written: the disk is full" in said
    assert list(tmp_path.iterdir()) == []
    streamed(exported["spikes"], "--data", "-", *files, stdin=given)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.npy", "s.npz"]


@pytest.mark.parametrize(
    ("number", "how"), [(signal.SIGINT, "Interrupted"), (signal.SIGTERM, "Terminated")]
)
def test_a_stream_that_is_stopped_keeps_what_it_ran_and_says_so(number, how, exported, tmp_path):
    state, kept = tmp_path / "s.npz", tmp_path / "r.npy"
    words = ("simulate", exported["spikes"], "--data", "-", "--state", state, "--results", kept)
    start = "from neurocompile.cli import main; main()"
    command = [sys.executable, "-c", start, *map(str, words)]
    values, header = rows("spikes", 300), io.BytesIO()
    endless = {"descr": "|u1", "fortran_order": False, "shape": (10**9, 9)}
    np.lib.format.write_array_header_1_0(header, endless)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as running:  # fmt: skip
        running.stdin.write(header.getvalue() + values.tobytes())
        running.stdin.flush()
        size = 0
        while size <= 128:  # until a piece was kept
            with suppress(FileNotFoundError):  # whether it can be written is tried before
                kept_so_far = tmp_path.glob(".neurocompile-*/new/r.npy")
                size = max((file.stat().st_size for file in kept_so_far), default=0)
            assert running.poll() is None
            time.sleep(0.05)
        running.send_signal(number)
        said = running.stderr.read().decode()
    assert running.returncode == 128 + number
    assert f"{how} after this was written: {kept}, {state}. 256 rows ran." in said
    assert np.load(kept).shape == (256, 9)
    assert streamed(exported["spikes"], "--data", "-", "--state", state,
                    stdin=npy(values[:1]))["began_at_step"] == 256  # fmt: skip
