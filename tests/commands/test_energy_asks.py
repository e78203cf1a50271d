"""`neurocompile energy`: power at a rate, files by step and by neuron, two designs side by side."""

import csv
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hand_counted import SMALL, counted
from manifests import rewrite

import neurocompile as nc
from neurocompile.chip.read import load_chip
from neurocompile.commands.energy.asks import refuse_rate
from neurocompile.commands.energy.cores import print_cores
from neurocompile.commands.energy.designs import shared_models, side_by_side
from neurocompile.energy.rate import at_rate
from neurocompile.errors import BadInput, DoesNotFit

LOIHI = load_chip("loihi-sim")
A, B = Path("build/a"), Path("build/b")


@pytest.fixture(scope="module")
def asked(exported, tmp_path_factory):
    """The document, the steps and the map of one call that asks for everything."""
    from click.testing import CliRunner

    from neurocompile.cli import main

    folder = tmp_path_factory.mktemp("asked")
    arguments = ["energy", exported[0], "--rate", "100 Hz", "--json"]
    arguments += ["--by-step", folder / "steps.csv", "--map", folder / "map.json"]
    done = CliRunner().invoke(main, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout), folder


def test_the_steps_of_the_file_add_up_to_the_report(asked, exported):
    report, (found, folder) = exported[1], asked
    rows = list(csv.DictReader((folder / "steps.csv").read_text().splitlines()))
    charged = {row["mode"]: row["steps_charged"] for row in report["energy"]["modes"]}
    assert len(rows) == charged["reset"] == found["by_step"]["rows"]
    assert list(rows[0]) == found["by_step"]["columns"]
    for model in report["energy"]["models"]:
        wanted = {}
        for term in model["terms"]:
            wanted[term["quantity"]] = wanted.get(term["quantity"], 0) + term["count"]
        assert wanted == {event: sum(int(row[event]) for row in rows) for event in wanted}
        joules = sum(float(row[f"energy_j_{model['name']}"]) for row in rows)
        assert joules == pytest.approx(model["total_j"], rel=1e-12)
        (time,) = (
            row["time_s"] for row in report["energy"]["static"]["times"]
            if row["model"] == model["name"]
        )  # fmt: skip
        seconds = sum(float(row[f"time_s_{model['name']}"]) for row in rows)
        assert seconds == pytest.approx(time, rel=1e-9)


def test_the_document_has_the_steps_of_all_samples_together(asked):
    found, folder = asked
    rows = list(csv.DictReader((folder / "steps.csv").read_text().splitlines()))
    for step in found["by_step"]["steps"]:
        of_step = [row for row in rows if int(row["step"]) == step["step"]]
        assert len(of_step) == found["samples"]
        assert step["events"]["spike_out"] == sum(int(row["spike_out"]) for row in of_step)


def test_what_is_known_by_step_is_what_the_export_counted(asked, exported):
    found, report = asked[0], exported[1]
    assert found["energy"] == report["energy"]
    assert "a run of 12 samples" in found["counts"]


def test_the_map_of_the_file_is_that_of_the_document_and_loads(asked):
    found, folder = asked
    assert json.loads((folder / "map.json").read_text()) == found["map"]
    cores = nc.read_core_map(folder / "map.json")
    for row in found["cores"]["rows"]:
        for layer, neurons in row["layers"].items():
            assert (cores[layer] == row["core"]).sum() == neurons


def test_the_rate_and_the_second_are_those_of_the_totals(asked, exported):
    found, report = asked[0], exported[1]
    for row in found["rate"]["rows"]:
        (mode,) = (m for m in report["energy"]["modes"] if m["mode"] == row["samples_follow"])
        if row["model"] == "boyle2025":
            assert row["dynamic_w"] == pytest.approx(100 * mode["nominal_j"] / 12, rel=1e-12)
    spikes = sum(row["spikes"] for row in report["layers"] if row["kind"] != "input")
    second = found["streaming"]["per_second"]["spikes"]
    assert second * 12 * 8 * 1e-3 == pytest.approx(spikes)  # 12 samples of 8 steps of 1 ms


