"""Workers and schedulers are killed in the middle: nothing is lost, nothing counts twice."""

import os
import signal
import time
from contextlib import contextmanager, nullcontext
from functools import partial

import pytest
from dask_processes import DaskProcesses
from sweep_tasks import Heavy, deadly, faulty, named, slow, unlucky

from neurocompile.cluster.tasks import PER_THREAD, Failed, SchedulerLost, each
from neurocompile.cluster.workers import workers
from neurocompile.errors import BadInput


def lines(log):
    """Numbers and process ids of all that was begun."""
    return [tuple(map(int, line.split())) for line in log.read_text().splitlines()]


def tasks(log, count, *more):
    for n in range(count):
        yield f"task {n}", (str(log), n, *more)


@pytest.fixture(scope="module")
def opened():
    """Opens the same two workers each time."""
    with workers(None, 2) as client:
        yield lambda patience_s: nullcontext(client)


def test_each_result_comes_once_and_a_task_of_a_dead_worker_is_done_again(opened, tmp_path):
    log, results, killed = tmp_path / "log", {}, 0
    for name, result in each(opened, slow, tasks(log, 24, 0.2), print):
        assert name not in results
        results[name] = result
        if len(results) in (4, 12):
            time.sleep(0.1)  # in the middle of what was begun last
            os.kill(lines(log)[-1][1], signal.SIGKILL)
            killed += 1
    assert results == {f"task {n}": 2 * n for n in range(24)}
    again = len(lines(log)) - 24
    assert killed == 2
    assert 1 <= again <= 2 * killed  # with a worker goes its task, and a result that had not come


def test_a_task_that_kills_its_workers_fails_and_the_others_have_their_results(opened, tmp_path):
    log = tmp_path / "log"
    results = dict(each(opened, deadly, tasks(log, 6), print))
    failed = results.pop("task 3")
    assert isinstance(failed, Failed)
    assert "4 workers died while it was one of their tasks, and 4 more" in failed.reason
    assert results == {f"task {n}": 2 * n for n in range(6) if n != 3}
    begun = [number for number, _ in lines(log)]
    assert begun.count(3) == 8
    assert begun[-4:] == [3] * 4  # alone


def test_a_task_whose_workers_died_by_chance_is_tried_alone_when_all_others_are_done(
    opened, tmp_path
):
    log = tmp_path / "log"
    found = list(each(opened, unlucky, tasks(log, 6), print))
    assert dict(found) == {f"task {n}": 2 * n for n in range(6)}
    assert found[-1][0] == "task 3"


def test_a_worker_that_dies_in_its_first_moments_is_replaced(tmp_path):
    import dask.config
    from distributed import Status

    log, results = tmp_path / "log", {}
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}),
        workers(None, 1) as client,
    ):
        for name, result in each(
            lambda patience_s: nullcontext(client), slow, tasks(log, 6, 0.1), print
        ):
            results[name] = result
            if len(results) == 1:  # as Dask sees it while its worker is not known to have started
                client.cluster.workers[0].status = Status.starting
                os.kill(lines(log)[-1][1], signal.SIGKILL)
    assert results == {f"task {n}": 2 * n for n in range(6)}


def test_a_fault_of_ours_is_one_task_s_and_one_of_the_user_s_ends_the_work(opened, tmp_path):
    log = tmp_path / "log"
    results = dict(each(opened, faulty, tasks(log, 5), print))
    failed = results.pop("task 3")
    assert "ZeroDivisionError: no such number" in failed.reason
    assert isinstance(failed.error, ZeroDivisionError)
    assert len(results) == 4
    with pytest.raises(BadInput, match="5 is not allowed"):
        list(each(opened, faulty, tasks(log, 6), print))
    with pytest.raises(BadInput, match=r"worker cannot import .*no module 7.* Install neurocomp"):
        list(each(opened, faulty, [("seven", (str(log), 7))], print))


