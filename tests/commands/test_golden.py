"""Golden vectors: the samples that an export recorded are run again, and every value compared."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from manifests import rewrite

from neurocompile.engines import agree
from neurocompile.errors import BadInput
from neurocompile.formats.load_onnx import load_onnx
from neurocompile.report.golden import compare_golden, recorded_input
from neurocompile.report.samples_file import Samples, read_samples, samples_bytes

RELEASE = Path(__file__).parents[1] / "formats/releases/0.1.0"
SAMPLES, STEPS = 12, 8


@pytest.fixture(scope="module")
def kept(exported):
    """The network of an export, and what it recorded."""
    return load_onnx(exported[0] / "fixed.onnx"), read_samples(exported[0] / "samples.npz")


def neurons(samples, *, silent_too=True):
    rows = samples.about["layers"]
    return sum(int(np.prod(row["shape"])) for row in rows if silent_too or row["membrane"])


def changed(samples, key, place, by=1):
    """The same samples with one recorded value changed."""
    array = samples.arrays[key].copy()
    array[place] = 1 - array[place] if array.dtype == np.uint8 else array[place] + by
    return Samples(samples.about, {**samples.arrays, key: array})


def row_of(samples, at=-1):
    return [row for row in samples.about["layers"] if row["membrane"]][at]


def stored(directory, out, samples=None, name=None):
    """A copy of an export with other samples, as if it had been written with them."""
    shutil.copytree(directory, out)
    manifest = json.loads((out / "manifest.json").read_text())
    if samples is None:
        del manifest["files"]["samples.npz"]
        (out / "samples.npz").unlink()
    else:
        (out / "samples.npz").write_bytes(samples_bytes(samples))
        digest = hashlib.sha256((out / "samples.npz").read_bytes()).hexdigest()
        manifest["files"]["samples.npz"] = digest
    rewrite(out, manifest)
    return out


# --- Comparing --------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["fixed", "onnx"])
def test_an_engine_has_every_recorded_value_and_digest(engine, kept):
    found = compare_golden(*kept, engine)
    values = neurons(kept[1]) * SAMPLES * STEPS
    assert (found.samples, found.spikes, found.potentials) == (SAMPLES, values, values)
    assert found.digests == 2 * len(kept[1].about["layers"]) * SAMPLES
    assert (found.mismatches, found.first) == (0, "")


def test_only_as_many_samples_run_as_are_asked_for(kept):
    found = compare_golden(*kept, "fixed", most=2)
    assert found.samples == 2
    assert found.spikes == neurons(kept[1]) * 2 * STEPS


@pytest.mark.parametrize(("what", "key"), [("spike", "fixed"), ("potential", "membrane")])
def test_the_first_value_that_differs_is_named_by_layer_sample_step_and_neuron(what, key, kept):
    graph, samples = kept
    row = row_of(samples)
    place = (3, 5, 0, 2, 6)
    later = (3, 6, 0, 0, 0)
    other = changed(changed(samples, row[key], place), row[key], later)
    found = compare_golden(graph, other, "fixed")
    right, recorded = int(samples.arrays[row[key]][place]), int(other.arrays[row[key]][place])
    assert found.mismatches == 2
    assert found.first == (
        f"layer '{row['name']}', sample 3, step 6, neuron (0, 2, 6): {what} {right}, recorded "
        f"{recorded}"
    )


def test_the_earliest_sample_and_step_count_whatever_the_layer(kept):
    graph, samples = kept
    first, last = row_of(samples, 0), row_of(samples)
    other = changed(samples, first["membrane"], (4, 0, 0, 0, 0))
    other = changed(other, last["membrane"], (1, 7, 0, 0, 0))
    assert (
        f"layer '{last['name']}', sample 1, step 8" in compare_golden(graph, other, "fixed").first
    )


def test_potentials_that_are_not_recorded_are_compared_by_their_digests(kept):
    graph, samples = kept
    row = row_of(samples)
    rows = [
        {**each, "membrane_digests": ["0" * 64, *each["membrane_digests"][1:]], "membrane": None}
        if each["name"] == row["name"]
        else each
        for each in samples.about["layers"]
    ]
    found = compare_golden(
        graph, Samples({**samples.about, "layers": rows}, samples.arrays), "fixed"
    )
    assert found.potentials == (neurons(samples) - int(np.prod(row["shape"]))) * SAMPLES * STEPS
    assert found.mismatches == 1
    assert found.first == f"layer '{row['name']}', sample 0: the digest of its potentials differs"


def test_an_engine_that_computes_another_bit_is_found(kept, monkeypatch):
    graph, samples = kept
    row = row_of(samples)
    run = agree.run_engine

    def wrong(*args, **kwargs):
        did = run(*args, **kwargs)
        did.membrane[row["name"]][2, 4] += 1
        return did

    monkeypatch.setattr("neurocompile.report.golden.run_engine", wrong)
    found = compare_golden(graph, samples, "fixed")
    assert found.mismatches == int(np.prod(row["shape"]))
    assert f"layer '{row['name']}', sample 2, step 5" in found.first


def test_the_recorded_input_is_what_the_encoder_made(kept):
    graph, samples = kept
    ((name, values),) = recorded_input(graph, samples, 3).values.items()
    assert name == samples.about["inputs"][0]["name"]
    assert np.array_equal(values, samples.arrays["entered.0"][:3])


# --- simulate --verify ------------------------------------------------------------------------


def test_verify_tells_how_many_values_are_equal_on_each_engine(exported, kept, call):
    engines = ("--engine", "fixed", "--engine", "onnx")
    code, out, _ = call("simulate", exported[0], "--verify", *engines, "--quiet")
    assert code == 0
    values = neurons(kept[1]) * SAMPLES * STEPS * 2
    words = " ".join(out.split())
    for engine in ("fixed", "onnx"):
        assert f"golden vectors, {engine} {values:,} values equal" in words
    _, text, _ = call("simulate", exported[0], "--verify", "--samples", 2, "--json")
    document = json.loads(text)
    assert (document["samples"], document["data"]) == (2, "digits")
    assert [row["engine"] for row in document["golden"]] == ["fixed"]


def test_verify_needs_no_data(exported, call, monkeypatch):
    monkeypatch.setattr("neurocompile.data.samples.load_data", None)
    assert call("simulate", exported[0], "--verify", "-q")[0] == 0


def test_a_value_that_differs_fails_with_its_place(exported, kept, call, tmp_path):
    row = row_of(kept[1])
    other = changed(kept[1], row["membrane"], (3, 5, 0, 2, 6))
    code, _, error = call("simulate", stored(exported[0], tmp_path / "e", other), "--verify")
    assert code == 1
    assert f"layer '{row['name']}', sample 3, step 6, neuron (0, 2, 6): potential" in error


def test_an_export_without_samples_is_refused_in_a_sentence(exported, call, tmp_path):
    for directory in (RELEASE / "export", stored(exported[0], tmp_path / "e")):
        code, out, error = call("simulate", directory, "--verify", "-q")
        assert (code, out) == (2, "")
        assert "holds no samples.npz" in error
        assert "Export the model again, with --data" in error


def test_samples_of_another_network_are_refused(exported, kept, call, tmp_path):
    other = Samples({**kept[1].about, "fixed_graph": "0" * 64}, kept[1].arrays)
    code, _, error = call("simulate", stored(exported[0], tmp_path / "e", other), "--verify")
    assert code == 2
    assert f"BadInput: {tmp_path / 'e' / 'samples.npz'} was recorded from other integers" in error


def edited(samples, change):
    """The same samples with something else said of them."""
    about = json.loads(json.dumps(samples.about))
    change(about["layers"])
    return Samples(about, samples.arrays)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows.clear(), "fixed.onnx has the layer '0', and samples.npz has none of it"),
        (lambda rows: rows.pop(), "fixed.onnx has the layer '4', and samples.npz has none of it"),
        (lambda rows: rows.append({**rows[0], "name": "new"}), "samples.npz has the layer 'new'"),
        (lambda rows: rows[0].update(spike_digests=[]), "layer '0' has 0 and 12 digests of 12"),
        (lambda rows: rows[2].update(membrane_digests=None), "layer '4' has 12 and 0 digests"),
        (lambda rows: rows[1]["membrane_digests"].pop(), "layer '2' has 12 and 11 digests of 12"),
    ],
)
def test_samples_that_leave_something_out_are_refused(change, says, kept):
    network, samples = kept
    with pytest.raises(BadInput, match=re.escape(says)):
        compare_golden(network, edited(samples, change), "fixed")


def test_layers_in_another_order_are_compared_all_the_same(kept):
    golden = compare_golden(kept[0], edited(kept[1], lambda rows: rows.reverse()), "fixed")
    assert (golden.mismatches, golden.values) == (0, neurons(kept[1]) * 2 * SAMPLES * STEPS)


def test_a_changed_byte_of_the_samples_is_refused(exported, call, tmp_path):
    shutil.copytree(exported[0], tmp_path / "e")
    content = (tmp_path / "e/samples.npz").read_bytes()
    (tmp_path / "e/samples.npz").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    code, _, error = call("simulate", tmp_path / "e", "--verify")
    assert code == 2
    assert "was changed since it was exported" in error


@pytest.mark.parametrize(
    "words", [("--data", "digits"), ("--steps", 3), ("--seed", 1), ("--stream",)]
)
def test_verify_takes_nothing_that_would_run_something_else(words, exported, call):
    code, _, error = call("simulate", exported[0], "--verify", *words)
    assert code == 2
    assert "leave out every option but --engine and --samples" in error


# --- check ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def baseline(exported, tmp_path_factory):
    """A baseline of the export."""
    from click.testing import CliRunner

    from neurocompile.cli import main

    file = tmp_path_factory.mktemp("baseline") / "base.json"
    words = ["check", exported[0], "--baseline", file, "--update"]
    assert CliRunner().invoke(main, [*map(str, words)]).exit_code == 0
    return file


def test_a_check_compares_the_golden_vectors_too(exported, kept, baseline, call):
    code, out, _ = call("check", exported[0], "--baseline", baseline)
    assert code == 0
    values = neurons(kept[1]) * SAMPLES * STEPS * 2
    assert f"golden vectors: {values:,} values equal" in out
    junit = call("check", exported[0], "--baseline", baseline, "--format", "junit")[1]
    assert 'name="golden vectors"' in junit


def test_a_check_fails_where_a_golden_vector_differs(exported, kept, baseline, call, tmp_path):
    row = row_of(kept[1])
    other = changed(kept[1], row["membrane"], (3, 5, 0, 2, 6))
    export = stored(exported[0], tmp_path / "e", other)
    code, out, error = call("check", export, "--baseline", baseline)
    place = f"layer '{row['name']}', sample 3, step 6, neuron (0, 2, 6): potential"
    assert code == 1
    assert "golden vectors: 1 of" in " ".join(out.split())
    assert place in error
    code, out, _ = call("check", export, "--baseline", baseline, "--format", "github")
    assert out.startswith("::error title=golden_vectors::golden vectors: 1 of")
    code, out, _ = call("check", export, "--baseline", baseline, "--format", "junit")
    assert code == 1
    assert "<failure" in out


def test_a_check_on_other_data_compares_no_golden_vectors_and_one_without_samples_says_so(
    exported, baseline, call, tmp_path
):
    code, out, _ = call("check", exported[0], "--baseline", baseline, "--data", "digits", "--json")
    assert (code, json.loads(out)["golden"]) == (0, None)
    shutil.copytree(exported[0], tmp_path / "e")
    (tmp_path / "e/samples.npz").unlink()
    code, out, _ = call("check", tmp_path / "e", "--baseline", baseline)
    assert code == 0
    assert "golden vectors: none compared, samples.npz is not there" in out
