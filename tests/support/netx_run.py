"""Run a `.net` file on lava-dl's netx in a child process that always ends."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np

TIMEOUT_S = 120


def netx_spikes(path, given, *, depth, tmp_path, reset=True, offset=1, interval=None):
    """Spikes of the last layer in the network's own time, (steps, n).

    Args:
        path: A .net file.
        given: {"spikes": (steps, ...)} or {"mantissas": shape, "steps": n}.
        depth: Chip steps by which the last layer lags behind the input.
        reset, offset: Whether netx clears u and v at each layer's first step, and from when on.
        interval: Steps of a sample, where several follow each other.
    """
    given = dict(given)
    steps = given.pop("steps", None) or len(given["spikes"])
    into, out = tmp_path / "in.npz", tmp_path / "out.npy"
    np.savez(
        into,
        path=str(path),
        chip_steps=steps + depth,
        reset_interval=(interval or steps) if reset else 0,
        reset_offset=offset,
        **given,
    )
    # A file, not a pipe: Lava's workers outlive a child that failed, and would hold a pipe open.
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("netx_child.py")), str(into), str(out)],
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        try:
            child.wait(TIMEOUT_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        errors.seek(0)
        assert child.returncode == 0, errors.read().decode()[-2000:]
    return np.load(out)[depth:]
