"""Whoever runs the samples, and whoever dies of it: the same bits, and each sample once."""

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import shard_files
from click.testing import CliRunner
from dask_processes import DaskProcesses
from shard_files import samples, write

from neurocompile.cli import main
from neurocompile.cluster.workers import workers
from neurocompile.commands.check.digests import BLOCK
from neurocompile.data.samples import load_data
from neurocompile.data.stimulus import Stimulus
from neurocompile.engines.batches import BATCH, spans
from neurocompile.engines.exact_sum import ExactSum
from neurocompile.errors import BadInput
from neurocompile.spread import HERE, Spread, cut, parts_of

BETWEEN = (0, 10, 11, 260, 261, 400, 1130, 1137)  # ends of shards


@dataclass
class Added:
    """What a part comes to."""

    samples: int
    total: ExactSum


def add(deaths, stimulus, progress):
    """Add all values, batch by batch; or end this worker, once for every file that is left."""
    file = next(iter(Path(deaths).glob(f"{stimulus.first}-*")), None)
    if file is not None:
        file.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    total = ExactSum()
    for first, last in spans(stimulus.end, stimulus.first):
        total.add(np.square(stimulus.data.values[first:last], dtype=np.float64))
    progress("add", len(stimulus), len(stimulus))
    return Added(len(stimulus), total)


def everything(deaths, stimulus, spread):
    found = list(parts_of(add, str(deaths), stimulus, spread))
    total = ExactSum()
    for part in found:
        total.merge(part.total)
    return len(found), sum(part.samples for part in found), total.units


