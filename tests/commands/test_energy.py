"""`neurocompile energy`: a table that a reader can redo, and what if."""

import importlib
import json
import re
import shlex
import shutil
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from manifests import rewrite

from neurocompile.chip.read import load_chip
from neurocompile.cli import main
from neurocompile.formats.artifact import digest
from neurocompile.formats.load_onnx import load_onnx
from neurocompile.formats.onnx.write import to_bytes
from neurocompile.ir.fixed import CubaLIF

ROOT = Path(__file__).parents[2]
ROW = re.compile(
    r"^(?P<layer>\S+) +(?P<event>[a-z_]+) +(?P<count>[\d,]+) +(?P<price>[\d.]+) +"
    r"(?P<product>[\d,.]+) +(?P<mark>[a-z])$",
    flags=re.MULTILINE,
)
ORIGIN = re.compile(r"^([a-z])  (.+), ([a-z]+)$", flags=re.MULTILINE)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """The shipped autoencoder, 20 samples: what docs/energy.md shows."""
    out = tmp_path_factory.mktemp("shipped") / "mnist"
    model = ROOT / "examples/models/mnist_autoencoder.pt"
    arguments = ["export", model, "--target", "loihi-sim", "--out", out, "--engine", "fixed"]
    done = CliRunner().invoke(main, [*map(str, arguments), "--samples", "20", "--json"])
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture
def page(monkeypatch):
    """docs/energy.md and the program that writes its tables."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    make = importlib.import_module("make_energy")
    return make, make.PAGE.read_text()


def test_the_tables_of_the_page_are_those_of_this_version(shipped, page, call):
    make, text = page
    found = json.loads(call("energy", shipped, "--json")[1])
    assert make.filled(text, found) == text, "docs/energy.md is stale. Run: make docs"


def test_the_rows_that_the_page_redoes_by_hand_are_in_its_table(page):
    rows = re.findall(
        r"^\| (\S+) \| (\S+) \| ([\d,]+) \| ([\d.]+) \| ([\d,.]+) \|",
        page[1],
        flags=re.MULTILINE,
    )
    counts = {(layer, event): number(count) for layer, event, count, _, _ in rows}
    assert len(rows) > 30
    for _, _, count, price, product in rows:
        assert number(count) * number(price) == 1000 * number(product)
    assert counts["lif1", "neuron_access"] == 3136 * 20 * 22
    arrive = counts["to_latent", "synaptic_operation_dense"]
    assert arrive == 100 * counts["lif2", "spike_out"]


def test_the_page_has_what_memory_and_one_chip_at_rest_take_to_redo_by_hand(page):
    text = page[1]
    memory = re.findall(r"^\| (\w+) \| ([\d,]+) \| ([\d.]+) \| ([\d,.]+) \| [A-Za-z]", text, re.M)
    assert [event for event, *_ in memory] == [
        "multiply_accumulate", "weight_bit", "activation_bit"
    ]  # fmt: skip
    for _, count, price, product in memory:
        assert number(count) * number(price) == 1000 * number(product)
    watts = [number(mw) for mw in re.findall(r"^\| `\w+` \| ([\d.]+) \| \w+ \| \w+ \|", text, re.M)]
    assert watts == [Decimal("29.6"), Decimal("99.6"), Decimal(104)]
    times = re.findall(
        r"^\| [a-z][^|]+ \| ([\d,.]+) \| ([\d,.]+) \| ([\d,.]+) \| ([\d,.]+) \|$", text, re.M
    )
    assert len(times) == 3
    for microseconds, *microjoules in times:
        for milliwatts, spent in zip(watts, microjoules, strict=True):
            by_hand = milliwatts * number(microseconds) / 1000
            assert float(number(spent)) == pytest.approx(float(by_hand), rel=1e-9)


def test_every_command_of_the_page_runs(shipped, page, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build").mkdir()  # export made it; some write files there
    lines = re.findall(r"^    neurocompile (energy .*)$", page[1], flags=re.MULTILINE)
    assert len(lines) >= 5
    for line in lines:
        exports = ("build/mnist", "build/mnist-messages")
        done = call(*(str(shipped) if a in exports else a for a in shlex.split(line)))
        assert done[0] == 0, f"{line}: {done[2]}"


def number(text):
    return Decimal(text.replace(",", ""))


@pytest.mark.parametrize("model", ["davies2018", "boyle2025"])
def test_every_printed_product_is_the_printed_count_times_the_printed_price(shipped, call, model):
    code, text, _ = call("energy", shipped, "--model", model)
    assert code == 0
    rows = [found.groupdict() for found in ROW.finditer(text)]
    terms = json.loads(call("energy", shipped, "--json")[1])["energy"]["models"]
    (kept,) = (m["terms"] for m in terms if m["name"] == model)
    assert [(r["layer"], r["event"]) for r in rows] == [(t["layer"], t["quantity"]) for t in kept]
    for row in rows:  # pJ, and products in nJ
        assert number(row["count"]) * number(row["price"]) == 1000 * number(row["product"]), row
    total = re.search(r"^total +([\d,.]+)$", text, flags=re.MULTILINE)
    assert f"{model}, all 20 samples" in text
    assert sum(number(row["product"]) for row in rows) == number(total[1])


@pytest.mark.parametrize("model", ["davies2018", "boyle2025"])
def test_the_printed_products_of_a_core_add_up_to_its_printed_joules(shipped, call, model):
    code, out, _ = call("energy", shipped, "--cores", "--model", model)
    assert code == 0
    line = re.compile(
        r"^(?P<core>\d+) +(?P<event>[a-z_]+) +(?P<count>[\d,]+) +(?P<price>[\d.]+) +"
        r"(?P<product>[\d,.]+)$|^(?P<whole>\d+) +all +(?P<total>[\d,.]+)$",
        flags=re.MULTILINE,
    )
    sums: dict[str, Decimal] = {}
    totals = {}
    for row in line.finditer(out):
        if row["whole"]:
            totals[row["whole"]] = number(row["total"])
            continue
        assert number(row["count"]) * number(row["price"]) == 1000 * number(row["product"])
        sums[row["core"]] = sums.get(row["core"], Decimal(0)) + number(row["product"])
    assert len(sums) == 12
    assert sums == totals


def test_every_printed_price_is_the_targets_own_and_names_its_source(shipped, call):
    chip = load_chip("loihi-sim")
    for model, prices in chip.energy.items():
        text = call("energy", shipped, "--model", model)[1]
        origins = {mark: (source, kind) for mark, source, kind in ORIGIN.findall(text)}
        rows = list(ROW.finditer(text))
        assert len(rows) > 30
        for row in rows:
            event = row["event"]
            general = event not in prices and event.startswith("synaptic_operation")
            price = prices["synaptic_operation" if general else event]
            assert number(row["price"]) == Decimal(str(price.value))
            assert origins[row["mark"]] == (price.source, price.kind)
            assert chip.sources[price.source]["title"]


def test_an_export_priced_again_is_the_export(shipped, call):
    found = json.loads(call("energy", shipped, "--json")[1])
    report = json.loads((shipped / "report.json").read_text())
    assert found["counts"] == "those in report.json"
    assert found["energy"] == report["energy"]
    assert found["latency"] == report["latency"]["modes"]
    for key in ("keras_spiking", "n_dns", "ann", "break_even", "neurobench"):
        assert found[key] == report["comparison"][key]


def test_counting_again_returns_the_counts_of_the_export(exported, call):
    out, report = exported
    code, text, stderr = call("energy", out, "--samples", 12, "--json")
    assert (code, stderr) == (0, "")
    found = json.loads(text)
    assert "a run of 12 samples" in found["counts"]
    assert found["energy"] == report["energy"]


def test_a_price_of_the_users_own_is_marked_wherever_it_is_used(exported, call):
    out, report = exported
    arguments = ("--set", "davies2018.synaptic_operation=20pJ", "--model", "davies2018")
    code, text, _ = call("energy", out, *arguments)
    assert code == 0
    assert (
        "set by the user: davies2018.synaptic_operation = 20 pJ (was 23.6 pJ, davies2018)" in text
    )
    assert "(prices set by the user)" in text
    mark = re.search(r"synaptic_operation_conv +[\d,]+ +20 +[\d,.]+ +([a-z])$", text, re.MULTILINE)
    assert f"\n{mark[1]}  set by the user, assumed\n" in text
    found = json.loads(call("energy", out, *arguments, "--json")[1])
    (change,) = found["set"]
    assert (change["key"], change["value"], change["was"]) == (
        "davies2018.synaptic_operation", 20, "23.6 pJ",
    )  # fmt: skip
    synops = sum(row["synops"] for row in report["synapses"])
    before, after = (
        next(m["total_j"] for m in one["energy"]["models"] if m["name"] == "davies2018")
        for one in (report, found)
    )
    assert before - after == pytest.approx(synops * 3.6e-12, rel=1e-9)


def test_a_multiple_is_named_with_what_it_multiplies_and_has_no_range_of_the_authors(
    exported, call
):
    text = " ".join(call("energy", exported[0], "--set", "boyle2025.spike_out=x2")[1].split())
    assert "set by the user, 2 x sourced price (boyle2025, derived)" in text
    assert "derived), assumed" not in text
    assert "12% of energy, not of this total, which has prices set by the user: " in text


def test_a_price_without_spikes_is_named_as_in_its_table_and_says_what_it_was(exported, call):
    text = " ".join(call("energy", exported[0], "--set", "ann.mac=1pJ")[1].split())
    said = "ann.mac (multiply_accumulate) = 1 pJ (was 0.23 pJ, horowitz2014)"
    assert f"set by the user: {said}" in text
    assert "multiply_accumulate of 1 pJ (ann.mac)" in text


def test_the_cores_of_a_chip_can_be_fewer(exported, call):
    out, report = exported
    used = report["fit"]["cores_used"]
    code, text, stderr = call("energy", out, "--cores-per-chip", used, "--json")
    assert (code, stderr) == (0, "")
    found = json.loads(text)
    assert (found["cores_per_chip"], found["chips"]) == (used, 1)
    assert found["energy"]["nominal_j"] == report["energy"]["nominal_j"]
    assert "--cores-per-chip places the network again" in call(
        "energy", out, "--cores-per-chip", used
    )[2]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--set", "davies2018.synaptic_operation=20"), ["20 has no unit", "pJ"]),
        (("--set", "davies2018.synaptic_operation=-20pJ"), ["-20 is negative"]),
        (("--set", "davies2018.synaptic_operation=20ns"), ["'ns' is not a unit of energy"]),
        (("--set", "davies.synaptic_operation=20pJ"), ["Nearest", "davies2018.synaptic_operation"]),
        (("--model", "davies"), ["--model davies", "davies2018, boyle2025"]),
        (("--cores-per-chip", "0"), ["1<=x<=1000000"]),
        (("--data", "nowhere.npz"), ["nowhere.npz"]),
    ],
)
def test_a_wrong_question_is_refused_with_exit_code_2(arguments, words, exported, call):
    code, stdout, stderr = call("energy", exported[0], *arguments)
    assert (code, stdout) == (2, "")
    for word in words:
        assert word in stderr


def test_a_report_that_was_changed_is_refused(exported, tmp_path, call):
    copy = tmp_path / "copy"
    shutil.copytree(exported[0], copy)
    report = json.loads((copy / "report.json").read_text())
    report["layers"][0]["spikes"] += 1
    (copy / "report.json").write_text(json.dumps(report))
    code, _, stderr = call("energy", copy)
    assert code == 2
    assert "changed since it was exported" in stderr


def test_counts_of_other_integers_are_not_used_but_counted_again(exported, tmp_path, call):
    copy = tmp_path / "copy"
    shutil.copytree(exported[0], copy)
    graph = load_onnx(copy / "fixed.onnx")
    name, cells = next(graph.of(CubaLIF))
    changed = graph.with_nodes(**{name: replace(cells, vth=cells.vth * 2)})
    (copy / "fixed.onnx").write_bytes(to_bytes(changed))
    manifest = json.loads((copy / "manifest.json").read_text())
    files = {**manifest["files"], "fixed.onnx": digest(to_bytes(changed))}
    rewrite(copy, {**manifest, "files": files})
    code, text, stderr = call("energy", copy, "--json")
    assert code == 0, stderr
    found = json.loads(text)
    assert found["counts"] == "a run of 12 samples of digits on the engine fixed"
    ran = json.loads(call("simulate", copy, "--json")[1])["layers"]
    now, before = ({row["name"]: row["spikes"] for row in r} for r in (ran, exported[1]["layers"]))
    assert now[name] != before[name]
    assert found["energy"]["per_sample_j"] != exported[1]["energy"]["per_sample_j"]


def test_a_target_that_was_edited_after_the_export_is_said(exported, tmp_path, call):
    folder, copy = tmp_path / "own", tmp_path / "copy"
    folder.mkdir()
    shutil.copytree(exported[0], copy)
    text = (ROOT / "targets/loihi-sim/target.toml").read_text()
    (folder / "target.toml").write_text(text)
    manifest = json.loads((copy / "manifest.json").read_text())
    rewrite(copy, {**manifest, "target": str(folder)})
    assert "differs" not in call("energy", copy)[2]
    (folder / "target.toml").write_text(text.replace("value = 69.3", "value = 6.93"))
    code, _, stderr = call("energy", copy)
    assert code == 0
    assert f"the target {folder} differs from the one" in " ".join(stderr.split())


def test_an_export_without_data_says_what_to_run(model, tmp_path, call):
    import numpy as np

    from neurocompile.frontend import load

    graph = load(model)
    bare = tmp_path / "bare.onnx"
    bare.write_bytes(to_bytes(replace(graph, settings=replace(graph.settings, data=""))))
    out = tmp_path / "out"
    assert call("export", bare, "--target", "loihi-sim", "--out", out, "--engine", "fixed")[0] == 0
    code, _, stderr = call("energy", out)
    assert code == 2
    assert "no counts" in stderr
    assert "--data SOURCE" in stderr
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).random((3, 1, 8, 8)))
    assert call("energy", out, "--data", tmp_path / "x.npz")[0] == 0


def test_a_chip_without_prices_shows_counts_and_says_so(model, tmp_path, call):
    out = tmp_path / "out"
    arguments = ("--target", "ideal", "--out", out, "--engine", "fixed", "--samples", 3)
    assert call("export", model, *arguments)[0] == 0
    code, text, _ = call("energy", out)
    assert code == 0
    assert "ideal has no prices" in text
    found = json.loads(call("energy", out, "--json")[1])
    assert (found["model"], found["sweep"], found["sensitivity"]) == (None, None, {})
    assert found["neurobench"]["SynapticOperations"]["Effective_ACs"] > 0


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ({"data": None}, "'data' is None, expected a table"),
        ({"target": 3}, "'target' is 3, expected a text"),
        ({"data": {"steps": 0}}, "'data.steps' is 0, expected 1 or more"),
        ({"data": {"seed": "x"}}, "'data.seed' is 'x', expected a whole number"),
    ],
)
@pytest.mark.parametrize("command", ["energy", "simulate", "compare"])
def test_a_broken_manifest_is_refused(exported, tmp_path, call, spoil, words, command):
    copy = tmp_path / "copy"
    shutil.copytree(exported[0], copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    for key, value in spoil.items():
        old = manifest[key]
        manifest[key] = {**old, **value} if isinstance(value, dict) else value
    rewrite(copy, manifest)
    code, _, stderr = call(command, copy)
    assert code == 2
    assert f"manifest.json is broken: {words}. Export the model again" in stderr


def test_a_reset_of_the_chip_is_a_term_only_where_it_is_asked_for(exported, call):
    out, report = exported
    assert not any(
        t["quantity"] == "chip_reset" for m in report["energy"]["models"] for t in m["terms"]
    )
    code, text, _ = call("energy", out, "--charge-reset", "--json")
    assert code == 0
    found = json.loads(text)["energy"]
    # 12 samples on one chip, 5.9 uJ each
    assert found["nominal_j"] - report["energy"]["nominal_j"] == pytest.approx(12 * 5.9e-6)
    assert re.search(
        r"^\(chip\) +chip_reset +12 +5,900,000 +70,800 +[a-z]$",
        call("energy", out, "--charge-reset")[1],
        re.MULTILINE,
    )


def test_cores_and_what_belongs_to_none_add_up_with_resets_too(exported, call):
    found = json.loads(call("energy", exported[0], "--charge-reset", "--json")[1])
    for model in found["energy"]["models"]:
        name = model["name"]
        cores = sum(row["energy_j"][name] for row in found["cores"]["rows"])
        total = cores + found["cores"]["no_core_j"][name]
        assert total == pytest.approx(model["total_j"], rel=1e-9)


def test_the_network_without_spikes_runs_once_per_sample_or_once_per_step(exported, call):
    out, report = exported
    once, steps = (
        json.loads(call("energy", out, "--passes", passes, "--json")[1])["ann"]
        for passes in ("sample", "step")
    )
    assert once == report["comparison"]["ann"]
    assert steps["per_sample_j"] == pytest.approx(8 * once["per_sample_j"])  # 8 steps per sample
    text = " ".join(call("energy", out, "--passes", "step")[1].split())
    assert " in 8 passes: arithmetic " in text
    assert "weights in SRAM of 8 KB" in text


def test_every_comparison_says_what_it_counts(exported, call):
    text = " ".join(call("energy", exported[0])[1].split())
    rows = re.findall(r"by keras-spiking, per sample (.*?); comparison only", text)
    assert [re.findall(r"([a-z]+\d?) [\d.]+ [mun]?J", row) for row in rows] == [
        ["loihi", "spinnaker", "spinnaker2"], ["cpu", "gpu", "arm"]
    ]  # fmt: skip
    assert "synapses reached by spikes" in rows[0]
    assert "whether anything spikes or not" in rows[1]


def test_the_errors_of_a_model_stand_beside_its_total_with_their_doubt(exported, call):
    text = " ".join(call("energy", exported[0])[1].split())
    assert "+-12% of energy" in text
    assert "+-25% of time: abstract: within 25 % on three applications; perhaps of older" in text


def test_a_static_share_is_chips_times_the_power_of_one_times_the_time(exported):
    report = exported[1]
    static = report["energy"]["static"]
    power = {p["name"]: p["chip_w"] for p in static["powers"]}
    for row in static["times"]:
        for end in ("low", "high"):
            by_hand = static["chips"] * power[static[f"{end}_is"]] * row["time_s"]
            assert row[f"{end}_j"] == pytest.approx(by_hand, rel=1e-12)


def test_a_price_far_from_the_usual_is_used_with_a_warning_on_stderr(exported, call):
    code, text, stderr = call("energy", exported[0], "--set", "boyle2025.spike_out=5J", "--json")
    assert code == 0
    assert stderr.startswith(
        "Warning: --set boyle2025.spike_out=5J: energy.boyle2025.spike_out: 5 J"
    )
    assert "10 fJ to 1 uJ is usual" in stderr
    assert json.loads(text)["set"][0]["value"] == 5
