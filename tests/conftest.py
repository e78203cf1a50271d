"""What every test shares: quiet threads, the chips, the command line as a user calls it."""

import signal

import pytest
from click.testing import CliRunner

from neurocompile.chip.read import load_chip

# A shell's background job has SIGINT ignored, and so would every command that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small tensors on a busy machine: threads that wait for each other take ten times as long."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def call():
    """Run a command; (exit code, stdout, stderr)."""
    from neurocompile.cli import main

    def run(*arguments):
        done = CliRunner().invoke(main, [str(a) for a in arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    return run


@pytest.fixture(scope="session")
def loihi():
    return load_chip("loihi-sim")


@pytest.fixture(scope="session")
def ideal():
    return load_chip("ideal")
