"""`--place` and `--chips`: what an export remembers, and what comes after it places so again."""

import importlib
import json
import re
import shlex
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from manifests import rewrite

from neurocompile.formats.artifact import digest

ROOT = Path(__file__).parents[2]


def small_target(folder, **limits):
    """Loihi 1 with other limits, in a folder."""
    text = (ROOT / "targets/loihi-sim/target.toml").read_text()
    for key, value in limits.items():
        text, changed = re.subn(
            rf"(?m)^{key} = {{ value = \d+", f"{key} = {{ value = {value}", text
        )
        assert changed == 1
    (folder / "target.toml").write_text(text.replace('name = "loihi-sim"', 'name = "tiny"'))
    return folder


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """Three cores of 41 neurons on a chip."""
    return small_target(tmp_path_factory.mktemp("tiny"), cores=3, neurons_per_core=41)


@pytest.fixture(scope="module")
def wide_target(tmp_path_factory):
    """128 cores of 41 neurons."""
    return small_target(tmp_path_factory.mktemp("wide"), neurons_per_core=41)


@pytest.fixture
def export(model, target, tmp_path, call):
    """Export the small model to the small target with other options; the report and its place."""

    def run(*options, code=0):
        out = tmp_path / "out"
        arguments = ["--target", target, "--out", out, "--engine", "fixed", "--samples", 12]
        done = call("export", model, *arguments, "--json", *options)
        assert done[0] == code, done[2]
        return (out, json.loads(done[1])) if code == 0 else done[2]

    return run


def joules(report):
    return {m["name"]: m["total_j"] for m in report["energy"]["models"]}


@pytest.mark.parametrize("place", ["cores", "messages", "both", "time"])
def test_energy_and_check_place_an_export_as_it_was_placed(export, call, tmp_path, place):
    out, report = export("--place", place, "--chips", 9)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["placement"] == {"fewest_of": place, "chips": 9}
    assert (report["fit"]["fewest_of"], report["fit"]["chips_limit"]) == (place, 9)
    found = json.loads(call("energy", out, "--json")[1])
    assert found["counts"] == "those in report.json"
    assert found["energy"] == report["energy"]
    assert call("check", out, "--baseline", tmp_path / "b.json", "--update")[0] == 0
    assert json.loads((tmp_path / "b.json").read_text())["metrics"]["joules"] is None
    assert call("simulate", out, "--samples", 1)[0] == 0


def test_a_check_charges_the_messages_of_the_placement_that_was_chosen(
    model, wide_target, call, tmp_path
):
    joules_of = {}
    for place in ("cores", "messages"):
        out, file = tmp_path / place, tmp_path / f"{place}.json"
        options = ("--engine", "fixed", "--samples", 12, "--place", place)
        assert call("export", model, "--target", wide_target, "--out", out, *options)[0] == 0
        assert call("check", out, "--baseline", file, "--update")[0] == 0
        joules_of[place] = json.loads(file.read_text())["metrics"]["joules"]
        report = json.loads((out / "report.json").read_text())
        assert joules_of[place] == report["energy"]["nominal_j"]
    assert joules_of["messages"] < joules_of["cores"]


def test_the_choice_decides_how_many_cores_and_messages_there_are(export):
    found = {}
    for place in ("cores", "messages"):
        _, report = export("--place", place, "--chips", 9, "--force")
        messages = sum(row["messages"] for row in report["synapses"])
        found[place] = report["fit"]["cores_used"], messages
    assert found["cores"][0] < found["messages"][0]
    assert found["messages"][1] < found["cores"][1]


def test_fewest_cores_are_offered_where_they_fit_one_chip(model, call, tmp_path):
    target = small_target(tmp_path, cores=5, neurons_per_core=41)
    arguments = ("--target", target, "--out", tmp_path / "out", "--engine", "fixed")
    code, _, said = call("export", model, *arguments, "--samples", 2, "--place", "messages")
    assert code == 3
    assert "needs 6 cores, but tiny has 5. Use Target(chips=2) (--chips 2), or Target(" in said
    assert call("export", model, *arguments, "--samples", 2, "--place", "cores")[0] == 0


def test_energy_places_again_where_it_is_asked_to_and_says_so(export, call):
    out, _ = export("--place", "cores", "--chips", 9)
    code, text, told = call("energy", out, "--place", "messages")
    assert code == 0
    assert "--place places the network again" in " ".join(told.split())
    assert "placed for fewest messages" in text
    found = json.loads(call("energy", out, "--place", "messages", "--json")[1])
    _, report = export("--place", "messages", "--chips", 9, "--force")
    assert found["energy"] == report["energy"]


def test_a_network_too_large_for_a_chip_is_refused_with_the_chips_that_would_do(export):
    # 192 neurons in cores of 41 are 5 cores and 2 chips at least
    said = export(code=3)
    assert "but tiny has 3" in said
    assert "Use Target(chips=2) (--chips 2)" in said
    assert export("--chips", 1, code=3) == said


