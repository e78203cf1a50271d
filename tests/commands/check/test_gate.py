"""`neurocompile check`: what passes, what fails, what is refused."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace

import gate_networks as gate
import numpy as np
import pytest

from neurocompile.ir.settings import Decoder


def planted(small, tmp_path, make):
    """An export with a fault in it, beside the good one's samples."""
    return gate.write(tmp_path / "bad", make(gate.network()), small / "x.npz")


@pytest.mark.parametrize("times", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_an_unchanged_network_passes_every_time(small, call, times):
    for _ in range(times):
        code, text, _ = call("check", small / "small", "--baseline", small / "base.json", "--json")
        found = json.loads(text)
        assert (code, found["passed"], found["findings"], found["runs"]) == (0, True, [], [])
        assert all(metric["change"] == 0 for metric in found["metrics"])


@pytest.mark.parametrize("fault", gate.FAULTS)
def test_exact_mode_names_layer_and_field_of_a_planted_fault(fault, small, tmp_path, call):
    make, where = gate.FAULTS[fault]
    bad = planted(small, tmp_path, make)
    code, text, stderr = call("check", bad, "--baseline", small / "base.json", "--json")
    found = json.loads(text)
    assert (code, found["passed"]) == (1, False)
    assert found["findings"][0]["where"] == where
    layers = {finding["layer"] for finding in found["findings"]}
    assert layers == ({"lif2", "lif3"} if fault == "a swapped layer" else {where.split(".")[0]})
    assert f"CheckFailed: {where} " in stderr
    assert "reconstruction error" in stderr


WORDS = {  # by hand, from the integers of gate_networks
    "one weight flipped": "[1, 2, 0, 1] 2 -> 100",
    "a threshold off by one mantissa step": "500 -> 501",
    "a decay off by one": "1229 -> 1230",
    "a transposed kernel": "is transposed: axes 2 and 3 are exchanged",
    "a lost bias": "(4, 4, 4) -182..139 -> 0",
    "a wrong exponent": "2 -> 1",
    "a shifted delay": "0 -> 1",
    "a dropped channel": "channel 2 of 4 along the first axis is all 0 now",
    "a swapped layer": "it now holds what 'lif3' held (threshold 500 -> 450",
}


@pytest.mark.parametrize("fault", gate.FAULTS)
def test_exact_mode_says_what_a_planted_fault_was(fault, small, tmp_path, call):
    bad = planted(small, tmp_path, gate.FAULTS[fault][0])
    code, text, _ = call("check", bad, "--baseline", small / "base.json")
    assert code == 1
    assert WORDS[fault] in " ".join(text.split())


def test_the_words_are_those_of_the_integers_in_the_network():
    nodes = gate.network().nodes
    assert nodes["conv2"].op.weight[1, 2, 0, 1] == 2
    assert (nodes["lif2"].vth, nodes["lif3"].vth, nodes["lif1"].dv) == (500, 450, 1229)
    assert (nodes["lif2"].bias_mant.min(), nodes["lif2"].bias_mant.max()) == (-182, 139)
    assert (nodes["conv3"].weight_exp, nodes["conv2"].delay) == (2, 0)


@pytest.mark.parametrize("fault", gate.FAULTS)
def test_tolerance_mode_fails_exactly_where_a_metric_leaves_its_tolerance(
    fault, small, tmp_path, call
):
    def error_and_spikes(folder):  # another engine and another command
        text = call("simulate", folder, "--engine", "fixed", "--json")[1]
        found = json.loads(text)
        return found["mse_fixed"], sum(row["spikes"] for row in found["layers"])

    bad = planted(small, tmp_path, gate.FAULTS[fault][0])
    before, after = error_and_spikes(small / "small"), error_and_spikes(bad)
    arguments = ("--baseline", small / "base.json", "--mode", "tolerance", "--json")
    code, text, _ = call("check", bad, *arguments)
    found = json.loads(text)
    metrics = {row["name"]: row for row in found["metrics"]}
    assert found["findings"] == []
    assert metrics["reconstruction_error"]["now"] == after[0]
    assert metrics["spikes"]["now"] == after[1]
    assert metrics["reconstruction_error"]["passed"] == (after[0] <= 1.02 * before[0])
    assert metrics["spikes"]["passed"] == (abs(after[1] / before[1] - 1) <= 0.05)
    assert code == (0 if all(row["passed"] for row in found["metrics"]) else 1)
    if after[0] > 1.02 * before[0]:
        assert code == 1


def test_the_planted_faults_lie_on_both_sides_of_the_tolerance(small, tmp_path, call):
    codes = {}
    for name in ("a threshold off by one mantissa step", "a transposed kernel"):
        bad = planted(small, tmp_path / name.split()[1], gate.FAULTS[name][0])
        arguments = ("--baseline", small / "base.json", "--mode", "tolerance")
        codes[name] = call("check", bad, *arguments)[0]
    assert list(codes.values()) == [0, 1]


def test_stale_data_are_refused_not_failed(small, tmp_path, call):
    np.savez(tmp_path / "x.npz", x=gate.samples(changed=True))
    stale = gate.write(tmp_path / "stale", gate.network(), tmp_path / "x.npz")
    code, stdout, stderr = call("check", stale, "--baseline", small / "base.json")
    assert (code, stdout) == (2, "")
    assert "the data changed: 6 samples" in stderr
    assert "--update" in stderr


@pytest.mark.parametrize("key", ["samples", "steps", "seed"])
def test_another_number_of_samples_steps_or_seed_is_refused(key, small, tmp_path, call):
    other = {"samples": 5, "steps": 7, "seed": 1}[key]
    bad = gate.write(tmp_path / "bad", gate.network(), small / "x.npz", **{key: other})
    code, _, stderr = call("check", bad, "--baseline", small / "base.json")
    assert code == 2
    assert f"declares {key} {other}" in stderr


def test_a_file_that_is_not_the_one_of_its_manifest_is_refused(small, tmp_path, call):
    bad = tmp_path / "bad"
    shutil.copytree(small / "small", bad)
    content = bytearray((bad / "fixed.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (bad / "fixed.onnx").write_bytes(content)
    code, _, stderr = call("check", bad, "--baseline", small / "base.json")
    assert code == 2
    assert "fixed.onnx was changed since it was exported" in stderr


def test_a_missing_baseline_is_refused_with_the_command_that_writes_it(small, tmp_path, call):
    code, _, stderr = call("check", small / "small", "--baseline", tmp_path / "none.json")
    assert code == 2
    assert f"--baseline {tmp_path / 'none.json'} --update" in stderr.replace("\n", " ")


def changed(path, to):
    """A baseline in which the value at a dotted path is changed or missing."""

    def change(content):
        *way, last = path.split(".")
        at = content
        for key in way:
            at = at[key]
        if to is None:
            del at[last]
        else:
            at[last] = to
        return json.dumps(content)

    return change


def odd_weight(content):
    content["digests"]["layers"]["conv2"]["op.weight"]["range"] = [1]
    return json.dumps(content)


def short_array(content):
    content["digests"]["layers"]["lif1"]["c"] = {"shape": [2], "values": [3]}
    return json.dumps(content)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: "{", "is broken"),
        (lambda c: "[" * 100_000, "is broken"),
        (lambda c: json.dumps(c) + " " * (4 << 20), "it is larger than 4194304 bytes"),
        (lambda c: json.dumps(c)[:-40], "is broken"),
        (lambda c: json.dumps({**c, "metrics": {"joules": float("nan")}}), "NaN"),
        (lambda c: "[]", "is not a baseline"),
        (changed("version", "2.0"), "format version 2.0"),
        (changed("metrics.spikes", None), "'metrics.spikes' is missing"),
        (changed("metrics.spikes", "many"), "'metrics.spikes' is 'many'"),
        (changed("metrics.spikes", True), "'metrics.spikes' is True, expected a number or null"),
        (changed("mode", "strict"), "expected exact or tolerance"),
        (changed("tolerances.spikes", {"near": 1}),
         "'tolerances.spikes.near' is unknown, expected above or below"),
        (changed("tolerances.spikes", {"above": -1}), "above' is -1, expected 0 or more"),
        (changed("tolerances.heat", {"above": 1}), "'tolerances.heat' is unknown, expected rec"),
        (changed("digests.edges", [["a"]]), "'digests.edges[0]' is ['a'], expected a list of 2"),
        (changed("digests.layers.conv2", 5), "'digests.layers.conv2' is 5, expected a table"),
        (changed("data.file", "../../x.npz"), "'data.file' is '../../x.npz'"),
        (changed("network", "/etc/x.onnx"), "'network' is '/etc/x.onnx'"),
        (odd_weight, "'digests.layers.conv2.op.weight.range' is [1], expected a list of 2"),
        (short_array, "'digests.layers.lif1.c' has 1 values, but its shape needs 2"),
        (changed("digests.layers.lif1.c", {"shape": [9] * 9, "values": [3]}), "list of at most 8"),
        (changed("metrics.spikes", 10**400), "a whole number beyond 64 bits"),
    ],
)  # fmt: skip
def test_a_broken_baseline_is_refused_and_stays(change, said, small, tmp_path, call):
    file = tmp_path / "base.json"
    text = change(json.loads((small / "base.json").read_text()))
    file.write_text(text)
    for more in ((), ("--update",)):
        code, _, stderr = call("check", small / "small", "--baseline", file, *more)
        assert code == 2, stderr
        assert said in stderr
        assert file.read_text() == text


