"""`simulate`, `inspect`, `targets` and `doctor`."""

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch
from norse import torch as norse
from torch import nn

import neurocompile as nc
from neurocompile import installed
from neurocompile.commands import doctor
from neurocompile.errors import BadInput, NotInstalled
from neurocompile.formats.load_onnx import load_onnx

CONTRACT = [
    "bundle", "check", "compare", "doctor", "energy", "export", "faults", "inspect", "report",
    "simulate", "sweep", "targets",
]  # fmt: skip


def test_help_lists_the_whole_contract(call):
    code, text, _ = call("--help")
    listed = [line.split()[0] for line in text.split("Commands:")[1].splitlines() if line.strip()]
    assert code == 0
    assert listed == CONTRACT


def test_a_recording_holds_spikes_and_potentials_that_read_back_as_float(exported, tmp_path, call):
    out, _ = exported
    file = tmp_path / "run.h5"
    arguments = ("--engine", "onnx", "--samples", 5, "--record", "spikes,membrane", "--to", file)
    assert call("simulate", out, *arguments)[0] == 0
    graph = load_onnx(out / "fixed.onnx")
    (read,) = graph.outputs()
    with h5py.File(file) as recording:
        assert recording[read]["membrane"].dtype == np.int32
        assert recording[read]["membrane"].shape == (5, 8, 1, 8, 8)
        assert recording["0"]["spikes"].shape == (5, 8, 1, 8, 8)
        assert recording["0"]["spikes"].dtype == np.uint8
        assert set(np.unique(recording["0"]["spikes"])) == {0, 1}
        assert recording[read].attrs["scale"] == graph.nodes[read].scale
        assert recording[read].attrs["offset"] == graph.nodes[read].offset


def test_a_recording_does_not_replace_a_file_unless_told_to(exported, tmp_path, call):
    out, _ = exported
    file = tmp_path / "run.h5"
    file.write_text("mine")
    arguments = ("--engine", "onnx", "--samples", 2, "--record", "spikes", "--to", file)
    code, _, stderr = call("simulate", out, *arguments)
    assert (code, "exists" in stderr, file.read_text()) == (2, True, "mine")
    assert call("simulate", out, *arguments, "--force")[0] == 0


def test_a_recording_replaces_no_file_of_an_export(exported, call):
    file = exported[0] / "fixed.onnx"
    before = file.read_bytes()
    code, _, stderr = call("simulate", exported[0], "--record", "spikes", "--to", file, "--force")
    assert (code, file.read_bytes()) == (2, before)
    assert f"is a file of the export in {exported[0]}" in stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--record", "spikes"), "--record and --to belong together"),
        (("--record", "joules", "--to", "x.h5"), "choose spikes, membrane"),
        (("--data", "mnist5k"), "shape"),
        (("--steps", "0"), "1<=x<=1000000"),
    ],
)
def test_a_wrong_simulation_is_refused(arguments, said, exported, call):
    out, _ = exported
    code, _, stderr = call("simulate", out, "--engine", "onnx", *arguments)
    assert code == 2
    assert said in stderr


def test_a_changed_file_of_an_artifact_is_refused_by_name(exported, tmp_path, call):
    import shutil

    out, _ = exported
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    content = bytearray((copy / "fixed.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "fixed.onnx").write_bytes(content)
    code, _, stderr = call("simulate", copy, "--engine", "onnx")
    assert code == 2
    assert "fixed.onnx was changed since it was exported" in stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "not a directory that neurocompile exported"),
        ("{", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("[]", "not a manifest of neurocompile"),
        ('{"format": "neurocompile-artifact", "version": "2.0"}', "format version 2.0"),
        (
            '{"format": "neurocompile-artifact", "version": "1.7", "files": {"../x": "0"}}',
            "outside its directory",
        ),
        (
            json.dumps(
                {"format": "neurocompile-artifact", "version": "1.7", "files": {"x" * 999: ""}}
            ),
            "outside its directory",
        ),
    ],
)
def test_a_foreign_or_newer_directory_is_refused(text, said, tmp_path, call):
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    code, _, stderr = call("simulate", tmp_path, "--engine", "onnx")
    assert code == 2
    assert said in stderr