def test_on_several_chips_messages_between_them_are_counted_and_there_is_no_total(export):
    _, report = export("--chips", 2)
    schema = json.loads(files("neurocompile.report").joinpath("schema.json").read_text())
    jsonschema.validate(report, schema)
    assert (report["fit"]["fits"], report["fit"]["chips"]) == (True, 2)
    assert max(report["fit"]["least_cores"].values()) == report["fit"]["cores_used"] == 5
    assert [row["chip"] for row in report["fit"]["cores"]] == [0, 0, 0, 1, 1]
    between = sum(row["off_chip_messages"] or 0 for row in report["synapses"])
    assert 0 < between < sum(row["messages"] for row in report["synapses"])
    assert set(joules(report).values()) == {None}
    assert {report["energy"][key] for key in ("low_j", "nominal_j", "high_j")} == {None}
    modes = report["latency"]["modes"]
    assert {row["step_s"] for row in modes if row["mode"] == "as fast as possible"} == {None}
    said = " ".join(report["energy"]["not_modelled"])
    assert f"{between:,} messages from one chip to another" in said
    assert "the time of a step on 2 chips" in said


def test_a_price_of_a_users_own_gives_a_total_that_is_marked(export, call):
    out, report = export("--chips", 2)
    between = sum(row["off_chip_messages"] or 0 for row in report["synapses"])
    totals = {}
    for price in (0, 10):
        code, text, _ = call(
            "energy", out, "--set", f"boyle2025.off_chip_message={price}pJ", "--json"
        )
        assert code == 0
        totals[price] = joules(json.loads(text))
    assert totals[10]["davies2018"] is None
    more = totals[10]["boyle2025"] - totals[0]["boyle2025"]
    assert more == pytest.approx(between * 10e-12, rel=1e-9)
    text = call("energy", out, "--set", "boyle2025.off_chip_message=10pJ")[1]
    assert "boyle2025.off_chip_message = 10 pJ (was no price)" in text
    assert "prices set by the user" in text


def test_the_terminal_says_the_bound_and_the_chips(model, target, tmp_path, call):
    arguments = ("--target", target, "--out", tmp_path / "out", "--engine", "fixed")
    _, text, _ = call("export", model, *arguments, "--samples", 2, "--chips", 2)
    shown = " ".join(text.split())
    assert "5 cores of 6 (on 2 of 2 chips), at least 5 by counting" in shown
    assert "no total: 'off_chip_message' has no price" in shown
    _, text, _ = call("export", model, "--target", "loihi-sim", *arguments[2:], "--samples", 2,
                      "--force")  # fmt: skip
    assert "1 core of 128, at least 1 by counting" in " ".join(text.split())


@pytest.mark.parametrize(
    "said",
    [7, {}, {"fewest_of": "both"}, {"fewest_of": ["both"], "chips": 1},
     {"fewest_of": "joules", "chips": 1}, {"fewest_of": "both", "chips": 0},
     {"fewest_of": "both", "chips": True}, {"fewest_of": "both", "chips": "2"}],
)  # fmt: skip
@pytest.mark.parametrize("command", ["energy", "check"])
def test_a_manifest_with_a_broken_placement_is_refused(exported, tmp_path, call, command, said):
    out = tmp_path / "out"
    out.mkdir()
    for file in exported[0].iterdir():
        (out / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["files"]["report.json"] == digest((out / "report.json").read_bytes())
    rewrite(out, {**manifest, "placement": said})
    more = ("--baseline", tmp_path / "b.json", "--update") if command == "check" else ()
    code, _, told = call(command, out, *more)
    assert code == 2
    assert "'placement' is" in told
    assert "Export the model again" in told


def test_a_manifest_from_before_placements_were_remembered_has_the_default(
    exported, tmp_path, call
):
    out = tmp_path / "out"
    out.mkdir()
    for file in exported[0].iterdir():
        (out / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((out / "manifest.json").read_text())
    del manifest["placement"]
    rewrite(out, manifest)
    found = json.loads(call("energy", out, "--json")[1])
    assert found["energy"] == exported[1]["energy"]
    assert found["fewest_of"] == "both"


@pytest.fixture
def page(monkeypatch):
    """docs/placement.md and the program that writes its table of costs."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    make = importlib.import_module("make_placement")
    return make, make.PAGE.read_text()


@pytest.mark.pages
def test_the_costs_on_the_page_are_those_of_this_version_and_its_commands_run(page, call, tmp_path):
    make, text = page
    export, *others = re.findall(r"neurocompile ((?:export examples|energy build)[^`\n]*)", text)
    words = [str(ROOT / w) if w.startswith("examples/") else w for w in shlex.split(export)]
    out = tmp_path / "mnist"
    assert call(*(str(out) if word == "build/mnist" else word for word in words))[0] == 0
    assert len(others) == 2
    for line in others:
        assert call(*(out if word == "build/mnist" else word for word in shlex.split(line)))[0] == 0
    from neurocompile.terminal.screen import Screen

    found = make.costs(out, Screen(quiet=True))
    assert make.filled(text, found) == text, "docs/placement.md is stale. Run: make docs"
