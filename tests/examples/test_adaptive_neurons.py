"""The adaptive network on spoken digits: the shipped one exports, and the example trains."""

import importlib.util
import wave
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import neurocompile as nc
from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.engines import onnx as onnx_engine
from neurocompile.formats.checkpoint.read import load
from neurocompile.ir.adapting import LSNN
from neurocompile.ir.after_spikes import AdaptiveLIF

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "examples" / "models" / "spoken_digits_lsnn.pt"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location(
        "train_adaptive_neurons", ROOT / "examples" / "train_adaptive_neurons.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tone(path, hertz):
    """Half a second of a tone, as the data set's files."""
    t = np.arange(4000) / 8000
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes((8000 * np.sin(2 * np.pi * hertz * t)).astype("<i2").tobytes())


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    for digit in range(3):
        for number in range(8):
            tone(folder / f"{digit}_anyone_{number}.wav", 300 + 900 * digit + 20 * number)
    return folder


def test_a_tone_sounds_in_the_bands_around_it(example, recordings):
    low, high = (example.encoded(recordings / f"{d}_anyone_0.wav") for d in (0, 2))
    assert low.shape == (example.STEPS, example.BANDS * len(example.LEVELS))
    bands = [spikes[:40, -example.BANDS :].mean(0).argmax() for spikes in (low, high)]
    assert bands[0] < bands[1]  # 300 Hz and 2,100 Hz


def test_the_shipped_network_exports_with_its_adaptive_neurons(example, recordings, tmp_path):
    graph = load(SHIPPED).graph
    assert [type(node) for _, node in graph.of(LSNN)] == [LSNN]
    assert graph.settings.training["recall"] is True
    assert graph.settings.training["right"] > 0.3  # chance is 0.1
    compiled = nc.compile(SHIPPED, "loihi2-sim")
    ((name, population),) = compiled.fixed_graph.of(AdaptiveLIF)
    assert population.shape == (128,)
    two = [example.encoded(recordings / f"{digit}_anyone_0.wav") for digit in (1, 2)]
    spikes = np.concatenate(two)[None]
    encoded = Encoded({"input": spikes}, 2 * example.STEPS)
    runs = [fixed.run(compiled.fixed_graph, encoded).recording]
    runs.append(onnx_engine.run(compiled.fixed_graph, encoded))
    np.testing.assert_array_equal(*(run.spikes[name] for run in runs))
    assert runs[0].spikes[name].sum() > 20
    compiled.export(tmp_path / "out")
    assert (tmp_path / "out" / "fixed.onnx").is_file()


@pytest.mark.parametrize(("neuron", "task"), [("lif", []), ("lsnn", ["--recall"])])
def test_the_example_trains_and_writes_what_the_compiler_reads(
    example, recordings, tmp_path, neuron, task
):
    arguments = ["--recordings", recordings, "--neuron", neuron, "--epochs", 5, "--hidden", 12]
    arguments += task
    arguments += ["--out", tmp_path / "net.pt"]
    done = CliRunner().invoke(example.main, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0
    assert f"{neuron}, seed 0: " in done.stdout
    assert "of 15 recordings right" in done.stdout
    assert nc.compile(tmp_path / "net.pt", "loihi2-sim").fixed_graph