def test_update_keeps_the_tolerances_and_the_mode_that_its_owner_chose(small, tmp_path, call):
    file = tmp_path / "base.json"
    content = json.loads((small / "base.json").read_text())
    content["tolerances"]["spikes"] = {"above": 0.5}
    content["mode"] = "tolerance"
    file.write_text(json.dumps(content))
    bad = planted(small, tmp_path, gate.one_weight)
    code, text, _ = call("check", bad, "--baseline", file, "--update")
    now = json.loads(file.read_text())
    assert code == 0
    assert "baseline written" in " ".join(text.split())  # whatever the length of the path
    assert "conv2.weight [1, 2, 0, 1] 2 -> 100" in text  # what the renewal changes
    assert (now["tolerances"]["spikes"], now["mode"]) == ({"above": 0.5}, "tolerance")
    assert call("check", bad, "--baseline", file, "--mode", "exact")[0] == 0
    assert call("check", small / "small", "--baseline", file, "--mode", "exact")[0] == 1


def test_the_same_network_gives_the_same_bytes_of_baseline(small, tmp_path, call):
    for engine in ("onnx", "fixed"):
        file = tmp_path / f"{engine}.json"
        call("check", small / "small", "--baseline", file, "--update", "--engine", engine)
        assert file.read_bytes() == (small / "base.json").read_bytes()
    assert (small / "base.json").stat().st_size < 20_000


