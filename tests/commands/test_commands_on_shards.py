"""The commands on shards: what they print of one file and of seven, in one process or in two."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from shard_files import npz, write

from neurocompile.cli import main

ENDS = (0, 10, 11, 60, 61, 87, 100, 120)


def run(*words):
    done = CliRunner().invoke(main, [str(word) for word in words])
    return done.exit_code, done.stdout, done.stderr


def figures(*words):
    code, printed, errors = run(*words, "--json")
    assert code == 0, errors
    return json.loads(printed)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """120 digits in one file, and in seven shards of which none ends with a batch."""
    from neurocompile import load_data

    folder = tmp_path_factory.mktemp("sets")
    digits = load_data("digits", samples=120)
    np.savez(folder / "one.npz", x=digits.values, labels=digits.labels)
    return folder / "one.npz", write(folder / "seven", npz, digits.values, digits.labels, ENDS)


@pytest.fixture(scope="module")
def exports(sets, model, tmp_path_factory):
    """What export writes of one file, of the shards, and of the shards on two workers."""
    out = tmp_path_factory.mktemp("out")
    export = ("export", model, "--target", "loihi-sim", "--engine", "fixed", "--no-html")
    for name, data, more in (
        ("one", sets[0], ()),
        ("seven", sets[1], ()),
        ("two", sets[1], ("--workers", "2")),
    ):
        figures(*export, "--data", data, "--out", out / name, *more)
    return out


def test_export_writes_the_same_report_of_one_file_of_shards_and_of_two_workers(exports):
    reports = [(exports / name / "report.json").read_bytes() for name in ("one", "seven", "two")]
    assert reports[0] == reports[1] == reports[2]
    assert json.loads(reports[0])["reconstruction"]["samples"] == 120
    assert (exports / "seven/samples.npz").read_bytes() == (
        exports / "two/samples.npz"
    ).read_bytes()


def test_simulate_counts_the_same_in_this_process_and_in_another(exports, sets):
    def counted(*words):
        found = figures("simulate", exports / "one", *words)
        return {key: value for key, value in found.items() if key not in ("data", SPEED)}

    alone = counted("--data", sets[0], "--engine", "onnx", "--engine", "fixed")
    assert alone["spikes_compared"] > 0
    shards = ("--data", sets[1], "--engine", "onnx", "--engine", "fixed")
    assert counted(*shards) == counted(*shards, "--workers", "1") == alone


SPEED = "samples_per_second"


def test_check_holds_shards_to_a_baseline_whoever_runs_them(exports, sets, tmp_path):
    baseline = tmp_path / "b.json"
    check = ("check", exports / "seven", "--baseline", baseline)
    figures(*check, "--update", "--workers", "2")
    assert json.loads(baseline.read_text())["digests"]["block"] == 50
    for more in ((), ("--data", sets[0])):
        found = figures(*check, *more)
        assert (found["passed"], found["runs"], found["samples"]) == (True, [], 120)


def test_a_baseline_of_one_sequence_is_checked_by_one_process(exports, sets, tmp_path):
    baseline = tmp_path / "b.json"
    check = ("check", exports / "one", "--baseline", baseline)
    figures(*check, "--update")
    assert "block" not in json.loads(baseline.read_text())["digests"]
    assert figures(*check, "--data", sets[1])["passed"]
    code, _, errors = run(*check, "--data", sets[1], "--workers", "2")
    assert code == 2
    assert "digests of all samples in one sequence" in errors


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--record", "spikes", "--to", "r.h5"), "a recording is written by one process"),
        (("--stream",), "in this process"),
        (("--verify",), "leave out every option"),
        (("--data", "digits"), "share out the samples of shards:DIR only"),
    ],
)
def test_what_workers_cannot_do_is_refused_before_any_starts(words, said, exports):
    code, _, errors = run("simulate", exports / "one", "--workers", "2", *words)
    assert code == 2
    assert said in " ".join(errors.split())


def test_a_stream_of_shards_is_that_of_one_file(exports, sets):
    one, seven = (figures("simulate", exports / "one", "--stream", "--data", d) for d in sets)
    assert one["layers"] == seven["layers"]
    assert one["mse_fixed"] == seven["mse_fixed"]


def test_a_recording_of_shards_is_that_of_one_file(exports, sets, tmp_path):
    import h5py

    files = [tmp_path / "one.h5", tmp_path / "seven.h5"]
    for data, file in zip(sets, files, strict=True):
        figures("simulate", exports / "one", "--data", data, "--record", "spikes", "--to", file)
    with h5py.File(files[0]) as one, h5py.File(files[1]) as seven:
        for name in one:
            np.testing.assert_array_equal(one[name]["spikes"], seven[name]["spikes"])


def test_the_other_commands_run_shards_too(exports, sets):
    one, seven = (figures("compare", exports / "one", "--data", data) for data in sets)
    assert {**one, "data": ""} == {**seven, "data": ""}


def test_a_poisoned_shard_ends_a_run_with_its_name_and_exit_code_2(exports, sets, tmp_path):
    x = np.load(sets[0])["x"]
    source = write(tmp_path / "bad", npz, x, np.zeros(120, int), ENDS)
    bad = x[87:100].copy()
    bad[3] = np.nan
    npz(tmp_path / "bad" / "part-5", bad, np.zeros(13, int))
    for more in ((), ("--workers", "1")):
        words = ("simulate", exports / "one", "--data", source, "--engine", "onnx")
        code, printed, errors = run(*words, *more)
        assert (code, printed) == (2, "")
        assert "part-5.npz, rows 0 to 12: x holds nan at index [3, 0, 0, 0]" in " ".join(
            errors.split()
        )
