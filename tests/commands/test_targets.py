"""Targets of packages and of folders, and how a reader sees one; every target, by no name."""

import json
from pathlib import Path

import gate_networks as gate
import pytest

from neurocompile.chip.read import chip_names, load_chip
from neurocompile.commands.exported import read_exported, target_of
from neurocompile.errors import BadInput
from neurocompile.formats.artifact import read_artifact, write_artifact
from neurocompile.formats.onnx.write import to_bytes

LOIHI = (Path(__file__).parents[2] / "targets" / "loihi-sim" / "target.toml").read_text()
OURS = LOIHI.replace('name = "loihi-sim"', 'name = "acme"')


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Make a package known as pip would: a folder of code, and its metadata beside it."""

    def make(name, value, *, distribution="acme-targets", text=OURS):
        folder = tmp_path / "acme_targets"
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text("raise RuntimeError('the package was imported')\n")
        if text is not None:
            (folder / "target.toml").write_text(text)
        about = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Name: {distribution}\nVersion: 1.0\n")
        lines = f"[neurocompile.targets]\n{name} = {value}\n"
        (about / "entry_points.txt").write_text(lines)
        monkeypatch.syspath_prepend(tmp_path)

    return make


def test_a_package_offers_a_target_and_no_code_of_it_runs(installed, call):
    installed("acme", "acme_targets")
    assert "acme" in chip_names()
    assert load_chip("acme").limits.neurons_per_core.value == 1024
    code, text, _ = call("targets", "--json")
    assert code == 0
    assert "acme" in [row["name"] for row in json.loads(text)["targets"]]


@pytest.mark.parametrize(
    ("name", "value", "text", "words"),
    [
        ("acme", "acme_nowhere", OURS, ["acme-targets", "acme_nowhere", "target.toml"]),
        ("acme", "acme_targets", None, ["acme-targets", "names no package with a target.toml"]),
        ("other", "acme_targets", OURS, ["chip.name: 'acme'", "'other'"]),
        ("loihi-sim", "acme_targets", OURS, ["more than once", "neurocompile, acme-targets"]),
        ("acme", "acme_targets", OURS.replace("value = 1024", "value = 0"), [", line ", "above 0"]),
    ],
)
def test_a_bad_offer_is_refused_with_the_package(installed, name, value, text, words):
    installed(name, value, text=text)
    with pytest.raises(BadInput) as error:
        load_chip(name)
    for word in words:
        assert word in str(error.value)


def test_two_packages_that_offer_one_name_are_both_named(installed):
    installed("acme", "acme_targets")
    installed("acme", "acme_targets", distribution="acme-fork")
    with pytest.raises(BadInput, match=r"acme-fork.*acme-targets|acme-targets.*acme-fork"):
        load_chip("acme")


@pytest.mark.parametrize("target", [*chip_names(), "a folder", "its file"])
def test_every_target_compiles_a_network_and_prices_it_or_says_that_it_cannot(
    target, model, call, tmp_path
):
    if target in ("a folder", "its file"):
        (tmp_path / "target.toml").write_text(OURS)
        target = tmp_path if target == "a folder" else tmp_path / "target.toml"
    chip = load_chip(target)
    arguments = ("--target", target, "--engine", "fixed", "--samples", 3)
    code, text, _ = call("export", model, *arguments, "--out", tmp_path / "out", "--json")
    assert code == 0
    report = json.loads(text)
    assert report["fit"]["fits"]
    energy = report["energy"]
    assert [model["name"] for model in energy["models"]] == list(chip.energy)
    assert (energy["nominal_j"] is None) == (not chip.nominal)
    assert (energy["low_j"] is None) == (chip.nominal not in chip.errors)
    code, text, _ = call("export", model, *arguments, "--out", tmp_path / "out", "--force")
    assert code == 0
    if not chip.nominal:
        assert "no total" in " ".join(text.split())
        assert all(name in text for name in chip.energy)


@pytest.mark.parametrize("target", chip_names())
def test_a_target_is_read_whole_in_eighty_columns(target, call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, text, _ = call("targets", target)
    assert code == 0
    assert max(map(len, text.splitlines())) <= 80
    flat = " ".join(text.split())
    for key, quantity in load_chip(target).quantities():
        assert key.rsplit(".", 1)[1] in flat
        assert " ".join(quantity.where.split()) in flat, key
    for key, source in load_chip(target).sources.items():
        assert f"{key}: {' '.join(source['title'].split())}" in flat


def test_loihi_2_has_limits_with_sources_and_no_price_of_its_own():
    chip = load_chip("loihi2-sim")
    assert chip.formats.graded_spikes.value is True
    assert (chip.limits.cores.value, chip.limits.neurons_per_core.value) == (128, 4095)
    assert chip.limits.synapse_memory_per_core.value == 12_000 * 64
    # not found in anything that was read: left out
    assert chip.limits.input_axons_per_core is None
    assert chip.limits.output_axons_per_core is None
    assert (chip.nominal, dict(chip.errors)) == ("", {})
    (proxy,) = chip.energy.items()
    assert proxy[0] == "loihi1-proxy"
    assert {quantity.kind for quantity in proxy[1].values()} == {"assumed"}
    loihi = load_chip("loihi-sim").energy["boyle2025"]
    assert {k: q.si for k, q in proxy[1].items()} == {k: q.si for k, q in loihi.items()}


def test_times_of_loihi_2_are_those_of_loihi_1_by_intels_factors_and_say_that_it_is_assumed():
    ((name, times),) = load_chip("loihi2-sim").latency.items()
    assert name == "loihi1-scaled"
    assert {quantity.kind for quantity in times.values()} == {"assumed"}
    loihi = load_chip("loihi-sim").latency["boyle2025"]
    factors = {"synaptic": 5, "neuron": 2, "spike": 10, "message": 1}
    assert {k: q.si for k, q in times.items()} == {
        k: pytest.approx(q.si / factors[k.split("_")[0]])
        for k, q in loihi.items()
        if k.split("_")[0] in factors
    }


def test_the_formats_of_loihi_2_are_those_that_lava_simulates():
    mine, lava = (load_chip(name).formats for name in ("loihi2-sim", "loihi-sim"))
    differ = {k for k in vars(mine) if getattr(mine, k).value != getattr(lava, k).value}
    assert differ == {"graded_spikes", "resets", "neurons"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('value = 23.6, unit = "pJ"', 'value = 23.6, unit = "ns"', ["'ns'. Allowed: fJ, pJ, nJ"]),
        (
            'value = 23.6, unit = "pJ"',
            'value = -23.6, unit = "pJ"',
            ["-23.6. Allowed: a number"],
        ),
        ('value = 23.6, unit = "pJ"', 'unit = "pJ"', ["is missing: value. Allowed: value, unit"]),
        ("value = 1024", "value = -1024", ["-1024. Allowed: a whole number above 0"]),
    ],
)
@pytest.mark.parametrize("command", ["targets", "export"])
def test_a_bad_number_in_a_target_file_is_one_sentence_and_exit_code_2(
    tmp_path, call, model, command, old, new, words
):
    (tmp_path / "target.toml").write_text(OURS.replace(old, new, 1))
    arguments = {
        "targets": (tmp_path,),
        "export": (model, "--target", tmp_path, "--out", tmp_path / "out"),
    }
    code, text, stderr = call(command, *arguments[command])
    assert (code, text) == (2, "")
    assert len(stderr.splitlines()) == 1
    for word in ["target.toml, line ", *words]:
        assert word in stderr


def test_a_price_of_5_joules_in_a_target_file_is_a_warning_with_the_usual_range(tmp_path, call):
    text = OURS.replace('value = 23.6, unit = "pJ"', 'value = 5, unit = "J"', 1)
    (tmp_path / "target.toml").write_text(text)
    code, out, stderr = call("targets", tmp_path)
    assert code == 0
    assert "synaptic_operation" in out
    (line,) = stderr.splitlines()
    assert line.startswith("Warning: ")
    assert "energy.davies2018.synaptic_operation: 5 J is unusual" in line
    assert "10 fJ to 1 uJ is usual" in line


def test_a_model_without_a_price_of_its_own_says_what_its_prices_are(call):
    code, text, _ = call("targets", "loihi2-sim")
    assert code == 0
    assert "loihi1-proxy: every price is assumed, for this chip has none of its own" in " ".join(
        text.split()
    )
    assert "every price is assumed" not in call("targets", "loihi-sim")[1]


def test_an_event_without_a_price_is_listed(tmp_path, call):
    line = next(x for x in LOIHI.splitlines() if x.startswith("spike_out = ") and '"pJ"' in x)
    (tmp_path / "target.toml").write_text(LOIHI.replace(line + "\n", ""))
    said = " ".join(call("targets", tmp_path)[1].split())
    assert "no price, so no total where it happens: spike_out, off_chip_message" in said


def test_an_export_whose_target_is_not_there_is_refused_by_the_name_of_its_manifest(tmp_path):
    about = {"target": "loihi-9", "data": {"source": "digits", "samples": 1, "steps": 4, "seed": 0}}
    write_artifact(tmp_path / "out", {"fixed.onnx": to_bytes(gate.network())}, about)
    for read in (read_exported, lambda out: target_of(read_artifact(out))):
        with pytest.raises(BadInput, match=r"out/manifest.json: there is no target 'loihi-9'"):
            read(tmp_path / "out")
