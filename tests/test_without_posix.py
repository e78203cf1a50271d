"""What runs where an operating system is not POSIX, as far as a POSIX system can tell.

Nothing here runs on Windows. The calls that Python has only on POSIX are taken away instead: from
the source of the rooms that shall not use them, and from a process that then runs the commands.
"""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from neurocompile import installed
from neurocompile.errors import NotInstalled
from neurocompile.formats.hdf5.read import START, read_hdf5

ROOT = Path(__file__).parents[1]
RELEASE = Path(__file__).parent / "formats/releases/0.1.0"
# "Availability: Unix" in Python's documentation, as far as a compiler could want it.
MODULES = ("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty")
IN_OS = (
    "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "chown", "chroot", "fchdir", "fchown", "fork",
    "forkpty", "getegid", "geteuid", "getgid", "getpgid", "getsid", "getuid", "killpg", "lchown",
    "mkfifo", "nice", "openpty", "posix_fallocate", "posix_spawn", "pread", "preadv", "pwrite",
    "pwritev", "register_at_fork", "sched_getaffinity", "sendfile", "setpgid", "setsid", "statvfs",
    "sync", "sysconf", "uname", "wait", "wait3", "wait4", "waitid",
)  # fmt: skip
IN_SIGNAL = ("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGUSR1", "alarm", "pthread_sigmask")
# Each with what `installed.ABILITIES` says that it calls; `scratch.py` and `machine_code.py` do
# without, if they have to.
USERS = {
    "engines/machine_code.py": {"os.getuid"},
    "bundle/lava": {"os.posix_fallocate"},
    "cluster/workers.py": {"signal.SIGHUP", "signal.pthread_sigmask"},
    "data/shards": {"os.register_at_fork", "resource"},
    "engines/lava": {"os.waitid", "os.killpg", "os.posix_fallocate", "signal.SIGKILL"},
    "formats/hdf5": {"resource"},
    "formats/scratch.py": {"fcntl", "os.geteuid", "os.O_NOFOLLOW"},
}


def used(path):
    """What a file uses that only POSIX has."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        if isinstance(node, ast.ImportFrom) and node.module in MODULES:
            yield node.module
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            for module, names in (("os", IN_OS), ("signal", IN_SIGNAL)):
                if node.value.id == module and node.attr in names:
                    yield f"{module}.{node.attr}"


def test_only_the_rooms_that_limit_and_end_processes_use_what_only_posix_has():
    found = {}
    for path in (ROOT / "neurocompile").rglob("*.py"):
        if names := set(used(path)):
            room = "/".join(path.relative_to(ROOT / "neurocompile").parts[:2])
            found[room] = found.get(room, set()) | names
    assert found == USERS


HIDDEN = f"""
import os, signal, sys
import click, h5py, jsonschema, numba, numpy, onnx, onnxruntime, rich.progress, scipy.sparse, torch
import sklearn.datasets  # their own calls are their own affair
for name in {MODULES!r}:
    sys.modules[name] = None
for module, names in ((os, {IN_OS!r}), (signal, {IN_SIGNAL!r})):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
from neurocompile.cli import main
"""


RUNS = f"""
import json
from neurocompile.installed import ABILITIES

print(json.dumps({{a.name: [a.not_here, a.cure] for a in ABILITIES if a.not_here}}))
release, out = {str(RELEASE)!r}, sys.argv[1]
main(["simulate", release + "/export", "--engine", "fixed", "--engine", "onnx", "--samples", "3"],
     standalone_mode=False)
main(["export", release + "/export/fixed.onnx", "--target", "loihi-sim", "--out", out,
      "--engine", "onnx", "--data", "digits", "--samples", "3", "-q"], standalone_mode=False)
main(["check", out, "--baseline", release + "/baseline.json"], standalone_mode=False)
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What `RUNS` prints where the calls are missing."""
    done = subprocess.run(
        [sys.executable, "-c", HIDDEN + RUNS, tmp_path_factory.mktemp("hidden") / "out"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_engines_fixed_and_onnx_the_gate_and_an_export_run_without_them(printed):
    text = " ".join(printed.split())
    assert re.search(r"fixed = onnx: [\d,]+ spikes and potentials compared, 0 differ", text)
    assert f"against {RELEASE / 'baseline.json'}: passed" in text


def test_what_needs_them_is_refused_by_the_name_of_what_is_missing(printed):
    linux = "use Linux: WSL on Windows, a container elsewhere"
    assert json.loads(printed.splitlines()[0]) == {
        "engine lava": [["os.fork", "os.waitid", "os.killpg"], linux],
        "front ends .nir and .net": [["resource"], linux],
        "shards HDF5": [["resource"], linux],
        "shards zarr": [["resource"], linux],
    }


def test_a_file_of_hdf5_is_no_damaged_file_where_no_process_can_be_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(installed, "_has", lambda name: name != "resource")
    (tmp_path / "x.nir").write_bytes(START)
    with pytest.raises(NotInstalled, match="needs resource, which Python does not have on this"):
        read_hdf5(tmp_path / "x.nir")


def test_doctor_says_what_the_system_has_not(monkeypatch, call):
    monkeypatch.setattr(installed, "_has", lambda name: name != "os.waitid")
    code, out, _ = call("doctor")
    assert code == 0
    assert "missing: os.waitid; use Linux: WSL on Windows" in " ".join(out.split())