def test_the_tables_say_the_power_at_the_rate_and_refuse_what_is_too_fast(exported, call):
    found = json.loads(call("energy", exported[0], "--rate", "1/s", "--json")[1])
    most = {row["most_per_s"] for row in found["rate"]["rows"]}
    between = (min(most) + max(most)) / 2
    code, text, _ = call("energy", exported[0], "--rate", f"{between:.6g}/s")
    assert code == 0
    assert f"{between:g}/s is more than its modelled time allows" in text
    assert re.search(r"^\S+ +\S+ +[\d.]+ \SJ +refused +[\d,.e+]+/s$", text, flags=re.MULTILINE)
    assert re.search(r"^\S+ +\S+ +[\d.]+ \SJ +[\d.]+ \S?W +[\d,.e+]+/s$", text, re.MULTILINE)
    assert "events per second" in text
    code, out, error = call("energy", exported[0], "--rate", f"{2 * max(most):.6g}/s")
    assert (code, out) == (3, "")
    assert "by its modelled times" in error


def one_model():
    """The network of hand_counted.py on a chip with one model: 381.5 us as fast as possible."""
    chip = replace(SMALL, energy={"boyle2025": SMALL.energy["boyle2025"]})
    placed, counts = counted(chip)
    return counts, placed


def at(rate):
    counts, placed = one_model()
    return at_rate(rate, counts, placed, placed.chip)


def test_a_rate_that_no_model_can_keep_is_refused_with_the_most_of_each():
    with pytest.raises(DoesNotFit) as error:
        refuse_rate({"loihi-sim": at(2_700.0)})
    said = str(error.value)
    assert "--rate 2700/s" in said
    assert "pipelined, boyle2025: 2621" in said
    assert "lower rate" in said
    assert error.value.exit_code == 3


def test_a_lower_rate_is_a_cure():
    found = at(2_620.0)
    kept = {row["samples_follow"]: row["keeps"] for row in found["rows"]}
    assert kept == {"reset": False, "pipelined": True}
    refuse_rate({"loihi-sim": found})


@pytest.fixture(scope="module")
def second_generation(exported, tmp_path_factory):
    """The same network in the files of an export for loihi2-sim; its counts are its own."""
    return for_target("loihi2-sim", exported[0], tmp_path_factory.mktemp("second") / "export")


