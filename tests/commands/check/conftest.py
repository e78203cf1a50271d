"""The small network exported once, with its baseline and its samples."""

import gate_networks
import numpy as np
import pytest
from click.testing import CliRunner

from neurocompile.cli import main


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Folder with small/ (an export), x.npz (its data) and base.json (its baseline)."""
    folder = tmp_path_factory.mktemp("gate")
    np.savez(folder / "x.npz", x=gate_networks.samples())
    gate_networks.write(folder / "small", gate_networks.network(), folder / "x.npz")
    arguments = ["check", folder / "small", "--baseline", folder / "base.json", "--update"]
    done = CliRunner().invoke(main, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    return folder