def test_inspect_shows_both_stages(model, exported, call):
    out, _ = exported
    code, text, _ = call("inspect", model, "--json")
    found = json.loads(text)
    assert (code, found["stage"]) == (0, "float")
    assert found["settings"]["encoder"] == {"kind": "current", "gain": 0.5}
    kinds = [row["kind"] for row in found["layers"]]
    assert kinds == ["Input", "LIFBox", "Conv", "LIFBox", "ConvTranspose", "LIBox"]
    code, text, _ = call("inspect", out)
    assert code == 0
    assert "ConvTranspose synapse" in text
    assert "fixed" in text


def test_inspect_explains_the_names_that_the_reader_made(tmp_path, call):
    path, image = tmp_path / "pooled.pt", torch.zeros(1, 1, 4, 4)
    nc.save(
        norse.SequentialState(nn.MaxPool2d(2), norse.LIFCell()), path, image, max_pool="neurons"
    )
    _, text, _ = call("inspect", path)
    assert "the sum over the windows of a maximum pool" in " ".join(text.split())
    assert "a.gain" not in text


@pytest.mark.parametrize("option", [("--dt", 1e-3), ("--reset", "zero"), ("--encoder", "current")])
def test_inspect_refuses_options_of_a_model_for_an_export(exported, call, option):
    code, text, stderr = call("inspect", exported[0], *option)
    assert (code, text) == (2, "")
    assert f"is an export, for which {option[0]} cannot be changed any more." in stderr


def test_targets_print_every_number_with_its_source(call):
    code, text, _ = call("targets", "--json")
    assert code == 0
    assert {row["name"] for row in json.loads(text)["targets"]} >= {"ideal", "loihi-sim"}
    code, text, _ = call("targets", "loihi-sim", "--json")
    found = json.loads(text)
    assert all(row["source"] in found["sources"] and row["where"] for row in found["numbers"])
    code, text, _ = call("targets", "loihi-sim")
    assert (code, "boyle2025" in text) == (0, True)
    assert call("targets", "nothing")[0] == 2


def test_numpy_multiplies_on_one_thread_unless_a_user_says_otherwise(call, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    call("targets")
    assert os.environ["OPENBLAS_NUM_THREADS"] == "3"
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    call("targets")
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"


def test_doctor_says_what_works_and_names_the_pinned_versions(call):
    code, text, _ = call("doctor", "--json")
    found = json.loads(text)
    assert code == 0
    assert all(row["works"] for row in found["works"])
    assert {row["name"]: row["pinned"] for row in found["packages"]}["lava-nc"] == "0.10.0"


def test_doctor_asks_before_it_installs(call, monkeypatch):
    monkeypatch.setattr(doctor, "install", lambda group: pytest.fail("installed without asking"))
    code, _, stderr = call("doctor", "--install", "lava")
    assert code == 1  # no answer is no
    assert "pip install --no-deps --ignore-requires-python lava-nc lava-dl" in stderr


def test_every_package_that_doctor_installs_is_pinned():
    pins = installed.pinned()
    for group in doctor.COMMANDS.values():
        for command in group:
            assert all(name in pins for name in command if not name.startswith("--"))


def test_what_is_missing_is_named_with_the_command_that_brings_it(monkeypatch):
    monkeypatch.setattr(installed, "installed", lambda name: None if name == "lava-nc" else "1")
    with pytest.raises(NotInstalled, match=r"engine lava needs lava-nc.*doctor --install lava"):
        installed.require("engine lava")
    assert NotInstalled.exit_code == 4
    with pytest.raises(BadInput, match="cannot be installed"):
        doctor.commands("everything")


def test_the_onnx_engine_needs_neither_torch_nor_scipy_nor_lava(exported):
    out, _ = exported
    blocked = ["torch", "scipy", "lava", "norse", "h5py", "mlxtend", "sklearn"]
    script = f"""
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {blocked!r}:
            raise ModuleNotFoundError(f'No module named {{name}}', name=name)
sys.meta_path.insert(0, Absent())
import numpy as np
np.savez('{out.parent}/data.npz', x=np.linspace(0, 1, 192).reshape(3, 1, 8, 8))
from neurocompile.cli import main
main(['simulate', '{out}', '--engine', 'onnx', '--data', '{out.parent}/data.npz', '--json'])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["samples"] == 3
