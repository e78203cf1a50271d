"""What an older release wrote is read by this one, or refused with the command that rebuilds it.

tests/formats/releases/ has, per release, a network saved by `nc.save` (network.pt), its export for
loihi-sim on 3 samples of digits (export/) and the baseline that `check --update` wrote of that.
They are never written again: a release adds a folder with what it wrote itself.
"""

import json
import re
import shutil
from pathlib import Path

import pytest

from neurocompile import __version__

RELEASES = Path(__file__).parent / "releases"
OLDER = sorted(folder.name for folder in RELEASES.iterdir())


@pytest.fixture(params=OLDER)
def release(request, tmp_path):
    """A copy of the folder of a release, in which commands may write."""
    return Path(shutil.copytree(RELEASES / request.param, tmp_path / request.param))


def report(release):
    return json.loads((release / "export/report.json").read_text())


def test_every_release_before_this_one_is_kept():
    written = {json.loads((RELEASES / name / "export/manifest.json").read_text())["provenance"]
               ["neurocompile"] for name in OLDER}  # fmt: skip
    assert written == set(OLDER)
    changes = (RELEASES.parents[2] / "CHANGELOG.md").read_text()
    releases = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changes, flags=re.MULTILINE)
    assert releases[0] == __version__
    assert set(releases[1:]) == set(OLDER)


def test_an_older_export_runs_and_its_integers_do_what_its_report_says(release, call):
    code, out, error = call(
        *("simulate", release / "export", "--engine", "onnx", "--engine", "fixed"),
        *("--samples", 3, "--json"),
    )
    assert code == 0, error
    found, kept = json.loads(out), report(release)
    assert found["mismatches"] == 0
    spikes = {row["name"]: row["spikes"] for row in kept["layers"]}
    assert {row["name"]: row["spikes"] for row in found["layers"]} == spikes
    assert sum(spikes.values()) > 100
    assert found["mse_fixed"] == kept["reconstruction"]["mse_fixed"]


def test_an_older_export_has_the_joules_of_its_report(release, call):
    code, out, error = call("energy", release / "export", "--json")
    assert code == 0, error
    found, kept = json.loads(out)["energy"], report(release)["energy"]
    assert found["model_version"] == kept["model_version"]
    assert [m["total_j"] for m in found["models"]] == [m["total_j"] for m in kept["models"]]


@pytest.mark.parametrize("command", ["inspect", "compare"])
def test_other_commands_read_an_older_export_too(command, release, call):
    code, _, error = call(command, release / "export")
    assert code == 0, error


def test_an_older_baseline_still_judges_its_export(release, call):
    code, out, error = call("check", release / "export", "--baseline", release / "baseline.json")
    assert code == 0, error
    assert "passed" in out


def test_an_older_network_is_read_and_compiles_to_the_same_integers(release, call):
    code, out, error = call(
        *("export", release / "network.pt", "--target", "loihi-sim", "--engine", "fixed"),
        *("--samples", 3, "--out", release / "again", "--json"),
    )
    assert code == 0, error
    now, before = (one["provenance"]["digests"] for one in (json.loads(out), report(release)))
    assert now["fixed_graph"] == before["fixed_graph"]


def test_an_export_of_another_major_version_is_refused_with_what_rebuilds_it(release, call):
    file = release / "export/manifest.json"
    file.write_text(file.read_text().replace('"version": "1.', '"version": "0.', 1))
    code, _, error = call("simulate", release / "export", "--engine", "onnx")
    assert code == 2
    assert "has the format version 0." in error
    assert "neurocompile export" in error
