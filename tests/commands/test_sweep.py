"""`neurocompile sweep` from end to end, on local processes and on a cluster of separate ones."""

import errno
import html
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from dask_processes import DaskProcesses
from pyarrow import parquet

from neurocompile import installed
from neurocompile.cli import main

ROOT = Path(__file__).parents[2]
GRID = ("--target", "loihi-sim", "--grid", "bits=2,8", "--grid", "reset=zero,subtract",
        "--samples", "12")  # fmt: skip
ONE = ("--workers", "1")  # each process takes seconds to import what it needs


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A network of two layers, whose samples are in a file beside it."""
    import norse.torch as norse
    import torch

    from neurocompile.frontend.save import save
    from neurocompile.ir.settings import Decoder, Encoder, Settings

    folder = tmp_path_factory.mktemp("model")
    rng = np.random.default_rng(0)
    np.savez(folder / "x.npz", x=rng.random((100, 6), np.float32))
    torch.manual_seed(0)
    box = norse.LIFBoxParameters(v_th=torch.as_tensor(0.1))
    network = norse.SequentialState(
        norse.LIFBoxCell(box), torch.nn.Linear(6, 6, bias=False), norse.LIBoxCell()
    )
    settings = Settings(
        steps=8,
        encoder=Encoder("current", 0.5),
        decoder=Decoder("last", task="reconstruction"),
        data=str(folder / "x.npz"),
    )
    save(network, folder / "small.pt", torch.zeros(1, 6), settings=settings)
    return folder / "small.pt"


@pytest.fixture(scope="module")
def swept(model, tmp_path_factory):
    """The folder of a sweep of four points, two of which do not fit, and its JSON document."""
    out = tmp_path_factory.mktemp("sweep") / "out"
    done = CliRunner().invoke(main, ["sweep", str(model), *GRID, "--out", str(out), "--json", *ONE])
    assert done.exit_code == 0, done.output
    return out, json.loads(done.stdout)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """The file of a scheduler with a worker, each a process of its own, for all tests."""
    processes = DaskProcesses(tmp_path_factory.mktemp("dask"))
    processes.scheduler()
    processes.wait()
    processes.worker()
    yield processes.file
    processes.end()


def rows(out):
    return parquet.read_table(out / "results.parquet").to_pylist()


def test_a_row_per_point_in_grid_order_and_a_point_that_does_not_fit_has_its_reason(swept):
    out, document = swept
    found = rows(out)
    assert [(row["bits"], row["reset"]) for row in found] == [
        (2, "zero"), (2, "subtract"), (8, "zero"), (8, "subtract"),
    ]  # fmt: skip
    assert [row["exit_code"] for row in found] == [0, 3, 0, 3]
    assert all("loihi-sim has zero" in row["reason"] for row in found[1::2])
    assert all(row["mse"] is None for row in found[1::2])
    assert document["points"] == 4
    assert document["refused_in_all"] == 2
    assert document["failed"] == 0
    best = [row for row in found if row["pareto"]]
    assert sorted(row["key"] for row in best) == sorted(row["key"] for row in document["front"])


def test_a_point_is_what_export_reports(swept, model, call, tmp_path):
    out, _ = swept
    code, stdout, _ = call(
        "export", model, "--target", "loihi-sim", "--bits", "8", "--reset", "zero", "--samples",
        "12", "--engine", "fixed", "--out", tmp_path / "x", "--json", "--no-html",
    )  # fmt: skip
    assert code == 0
    report = json.loads(stdout)
    (row,) = (row for row in rows(out) if (row["bits"], row["reset"]) == (8, "zero"))
    assert row["mse"] == report["reconstruction"]["mse_fixed"]
    assert row["energy_j"] == report["energy"]["per_sample_j"]["nominal_j"]
    assert row["cores"] == report["fit"]["cores_used"]
    assert row["spikes"] == sum(layer["spikes"] for layer in report["layers"]) / 12
    (first, *_) = report["latency"]["per_sample"]
    assert row["latency_s"] == first["time_s"]
    kept = json.loads((out / "points" / row["key"][:2] / f"{row['key']}.json").read_text())
    assert kept["outcome"]["report"]["provenance"] == report["provenance"]
    assert kept["outcome"]["report"]["layers"] == report["layers"]


def test_a_rerun_computes_only_what_is_missing_and_starts_no_worker_for_nothing(
    swept, model, call, monkeypatch, scheduler
):
    out, _ = swept
    before = (out / "results.parquet").read_bytes()
    page = (out / "pareto.html").read_bytes()
    (missing,) = (row["key"] for row in rows(out) if (row["bits"], row["reset"]) == (2, "zero"))
    file = out / "points" / missing[:2] / f"{missing}.json"
    content = file.read_bytes()
    file.unlink()
    code, stdout, _ = call("sweep", model, *GRID, "--out", out, "--json", "--scheduler", scheduler)
    assert (code, json.loads(stdout)["known_before"]) == (0, 3)
    assert file.read_bytes() == content
    monkeypatch.setattr("neurocompile.cluster.workers._local", None)  # would fail if it were called
    code, stdout, stderr = call("sweep", model, *GRID, "--out", out)
    assert code == 0
    assert "4 points, 4 of them known already" in stderr
    assert "points that no other one beats" in stdout
    assert "2 points, in grid order" not in stdout
    assert (out / "results.parquet").read_bytes() == before
    assert (out / "pareto.html").read_bytes() == page


@pytest.mark.parametrize("here", [".", "./"])
def test_a_sweep_goes_on_in_the_folder_in_which_it_is_started(
    here, swept, model, call, tmp_path, monkeypatch
):
    shutil.copytree(swept[0], tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    monkeypatch.setattr("neurocompile.cluster.workers._local", None)  # would fail if it were called
    code, _, stderr = call("sweep", model, *GRID, "--out", here)
    assert (code, "4 points, 4 of them known already" in stderr) == (0, True)
    for name in ("results.parquet", "pareto.html"):
        assert Path(name).read_bytes() == (swept[0] / name).read_bytes()


def test_where_a_quota_is_used_up_a_sweep_keeps_its_old_table(
    swept, model, call, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    shutil.copytree(swept[0], out)
    (out / "results.parquet").write_bytes(b"old")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    def used_up(_):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "fsync", used_up)
    code, _, stderr = call("sweep", model, *GRID, "--out", out, "--quiet")
    said = "results.parquet was not written: your quota on this disk is used up."
    assert (code, said in stderr) == (2, True), stderr
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_file_says_the_same_as_the_command_line(swept, model, call, tmp_path, monkeypatch):
    out, _ = swept
    file = tmp_path / "sweep.toml"
    file.write_text(
        f"""models = ["{model}"]
