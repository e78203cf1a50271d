"""What every test shares: quiet threads and the chips."""

import pytest

from neurocompile.hardware import load_chip


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small tensors on a busy machine: threads that wait for each other take ten times as long."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def loihi():
    return load_chip("loihi-sim")


@pytest.fixture(scope="session")
def ideal():
    return load_chip("ideal")