@pytest.fixture(scope="module")
def stimulus(tmp_path_factory):
    """1,137 samples in seven shards whose ends no batch shares."""
    folder = tmp_path_factory.mktemp("shards") / "many"
    return Stimulus(load_data(write(folder, shard_files.npz, *samples(1137), BETWEEN)), 1)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The same samples in files of which a part may be read."""
    folder = tmp_path_factory.mktemp("shards") / "many"
    return Stimulus(load_data(write(folder, shard_files.npy, *samples(1137), BETWEEN)), 1)


@pytest.mark.parametrize("count", [1, 2, 3, 100])
@pytest.mark.parametrize("make", ["npz", "npy"])
@pytest.mark.parametrize("most", [1137, 1100, 50, 7])
def test_parts_are_whole_batches_and_hold_each_sample_once(count, make, most, tmp_path):
    folder = write(tmp_path / "many", getattr(shard_files, make), *samples(1137), BETWEEN)
    spans_of = cut(Stimulus(load_data(folder, samples=most), 1), count)
    assert [first for first, _ in spans_of] == [0, *(last for _, last in spans_of[:-1])]
    assert spans_of[-1][1] == most
    assert all(first % BATCH == 0 and first < last for first, last in spans_of)
    if most == 1137:
        assert len(spans_of) >= min(count, 2)


def test_a_worker_killed_in_the_middle_changes_no_bit_and_nothing_is_counted_twice(
    stimulus, tmp_path
):
    _, here, total = everything(tmp_path, stimulus, HERE)
    assert here == 1137
    middle = cut(stimulus, 2)[1][0]
    (tmp_path / f"{middle}-once").touch()
    parts, counted, again = everything(tmp_path, stimulus, Spread(workers=2))
    assert not list(tmp_path.iterdir()), "no worker was killed"
    assert parts == len(cut(stimulus, 2)) > 2
    assert (counted, again) == (here, total)


def test_what_ends_every_worker_is_named_by_its_samples(stimulus, tmp_path):
    for time_ in range(20):
        (tmp_path / f"0-{time_}").touch()
    last = cut(stimulus, 1)[0][1] - 1
    with pytest.raises(BadInput, match=f"samples 0 to {last}.* of shards:.*one worker after"):
        everything(tmp_path, stimulus, Spread(workers=1))


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """A running scheduler with one worker, in processes of their own."""
    found = DaskProcesses(tmp_path_factory.mktemp("dask"))
    found.environment["PYTHONPATH"] += os.pathsep + os.pathsep.join(sys.path)
    found.scheduler()
    found.wait()
    found.worker()
    with workers(found.address) as client:
        client.wait_for_workers(1, timeout=60)
    yield found
    found.end()


def test_a_running_scheduler_runs_samples_and_names_a_poisoned_shard(
    processes, stimulus, tmp_path, monkeypatch
):
    deaths = tmp_path / "deaths"
    deaths.mkdir()
    here, there = (
        everything(deaths, stimulus, by) for by in (HERE, Spread(scheduler=processes.address))
    )
    assert here[1:] == there[1:]
    x, labels = samples(137)
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "many", shard_files.npz, x, labels)
    poisoned = load_data("shards:many")
    shard_files.npz(tmp_path / "many" / "part-5", np.where(x[100:130] > 0.5, np.nan, 0), labels)
    with pytest.raises(BadInput, match=r"part-5\.npz"):
        everything(deaths, Stimulus(poisoned, 1), Spread(scheduler=processes.address))


def test_a_scheduler_that_is_started_again_in_the_middle_changes_no_bit(
    processes, rows, tmp_path, capfd
):
    deaths, told = tmp_path / "deaths", []
    deaths.mkdir()
    _, here, total = everything(deaths, rows, HERE)
    spread = Spread(scheduler=processes.address)
    parts = parts_of(slowly, str(deaths), rows, spread, lambda *now: told.append(now))
    found = [next(parts), next(parts)]
    processes.end()
    processes.scheduler()
    processes.worker()
    found += parts
    again = ExactSum()
    for part in found:
        again.merge(part.total)
    assert (sum(part.samples for part in found), again.units) == (here, total)
    assert len(found) == len(cut(rows, 1)) > 3
    assert [what for what, *_ in told if "lost" in what] == [
        "the scheduler is lost; waiting for one at the same address"
    ]
    assert "Traceback" not in capfd.readouterr().err


def test_a_scheduler_that_is_lost_for_good_ends_the_run_with_a_sentence(
    processes, rows, tmp_path, monkeypatch
):
    monkeypatch.setattr("neurocompile.cluster.tasks.RETURN_S", 0.3)
    deaths = tmp_path / "deaths"
    deaths.mkdir()
    parts = parts_of(slowly, str(deaths), rows, Spread(scheduler=processes.address))
    next(parts)
    processes.end()
    with pytest.raises(BadInput, match=r"Dask was lost, and none came .*Nothing was written"):
        list(parts)


def slowly(deaths, stimulus, progress):
    time.sleep(0.3)
    return add(deaths, stimulus, progress)


def test_a_scheduler_without_workers_says_so(stimulus, tmp_path):
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster,
        pytest.raises(BadInput, match="scheduler of Dask has no workers"),
    ):
        everything(tmp_path, stimulus, Spread(scheduler=cluster.scheduler_address))


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "starts nobody"), (-1, "starts nobody"), (True, "whole number"), ("2", "whole number")],
)
def test_a_number_of_workers_that_is_none_is_refused(count, words):
    with pytest.raises(BadInput, match=words):
        Spread(workers=count)


def test_only_shards_are_shared_out(tmp_path):
    x, _ = samples()
    np.save(tmp_path / "x.npy", x)
    data = load_data(str(tmp_path / "x.npy"))
    with pytest.raises(BadInput, match=r"share out the samples of shards:DIR only.*x\.npy"):
        everything(tmp_path, Stimulus(data, 1), Spread(workers=2))
    done = CliRunner().invoke(main, ["simulate", ".", "--workers", "2", "--scheduler", "x"])
    assert (done.exit_code, "leave out --workers or --scheduler" in done.stderr) == (2, True)


def test_a_block_of_digests_ends_with_a_batch():
    assert BATCH % BLOCK == 0  # parts are of whole batches
