"""A decoder's limits hold each result, the same in training, in float64 and in the integers."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import neurocompile as nc
from neurocompile.engines.decode import decode
from neurocompile.errors import BadInput
from neurocompile.frontend.torch import trace
from neurocompile.ir.settings import Decoder, Settings
from neurocompile.nn import SpikingAutoencoder
from neurocompile.nn.network import read_out

PIXELS = Decoder("last", gain=2.0, offset=-0.5, task="reconstruction", low=0.0, high=1.0)


def test_results_are_limited_after_gain_and_offset():
    # 2 v - 0.5 of v = 0.1, 0.5, 0.9 is -0.3, 0.5, 1.3
    membrane = np.array([[[0.1, 0.5, 0.9]]])
    np.testing.assert_allclose(decode(PIXELS, None, membrane), [[0.0, 0.5, 1.0]], rtol=1e-15)
    only_high = replace(PIXELS, low=None)
    np.testing.assert_allclose(decode(only_high, None, membrane), [[-0.3, 0.5, 1.0]], rtol=1e-15)


def test_the_gradient_passes_the_limits_in_training():
    reading = torch.tensor([0.1, 0.5, 0.9], requires_grad=True)
    result = read_out(PIXELS, reading)
    result.backward(torch.tensor([1.0, 10.0, 100.0]))
    torch.testing.assert_close(result.detach(), torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(reading.grad, torch.tensor([2.0, 20.0, 200.0]))


def test_limits_survive_a_file_and_older_files_have_none():
    settings = Settings(dt=1e-3, steps=4, decoder=PIXELS)
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    plain = Settings(dt=1e-3, steps=4, decoder=Decoder("last")).to_dict()
    assert set(plain["decoder"]) == {"kind", "gain", "offset", "task"}


@pytest.mark.parametrize(
    ("decoder", "said"),
    [
        (Decoder("rate", task="classification", high=1.0), "the class is the largest one"),
        (Decoder("none", low=0.0), "the decoder 'none' reads nothing"),
        (Decoder("last", low=1.0, high=1.0), "limits its results to 1 to 1"),
        (Decoder("last", low=float("nan")), "decoder low is nan"),
        (Decoder("last", high=True), "decoder high is True"),
    ],
)
def test_limits_that_no_result_can_keep_are_refused(decoder, said):
    with pytest.raises(BadInput, match=said):
        Settings(decoder=decoder)


def test_the_errors_of_float_and_integers_are_those_of_limited_results():
    network = SpikingAutoencoder(shape=(1, 8, 8), channels=(4, 4), latent=8, steps=8)
    with torch.no_grad():
        for p in network.parameters():
            p.mul_(4)  # so that results leave 0 and 1
    limited = replace(network.settings.decoder, low=0.0, high=1.0)
    network.settings = replace(network.settings, decoder=limited)
    images = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    ideal = network.eval()(images).detach().double().numpy()
    assert set(np.unique(ideal)) >= {0.0, 1.0}
    graph = trace(network, images[:1])
    ran = nc.compile(graph, "loihi-sim").run(nc.Data("noise", "x", images.numpy()))
    showed = ran.result.evaluation
    expected = np.square(ideal - images.numpy()).sum()
    assert showed.float_score.squares == pytest.approx(expected, rel=1e-5)
    assert showed.fixed_score.squares == pytest.approx(expected, rel=0.2)
