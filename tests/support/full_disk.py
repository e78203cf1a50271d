"""A disk that is full.

In:  bytes of a file.
Out: a block in which no file can be larger, as on a full disk.
"""

import resource
import signal
from contextlib import contextmanager


@contextmanager
def files_of_at_most(size):
    """Let no file of this process be larger."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
