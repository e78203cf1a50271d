"""`neurocompile export`: what it writes, what it says, what it refuses."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from importlib.resources import files

import jsonschema
import numpy as np
import pytest

from neurocompile.formats.load_onnx import load_onnx
from neurocompile.ir.graph import same


def test_the_directory_holds_what_the_manifest_lists_and_nothing_else(exported):
    out, _ = exported
    manifest = json.loads((out / "manifest.json").read_text())
    assert set(manifest["files"]) == {
        "fixed.onnx", "float.onnx", "report.html", "report.json", "samples.npz",
    }  # fmt: skip
    assert {p.name for p in out.iterdir()} == {*manifest["files"], "manifest.json"}


def test_the_report_follows_its_schema_and_is_what_json_prints(exported):
    out, printed = exported
    report = json.loads((out / "report.json").read_text())
    schema = json.loads(files("neurocompile.report").joinpath("schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(report, schema)
    assert report == printed


def test_the_same_request_writes_the_same_bytes(exported, model, tmp_path, call):
    out, _ = exported
    again = tmp_path / "again"
    arguments = ("--target", "loihi-sim", "--out", again, "--engine", "fixed", "--samples", 12)
    assert call("export", model, *arguments)[0] == 0
    for file in out.iterdir():
        assert (again / file.name).read_bytes() == file.read_bytes(), file.name


def test_each_term_of_each_energy_model_is_count_times_price_and_they_add_up(exported):
    _, report = exported
    models = report["energy"]["models"]
    assert {m["name"] for m in models} == {"davies2018", "boyle2025"}
    for one in models:
        for term in one["terms"]:
            assert term["energy_j"] == pytest.approx(term["count"] * term["price_j"], rel=1e-12)
            assert term["source"]
        total = sum(term["energy_j"] for term in one["terms"])
        assert one["total_j"] == pytest.approx(total, rel=1e-12)
    (nominal,) = (m["total_j"] for m in models if m["name"] == "boyle2025")
    bounds = [report["energy"]["low_j"], report["energy"]["high_j"]]
    assert bounds == pytest.approx([0.88 * nominal, 1.12 * nominal], rel=1e-12)  # its authors' 12 %


def test_updated_and_idle_add_up_to_neurons_times_steps_charged(exported):
    _, report = exported
    charged = next(m for m in report["energy"]["modes"] if m["mode"] == report["energy"]["mode"])
    neurons = [row for row in report["layers"] if row["kind"] in ("neurons", "readout")]
    assert [row["neurons"] for row in neurons] == [64, 64, 64]
    for row in neurons:
        assert row["updated"] + row["idle"] == row["neurons"] * charged["steps_charged"]


def test_the_reported_error_is_what_the_files_integers_give(exported, call):
    out, report = exported
    code, text, _ = call("simulate", out, "--engine", "onnx", "--engine", "fixed", "--json")
    found = json.loads(text)
    assert code == 0
    assert found["mismatches"] == 0
    assert found["membrane_values_compared"] == 360 * 8 * 192
    code, text, _ = call("simulate", out, "--engine", "onnx", "--samples", 12, "--json")
    assert json.loads(text)["mse_fixed"] == report["reconstruction"]["mse_fixed"]
    rates = {row["name"]: row["spikes"] for row in json.loads(text)["layers"]}
    assert rates == {row["name"]: row["spikes"] for row in report["layers"]}


def test_a_fixed_file_is_exported_as_it_is(exported, tmp_path, call):
    out, report = exported
    again = tmp_path / "again"
    code, text, _ = call(
        "export", out / "fixed.onnx", "--target", "loihi-sim", "--out", again,
        "--engine", "fixed", "--samples", 12, "--json",
    )  # fmt: skip
    second = json.loads(text)
    assert code == 0
    assert same(load_onnx(again / "fixed.onnx"), load_onnx(out / "fixed.onnx"))
    assert not (again / "float.onnx").exists()
    assert second["reconstruction"]["mse_float"] is None
    assert second["agreement"] is None
    assert second["energy"] == report["energy"]


def test_lava_and_onnx_agree_with_fixed_on_the_command_line(model, tmp_path, call):
    code, text, _ = call(
        "export", model, "--target", "loihi-sim", "--out", tmp_path / "all", "--samples", 3,
        "--engine", "lava", "--engine", "fixed", "--engine", "onnx", "--json",
    )  # fmt: skip
    exactness = json.loads(text)["exactness"]
    assert code == 0
    assert exactness["mismatches"] == 0
    # both lava and onnx are compared with fixed: 3 samples, 8 steps, 192 neurons, twice
    assert exactness["membrane_values_compared"] == 2 * 3 * 8 * 192
    assert exactness["reset_between_samples"]["lava"] == "LIFReset"


def test_integers_that_a_file_brings_are_not_called_scales_of_the_weights(model, tmp_path, call):
    first, again = tmp_path / "first", tmp_path / "again"
    for source, out in ((model, first), (first / "fixed.onnx", again)):
        code, text, _ = call(
            *("export", source, "--target", "loihi-sim", "--out", out, "--engine", "fixed"),
            *("--samples", 2),
        )
        assert code == 0
    assert "scales                the file's own" in text
    report = json.loads((again / "report.json").read_text())
    assert report["provenance"]["calibration"].startswith("the file's own: its integers")


def test_without_data_nothing_is_invented(model, tmp_path, call):
    import torch

    content = torch.load(model, weights_only=True)
    content["settings"]["data"] = ""
    bare = tmp_path / "bare.pt"
    torch.save(content, bare)
    arguments = ("--target", "loihi-sim", "--engine", "fixed", "--json", "--out", tmp_path / "o")
    report = json.loads(call("export", bare, *arguments)[1])
    assert report["energy"] is None
    assert report["reconstruction"] is None
    assert report["provenance"]["calibration"].startswith("uncalibrated")
    assert report["fit"]["fits"]
    text = call("export", bare, *arguments[:4], "--out", tmp_path / "again")[1]
    last = " ".join(text.splitlines()[-3:])
    assert "nothing was run, for there are no data" in last
    assert "--data SOURCE" in last


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nowhere.pt", "--target", "loihi-sim"), 2, "there is no file 'nowhere.pt'"),
        (("MODEL", "--target", "loihi-9"), 2, "loihi-9"),
        (("MODEL", "--target", "loihi-sim", "--data", "mnist9"), 2, "mnist9"),
        (("MODEL", "--target", "loihi-sim", "--data", "mnist5k"), 2, r"shape \(1, 28, 28\)"),
        (("MODEL", "--target", "loihi-sim", "--bits", "9"), 2, "2<=x<=8"),
        (("MODEL", "--target", "loihi-sim", "--samples", "0"), 2, "x>=1"),
        (("MODEL", "--target", "loihi-sim", "--samples", "1000"), 2, "360"),
        (("MODEL", "--target", "loihi-sim", "--max-error-increase", "2"), 2, "not a percentage"),
    ],
)
def test_a_wrong_request_ends_with_one_sentence_and_its_exit_code(
    arguments, code, said, model, tmp_path, call
):
    out = tmp_path / "out"
    given = [model if a == "MODEL" else a for a in arguments]
    found, stdout, stderr = call("export", *given, "--engine", "fixed", "--out", out)
    assert found == code
    assert stdout == ""
    assert __import__("re").search(said, stderr.replace("\n", " ")), stderr
    assert "Traceback" not in stderr
    assert not out.exists()


def test_an_existing_directory_is_kept_unless_force_is_given_and_it_is_ours(
    exported, model, tmp_path, call
):
    out, _ = exported
    arguments = ("export", model, "--target", "loihi-sim", "--engine", "fixed", "--samples", 12)
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    code, _, stderr = call(*arguments, "--out", out)
    assert (code, "exists. Choose another (--out), or replace it with" in stderr) == (
        2,
        True,
    )
    assert call(*arguments, "--out", out, "--force")[0] == 0
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    theirs = tmp_path / "photos"
    theirs.mkdir()
    (theirs / "cat.jpg").write_text("cat")
    code, _, stderr = call(*arguments, "--out", theirs, "--force")
    assert (code, "holds what no export wrote: cat.jpg. force=True" in stderr) == (2, True)
    assert (theirs / "cat.jpg").read_text() == "cat"


def test_a_full_disk_leaves_nothing_and_keeps_an_older_export(
    exported, model, tmp_path, call, monkeypatch
):
    out, _ = exported
    before = {p.name: p.read_bytes() for p in out.iterdir()}

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    arguments = ("export", model, "--target", "loihi-sim", "--engine", "fixed", "--samples", 12)
    for target, force in ((tmp_path / "new", ()), (out, ("--force",))):
        code, _, stderr = call(*arguments, "--out", target, *force)
        assert code == 2
        assert "the disk is full" in stderr
        assert [p for p in target.parent.iterdir() if p.name.startswith(".")] == []
    assert not (tmp_path / "new").exists()
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_a_network_that_is_too_large_for_a_core_is_refused_by_layer(tmp_path, call):
    import norse.torch as norse
    import torch
    from torch import nn

    from neurocompile.frontend.save import save
    from neurocompile.ir.settings import Encoder, Settings

    network = norse.SequentialState(nn.Linear(12800, 100, bias=False), norse.LIFBoxCell())
    path = tmp_path / "wide.pt"
    settings = Settings(encoder=Encoder("spikes"))
    save(network, path, torch.zeros(1, 12800), settings=settings)
    arguments = ("--target", "loihi-sim", "--engine", "fixed", "--out", tmp_path / "out")
    code, _, stderr = call("export", path, *arguments)
    assert code == 3
    assert "12800" in stderr
    assert "4096" in stderr


def test_weights_that_are_not_numbers_are_refused_by_layer(model, tmp_path, call):
    import torch

    content = torch.load(model, weights_only=True)
    for tensor in content["state_dict"].values():
        tensor.view(-1)[0] = float("nan")
    broken = tmp_path / "nan.pt"
    torch.save(content, broken)
    arguments = ("--target", "loihi-sim", "--engine", "fixed", "--out", tmp_path / "out")
    code, _, stderr = call("export", broken, *arguments)
    assert code == 2
    assert "NaN" in stderr


def test_ctrl_c_leaves_no_directory_and_no_process(model, tmp_path):
    out = tmp_path / "out"
    command = [
        sys.executable, "-m", "neurocompile.cli", "export", str(model), "--target", "loihi-sim",
        "--out", str(out), "--engine", "lava", "--samples", "300", "--steps", "60",
    ]  # fmt: skip
    running = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert running.stderr is not None
    seen = b""
    while b"running" not in seen:
        seen += running.stderr.readline()
    time.sleep(1)
    running.send_signal(signal.SIGINT)
    rest = running.stderr.read()
    running.stderr.close()
    assert running.wait(30) == 130
    assert b"nothing was written" in rest
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)


def test_float_onnx_reproduces_the_float_stage_in_stock_onnxruntime(exported):
    from neurocompile.data.inputs import float_input
    from neurocompile.data.samples import load_data
    from neurocompile.engines.floating import run_float
    from neurocompile.engines.onnx import run_float as run_onnx

    out, _ = exported
    graph = load_onnx(out / "float.onnx")
    currents = float_input(graph, load_data("digits", samples=5), 0, 5, 8, 0)
    ours = run_float(graph, currents, 8, membranes=graph.outputs())
    repeated = np.repeat(currents[:, None], 8, axis=1).astype(np.float32)
    theirs = run_onnx(graph, repeated)
    (read,) = graph.outputs()
    np.testing.assert_allclose(theirs[f"{read}.membrane"], ours.membrane[read], atol=1e-5)
