"""Work on several threads: its results in order, a bounded number of them at a time."""

import threading
import time

import pytest
import torch

from neurocompile.engines.in_order import in_order

LATEST_FIRST = [(0.03,), (0.02,), (0.01,), (0.0,)]


def after(seconds):
    time.sleep(seconds)
    return seconds, torch.get_num_threads(), threading.current_thread()


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_results_come_in_the_order_of_the_pieces(threads):
    done = list(in_order(after, LATEST_FIRST, threads))
    assert [seconds for seconds, _, _ in done] == [seconds for (seconds,) in LATEST_FIRST]


def test_each_piece_has_one_thread_of_torch():
    assert {own for _, own, _ in in_order(after, LATEST_FIRST, 3)} == {1}


def test_with_one_thread_the_caller_does_the_work():
    assert {who for *_, who in in_order(after, LATEST_FIRST, 1)} == {threading.current_thread()}


@pytest.mark.parametrize("threads", [1, 2])
def test_no_more_results_wait_than_threads(threads):
    begun = []
    for taken, _ in enumerate(in_order(begun.append, [(i,) for i in range(20)], threads), start=1):
        assert len(begun) <= taken + threads


@pytest.mark.parametrize("threads", [1, 2])
def test_a_piece_that_fails_ends_the_work_where_its_result_would_come(threads):
    def divided(by):
        return 6 // by

    results = in_order(divided, [(1,), (2,), (0,), (3,)], threads)
    assert [next(results), next(results)] == [6, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)
