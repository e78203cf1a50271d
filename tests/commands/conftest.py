"""A small Norse user's network in a file, and an export of it."""

import json

import pytest
from click.testing import CliRunner


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """digits (1 x 8 x 8) -> input neurons -> conv -> LIFBox -> transposed conv -> readout."""
    import norse.torch as norse
    import torch
    from torch import nn

    from neurocompile.frontend.save import save
    from neurocompile.ir.settings import Decoder, Encoder, Settings

    torch.manual_seed(0)
    box = norse.LIFBoxParameters(v_th=torch.as_tensor(0.1))
    network = norse.SequentialState(
        norse.LIFBoxCell(box),
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        norse.LIFBoxCell(box),
        nn.ConvTranspose2d(4, 1, 4, stride=2, padding=1),
        norse.LIBoxCell(),
    )
    settings = Settings(
        steps=8,
        encoder=Encoder("current", 0.5),
        decoder=Decoder("last", task="reconstruction"),
        data="digits",
    )
    path = tmp_path_factory.mktemp("model") / "small.pt"
    save(network, path, torch.rand(2, 1, 8, 8), settings=settings)
    return path


@pytest.fixture(scope="session")
def exported(model, tmp_path_factory):
    """A directory that export wrote with the fixed engine."""
    from neurocompile.cli import main

    out = tmp_path_factory.mktemp("export") / "small"
    arguments = ["export", model, "--target", "loihi-sim", "--out", out, "--engine", "fixed"]
    done = CliRunner().invoke(main, [*map(str, arguments), "--samples", "12", "--json"])
    assert done.exit_code == 0, done.output
    return out, json.loads(done.stdout)