def for_target(name, export, folder):
    """A copy of an export whose manifest names another target."""
    shutil.copytree(export, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    rewrite(folder, {**manifest, "target": name})
    return folder


def test_prices_and_times_of_other_names_are_held_against_each_other(second_generation, call):
    found = json.loads(call("energy", second_generation, "--rate", "1/s", "--json")[1])
    allowed = {
        row["samples_follow"]: row["samples_per_s"]
        for row in found["latency"]
        if row["model"] == "loihi1-scaled"
    }
    rows = found["rate"]["rows"]
    assert {row["samples_follow"]: row["most_per_s"] for row in rows} == allowed
    assert {(row["model"], *row["times_of"]) for row in rows} == {("loihi1-proxy", "loihi1-scaled")}
    too_much = f"--rate={1.01 * max(allowed.values()):.0f}/s"
    code, out, error = call("energy", second_generation, too_much)
    assert (code, out) == (3, "")
    assert "loihi2-sim takes at most" in error
    assert "loihi1-proxy by times of loihi1-scaled" in error


def test_a_rate_that_one_of_two_designs_keeps_is_marked_in_the_other(
    exported, second_generation, call
):
    most = []
    for out in (exported[0], second_generation):
        rows = json.loads(call("energy", out, "--rate", "1/s", "--json")[1])["rate"]["rows"]
        most.append({row["most_per_s"] for row in rows})
    found = call("energy", exported[0], second_generation, "--rate", "1/s", "--json")[1]
    rates = json.loads(found)["side_by_side"]["tables"]["rates"]
    assert {row["a"] for row in rates} - {None} == most[0]
    assert {row["b"] for row in rates} - {None} == most[1]
    between = f"{(max(most[0]) + min(most[1])) / 2:.6g}/s"
    assert max(most[0]) < min(most[1])
    assert call("energy", exported[0], exported[0], "--rate", between)[0] == 3
    assert call("energy", exported[0], second_generation, "--rate", between)[0] == 0
    # between the two rates of the first design, some rows of it are refused
    some = f"{(min(most[0]) + max(most[0])) / 2:.6g}"
    code, text, _ = call("energy", exported[0], exported[0], "--rate", f"{some}/s")
    assert code == 0
    assert re.search(r"^dynamic, \S+ \S+ +refused +refused +- +-$", text, re.MULTILINE)
    note = f"A: {some}/s is more than its modelled time allows; B: {some}/s is more"
    assert note in " ".join(text.split())


def test_a_rate_that_neither_design_keeps_is_refused_with_both_names(
    exported, second_generation, call
):
    code, out, error = call("energy", exported[0], second_generation, "--rate", "1e6/s")
    assert (code, out) == (3, "")
    assert f"A ({exported[0]}, loihi-sim) takes at most" in error
    assert f"B ({second_generation}, loihi2-sim) takes at most" in error


def test_designs_without_a_common_model_are_compared_without_joules(
    exported, second_generation, call
):
    code, text, _ = call("energy", exported[0], second_generation)
    assert code == 0
    why = (
        "No joules side by side: A is priced by davies2018 and boyle2025 (target loihi-sim), and B "
        "is priced by loihi1-proxy (target loihi2-sim)."
    )
    assert why in " ".join(text.split())
    found = json.loads(call("energy", exported[0], second_generation, "--json")[1])
    tables = found["side_by_side"]["tables"]
    assert (tables["totals"], tables["layers"], tables["events"]) == ([], [], [])
    counts = {row["name"]: row for row in tables["counts"]}
    assert counts["spike_out"]["a"] == counts["spike_out"]["b"] > 0  # the same integers
    assert all(row["ratio"] == 1 for row in tables["streaming"] if row["name"] != "messages")
    assert [row["name"] for row in tables["counts"] if row["ratio"] is None] == []
    assert [row["name"] for row in tables["design"] if row["ratio"] is None] == []
    assert any("loihi1-scaled" in row["name"] and row["b"] for row in tables["times"])


@pytest.mark.parametrize("text", ["100/s", "100 Hz", "100Hz", "1e2/s", "100 / s", "100.0/s"])
def test_a_rate_is_read_with_its_unit(text):
    from neurocompile.commands.options import Rate

    assert Rate()(text) == 100.0


@pytest.mark.parametrize(
    "text", ["0", "0/s", "-1/s", "1e999/s", "nan Hz", "100/ms", "100 hz", "Hz", "100/s/s"]
)
def test_a_rate_of_another_unit_or_not_above_0_is_refused(text, exported, call):
    code, out, error = call("energy", exported[0], f"--rate={text}")
    assert (code, out) == (2, "")
    assert "is not a rate above 0. Write it as 100/s or 100 Hz" in " ".join(error.split())


@pytest.mark.parametrize("text", ["100", "1e2", " 0.5"])
def test_a_rate_without_a_unit_is_told_which_there_are(text, exported, call):
    code, out, error = call("energy", exported[0], f"--rate={text}")
    assert (code, out) == (2, "")
    said = f"{text.strip()} has no unit. Write {text.strip()}/s or {text.strip()} Hz."
    assert said in " ".join(error.split())
    assert call("energy", exported[0], f"--rate={text.strip()} Hz")[0] == 0


def test_a_multiple_of_a_price_is_named_wherever_it_is_used(exported, call):
    code, text, _ = call("energy", exported[0], "--set", "boyle2025.spike_out=x2")
    assert code == 0
    said = "set by the user: boyle2025.spike_out = 138.6 pJ (2 x sourced price (boyle2025, "
    assert f"{said}derived); was 69.3 pJ, boyle2025)" in " ".join(text.split())
    mark = re.search(r"spike_out +[\d,]+ +138.6 +[\d,.]+ +([a-z])$", text, re.MULTILINE)
    assert f"\n{mark[1]}  set by the user, 2 x sourced price (boyle2025, derived)" in text
    assert "(nominal, prices set by the user)" in " ".join(text.split())


def test_two_designs_have_both_values_their_difference_and_their_ratio(exported, call):
    out = exported[0]
    one = json.loads(call("energy", out, "--json")[1])
    other = json.loads(call("energy", out, "--set", "boyle2025.spike_out=x2", "--json")[1])
    found = side_by_side(one, other, ["boyle2025", "davies2018"])
    events = {row["name"]: row for row in found["tables"]["events"]}
    (terms,) = (m["terms"] for m in one["energy"]["models"] if m["name"] == "boyle2025")
    spikes = sum(t["energy_j"] for t in terms if t["quantity"] == "spike_out") / 12
    assert events["spike_out"]["a"] == pytest.approx(spikes, rel=1e-12)
    assert events["spike_out"]["difference"] == pytest.approx(spikes, rel=1e-12)
    assert events["spike_out"]["ratio"] == pytest.approx(2)
    assert {row["ratio"] for name, row in events.items() if name != "spike_out"} <= {1.0, None}
    boyle, davies = found["tables"]["totals"]
    assert boyle["difference"] == pytest.approx(spikes, rel=1e-9)
    assert davies["ratio"] == 1
    assert [row["price"] for row in found["prices_differ"]] == ["spike_out"]
    layers = {row["name"] for row in found["tables"]["layers"]}
    assert layers == {term["layer"] for term in terms}
    assert sum(row["a"] for row in found["tables"]["layers"]) == pytest.approx(boyle["a"])


def test_a_design_beside_itself_differs_in_nothing(exported, call):
    out = exported[0]
    code, text, stderr = call("energy", out, out, "--rate", "10/s", "--json")
    assert (code, stderr) == (0, "")
    found = json.loads(text)
    assert found["designs"][0] == json.loads(call("energy", out, "--rate", "10/s", "--json")[1])
    tables = found["side_by_side"]["tables"]
    assert all(tables.values())
    for row in (row for rows in tables.values() for row in rows):
        assert (row["a"], row["difference"] or 0) == (row["b"], 0)
        assert row["ratio"] in (1, None)


def test_a_layer_that_only_one_design_has_is_compared_with_nothing(exported, call):
    one = json.loads(call("energy", exported[0], "--json")[1])
    other = json.loads(json.dumps(one))
    for model in other["energy"]["models"]:
        for term in model["terms"]:
            term["layer"] += "_b"
    rows = side_by_side(one, other, ["boyle2025"])["tables"]["layers"]
    assert {row["name"].endswith("_b") for row in rows if row["a"] is None} == {True}
    assert {(row["difference"], row["ratio"]) for row in rows} == {(None, None)}


def without(chip, event):
    prices = {name: dict(of) for name, of in chip.energy.items()}
    del prices["boyle2025"][event]
    return replace(chip, energy=prices)


@pytest.mark.parametrize(
    ("chips", "model", "words"),
    [
        ((LOIHI, load_chip("ideal")), "boyle2025", "build/b is priced by no model (target ideal)"),
        ((LOIHI, without(LOIHI, "spike_out")), None, "the model boyle2025 prices spike_out on"),
        (
            (LOIHI, replace(LOIHI, energy={"mine": LOIHI.energy["boyle2025"]})),
            "boyle2025",
            "build/a is priced by davies2018 and boyle2025",
        ),
        ((LOIHI, LOIHI), "davies", "cannot be compared by davies"),
    ],
)
def test_designs_whose_models_or_events_differ_are_refused(chips, model, words):
    with pytest.raises(BadInput) as error:
        shared_models(A, B, chips, model)
    assert words in str(error.value)
    assert str(error.value).startswith("build/a and build/b cannot be compared")
    assert error.value.exit_code == 2


def test_designs_are_compared_by_the_models_that_they_share():
    only = replace(LOIHI, energy={"davies2018": LOIHI.energy["davies2018"]})
    assert shared_models(A, B, (LOIHI, only), None) == ["davies2018"]
    assert shared_models(A, B, (LOIHI, LOIHI), None) == ["boyle2025", "davies2018"]
    assert shared_models(A, B, (load_chip("ideal"), load_chip("ideal")), None) == []
    assert shared_models(A, B, (LOIHI, load_chip("loihi2-sim")), None) == []


def test_designs_that_cannot_be_compared_are_refused_before_anything_runs(exported, tmp_path, call):
    other = for_target("ideal", exported[0], tmp_path / "ideal")
    code, out, error = call(
        *("energy", exported[0], other, "--samples", 3, "--model", "boyle2025")
    )  # fmt: skip
    assert (code, out) == (2, "")
    assert "running" not in error
    assert "cannot be compared" in error.splitlines()[-1]


ASKED = [("--by-step", "steps.csv"), ("--map", "map.json")]


def refused_before_the_run(call, *arguments):
    """The one sentence of a call that ends before the network runs."""
    code, out, error = call("energy", *arguments)
    assert (code, out) == (2, "")
    assert "running" not in error
    return error


@pytest.mark.parametrize(("option", "name"), ASKED)
def test_a_file_that_exists_is_replaced_only_with_force(option, name, exported, tmp_path, call):
    file = tmp_path / name
    file.write_text("mine")
    said = refused_before_the_run(call, exported[0], option, file)
    assert f"{file} exists. Choose another {option}, or replace it (--force)." in said
    assert file.read_text() == "mine"
    assert call("energy", exported[0], option, file, "--force")[0] == 0
    starts = {".csv": "sample,step,", ".json": "{"}
    assert file.read_text().startswith(starts[file.suffix])


@pytest.mark.parametrize("linked", [False, True])
def test_a_file_of_an_export_is_never_replaced(linked, exported, tmp_path, call):
    file = exported[0] / "report.json"
    before = file.read_bytes()
    if linked:
        file = tmp_path / "link.json"
        file.symlink_to(exported[0] / "report.json")
    said = refused_before_the_run(call, exported[0], "--map", file, "--force")
    assert f"is a file of the export in {exported[0]}, which no option replaces" in said
    assert (exported[0] / "report.json").read_bytes() == before


@pytest.mark.parametrize("links", [None, "symlink_to", "hardlink_to"])
def test_one_path_for_two_files_is_refused(links, exported, tmp_path, call):
    steps, table = tmp_path / "a.csv", tmp_path / "a.json"
    if links is None:
        table = steps
    else:
        table.write_text("")
        getattr(steps, links)(table)
    said = refused_before_the_run(
        call, exported[0], "--by-step", steps, "--map", table, "--force"
    )  # fmt: skip
    assert "are one file. Give each its own." in said


def test_one_step_is_not_in_the_plural(exported, call, capsys):
    found = json.loads(call("energy", exported[0], "--json")[1])
    for row in found["cores"]["rows"]:
        row["slowest_steps"] = dict.fromkeys(row["slowest_steps"], 1)
    print_cores(found)
    text = capsys.readouterr().out
    assert re.search(r"\b1 step ", text)
    assert "1 steps" not in text


def test_a_map_is_a_json_file(exported, tmp_path, call):
    said = refused_before_the_run(call, exported[0], "--map", tmp_path / "map.txt")
    assert "a map of neurons is a .json file" in said


@pytest.mark.parametrize(("option", "name"), ASKED)
def test_a_path_that_cannot_be_written_is_refused_before_the_run(
    option, name, exported, tmp_path, call
):
    (tmp_path / name).mkdir()
    (tmp_path / "file").write_text("")
    for path, words in (
        (tmp_path / name, "is a folder or a device"),
        (tmp_path / "no" / name, f"{tmp_path / 'no'} is not a folder. Create it"),
        (tmp_path / "file" / name, "is not a folder"),
        (tmp_path / (300 * "n" + name), ": File name too long. Give another path"),
    ):
        assert words in refused_before_the_run(call, exported[0], option, path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, "file"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write in every folder")
def test_a_folder_without_permission_is_refused_before_the_run(exported, tmp_path, call):
    (tmp_path / "locked").mkdir(mode=0o555)
    said = refused_before_the_run(call, exported[0], "--map", tmp_path / "locked" / "map.json")
    assert "Permission denied" in said


@pytest.mark.parametrize("option", [("--cores",), ("--by-step", "x.csv"), ("--map", "x.json")])
def test_what_belongs_to_one_design_is_refused_for_two(option, exported, call):
    code, _, error = call("energy", exported[0], exported[0], *option)
    assert code == 2
    assert "Give only one" in error


def test_a_file_of_steps_is_refused_before_the_network_runs(exported, tmp_path, call):
    code, out, error = call("energy", exported[0], "--by-step", tmp_path / "steps.xlsx")
    assert (code, out) == (2, "")
    assert ".csv or .parquet" in error
    assert "running" not in error


def test_a_broken_report_ends_the_command_before_a_file_is_written(exported, tmp_path, call):
    shutil.copytree(exported[0], tmp_path / "e")
    (tmp_path / "e" / "report.json").write_text("{}")
    code, _, stderr = call(
        "energy", tmp_path / "e", "--by-step", tmp_path / "s.csv", "--map", tmp_path / "m.json",
        "--html", tmp_path / "h.html",
    )  # fmt: skip
    assert code == 2
    assert "report.json" in stderr
    assert os.listdir(tmp_path) == ["e"]