def test_an_update_that_cannot_be_finished_leaves_the_old_baseline(
    small, tmp_path, call, monkeypatch
):
    file = tmp_path / "base.json"
    shutil.copy(small / "base.json", file)
    before = file.read_bytes()
    bad = planted(small, tmp_path, gate.one_weight)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    code, _, stderr = call("check", bad, "--baseline", file, "--update")
    assert code == 2
    assert "the disk is full" in stderr
    assert file.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["bad", "base.json"]


def test_samples_kept_beside_the_baseline_are_used_from_anywhere(small, tmp_path, call):
    moved = tmp_path / "moved"
    gate.write(moved / "small", gate.network(), tmp_path / "x.npz")
    shutil.copy(small / "x.npz", tmp_path / "x.npz")
    file, kept = moved / "base.json", moved / "data" / "kept.npz"
    arguments = ("check", moved / "small", "--baseline", file)
    assert call(*arguments, "--update", "--keep-data", kept)[0] == 0
    assert json.loads(file.read_text())["data"]["file"] == "data/kept.npz"
    (tmp_path / "x.npz").unlink()
    assert call(*arguments)[0] == 0
    kept.unlink()
    code, _, stderr = call(*arguments)
    assert code == 2
    assert "kept.npz" in stderr
    assert call(*arguments, "--data", small / "x.npz")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--keep-data", "x.npz"), "Add --update"),
        (("--update", "--keep-data", "x.csv"), "ends in .npz"),
        (("--update", "--keep-network", "../x.onnx"), "in the folder of the baseline"),
    ],
)
def test_what_cannot_be_kept_is_refused(arguments, said, small, tmp_path, call, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, stderr = call("check", small / "small", "--baseline", "base.json", *arguments)
    assert code == 2
    assert said in stderr
    assert os.listdir(tmp_path) == []


@pytest.fixture
def own(small, tmp_path, monkeypatch):
    """The current folder: an export on x.npz, which has twice as many samples as it ran."""
    monkeypatch.chdir(tmp_path)
    gate.write(tmp_path / "small", gate.network(), "x.npz")
    np.savez("x.npz", x=np.concatenate([gate.samples(), gate.samples()]))
    return tmp_path


@pytest.mark.parametrize(
    ("option", "name", "more"),
    [
        ("--keep-data", "x.npz", ()),
        ("--keep-data", "other.npz", ("--data", "x.npz")),
        ("--keep-network", "other.onnx", ()),
    ],
)
def test_a_kept_file_replaces_no_file_that_the_baseline_does_not_name(
    option, name, more, own, call
):
    arguments = ("check", "small", "--baseline", "b.json", "--update")
    if not (own / name).exists():
        (own / name).write_bytes(b"precious")
    before = (own / name).read_bytes()
    for earlier in (False, True):  # a baseline that names nothing is as none
        code, _, stderr = call(*arguments, option, name, *more)
        assert code == 2
        assert f"{name} exists, and the baseline b.json does not name it" in stderr
        assert (own / name).read_bytes() == before
        assert (own / "b.json").exists() == earlier
        assert call(*arguments)[0] == 0


def test_a_renewal_replaces_what_its_baseline_names(own, call):
    arguments = ("check", "small", "--baseline", "b.json", "--update")
    keeping = ("--keep-data", "kept.npz", "--keep-network", "kept.onnx")
    assert call(*arguments, *keeping)[0] == 0
    (own / "kept.npz").write_bytes(b"damaged")
    (own / "kept.onnx").write_bytes(b"damaged")
    assert call(*arguments, *keeping)[0] == 0
    assert len(np.load("kept.npz")["x"]) == gate.SAMPLES
    assert call("check", "small", "--baseline", "b.json")[0] == 0


@pytest.mark.parametrize("more", [(), ("--data", "./x.npz")])
def test_the_samples_that_are_read_are_not_replaced_though_the_baseline_names_them(more, own, call):
    assert call("check", "small", "--baseline", "b.json", "--update")[0] == 0
    content = json.loads((own / "b.json").read_text())
    content["data"]["file"] = "x.npz"
    (own / "b.json").write_text(json.dumps(content))
    before = (own / "x.npz").read_bytes()
    code, _, stderr = call(
        "check", "small", "--baseline", "b.json", "--update", "--keep-data", "x.npz", *more
    )
    assert code == 2
    assert "--keep-data x.npz is the file that the samples are read from" in stderr
    assert (own / "x.npz").read_bytes() == before


def test_no_file_of_an_export_is_kept_beside_a_baseline(own, call):
    integers = own / "small" / "fixed.onnx"
    before = integers.read_bytes()
    arguments = ("check", "small", "--baseline", "b.json", "--update")
    code, _, stderr = call(*arguments, "--keep-network", "small/fixed.onnx")
    assert code == 2
    assert "which no option replaces. Choose another --keep-network" in stderr
    assert call(*arguments, "--keep-network", "kept.onnx")[0] == 0
    content = json.loads((own / "b.json").read_text())
    (own / "b.json").write_text(json.dumps({**content, "network": "small/fixed.onnx"}))
    code, _, stderr = call(*arguments)
    assert code == 2
    assert "which no option replaces. Choose another --keep-network" in stderr
    assert integers.read_bytes() == before


@pytest.mark.parametrize("name", ["kept.npz", "b.json"])
def test_a_file_that_appears_while_the_network_runs_is_not_replaced(name, own, call, monkeypatch):
    from neurocompile.commands.check import gate as gating

    measure = gating.measure

    def meanwhile(*arguments):
        (own / name).write_bytes(b"precious")
        return measure(*arguments)

    monkeypatch.setattr(gating, "measure", meanwhile)
    arguments = ("check", "small", "--baseline", "b.json", "--update", "--keep-data", "kept.npz")
    code, _, stderr = call(*arguments)
    assert code == 2
    assert f"{name} appeared while this ran; it was not touched" in stderr
    assert (own / name).read_bytes() == b"precious"


# --- What a baseline says of its samples ------------------------------------------------------


@pytest.fixture
def others(own):
    """Other samples than the export's, in a file whose name a shell would take apart."""
    np.savez("my other.npz", x=gate.samples()[::-1])
    return "my other.npz"


def sha256_of(file):
    return json.loads(file.read_text())["data"]["sha256"]


def test_a_baseline_on_other_samples_than_the_export_s_names_them(own, others, call):
    arguments = ("check", "small", "--baseline", "b.json")
    assert call(*arguments, "--update", "--data", others)[0] == 0
    assert json.loads((own / "b.json").read_text())["data"]["given"] == others
    code, text, _ = call(*arguments, "--json")
    assert (code, json.loads(text)["data"]) == (0, others)
    before = sha256_of(own / "b.json")
    assert call(*arguments, "--update")[0] == 0  # stays on them
    assert sha256_of(own / "b.json") == before
    os.rename(others, "gone.npz")
    code, _, stderr = call(*arguments)
    assert code == 2
    assert f"the baseline b.json was made with --data {others}: there is no file" in stderr
    assert call(*arguments, "--update", "--data", "x.npz")[0] == 0  # the export's own again
    assert "given" not in json.loads((own / "b.json").read_text())["data"]
    assert call(*arguments)[0] == 0


def test_kept_samples_are_written_anew_from_what_they_were_made_of(own, others, call):
    arguments = ("check", "small", "--baseline", "b.json", "--update", "--keep-data", "kept.npz")
    assert call(*arguments, "--data", others)[0] == 0
    before = sha256_of(own / "b.json")
    (own / "kept.npz").unlink()
    assert call(*arguments)[0] == 0
    assert sha256_of(own / "b.json") == before
    np.testing.assert_array_equal(np.load("kept.npz")["x"], np.load(others)["x"])


def test_an_update_on_other_samples_names_no_longer_the_file_of_the_old_ones(own, others, call):
    arguments = ("check", "small", "--baseline", "b.json")
    assert call(*arguments, "--update", "--keep-data", "kept.npz")[0] == 0
    before = (own / "kept.npz").read_bytes()
    assert call(*arguments, "--update", "--data", others)[0] == 0
    said = json.loads((own / "b.json").read_text())["data"]
    assert (said["file"], said["given"]) == (None, others)
    assert (own / "kept.npz").read_bytes() == before
    assert call(*arguments)[0] == 0


@pytest.mark.parametrize("kept", [False, True])
def test_the_renewal_that_a_failed_check_prints_stays_on_its_samples(kept, own, others, call):
    arguments = ("check", "small", "--baseline", "b.json")
    keeping = ("--keep-data", "kept.npz") if kept else ()
    assert call(*arguments, "--update", "--data", others, *keeping)[0] == 0
    before = sha256_of(own / "b.json")
    content = json.loads((own / "b.json").read_text())
    content["data"].pop("given", None)  # as an older version wrote it
    (own / "b.json").write_text(json.dumps(content))
    gate.write(own / "bad", gate.one_weight(gate.network()), "x.npz")
    words = ("check", "bad", "--baseline", "b.json")
    code, text, _ = call(*words, "--data", others)
    assert code == 1
    command = text.splitlines()[-1].strip()
    assert " --data 'my other.npz'" in command
    program, *following = shlex.split(command)
    assert program == "neurocompile"
    assert call(*following)[0] == 0
    assert sha256_of(own / "b.json") == before
    assert call(*words)[0] == 0
    said = json.loads((own / "b.json").read_text())["data"]
    assert said["file"] == ("kept.npz" if kept else None)


def test_other_refusals_keep_the_data_in_the_command_that_they_print_too(own, others, call):
    code, _, stderr = call("check", "small", "--baseline", "b.json", "--data", others)
    assert code == 2
    assert "Write it with: neurocompile check small --baseline b.json --update --data" in stderr
    assert call("check", "small", "--baseline", "b.json", "--update")[0] == 0
    code, _, stderr = call("check", "small", "--baseline", "b.json", "--data", others)
    assert code == 2
    command = stderr.split("or renew it: ")[1].strip()
    assert call(*shlex.split(command)[1:])[0] == 0
    assert call("check", "small", "--baseline", "b.json")[0] == 0


@pytest.mark.parametrize(
    ("content", "wrong"),
    [(None, "is not there"), (b"PK\3\4 half of it", "is damaged (cannot be read (")],
)
def test_lost_samples_of_a_baseline_are_brought_back_from_version_control(
    content, wrong, own, call
):
    arguments = ("check", "small", "--baseline", "sub/b.json")
    assert call(*arguments, "--update", "--keep-data", "sub/kept.npz")[0] == 0
    (own / "sub" / "kept.npz").unlink()
    if content is not None:
        (own / "sub" / "kept.npz").write_bytes(content)
    for more in ((), ("--update",)):
        code, _, stderr = call(*arguments, *more)
        assert code == 2
        named = "the baseline sub/b.json names sub/kept.npz as the file of its samples, which "
        assert named + wrong in stderr
        assert "Bring it back from version control, or give the same samples with --data" in stderr
        assert "Save it again" not in stderr
        assert "the folder in which" not in stderr
    assert call(*arguments, "--data", "x.npz")[0] == 0


@pytest.mark.parametrize("linked", ["data/kept.onnx", "data"])
def test_no_file_out_of_the_folder_of_a_baseline_is_replaced_through_a_link(
    linked, small, tmp_path, call
):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "kept.onnx").write_bytes(b"precious")
    (tmp_path / "repo").mkdir()
    file, kept = tmp_path / "repo" / "base.json", tmp_path / "repo" / "data" / "kept.onnx"
    arguments = ("check", small / "small", "--baseline", file, "--update")
    assert call(*arguments, "--keep-network", kept)[0] == 0
    before = file.read_bytes()
    kept.unlink()
    if linked == "data":
        kept.parent.rmdir()
    target = tmp_path / "theirs" / ("" if linked == "data" else kept.name)
    (tmp_path / "repo" / linked).symlink_to(target)
    code, _, stderr = call(*arguments)
    assert code == 2
    assert "out of the folder of the baseline" in " ".join(stderr.split())
    assert (tmp_path / "theirs" / "kept.onnx").read_bytes() == b"precious"
    assert file.read_bytes() == before


