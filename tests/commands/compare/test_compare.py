"""`neurocompile compare` as a user calls it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import unescape

import numpy as np
import pytest
from click.testing import CliRunner

from neurocompile import installed
from neurocompile.cli import main
from neurocompile.commands.compare.pictures import write_pictures
from neurocompile.errors import BadInput
from neurocompile.formats.artifact import write_artifact
from neurocompile.formats.load_onnx import load_onnx
from neurocompile.formats.onnx.write import to_bytes
from neurocompile.ir.graph import Graph
from neurocompile.report.parting.words import CAUSES

SHIPPED = Path(__file__).parents[3] / "examples" / "models" / "mnist_autoencoder.pt"
LAYER = {
    "name", "kind", "neurons", "float_spikes", "fixed_spikes", "rate_change", "agreement",
    "agreement_alone", "agreement_by_step", "agreement_by_run", "rate_change_by_run", "first_step",
    "samples_at_first_step", "samples_parted", "membrane", "saturations", "wraps", "float", "fixed",
    "silenced", "woken", "changed",
}  # fmt: skip


def call(*arguments):
    """(exit code, stdout, stderr)."""
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The shipped autoencoder at 4 bits, its scales from the weights, with two of its digits."""
    from neurocompile.data.samples import load_data

    folder = tmp_path_factory.mktemp("compare")
    np.savez(folder / "digits.npz", x=load_data("mnist5k", samples=2).values)
    out = folder / "shipped"
    code, _, stderr = call(
        "export", SHIPPED, "--target", "loihi-sim", "--out", out, "--engine", "fixed", "--bits", 4,
        "--data", folder / "digits.npz", "--json",
    )  # fmt: skip
    assert code == 0, stderr
    return out


@pytest.fixture(scope="module")
def document(exported):
    code, text, stderr = call("compare", exported, "--json")
    assert (code, stderr) == (0, "")
    return json.loads(text)  # one document and nothing else


def test_the_document_has_its_fields(document):
    assert (document["target"], document["bits"]) == ("loihi-sim", 4)
    assert (document["samples"], document["steps"], document["seed"]) == (2, 16, 0)
    assert [row["run"] for row in document["runs"]] == [
        "weight", "threshold", "bias", "decay", "sum", "all", "fixed",
    ]  # fmt: skip
    assert all(set(row) == LAYER for row in document["layers"])
    first = document["first"]
    assert first["cause"] in CAUSES
    assert first["cause"] != "tie"
    assert first["of_threshold"].keys() >= {"float", "weight", "all", "fixed"}
    assert sum(first["causes_there"].values()) == first["differ_there"]
    assert document["summary"][0].startswith("They first differ in layer '")


def test_the_figures_are_those_of_the_report_of_the_export(document, exported):
    report = json.loads((exported / "report.json").read_text())
    agreement = {row["name"]: row for row in report["agreement"]["layers"]}
    for row in document["layers"]:
        if row["agreement"] is not None:
            assert row["agreement"] == agreement[row["name"]]["equal_spikes"]
            rate = row["fixed_spikes"] / (row["neurons"] * 16 * 2)
            assert rate == agreement[row["name"]]["rate_fixed"]
    (chip,) = (run for run in document["runs"] if run["run"] == "fixed")
    assert document["float"]["mse"] == report["reconstruction"]["mse_float"]
    assert chip["mse"] == report["reconstruction"]["mse_fixed"]
    assert chip["ratio"] == report["reconstruction"]["ratio"]


def test_tables_show_layers_classes_and_the_first_difference(exported, document):
    code, text, _ = call("compare", exported)
    assert code == 0
    for word in ("lif1", "latent", "weights", "biases", "on the chip", "v / threshold"):
        assert word in text
    assert " ".join(document["summary"][0].split()) in " ".join(text.split())


def test_pictures_are_drawn_the_same_each_time_and_replaced_only_by_force(exported, tmp_path):
    names = ("agreement.svg", "membrane.svg", "rounding.svg")
    assert call("compare", exported, "--samples", 1, "--out", tmp_path / "a")[0] == 0
    assert call("compare", exported, "--samples", 1, "--out", tmp_path / "b")[0] == 0
    for name in names:
        drawn = (tmp_path / "a" / name).read_bytes()
        assert b"<svg" in drawn
        assert b"lif1" in drawn
        assert drawn == (tmp_path / "b" / name).read_bytes()
    code, _, stderr = call("compare", exported, "--samples", 1, "--out", tmp_path / "a")
    assert (code, "agreement.svg exists" in stderr) == (2, True)
    assert call("compare", exported, "--samples", 1, "--out", tmp_path / "a", "--force")[0] == 0


@pytest.mark.parametrize("there", [True, False])
def test_no_picture_is_written_through_a_link_out_of_its_folder(there, exported, tmp_path):
    theirs = tmp_path / "theirs"
    if there:
        theirs.write_bytes(b"precious")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "membrane.svg").symlink_to(theirs)
    code, _, stderr = call("compare", exported, "--samples", 1, "--out", tmp_path / "a", "--force")
    assert (code, "out of the folder of the pictures" in " ".join(stderr.split())) == (2, True)
    assert theirs.exists() == there
    assert os.listdir(tmp_path / "a") == ["membrane.svg"]


