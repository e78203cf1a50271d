"""The suffix chooses the reader, and only a flag lets a file's code run."""

import subprocess
import sys

import norse.torch as norse
import pytest
import torch
from torch import nn

from neurocompile import frontend
from neurocompile.errors import BadInput, NotInstalled
from neurocompile.formats.onnx.write import to_bytes
from neurocompile.frontend.save import save
from neurocompile.frontend.torch import trace
from neurocompile.ir.graph import same
from neurocompile.ir.settings import Settings


class Pickled(nn.Module):
    """Norse's LIFParameters cannot be pickled, its LIParameters can."""

    def __init__(self):
        super().__init__()
        self.fc, self.out = nn.Linear(3, 2), norse.LICell()

    def forward(self, x, state=None):
        return self.out(self.fc(x), state)


def refusal(path, kind=BadInput, **flags):
    with pytest.raises(kind) as caught:
        frontend.load(path, **flags)
    return str(caught.value)


def test_a_checkpoint_gives_its_graph(tmp_path):
    graph = save(Pickled(), tmp_path / "net.pt", torch.zeros(1, 3))
    assert same(frontend.load(tmp_path / "net.pt"), graph)
    assert same(frontend.load(str(tmp_path / "net.pt"), allow_pickle=True), graph)


def test_a_pickled_model_is_read_with_the_flag_alone(tmp_path):
    model, path = Pickled(), tmp_path / "net.pt"
    torch.save({"model": model, "example_input": torch.zeros(1, 3)}, path)
    assert "holds pickled Python objects, which could run code" in refusal(path)
    assert same(frontend.load(path, allow_pickle=True), trace(model, torch.zeros(1, 3)))


def test_a_pickled_model_without_an_example_is_refused_with_the_line_that_adds_it(tmp_path):
    torch.save(Pickled(), tmp_path / "net.pt")
    words = refusal(tmp_path / "net.pt", allow_pickle=True)
    assert "does not say which input the model takes" in words
    assert 'torch.save({"model": model, "example_input": x}, path)' in words


def test_a_pickle_whose_class_is_gone_is_refused(tmp_path, monkeypatch):
    torch.save({"model": Pickled()}, tmp_path / "net.pt")
    monkeypatch.delattr(sys.modules[__name__], "Pickled")
    words = refusal(tmp_path / "net.pt", allow_pickle=True)
    assert "cannot be unpickled (AttributeError: " in words
    assert "must be importable here" in words


def test_an_onnx_file_goes_to_the_reader_of_onnx_files(tmp_path):
    graph = trace(Pickled(), torch.zeros(1, 3))
    (tmp_path / "net.onnx").write_bytes(to_bytes(graph))
    assert same(frontend.load(tmp_path / "net.onnx"), graph)


def test_steps_that_a_file_says_stay_its_own(tmp_path):
    graph = trace(Pickled(), torch.zeros(1, 3), Settings(steps=20))
    (tmp_path / "net.onnx").write_bytes(to_bytes(graph))
    assert frontend.load(tmp_path / "net.onnx", steps=7).settings.steps == 20


def test_steps_that_nobody_said_are_assumed_and_can_be_given_later(tmp_path):
    graph = trace(Pickled(), torch.zeros(1, 3))
    assert [a.key for a in graph.settings.assumed] == ["steps"]
    (tmp_path / "net.onnx").write_bytes(to_bytes(graph))
    given = frontend.load(tmp_path / "net.onnx", steps=7).settings
    assert (given.steps, given.assumed) == (7, ())


@pytest.mark.parametrize("suffix", [".nir", ".net"])
def test_nir_and_net_files_are_hdf5(tmp_path, suffix):
    (tmp_path / f"net{suffix}").write_bytes(b"")
    assert "is not an HDF5 file" in refusal(tmp_path / f"net{suffix}")


def test_other_suffixes_folders_and_missing_files_are_refused(tmp_path):
    (tmp_path / "net.h5").write_bytes(b"")
    assert "has the suffix '.h5', but a model is one of .pt, .onnx" in refusal(tmp_path / "net.h5")
    assert "is not a file. Give a model: .pt, .onnx" in refusal(tmp_path)
    assert f"there is no file '{tmp_path / 'none.pt'}'" in refusal(tmp_path / "none.pt")


def test_a_missing_package_is_named_with_the_command_that_brings_it(tmp_path, monkeypatch):
    (tmp_path / "net.pt").write_bytes(b"")
    monkeypatch.delitem(sys.modules, "neurocompile.formats.checkpoint.read")
    monkeypatch.setitem(sys.modules, "torch", None)
    words = refusal(tmp_path / "net.pt", NotInstalled)
    assert "the package 'torch', which is not installed" in words
    assert "neurocompile doctor --install train" in words


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("neurocompile.frontend", ("torch", "onnx", "norse", "lava")),
        ("neurocompile.formats.checkpoint.read", ("norse", "onnx", "lava")),
    ],
)
def test_a_reader_brings_only_the_packages_it_needs(module, absent):
    program = f"import sys, {module}; print([m for m in {absent} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
