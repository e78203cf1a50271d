"""Whatever happens to a Lava run, no process, folder or shared memory of it is left."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from full_disk import files_of_at_most

from neurocompile.data.inputs import Encoded
from neurocompile.engines import lava
from neurocompile.engines.lava import repairs
from neurocompile.engines.lava.plan import make_plan
from neurocompile.engines.lava.supervise import LavaChild
from neurocompile.engines.lava.workspace import Workspace
from neurocompile.errors import BadInput
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.nodes import Linear

LINUX = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks into /proc")


def network():
    return chain(
        {
            "in": SpikeInput((4,)),
            "s": Synapse(Linear(np.full((3, 4), 100)), (4,), (3,)),
            "out": CubaLIF((3,), 4095, 100, 50, 0, 0, 0),
        }
    )


def endless():
    """Input that keeps Lava busy for minutes."""
    return Encoded({"in": np.zeros((20_000, 20, 4), np.uint8)}, 20)


def short(samples=2):
    return Encoded({"in": np.ones((samples, 5, 4), np.uint8)}, 5)


def processes_of(folder):
    """Processes with this folder on their command line: the child and its workers."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes()
        except OSError:  # no process, or gone meanwhile
            continue
        if str(folder).encode() in line:
            found.append(int(entry.name))
    return found


def assert_nothing_is_left(folder, patience_s=0.0):
    end = time.monotonic() + patience_s
    while (processes_of(folder) or list(folder.iterdir())) and time.monotonic() < end:
        time.sleep(0.05)
    assert processes_of(folder) == []
    assert list(folder.iterdir()) == []


def parent_of(process):
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def child_of(processes):
    """The one that this process started; numbers of processes may begin again at 0."""
    (child,) = (process for process in processes if parent_of(process) == os.getpid())
    return child


def worker_of(processes):
    """One of the child's workers."""
    return next(process for process in processes if parent_of(process) == child_of(processes))


