"""Machines that refuse what a command needs: a sentence and the exit code 2, never a traceback."""

import errno
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from neurocompile.cli import main
from neurocompile.commands.group import Commands


def run(shell, *arguments, **variables):
    """Lines of a shell, in which $RUN is the program: its exit code and what it said on stderr."""
    done = subprocess.run(
        ["bash", "-c", shell, "bash", *map(str, arguments)],
        env={"RUN": f"{sys.executable} -m neurocompile.cli", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_current_folder_that_was_deleted_is_named(exported, tmp_path):
    shell = "mkdir $1/gone; cd $1/gone; rmdir $1/gone; $RUN report $2 --out page.html"
    assert run(shell, tmp_path, exported[0]) == (
        2,
        "BadInput: the folder in which this command runs was deleted. Go to another one (cd).\n",
    )


@pytest.mark.parametrize("asked", ["--help", "--version", "energy --help"])
def test_help_that_cannot_be_written_is_one_sentence(asked):
    code, error = run(f"$RUN {asked} > /dev/full")
    assert code == 2
    assert error.startswith("BadInput: ")
    assert "No space left on device" in error
    assert error.count("\n") == 1


def test_the_exit_code_stands_where_its_sentence_cannot_be_written(tmp_path):
    assert run("$RUN energy $1/nothing 2> /dev/full", tmp_path)[0] == 2


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"NUMBA_DISABLE_JIT": "1"}, "the variable NUMBA_DISABLE_JIT is set"),
        ({"NUMBA_NUM_THREADS": "0"}, "numba does not start: Number of threads"),
        ({"NUMBA_NUM_THREADS": "x"}, "numba does not start: Environment variable"),
    ],
)
def test_variables_with_which_there_is_no_machine_code_are_named(exported, variables, said):
    code, error = run("$RUN simulate $1 --engine fixed --samples 1", exported[0], **variables)
    assert code == 2
    assert f"BadInput: {said}" in error
    assert "Traceback" not in error


def test_a_library_that_finds_no_room_in_memory_is_short_of_memory(monkeypatch):
    def refuse(*_):
        raise ImportError("libtorch_cpu.so: failed to map segment from shared object")

    monkeypatch.setattr(Commands, "resolve_command", refuse)
    done = CliRunner().invoke(main, ["targets"])
    assert done.exit_code == 2
    assert done.stderr.startswith("BadInput: this machine has not enough memory for it.")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.ENOSPC, errno.EAGAIN])
def test_what_the_system_refuses_is_one_sentence_wherever_it_happens(monkeypatch, number):
    def refuse(*_):
        raise OSError(number, "What it says", "the file")

    monkeypatch.setattr(Commands, "resolve_command", refuse)
    done = CliRunner().invoke(main, ["targets"])
    assert done.exit_code == 2
    assert done.stderr == (
        "BadInput: the file: What it says. Change that, or the limits of this shell (ulimit).\n"
    )


def test_an_error_that_no_user_caused_keeps_its_traceback(monkeypatch):
    def refuse(*_):
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(Commands, "resolve_command", refuse)
    assert isinstance(CliRunner().invoke(main, ["targets"]).exception, OSError)


@pytest.mark.parametrize(
    "name", ["f.pt", "f.onnx", "f.nir", "f.net", "f.npz", "f.toml", "f.json", "f.state"]
)
def test_nobody_waits_for_what_a_pipe_may_say(name, exported, tmp_path, call):
    pipe = tmp_path / name
    os.mkfifo(pipe)
    words = {
        ".npz": ("simulate", exported[0], "--data", pipe),
        ".toml": ("sweep", "--file", pipe, "--out", tmp_path / "out"),
        ".json": ("check", exported[0], "--baseline", pipe),
        ".state": ("simulate", exported[0], "--stream", "--state", pipe),
    }.get(pipe.suffix, ("inspect", pipe))
    code, _, stderr = call(*words)
    assert code == 2
    assert name in stderr
