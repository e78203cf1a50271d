"""Workers and schedulers are killed in the middle: nothing is lost, nothing counts twice."""

import os
import signal
import time
from contextlib import nullcontext
from functools import partial

import pytest
from dask_processes import DaskProcesses
from sweep_tasks import deadly, faulty, slow

from neurocompile.cluster import Failed, each, workers
from neurocompile.errors import BadInput

LOCAL = partial(workers, None, 2)


def began(log):
    """Numbers and process ids of all that was begun."""
    return [tuple(map(int, line.split())) for line in log.read_text().splitlines()]


def tasks(log, count, *more):
    return {f"task {n}": (str(log), n, *more) for n in range(count)}


def test_each_result_comes_once_and_a_task_of_a_dead_worker_is_done_again(tmp_path):
    log, results, killed = tmp_path / "log", {}, 0
    for name, result in each(LOCAL, slow, tasks(log, 24, 0.2), print):
        assert name not in results
        results[name] = result
        if len(results) in (4, 12):
            time.sleep(0.1)  # in the middle of what was begun last
            os.kill(began(log)[-1][1], signal.SIGKILL)
            killed += 1
    assert results == {f"task {n}": 2 * n for n in range(24)}
    again = len(began(log)) - 24
    assert killed == 2
    assert 1 <= again <= killed


def test_a_task_that_kills_its_workers_fails_and_a_fault_of_ours_is_one_task_s(tmp_path):
    log = tmp_path / "log"
    with workers(None, 2) as client:
        here = lambda patience_s: nullcontext(client)  # noqa: E731
        results = dict(each(here, deadly, tasks(log, 6), print))
        failed = results.pop("task 3")
        assert isinstance(failed, Failed)
        assert "4 workers died" in failed.reason
        assert results == {f"task {n}": 2 * n for n in range(6) if n != 3}
        assert [number for number, _ in began(log)].count(3) == 4
        results = dict(each(here, faulty, tasks(log, 5), print))
        assert "ZeroDivisionError: no such number" in results.pop("task 3").reason
        assert len(results) == 4
        with pytest.raises(BadInput, match="5 is not allowed"):  # of the user: it ends the work
            list(each(here, faulty, tasks(log, 9), print))


@pytest.fixture
def processes(tmp_path):
    found = DaskProcesses(tmp_path)
    yield found
    found.end()


def test_after_a_scheduler_that_died_the_rest_is_done_under_a_new_one(tmp_path, processes):
    log, results, said = tmp_path / "log", {}, []
    first = processes.scheduler()
    processes.wait()
    worker = processes.worker()
    opened = partial(workers, f"tcp://127.0.0.1:{processes.port}")
    for name, result in each(opened, slow, tasks(log, 20, 0.1), said.append):
        assert name not in results
        results[name] = result
        if len(results) == 6:
            for process in (first, worker):
                process.kill()
                process.wait()
            processes.scheduler()
            processes.worker()
    assert results == {f"task {n}": 2 * n for n in range(20)}
    assert any("the scheduler is lost" in words for words in said)
    assert len(began(log)) - 20 <= 2  # what was at work, and a result on its way
