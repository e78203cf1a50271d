"""What a network is compiled for, as a user says it and as an export remembers it."""

from pathlib import Path

import pytest

from neurocompile.chip.mesh import chips_allowed
from neurocompile.chip.read import load_chip
from neurocompile.errors import BadInput
from neurocompile.place.target import Target, exported_target, remembered

LOIHI = load_chip("loihi-sim")
FOLDER = Path(__file__).parents[2] / "targets/loihi-sim"


@pytest.mark.parametrize("given", ["loihi-sim", str(FOLDER), FOLDER, LOIHI, Target("loihi-sim")])
def test_a_name_a_folder_and_a_chip_are_the_same_target(given):
    assert Target.of(given).load() == LOIHI


def test_a_target_allows_as_many_chips_as_are_asked_for():
    assert chips_allowed(Target("loihi-sim").load()) == chips_allowed(LOIHI)
    assert chips_allowed(Target("loihi-sim", chips=7).load()) == 7


def test_for_netx_only_the_number_formats_change():
    chip = Target(LOIHI, netx=True).load()
    assert chip.formats.weight_exp_max.value == 0
    assert chip.formats.bias_exp_min.value == chip.formats.bias_exp_max.value == 6
    for part in ("name", "limits", "memory", "mesh", "energy", "latency", "power"):
        assert getattr(chip, part) == getattr(LOIHI, part)


def test_an_export_remembers_its_target():
    target = Target(str(FOLDER), chips=3, fewest_of="messages")
    manifest = {"target": target.name}
    manifest["placement"] = remembered(target.fewest_of, target.load())
    assert exported_target(manifest) == target


def test_an_export_from_before_placements_were_remembered_has_the_usual_one_on_one_chip():
    assert exported_target({"target": "ideal"}) == Target("ideal", 1, "both")


@pytest.mark.parametrize(
    "placement",
    [None, [], {"fewest_of": "joules", "chips": 1}, {"fewest_of": "both", "chips": True}],
)
def test_a_manifest_with_another_placement_is_broken(placement):
    with pytest.raises(BadInput, match=r"^out/manifest.json is broken .* Export the model again"):
        exported_target({"target": "ideal", "placement": placement}, Path("out/manifest.json"))


def test_a_folder_is_remembered_so_that_it_is_found_from_another_one(tmp_path, monkeypatch):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "target.toml").write_text((FOLDER / "target.toml").read_text())
    monkeypatch.chdir(tmp_path)
    name = Target("own").name
    monkeypatch.chdir("/")
    assert name == str(tmp_path / "own")
    assert exported_target({"target": name}).load() == LOIHI
    assert Target("loihi-sim").name == "loihi-sim"


def test_the_digest_of_a_target_is_of_its_numbers_and_of_no_comment(tmp_path):
    text = (FOLDER / "target.toml").read_text()
    file = tmp_path / "target.toml"
    file.write_text(text + "# a comment\n")
    assert Target(file).digest == Target("loihi-sim").digest == Target(LOIHI, netx=True).digest
    file.write_text(text.replace("value = 69.3", "value = 69.4"))
    assert Target(file).digest != Target("loihi-sim").digest
