"""Signals that end a command, and disks that are full: one sentence, and nothing half done."""

import gc
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from neurocompile.engines import recording_file
from neurocompile.engines.recording_file import RECORDED
from neurocompile.ir.fixed import SpikeInput
from neurocompile.ir.graph import chain

# Who has started the tests may ignore a signal, as nohup does SIGHUP; its children then do so too.
HEARING = """
import signal
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
"""
SLOW = (
    HEARING
    + """
import sys, time
from neurocompile.cli import main
from neurocompile.engines import recording_file
from neurocompile.commands.simulate import run
at_work = sys.argv.pop()
class Slow(run.Score):
    def add(self, *what):
        open(at_work, "x").close()
        time.sleep(60)
run.Score = Slow
main()
"""
)


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "Interrupted; nothing was written."),
        (signal.SIGTERM, 143, "Terminated; nothing was written."),
        (signal.SIGHUP, 129, "Terminated; nothing was written."),
    ],
)
def test_a_command_that_is_stopped_leaves_nothing_and_says_so(
    exported, tmp_path, number, code, said
):
    at_work = tmp_path / "at work"
    arguments = ["--engine", "onnx", "--record", "spikes", "--to", tmp_path / "run.h5", "--quiet"]
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, "simulate", exported[0], *arguments, at_work],
        stderr=subprocess.PIPE, text=True,
    ) as command:  # fmt: skip
        while not at_work.exists():
            assert command.poll() is None, command.stderr.read()
            time.sleep(0.05)
        command.send_signal(number)
        _, error = command.communicate(timeout=60)
    assert (command.returncode, error.strip()) == (code, said)
    assert os.listdir(tmp_path) == ["at work"]


IN_HDF5 = (
    HEARING
    + """
import signal
from neurocompile.cli import main
from neurocompile.engines import recording_file
write = recording_file._Disk.write
def interrupted(disk, content):
    signal.raise_signal(signal.SIGINT)
    return write(disk, content)
recording_file._Disk.write = interrupted
main()
"""
)


def test_an_interrupt_while_hdf5_writes_a_recording_comes_after_it(exported, tmp_path):
    arguments = ["--record", "spikes,membrane", "--to", tmp_path / "run.h5", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", IN_HDF5, "simulate", exported[0], "--engine", "onnx", *arguments],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "Interrupted; nothing was written.\n")
    assert os.listdir(tmp_path) == []


IMPORTING = (
    HEARING
    + """
import sys, time
from neurocompile.cli import main

@main.command()
def importing():
    import interrupted
    time.sleep(60)

sys.path.insert(0, sys.argv.pop())
main(["importing"])
"""
)
INTERRUPTED = """
import signal, sys
signal.raise_signal({number})
import csv  # a package that imports others
sys.stderr.write("imported whole\\n")
"""


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "Interrupted; nothing was written."),
        (signal.SIGTERM, 143, "Terminated; nothing was written."),
        (signal.SIGHUP, 129, "Terminated; nothing was written."),
    ],
)
def test_a_signal_during_an_import_interrupts_after_it(number, code, said, tmp_path):
    (tmp_path / "interrupted.py").write_text(INTERRUPTED.format(number=int(number)))
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING, tmp_path], capture_output=True, text=True, timeout=50
    )
    assert (done.returncode, done.stderr) == (code, f"imported whole\n{said}\n")


@pytest.mark.parametrize("at", ["after it opened", "after its layout", "before it closes"])
def test_an_interrupt_between_calls_of_hdf5_leaves_nothing_and_no_complaint(
    at, tmp_path, monkeypatch
):
    calls = []

    @contextmanager
    def parted():
        calls.append(None)
        if len(calls) == 3 and at == "before it closes":
            raise KeyboardInterrupt
        yield
        if len(calls) == {"after it opened": 1, "after its layout": 2}.get(at):
            raise KeyboardInterrupt

    monkeypatch.setattr(recording_file, "uninterrupted", parted)
    graph = chain({"in": SpikeInput((2,))})
    with (
        pytest.raises(KeyboardInterrupt),
        recording_file.recording_file(tmp_path / "x.h5", RECORDED, graph, 1, 2),
    ):
        pass
    gc.collect()  # h5py complains of a file whose disk has gone before it, which is an error here
    assert os.listdir(tmp_path) == []


def test_a_signal_that_the_caller_has_ignored_stays_ignored():
    from neurocompile.commands.stopping import stoppable

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with stoppable():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


FULL = """
import resource, signal
from neurocompile.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))  # a disk with 2 kB left
main()
"""


def test_a_recording_that_does_not_fit_is_one_sentence_and_leaves_nothing(exported, tmp_path):
    arguments = ["--record", "spikes,membrane", "--to", tmp_path / "run.h5", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", FULL, "simulate", exported[0], "--engine", "onnx", *arguments],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.strip() == (
        f"BadInput: {tmp_path / 'run.h5'} was not written: it is larger than a file may be here. "
        "Raise the limit (ulimit -f), or choose another disk, and try again."
    )
    assert os.listdir(tmp_path) == []


AT_THE_END = """
import atexit, os, signal
from neurocompile.cli import main
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))  # while Python and its packages end
main()
"""


def test_an_interrupt_after_the_command_is_done_ends_python_without_a_traceback():
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END, "targets"], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
    assert "loihi-sim" in done.stdout


HALF_MADE = """
import click
from neurocompile.cli import main

class Half:
    def __del__(self):
        raise AttributeError("half made")

@main.command()
def interrupted():
    half = Half()
    raise KeyboardInterrupt

main(["interrupted"])
"""


def test_what_was_interrupted_while_it_was_made_goes_in_silence():
    done = subprocess.run(
        [sys.executable, "-c", HALF_MADE], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (130, "Interrupted; nothing was written.\n")