def test_names_that_matplotlib_would_read_are_drawn_as_they_are(tmp_path):
    names = [r"$\\frac{$", "_hidden", "a\x1b[31m"]
    row = {"agreement": 1, "agreement_by_step": [1, 0.5], "membrane": {"histogram": [1]}}
    layers = [{"name": name, **row, "agreement_by_run": {"all": 0.5}} for name in names]
    comparison = {"steps": 2, "layers": layers, "runs": [{"run": "all"}], "histogram_edges": [1, 2]}
    for file in write_pictures(comparison, tmp_path / "new" / "pictures", False):
        drawn = unescape(file.read_text())
        assert all(f"{name}<" in drawn for name in (*names[:2], r"a\x1b[31m")), file


def test_a_style_of_the_user_changes_no_byte_of_a_picture_and_stays(tmp_path):
    import matplotlib

    row = {"name": "lif", "agreement": 1, "agreement_by_step": [1, 0.5],
           "membrane": {"histogram": [1]}, "agreement_by_run": {"all": 0.5}}  # fmt: skip
    comparison = {
        "steps": 2, "layers": [row], "runs": [{"run": "all"}], "histogram_edges": [1, 2],
    }  # fmt: skip
    plain = write_pictures(comparison, tmp_path / "plain", False)
    with matplotlib.rc_context({"font.size": 20, "axes.grid": True, "lines.linewidth": 5}):
        styled = write_pictures(comparison, tmp_path / "styled", False)
        assert matplotlib.rcParams["font.size"] == 20
    assert [file.read_bytes() for file in plain] == [file.read_bytes() for file in styled]


def test_a_picture_that_is_a_device_stays_one(tmp_path):
    os.mkfifo(tmp_path / "membrane.svg")
    comparison = {"steps": 1, "layers": [], "runs": [{"run": "all"}], "histogram_edges": [1, 2]}
    with pytest.raises(BadInput, match=r"membrane\.svg is a folder or a device"):
        write_pictures(comparison, tmp_path, False)


def test_without_matplotlib_pictures_are_refused_and_tables_are_not(
    exported, tmp_path, monkeypatch
):
    there = installed.installed
    monkeypatch.setattr(installed, "installed", lambda n: None if n == "matplotlib" else there(n))
    code, _, stderr = call("compare", exported, "--out", tmp_path / "pictures")
    assert (code, "matplotlib" in stderr) == (4, True)
    assert not (tmp_path / "pictures").exists()
    assert call("compare", exported, "--samples", 1)[0] == 0


def test_matplotlib_is_imported_only_for_pictures():
    program = (
        "import sys, neurocompile.commands.compare.pictures; "
        "import neurocompile.commands.compare.compare; "
        "print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_a_network_that_was_fixed_already_has_nothing_to_compare_with(exported, tmp_path):
    files = {"fixed.onnx": (exported / "fixed.onnx").read_bytes()}
    manifest = json.loads((exported / "manifest.json").read_text())
    write_artifact(tmp_path / "fixed", files, {"target": "ideal", "data": manifest["data"]})
    code, text, stderr = call("compare", tmp_path / "fixed", "--json")
    assert (code, json.loads(text)["error"]["kind"]) == (2, "BadInput")
    assert "holds no float.onnx" in stderr
    assert "fixed already" in stderr


def test_files_of_two_networks_are_refused_with_the_name_of_their_folder(exported, tmp_path):
    graph = load_onnx(exported / "float.onnx")
    nodes = {f"{name}x": node for name, node in graph.nodes.items()}
    edges = [(f"{a}x", f"{b}x") for a, b in graph.edges]
    files = {
        "fixed.onnx": (exported / "fixed.onnx").read_bytes(),
        "float.onnx": to_bytes(Graph(nodes, edges, graph.settings)),
    }
    manifest = json.loads((exported / "manifest.json").read_text())
    kept = {key: manifest[key] for key in ("target", "bits", "data")}
    write_artifact(tmp_path / "two", files, kept)
    code, _, stderr = call("compare", tmp_path / "two", "--samples", 1)
    assert code == 2
    assert f"BadInput: {tmp_path / 'two'}: float.onnx and fixed.onnx do not belong" in stderr


def test_data_that_do_not_fit_are_no_fault_of_the_export(exported, tmp_path):
    np.save(tmp_path / "five.npy", np.zeros((2, 5)))
    code, _, stderr = call("compare", exported, "--data", tmp_path / "five.npy")
    assert code == 2
    assert f"BadInput: data '{tmp_path / 'five.npy'}': a sample has shape (5,)" in stderr


def test_a_directory_of_others_is_refused(tmp_path):
    code, _, stderr = call("compare", tmp_path)
    assert (code, "not a directory that neurocompile exported" in stderr) == (2, True)