def test_a_damaged_baseline_ends_with_a_sentence_or_a_verdict_never_a_traceback(
    small, tmp_path, call
):
    rng = np.random.default_rng(0)
    good = json.loads((small / "base.json").read_text())
    bad = planted(small, tmp_path, gate.swapped)
    junk = [None, -1, 2**70, 1.5, "", "x", [], {}, [1], {"shape": [2]}, True]

    def damaged(value):
        if isinstance(value, (dict, list)) and value and rng.random() < 0.9:
            keys = list(value) if isinstance(value, dict) else range(len(value))
            key = list(keys)[rng.integers(len(value))]
            copy = value.copy()
            copy[key] = damaged(value[key])
            return copy
        return junk[rng.integers(len(junk))]

    codes = set()
    for _ in range(60):
        (tmp_path / "base.json").write_text(json.dumps(damaged(good)))
        codes.add(call("check", bad, "--baseline", tmp_path / "base.json")[0])
    assert codes == {1, 2}


def test_a_classifier_is_held_to_its_accuracy_and_a_bare_network_to_its_spikes(
    small, tmp_path, call
):
    graph = gate.network()
    labels = np.array([3, 17, 40, 3, 5, 60])
    np.savez(tmp_path / "x.npz", x=gate.samples(), labels=labels)
    for decoder, names in (
        (Decoder("last", task="classification"), ["accuracy", "spikes", "synops", "joules"]),
        (Decoder(), ["spikes", "synops", "joules"]),
    ):
        file = tmp_path / f"{decoder.kind}.json"
        settings = replace(graph.settings, decoder=decoder)
        out = gate.write(
            tmp_path / decoder.kind, replace(graph, settings=settings), tmp_path / "x.npz"
        )
        assert call("check", out, "--baseline", file, "--update")[0] == 0
        code, text, _ = call("check", out, "--baseline", file, "--json")
        assert code == 0
        assert [row["name"] for row in json.loads(text)["metrics"]] == names
        # the same integers with another decoder: exact mode names the settings
        code, text, _ = call("check", small / "small", "--baseline", file, "--data",
                             tmp_path / "x.npz", "--json")  # fmt: skip
        assert code == 1
        where = [finding["where"] for finding in json.loads(text)["findings"]]
        assert "settings.decoder.task" in where


