"""Run pieces of work on several threads, and take their results in order.

In:  a function, the arguments of each piece.
Out: the results, in the order of the pieces, whoever finished first.
Only as many pieces are begun as threads can run, and one more, so results never pile up in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import torch

T = TypeVar("T")


def in_order(
    work: Callable[..., T], pieces: Iterable[tuple[Any, ...]], threads: int
) -> Iterator[T]:
    """Results of all pieces; torch runs each piece on one thread.

    Args:
        work: Called with the arguments of a piece; with one thread, in the caller's.
        pieces: Arguments of each piece.
        threads: Number of pieces at a time.
    """
    if threads <= 1:
        yield from (work(*piece) for piece in pieces)
        return
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting: deque[Future[T]] = deque()
        try:
            for piece in pieces:
                waiting.append(pool.submit(work, *piece))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
