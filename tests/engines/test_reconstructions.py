"""What a network gives back, at either stage: the same numbers that a report's errors come from."""

from dataclasses import replace

import networks
import numpy as np
import pytest

import neurocompile as nc
from neurocompile.compiler import compile_graph
from neurocompile.data.samples import Data
from neurocompile.engines import batches
from neurocompile.engines.decode import squared_error
from neurocompile.errors import BadInput
from neurocompile.frontend.torch import trace
from neurocompile.nn import SpikingAutoencoder


@pytest.fixture(scope="module")
def compiled(loihi):
    import torch

    network = SpikingAutoencoder(latent=8, steps=6, seed=1)
    graph = trace(network, torch.zeros(1, 1, 28, 28))
    return compile_graph(graph, loihi, calibration=digits(10))


def digits(samples):
    return nc.load_data("mnist5k", samples=samples)


def test_the_squared_error_of_both_stages_is_the_report_s_to_the_last_bit(compiled):
    showed = compiled.run(digits(9)).result.evaluation
    values = digits(9).values
    ours = nc.results(compiled.fixed_graph, digits(9))
    assert squared_error(ours, values) == showed.fixed_score.squares
    assert squared_error(nc.results(compiled.float_graph, digits(9)), values) == pytest.approx(
        showed.float_score.squares, rel=1e-9
    )


@pytest.mark.parametrize("stage", ["fixed_graph", "float_graph"])
def test_random_input_spikes_follow_the_seed_and_the_sample_not_the_batch(
    loihi, stage, monkeypatch
):
    values = np.random.default_rng(0).random((7, 2, 8, 8), dtype=np.float32)
    data = Data("noise", "x", values, None)
    network = networks.float_network(0, kinds=("box", "lif", "box", "li"))
    read = replace(network.settings.decoder, task="none")
    network = replace(network, settings=replace(network.settings, decoder=read))
    graph = getattr(compile_graph(network, loihi, calibration=data), stage)
    once = nc.results(graph, data, seed=3)
    assert not np.array_equal(once, nc.results(graph, data, seed=4))
    monkeypatch.setattr(batches, "BATCH", 2)
    np.testing.assert_array_equal(nc.results(graph, data, seed=3), once)


def test_a_network_that_ends_in_spikes_gives_their_rates(loihi):
    import torch
    from norse.torch import LIFBoxParameters

    from neurocompile.ir.settings import Decoder, Encoder, Settings
    from neurocompile.nn import LIFBox
    from neurocompile.nn.network import SpikingNetwork

    # Potential x / 2 after a step from rest, threshold 0.4: a current of 1 fires in every step,
    # one of 0.5 never (it tends to 0.5 and passes 0.4 in step 3: 0.25, 0.375, 0.4375, reset).
    p = LIFBoxParameters(tau_mem_inv=torch.tensor(500.0), v_th=torch.tensor(0.4))
    settings = Settings(dt=0.001, steps=6, encoder=Encoder("current"), decoder=Decoder("rate"))
    network = SpikingNetwork({"lif": LIFBox(p, 0.001)}, settings)
    data = Data("by hand", "x", np.array([[1.0, 0.5, 0.0]], dtype=np.float32), None)
    graph = trace(network, torch.zeros(1, 3))
    assert nc.results(graph, data).tolist() == [[1.0, 1 / 3, 0.0]]
    fixed = compile_graph(graph, loihi, calibration=data).fixed_graph
    assert nc.results(fixed, data).tolist() == [[1.0, 1 / 3, 0.0]]


def test_a_network_without_decoder_is_refused(compiled):
    graph = compiled.fixed_graph
    mute = replace(
        graph.settings, decoder=replace(graph.settings.decoder, kind="none", task="none")
    )
    with pytest.raises(BadInput, match="no decoder"):
        nc.results(replace(graph, settings=mute), digits(1))