def test_a_network_that_no_longer_runs_still_says_what_changed(small, tmp_path, call):
    loud = gate.network().nodes["up"].op.weight * 0 + 254
    bad = planted(
        small, tmp_path, lambda g: gate.edit(gate.edit(g, "up", weight=loud), "up", weight_exp=7)
    )
    arguments = ("--baseline", small / "base.json", "--engine", "fixed", "--json")
    code, text, _ = call("check", bad, *arguments)
    found = json.loads(text)
    assert code == 1
    assert {f["where"] for f in found["findings"]} == {"up.weight", "up.weight_exp"}
    assert "readout 'output' reached its threshold" in found["trouble"]


def test_a_changed_encoder_and_its_encoded_input_are_named(small, tmp_path, call):
    bad = planted(small, tmp_path, lambda g: gate.edit(g, "input", scale=np.array(3900.0)))
    code, text, _ = call("check", bad, "--baseline", small / "base.json", "--json")
    found = json.loads(text)
    assert code == 1
    assert found["findings"][0]["where"] == "input.scale"
    assert found["runs"][0] == {
        "layer": "input", "what": "encoded input", "change": "differs from the baseline"
    }  # fmt: skip


BLOCKED = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {blocked!r}:
            raise ModuleNotFoundError(f'No module named {{name}}', name=name)
sys.meta_path.insert(0, Absent())
from neurocompile.cli import main
main({arguments!r})
"""


def test_checking_and_updating_need_none_of_the_large_packages(small, tmp_path):
    blocked = ["torch", "scipy", "lava", "norse", "h5py", "mlxtend", "sklearn", "numba", "nir"]
    new = tmp_path / "new.json"
    for file, more in ((small / "base.json", []), (new, ["--update"])):
        arguments = ["check", str(small / "small"), "--baseline", str(file), "--json", *more]
        script = BLOCKED.format(blocked=blocked, arguments=arguments)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert new.read_bytes() == (small / "base.json").read_bytes()
