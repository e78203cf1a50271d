"""What tests that import Norse have to allow, and how many cores they take."""

import pytest
import torch


def pytest_configure(config):
    # norse 1.1.0 decorates functions with torch.jit.script when it is imported
    config.addinivalue_line(
        "filterwarnings", "ignore:`torch.jit.script` is deprecated:DeprecationWarning"
    )


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors on a busy machine: threads that wait for each other take ten times as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
