"""Where machine code is kept: damage is noticed, and no place at all is no reason to fail."""

import importlib.util
import os
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
from numba.core.dispatcher import Dispatcher

from neurocompile.engines import machine_code

NUMBERS = count()


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The user's cache folder and the temporary one, both empty."""
    for cached in (machine_code._of_the_user, machine_code._temporary):
        cached.cache_clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(machine_code.tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    yield tmp_path
    for cached in (machine_code._of_the_user, machine_code._temporary):
        cached.cache_clear()


def doubled(folder, name="kept"):
    """A function of a file, compiled as if in a process of its own."""
    file = folder / f"{name}.py"
    file.write_text("def doubled(x):\n    return 2 * x\n")
    spec = importlib.util.spec_from_file_location(f"{name}{next(NUMBERS)}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return machine_code.compiled(module.doubled)


def kept(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix in (".nbi", ".nbc"))


def hits(function):
    return sum(function.stats.cache_hits.values())


def test_machine_code_is_kept_in_the_users_cache_and_found_again(places):
    assert doubled(places)(21) == 42
    again = doubled(places)
    assert (again(21), hits(again)) == (42, 1)
    assert len(kept(places / "cache/neurocompile/kernels")) == 2
    assert not (places / "__pycache__").exists() or not kept(places / "__pycache__")


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize(
    "damage",
    [lambda b: b"", lambda b: b[:31], lambda b: b[: len(b) // 2], lambda b: b[:-1] + b"\0",
     lambda b: b"\0" * len(b)],
    ids=["empty", "no digest", "half", "last byte", "zeros"],
)  # fmt: skip
def test_damaged_machine_code_is_made_anew(places, suffix, damage):
    doubled(places)(21)
    (file,) = (p for p in kept(places) if p.suffix == suffix)
    file.write_bytes(damage(file.read_bytes()))
    remade = doubled(places)
    assert (remade(21), hits(remade)) == (42, 0)
    again = doubled(places)
    assert (again(21), hits(again)) == (42, 1)


def test_without_a_home_it_is_kept_in_a_private_folder(places, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/none")
    assert doubled(places)(21) == 42
    (folder,) = (places / "tmp").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(kept(folder)) == 2
    assert machine_code.source_file("step.py", "x = 1").parent == folder


@pytest.mark.parametrize("spoil", ["open to all", "a link", "a file"])
def test_a_temporary_folder_that_others_may_write_is_not_used(places, monkeypatch, spoil):
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/none")
    folder = places / "tmp" / f"neurocompile-{os.getuid()}"
    if spoil == "a link":
        (places / "theirs").mkdir(mode=0o700)
        folder.symlink_to(places / "theirs")
    elif spoil == "a file":
        folder.write_text("")
    else:
        folder.mkdir()
        folder.chmod(0o777)
    assert doubled(places)(21) == 42
    assert kept(places) == []
    assert machine_code.source_file("step.py", "x = 1") is None


def test_a_disk_that_takes_nothing_more_is_no_reason_to_fail(places, monkeypatch):
    def full(file, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(machine_code, "_put", full)
    assert doubled(places)(21) == 42
    assert machine_code.source_file("step.py", "x = 1") is None


def test_a_source_that_is_damaged_is_written_anew(places):
    file = machine_code.source_file("step.py", "x = 1")
    file.write_text("x =")
    assert machine_code.source_file("step.py", "x = 1") == file
    assert file.read_text() == "x = 1"


def test_the_engine_runs_where_neither_home_nor_temporary_folders_are_writable(tmp_path):
    program = (
        "import tempfile; tempfile.tempdir = '/dev/null'\n"
        "from neurocompile.engines.fixed import step_source\n"
        "from neurocompile.engines.fixed.loops import scatter\n"
        "print(scatter.stats.cache_path, step_source.machine_code.source_file('x.py', ''))\n"
    )
    environment = {**os.environ, "HOME": "/dev/null", "XDG_CACHE_HOME": "", "NUMBA_CACHE_DIR": ""}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment,
        cwd=Path(__file__).parents[2], timeout=120,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("None None\n", 0), done.stderr


def test_an_interrupt_while_machine_code_is_made_comes_after_it(places, monkeypatch):
    """LLVM calls back into Python, where an exception is printed and lost."""
    made = []

    def compile_(self, signature):
        signal.raise_signal(signal.SIGINT)
        made.append(signature)

    monkeypatch.setattr(Dispatcher, "compile", compile_)
    doubled = machine_code.compiled(lambda x: 2 * x)
    with pytest.raises(KeyboardInterrupt):
        doubled.compile("a signature")
    assert made == ["a signature"]