def test_tasks_are_made_as_workers_become_free(opened, tmp_path):
    made, most = 0, 0

    def lazily():
        nonlocal made
        for made, task in enumerate(tasks(tmp_path / "log", 40), 1):  # noqa: B007
            yield task

    for came, _ in enumerate(each(opened, slow, lazily(), print)):
        most = max(most, made - came)
    assert made == 40
    assert most <= 2 * (2 * PER_THREAD)  # in flight, and as many that came at once


def test_what_all_tasks_have_is_sent_once_to_each_worker_and_again_after_their_death(
    opened, tmp_path
):
    log, held, results = tmp_path / "log", (Heavy(tmp_path / "sent", 7),), []
    for _, result in each(opened, named, tasks(log, 30, 0.05), print, held):
        results.append(result)
        if len(results) == 10:
            first = {pid for _, pid in lines(log)}
            for pid in first:
                os.kill(pid, signal.SIGKILL)
    assert sorted(results) == [7 * n for n in range(30)]
    sent = [
        pid for _, pid in lines(tmp_path / "sent") if pid != os.getpid()
    ]  # the scheduler is here
    assert len(sent) == len(set(sent))
    assert first < {pid for _, pid in lines(log)} <= set(sent)


@pytest.fixture
def processes(tmp_path):
    found = DaskProcesses(tmp_path)
    yield found
    found.end()


def test_work_waits_for_workers_and_after_a_scheduler_that_died_for_a_new_one(tmp_path, processes):
    log, results, said, first = tmp_path / "log", {}, [], []

    def tell(words):
        said.append(words)
        if words.startswith("the scheduler has no workers yet") and not first:
            first.extend((scheduler, processes.worker()))

    scheduler = processes.scheduler()
    processes.wait()
    opened = partial(workers, f"tcp://127.0.0.1:{processes.port}")
    for name, result in each(opened, slow, tasks(log, 20, 0.1), tell):
        assert name not in results
        results[name] = result
        if len(results) == 6:
            for process in first:
                process.kill()
                process.wait()
            processes.scheduler()
            processes.worker()
    assert results == {f"task {n}": 2 * n for n in range(20)}
    assert "the scheduler is lost; waiting for one at the same address" in said
    assert len(lines(log)) - 20 <= 2  # what was at work, and a result on its way


def test_a_worker_that_comes_later_gets_work_at_once(tmp_path, processes):
    log = tmp_path / "log"
    processes.scheduler()
    processes.wait()
    processes.worker()
    opened = partial(workers, str(processes.file))
    found = each(opened, slow, tasks(log, 4, 0.1), print)
    next(found)
    processes.worker()
    with workers(str(processes.file)) as client:
        client.wait_for_workers(2, timeout=60)
        # The first has two long tasks, and nobody asks for results meanwhile.
        long = each(lambda patience_s: nullcontext(client), slow, tasks(log, 8, 1.0), print)
        began = time.monotonic()
        list(long)
    assert time.monotonic() - began < 7
    assert len({pid for _, pid in lines(log)}) == 2


def test_a_scheduler_that_does_not_come_back_and_one_that_is_lost_again_and_again_end_the_work(
    opened, tmp_path, processes, monkeypatch
):
    monkeypatch.setattr("neurocompile.cluster.tasks.RETURN_S", 0.3)
    log, said = tmp_path / "log", []

    @contextmanager
    def closed(patience_s):
        with workers(processes.address, patience_s=patience_s) as client:
            client.close()
            yield client

    scheduler = processes.scheduler()
    processes.wait()
    with pytest.raises(SchedulerLost, match="lost 4 times without a result between"):
        list(each(closed, slow, tasks(log, 3), said.append))
    assert len(said) == 4

    @contextmanager
    def dying(patience_s):
        with workers(processes.address, patience_s=patience_s) as client:
            scheduler.kill()
            scheduler.wait()
            yield client

    with pytest.raises(SchedulerLost, match=r"none came back in 0.3 s: there is no Dask sched"):
        list(each(dying, slow, tasks(log, 3), print))