targets = ["loihi-sim"]
metrics = ["energy"]
[options]
samples = 12
[grid]
bits = "2,8"
reset = ["zero", "subtract"]
"""
    )
    monkeypatch.setattr("neurocompile.cluster.workers._local", None)
    code, stdout, _ = call(
        "sweep", "--file", file, "--out", out, "--json", "--metric", "mse,energy"
    )
    assert (code, json.loads(stdout)["known_before"]) == (0, 4)
    assert json.loads(stdout)["metrics"] == ["mse", "energy"]


def test_the_page_is_of_the_report_s_style_and_loads_nothing(swept):
    out, _ = swept
    page = (out / "pareto.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "default-src 'none'" in html.unescape(page)
    data = page.split('id="data">')[1].split("</script>")[0]
    (chart,) = json.loads(data).values()
    assert chart["kind"] == "points"
    assert sum(len(group["points"]) for group in chart["data"]["groups"]) == 2
    assert "does not fit the target" in page
    assert "loihi-sim has zero" in page


def test_the_same_sweep_on_a_cluster_of_separate_processes_has_the_same_bytes(
    swept, model, call, tmp_path, scheduler
):
    out, _ = swept
    other = tmp_path / "other"
    code, _, _ = call("sweep", model, *GRID, "--out", other, "--scheduler", scheduler)
    assert code == 0
    require_same(out, other)


def require_same(out, other):
    """Two folders of sweeps have the same files, byte for byte."""
    for name in ("results.parquet", "pareto.html"):
        assert (other / name).read_bytes() == (out / name).read_bytes(), name
    files = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.json")}
        for folder in (out, other)
    ]
    assert files[0] == files[1]


SBATCH = """#!/bin/sh
nohup sh "$1" >/dev/null 2>&1 &
echo "Submitted batch job $!"
"""  # what SLURM does with a job, on this machine and at once
SCANCEL = "#!/bin/sh\n"  # its jobs end with their scheduler


@pytest.mark.slow
def test_every_command_of_docs_sweeps_md_runs_and_a_cluster_gives_the_same_bytes(
    model, call, tmp_path, monkeypatch
):
    page = (ROOT / "docs/sweeps.md").read_text()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("neurocompile.sweep.price.LONG_S", 0.1)
    Path("sweep.toml").write_text(
        re.search("```toml\n(.*?)```", page, re.DOTALL)[1].replace("MODEL", str(model))
    )
    (program,) = re.findall(r"^    # slurm.py\n((?:    .*\n|\n)+)", page, re.MULTILINE)
    Path("slurm.py").write_text(textwrap.dedent(program).replace("jobs=256", "jobs=2"))
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    processes = DaskProcesses(tmp_path)
    processes.environment["PATH"] = f"{tmp_path}:{processes.environment['PATH']}"
    words = {"MODEL": str(model)}
    try:
        for line in re.findall(r"^    ((?:neurocompile|dask) .*)$", page, re.MULTILINE):
            arguments = [words.get(word, word) for word in shlex.split(line)]
            if arguments[0] == "dask":
                processes.start(*arguments[1:])
                while not Path("scheduler.json").is_file():
                    time.sleep(0.05)
                continue
            if "ADDRESS" in arguments:
                arguments[-1] = processes.program("slurm.py")
            if arguments[1] != "doctor":  # which would install packages
                code, _, stderr = call(*arguments[1:])
                assert code == 0, stderr
    finally:
        processes.end()
    here = Path("build/sweep")
    for other in ("build/cluster", "build/slurm"):
        require_same(here, Path(other))
    assert len(rows(here)) == 14
    assert len(rows(Path("build/from-file"))) == 6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--grid", "bit=2"], "there is no axis 'bit'.*Did you mean 'bits'"),
        (["--grid", "out=a,b"], "there is no axis 'out'"),
        (["--grid", "bits"], "the axis 'bits' has no values"),
        (["--grid", "bits="], "the axis bits has no values, so the grid is empty"),
        (["--grid", "bits=8..2"], r"range 8..2 of the axis bits is empty"),
        (["--grid", "bits=2,9"], "axis bits cannot have the value 9"),
        (["--grid", "place=core"], "Did you mean 'cores'"),
        (["--grid", "bits=2", "--grid", "bits=3"], "bits is given twice"),
        (["--grid", "bits=2", "--grid", "--bits=3"], "bits is given twice"),
        (["--grid", "seed=0..99999,0..99999"], "the axis seed has 200,000 values"),
        (["--grid", f"seed=0..{'9' * 5000}"], "is not a valid integer range"),
        (["--grid", "bits=2", "--bits", "3"], "bits is an option for all points and an axis"),
        (["--grid", "gain=1,2"], "--gain needs --encoder"),
        (["--metric", "energie"], "there is no metric 'energie'"),
        (["--target", "loihi-3"], "loihi-3"),
        (["--scheduler", "tcp://ada:s3cret@127.0.0.1:9"], "has a user or a password"),
        (["--scheduler", "tcp://127.0.0.1:9", "--workers", "2"], "Give one"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence_before_anything_runs(
    arguments, words, model, call, tmp_path
):
    code, stdout, stderr = call(
        "sweep", model, "--target", "ideal", *arguments, "--out", tmp_path / "out"
    )
    assert (code, stdout) == (2, "")
    assert re.search(words, " ".join(stderr.split())), stderr
    assert "s3cret" not in stderr
    assert not list((tmp_path).rglob("results.parquet"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models = 3", "models is not a list of texts"),
        ("model = ['a']", "'model' is unknown. Did you mean 'models'"),
        ("grid = 3", "grid is not a table"),
        ("[grid]\nbits = []", "bits has no values"),
        ("[options]\nbit = 3", "no axis 'bit'"),
        ("[", "is not TOML"),
        ("\0", "is not TOML"),
        (b"\xff", "is not TOML"),
        (f"[grid]\nbits = {'9' * 5000}", "is not TOML"),
        (f"[grid]\nbits = {'[' * 5000}", "nested too deep"),
        ("[grid]\nbits" + ".a" * 3000 + " = 1", "line 2 has 64 dots in a row"),
        (f"# {'-' * (1 << 20)}", "is larger than 1048576 bytes"),
        (f"models = ['{'m' * 5000}']\ntargets = ['ideal']", "File name too long"),
        # Each value is what the command line would make of it: none is cut or counted as another.
        ("[grid]\nbits = [2.7]", "bits cannot have the value 2.7"),
        ("[grid]\nbits = inf", "bits cannot have the value inf"),
        (f"[grid]\nbits = 0x{'f' * 20000}", "grid.bits has a whole number of 80001 bits"),
        ("[grid]\nbits = 2020-01-01", "is no single value"),
        ("[options]\nsamples = true", "samples cannot have the value true"),
        ("[grid]\nnetx = [2]", "netx cannot have the value 2"),
        ('[grid]\n"--bits" = 2\n[options]\nbits = 3', "bits is an option for all points and"),
    ],
)
def test_a_file_that_is_wrong_is_refused(text, words, call, tmp_path):
    (tmp_path / "s.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    code, _, stderr = call("sweep", "--file", tmp_path / "s.toml", "--out", tmp_path / "out")
    assert code == 2
    assert words in " ".join(stderr.split())
    assert str(tmp_path / "s.toml") in stderr


@pytest.mark.slow
def test_a_sweep_that_is_interrupted_says_what_is_kept_and_goes_on(model, call, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "neurocompile.cli", "sweep", model, "--target", "loihi-sim",
         "--grid", "bits=2..8", "--grid", "seed=0..9", "--out", out],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=installed.child_environment(),
    )  # fmt: skip
    while not list(out.rglob("points/*/*.json")):
        time.sleep(0.05)
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    last = stderr.strip().splitlines()[-1]
    kept = len(list(out.rglob("points/*/*.json")))
    assert last.startswith(f"Interrupted: {kept} of 70 points are done and kept")
    assert not (out / "results.parquet").exists()
