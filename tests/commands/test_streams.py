"""`neurocompile simulate --stream`: a recording of any length through one network."""

import io
import json
import subprocess
import sys

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
                     stdin=npy(part))  # fmt: skip
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
