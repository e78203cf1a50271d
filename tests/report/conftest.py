"""Exports whose pages are looked at: a reconstruction, a classifier, and one without a run."""

import json

import pytest
from click.testing import CliRunner

HOSTILE = "<script>document.title='run'"  # a name of a layer has no slash


def export(*arguments):
    from neurocompile.cli import main

    done = CliRunner().invoke(main, ["export", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return arguments[-1]


def saved(folder, network, settings, example):
    from neurocompile.frontend.save import save

    save(network, folder / "network.pt", example, settings=settings)
    return folder / "network.pt"


@pytest.fixture(scope="session")
def classifier(tmp_path_factory):
    """digits -> 10 classes by rate, with weights that mean nothing: many samples are wrong."""
    import norse.torch as norse
    import torch
    from torch import nn

    from neurocompile.ir.settings import Decoder, Encoder, Settings

    torch.manual_seed(1)
    box = norse.LIFBoxParameters(v_th=torch.as_tensor(0.1))
    network = norse.SequentialState(nn.Flatten(), nn.Linear(64, 10), norse.LIFBoxCell(box))
    settings = Settings(
        steps=8,
        encoder=Encoder("bernoulli"),
        decoder=Decoder("rate", task="classification"),
        data="digits",
    )
    folder = tmp_path_factory.mktemp("classifier")
    model = saved(folder, network, settings, torch.rand(2, 1, 8, 8))
    common = ("--target", "loihi-sim", "--engine", "fixed", "--samples", 30, "--bits", 3)
    return export(model, *common, "--out", folder / "out")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """digits -> conv -> transposed conv -> readout: a reconstruction, two engines."""
    import norse.torch as norse
    import torch
    from torch import nn

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
    folder = tmp_path_factory.mktemp("pictures")
    model = saved(folder, network, settings, torch.rand(2, 1, 8, 8))
    engines = ("--engine", "fixed", "--engine", "onnx")
    return export(model, "--target", "loihi-sim", *engines, "--samples", 6, "--out", folder / "out")


@pytest.fixture(scope="session")
def not_run(tmp_path_factory):
    """One layer, no data."""
    import norse.torch as norse
    import torch
    from torch import nn

    from neurocompile.ir.settings import Settings

    torch.manual_seed(0)
    network = norse.SequentialState(nn.Linear(4, 3), norse.LIFBoxCell())
    folder = tmp_path_factory.mktemp("not_run")
    model = saved(folder, network, Settings(steps=4), torch.rand(2, 4))
    return export(model, "--target", "loihi-sim", "--engine", "fixed", "--out", folder / "out")


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """Layers, data and a target whose names are scripts; one population of neurons."""
    import norse.torch as norse
    import numpy as np
    import torch
    from torch import nn

    from neurocompile.formats.onnx.write import to_bytes
    from neurocompile.frontend.torch import trace
    from neurocompile.ir.graph import chain
    from neurocompile.ir.settings import Settings

    folder = tmp_path_factory.mktemp("hostile")
    torch.manual_seed(0)
    box = norse.LIFBoxParameters(v_th=torch.as_tensor(0.1))
    network = norse.SequentialState(nn.Linear(4, 3), norse.LIFBoxCell(box))
    nodes = trace(network, torch.rand(2, 4)).nodes.values()
    names = ("in" + HOSTILE, "<img src=x onerror=document.title=1>", "b" + HOSTILE)
    graph = chain(dict(zip(names, nodes, strict=True)), Settings(steps=5))
    (folder / "model.onnx").write_bytes(to_bytes(graph))
    data = folder / "<img src=x onerror=document.title=1>.npz"
    np.savez(data, spikes=(np.random.default_rng(0).random((3, 5, 4)) < 0.5).astype(np.uint8))
    common = ("--target", "loihi-sim", "--engine", "fixed", "--data", data)
    return export(folder / "model.onnx", *common, "--out", folder / "out")


def report_of(directory):
    return json.loads((directory / "report.json").read_text())