def kills_once(folder, which):
    """Progress that kills a process, `child_of` or `worker_of` all, at its first call."""
    victims = []

    def kill(done, samples):
        if not victims:
            victims.append(which(processes_of(folder)))
            os.kill(victims[0], signal.SIGKILL)

    return kill


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """The folder in which workspaces are made, with a name that no other process has."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@LINUX
def test_a_run_leaves_nothing_and_its_shared_memory_has_no_name(scratch):
    mapped, looked = [], set()
    ended = threading.Event()

    def look():
        """A short run may end before its progress is told, so it is watched from beside."""
        while not ended.wait(0.02):
            looked.update(processes_of(scratch))
            seen = []
            for process in processes_of(scratch):
                with suppress(OSError):  # it may be ending
                    lines = Path(f"/proc/{process}/maps").read_text().splitlines()
                    seen.extend(line for line in lines if "/dev/shm" in line)
            mapped[:] = seen or mapped  # the last look: memory loses its name once all have it

    beside = threading.Thread(target=look)
    beside.start()
    try:
        recording = lava.run(network(), short(200))
    finally:
        ended.set()
        beside.join()
    assert recording.spikes["out"].all()
    assert len(looked) >= 3  # the child and workers; one that lives for a moment may be missed
    assert all(line.endswith("(deleted)") for line in mapped)
    assert_nothing_is_left(scratch)


def test_room_for_all_that_lava_writes_is_taken_before_it_runs(tmp_path):
    plan = make_plan(network(), short(200))
    Workspace(tmp_path).write(plan, network(), short(200))
    files = [path.stat() for path in tmp_path.glob("*.npy")]
    assert len(files) == 3  # what enters, and what one population sends and holds
    # in blocks of 512 bytes; a file with a hole would have fewer
    assert all(512 * file.st_blocks >= file.st_size for file in files)


@LINUX
@pytest.mark.parametrize("room", [100, 5_000, 12_000])  # bytes, of 4,128, 3,128 and 12,128 needed
def test_a_disk_without_room_for_lava_is_said_in_a_sentence(room, scratch):
    words = f"what Lava reads could not be written in {scratch}: .*. Free some space there, or"
    with files_of_at_most(room), pytest.raises(BadInput, match=words):
        lava.run(network(), short(200))
    assert_nothing_is_left(scratch)


@LINUX
def test_a_run_that_takes_too_long_is_ended_and_says_how_far_it_came(scratch):
    start = time.monotonic()
    with pytest.raises(lava.EngineFailed, match=r"within 4 s: \d+ of 20000 samples of 20 steps"):
        lava.run(network(), endless(), timeout_s=4)
    assert time.monotonic() - start < 30
    assert_nothing_is_left(scratch)


@LINUX
def test_a_killed_worker_ends_the_run_and_is_named(scratch):
    with pytest.raises(lava.EngineFailed, match=r"a Lava worker \(process \d+\) was .* SIGKILL"):
        lava.run(network(), endless(), progress=kills_once(scratch, worker_of))
    assert_nothing_is_left(scratch)


@LINUX
def test_a_killed_child_ends_the_run_and_its_workers(scratch):
    with pytest.raises(lava.EngineFailed, match="ended with status 9"):
        lava.run(network(), endless(), progress=kills_once(scratch, child_of))
    assert_nothing_is_left(scratch)


@LINUX
def test_an_error_inside_a_worker_is_told_with_layer_and_step(scratch):
    graph, encoded = network(), short()
    plan = make_plan(graph, encoded)
    with LavaChild() as child:
        workspace = Workspace(child.root)
        workspace.write(plan, graph, encoded)
        np.save(workspace.file("input", 0), np.ones((10, 3), np.uint8))  # 3 axons instead of 4
        with pytest.raises(lava.EngineFailed, match="layer 'in', chip step 1: AssertionError"):
            child.run(plan, 60, None)
    assert processes_of(scratch) == []


@LINUX
def test_an_error_while_a_worker_is_built_is_told_with_its_layer(scratch):
    graph, encoded = network(), short()
    plan = make_plan(graph, encoded)
    with LavaChild() as child:
        workspace = Workspace(child.root)
        workspace.write(plan, graph, encoded)
        workspace.file("membrane", 2).unlink()
        with pytest.raises(lava.EngineFailed, match="recorder of layer 'out': FileNotFoundError"):
            child.run(plan, 60, None)
    assert processes_of(scratch) == []


@LINUX
def test_a_process_that_was_started_early_runs_once_and_is_left_by_nobody(scratch):
    with lava.early():
        end = time.monotonic() + 30
        while not processes_of(scratch) and time.monotonic() < end:
            time.sleep(0.01)  # it may just be taking on its command line
        assert len(processes_of(scratch)) == 1
        first = lava.run(network(), short())
        assert processes_of(scratch) == []
        second = lava.run(network(), short())
    assert np.array_equal(first.spikes["out"], second.spikes["out"])
    assert first.spikes["out"].all()
    assert_nothing_is_left(scratch)
    with pytest.raises(KeyboardInterrupt), lava.early():
        raise KeyboardInterrupt
    assert_nothing_is_left(scratch)


@LINUX
def test_an_interrupt_from_the_keyboard_leaves_nothing(scratch):
    def interrupt(done, samples):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lava.run(network(), endless(), progress=interrupt)
    assert_nothing_is_left(scratch)


@LINUX
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_parent_leaves_nothing(tmp_path, by):
    code = (
        "from test_lava_safety import *\n"
        "lava.run(network(), endless(), progress=lambda done, n: print('going', flush=True))"
    )
    tests = Path(__file__).parents[1]
    paths = [str(tests / "engines"), str(tests / "support"), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(paths)}
    with subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"going\n"
        assert len(processes_of(tmp_path)) >= 5
        parent.send_signal(by)
    assert_nothing_is_left(tmp_path, patience_s=10)


def test_repairs_make_lava_importable_twice_and_its_ports_and_convolutions_usable():
    code = """
import numpy as np
from neurocompile.engines.lava import repairs
repairs.apply()
repairs.apply()
from lava.proc.lif.process import LIF
from lava.proc.conv import utils
from lava.magma.core.process.ports.ports import ReshapePort
port = ReshapePort(new_shape=(2, 3), old_shape=(6,))
assert port.get_transform_func_fwd()(np.arange(6)).shape == (2, 3)
assert port.get_transform_func_bwd()(np.ones((2, 3))).shape == (6,)
small = lambda *n: np.array(n, dtype=np.int8)
wide = np.ones((4, 4, 130), dtype=np.int32)
args = (small(3, 3), small(1, 1), small(0, 0), small(1, 1), small(1)[0])
assert (utils.conv(wide, np.ones((1, 3, 3, 130), dtype=np.int32), *args) == 9 * 130).all()
print("good")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "good\n", done.stderr


def test_importing_the_engine_imports_nothing_of_lava():
    code = "import sys, neurocompile.engines.lava; print([m for m in sys.modules if m == 'lava'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr
    assert repairs.LAVA_VERSION == "0.10.0"
