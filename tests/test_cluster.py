"""Workers are started and found, are quiet, and end with what started them."""

import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import psutil
import pytest

from neurocompile import installed
from neurocompile.cluster import workers as module
from neurocompile.cluster.workers import workers
from neurocompile.errors import BadInput, NotInstalled

HOLD = """
import sys, time
from neurocompile.cluster.workers import workers
if __name__ == "__main__":
    with workers(count=2) as client:
        print(*client.run(__import__("os").getpid).values(), flush=True)
        client.submit(time.sleep, 60).result()
"""

BEGIN = """
import signal, time
import distributed
from neurocompile.cluster.workers import workers
if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        print("begun", flush=True)
        with workers(count=2):
            time.sleep(60)
    except KeyboardInterrupt:
        print("stopped")
"""


@pytest.fixture
def holding(tmp_path):
    """A process that holds two busy workers, in a group of processes of its own; their ids."""
    (tmp_path / "hold.py").write_text(HOLD)
    process = subprocess.Popen(
        [sys.executable, "-W", "error", tmp_path / "hold.py"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=installed.child_environment(),
    )  # fmt: skip
    pids = [int(word) for word in process.stdout.readline().split()]
    yield process, pids
    process.kill()
    process.communicate()


def gone(pids, patience_s=15):
    """Whether all of these processes end."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        alive = [p for p in pids if psutil.pid_exists(p)
                 and psutil.Process(p).status() != psutil.STATUS_ZOMBIE]  # fmt: skip
        if not alive:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("how", ["ctrl-c", "terminated", "killed"])
def test_no_worker_outlives_the_process_that_started_it(how, holding):
    process, pids = holding
    assert len(pids) == 2
    if how == "ctrl-c":  # a terminal sends it to every process of the group
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGTERM if how == "terminated" else signal.SIGKILL)
    _, errors = process.communicate(timeout=30)
    assert gone(pids)
    if how != "killed":
        assert errors.strip().splitlines()[-1] == "KeyboardInterrupt"
        assert process.returncode in (-signal.SIGINT, 130)
        assert "distributed" not in errors.split("Traceback")[0]


def test_local_workers_take_one_task_each_and_listen_on_the_loopback_under_a_certificate():
    with workers(count=2) as client:
        about = client.scheduler_info()
        addresses = [about["address"], *about["workers"]]
        threads = [worker["nthreads"] for worker in about["workers"].values()]
        listening = {
            connection.laddr.ip
            for pid in {os.getpid(), *client.run(os.getpid).values()}
            for connection in psutil.Process(pid).net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        about_threads = set(client.run(lambda: os.environ["OMP_NUM_THREADS"]).values())
    assert all(address.startswith("tls://127.0.0.1:") for address in addresses)
    assert threads == [1, 1]
    assert listening == {"127.0.0.1"}
    assert about_threads == {"1"}


@pytest.mark.parametrize("scheme", ["tcp://", ""])
def test_where_no_scheduler_answers_a_sentence_says_so(scheme):
    with (
        pytest.raises(BadInput, match=r"no Dask scheduler at .*127.0.0.1:9 .*Start one with"),
        workers(f"{scheme}127.0.0.1:9", patience_s=0.3),
    ):
        pass


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere"])
def test_no_client_is_made_where_there_is_no_scheduler(address, monkeypatch):
    import distributed

    made = []

    class Kept(distributed.Client):
        def __init__(self, *arguments, **options):
            made.append(self)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(distributed, "Client", Kept)
    with pytest.raises(BadInput), workers(address, patience_s=0.3):
        pass
    assert made == []


def test_a_file_of_a_scheduler_that_is_not_there_is_named(tmp_path):
    with (
        pytest.raises(BadInput, match=r"the file .*s\.json of a Dask scheduler is not there"),
        workers(str(tmp_path / "s.json")),
    ):
        pass


@pytest.mark.parametrize(
    ("answer", "words"),
    [(b"", "it did not answer in 0.5 s"), (b"HTTP/1.1 400 Bad Request\r\n", "is something else")],
)
def test_a_program_that_is_no_scheduler_is_not_waited_for_and_a_sentence_says_so(answer, words):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept():
            connection, _ = server.accept()
            with connection:
                connection.sendall(answer)
                connection.recv(1 << 20)
                done.wait(30)

        done = threading.Event()
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        with (
            pytest.raises(BadInput, match=rf"no Dask scheduler at .*{words}"),
            workers(f"127.0.0.1:{server.getsockname()[1]}", patience_s=0.5),
        ):
            pass
        done.set()
        thread.join()


def test_more_local_workers_than_the_cores_can_use_are_refused_before_one_starts(monkeypatch):
    monkeypatch.setattr(module, "cores", lambda: 2)
    monkeypatch.setattr(module, "_local", None)  # would fail if it were called
    words = "17 workers are more than 8 per core.*at most 16"
    with pytest.raises(BadInput, match=words), workers(count=17):
        pass


def test_workers_leave_nothing_among_the_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with workers(count=1) as client:
        assert client.submit(sum, (1, 2)).result() == 3
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_all_processes_while_workers_start_is_no_traceback(number, tmp_path):
    (tmp_path / "begin.py").write_text(BEGIN)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, tmp_path / "begin.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
        env=installed.child_environment() | {"TMPDIR": str(temporary)},
    )  # fmt: skip
    process.stdout.readline()
    deadline = time.monotonic() + 30
    while len(started := psutil.Process(process.pid).children(recursive=True)) < 3:
        assert time.monotonic() < deadline  # a process of Python's own, and two workers
        time.sleep(0.01)
    time.sleep(0.2)  # they import
    os.killpg(process.pid, number)
    said, complaints = process.communicate(timeout=60)
    assert (said, complaints) == ("stopped\n", "")
    assert gone([each.pid for each in started])
    assert os.listdir(temporary) == []


def test_a_disk_that_takes_no_temporary_files_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def full(*_):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(module, "scratch", full)
    words = f"what the workers hold could not be written in {tmp_path}: Disk quota exceeded. Free"
    with pytest.raises(BadInput, match=words), workers(count=1):
        pass


def test_settings_that_dask_cannot_use_are_a_sentence(tmp_path):
    (tmp_path / "dask.yaml").write_text("a: [1\n b: }")
    program = "from neurocompile.cluster.workers import workers; workers(count=1).__enter__()"
    for setting in (("CONFIG", str(tmp_path)), ("DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "soon")):
        environment = installed.child_environment() | {f"DASK_{setting[0]}": setting[1]}
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=environment
        )
        assert "BadInput: Dask does not start with its settings" in done.stderr, done.stderr


@pytest.mark.parametrize(
    "address",
    [
        "tcp://ada:s3c ret@10.0.0.1:8786",
        " ada:s3c\nret@10.0.0.1:8786",
        "tcp://ada:s3cret@10.0.0.1:8786",
        "ada:s3cret@10.0.0.1:8786",
        "tls://ada:s3c/r@et@10.0.0.1:8786",
        "s3cret@10.0.0.1",
    ],
)
def test_a_user_and_a_password_in_an_address_are_refused_and_never_printed(address):
    with (
        pytest.raises(BadInput, match="has a user or a password") as refused,
        workers(address),
    ):
        pass
    assert "10.0.0.1" in str(refused.value)
    assert not any(word in str(refused.value) for word in ("ada", "s3c", "et@"))


@pytest.mark.parametrize("content", ["{}", "[1]", "no JSON", '{"address": 3}'])
def test_a_file_that_is_not_a_scheduler_s_is_refused(content, tmp_path):
    file = tmp_path / "s.json"
    file.write_text(content)
    with (
        pytest.raises(BadInput, match=r"s\.json is not the file of a Dask"),
        workers(str(file)),
    ):
        pass


def test_workers_that_are_started_elsewhere_are_not_counted_here():
    with (
        pytest.raises(BadInput, match="has workers of its own"),
        workers("tcp://x:1", count=2),
    ):
        pass


def test_a_program_without_a_guard_is_told_what_to_write(tmp_path):
    (tmp_path / "bare.py").write_text(
        "from neurocompile.cluster.workers import workers\nwith workers(count=1): pass\n"
    )
    done = subprocess.run(
        [sys.executable, tmp_path / "bare.py"], capture_output=True, text=True, check=False,
        env=installed.child_environment(),
    )  # fmt: skip
    assert done.returncode == 1
    assert 'does so below `if __name__ == "__main__":`' in done.stderr.splitlines()[-1]


def test_without_dask_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setattr(installed, "installed", lambda name: None if name == "distributed" else "1")
    with (
        pytest.raises(NotInstalled, match=r"distributed, not installed.*doctor --install sweep"),
        workers(),
    ):
        pass


def test_no_other_command_waits_for_dask():
    modules = "neurocompile, neurocompile.cluster.tasks, neurocompile.cli, neurocompile.compiler"
    program = f"import sys, {modules}; print({{'dask', 'distributed'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_the_caller_ignores_ends_nothing_while_workers_run(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with module._stoppable():
            signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_the_caller_takes_later_interrupts_the_second_time(number):
    answers = [True]  # it comes again

    def told(number, _):
        if answers:
            return answers.pop()
        raise InterruptedError(number)

    before = signal.signal(number, told)
    try:
        with module._stoppable():
            signal.raise_signal(number)
            assert answers == []
            with pytest.raises(InterruptedError):
                signal.raise_signal(number)
        assert signal.getsignal(number) is told
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_workers_run_is_what_the_caller_makes_of_it(number):
    def told(number, _):
        raise InterruptedError(number)

    before = signal.signal(number, told)
    try:
        with pytest.raises(InterruptedError), module._stoppable():
            signal.raise_signal(number)
        assert signal.getsignal(number) is told
    finally:
        signal.signal(number, before)
