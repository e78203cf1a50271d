"""`graph -> .net -> graph` on random networks that a `.net` file can hold; FUZZ_N of them."""

import os

import pytest
from netx_networks import held_network

from neurocompile.formats.netx.read import load_net
from neurocompile.formats.netx.write import to_bytes
from neurocompile.ir.graph import same
from neurocompile.ir.verify import verify

SEEDS = int(os.environ.get("FUZZ_N", "20"))
FIRST = 1000  # other networks than those of the short test


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_a_random_network_comes_back_equal(seed, tmp_path):
    graph = verify(held_network(seed), "fixed")
    path = tmp_path / "network.net"
    path.write_bytes(to_bytes(graph))
    assert same(load_net(path), graph)
