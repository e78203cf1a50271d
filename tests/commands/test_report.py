"""`neurocompile report`, and --html of compare and energy: what they write and refuse."""

import json
import shutil
import subprocess
import sys
import webbrowser

import pytest
from manifests import rewrite

from neurocompile.formats.artifact import digest


@pytest.fixture
def copy(exported, tmp_path):
    """A copy of an export, in which files may be changed."""
    return shutil.copytree(exported[0], tmp_path / "small")


def rewritten(directory, name, content):
    """Change a file of an export and its digest, as a release that wrote it so would have."""
    (directory / name).write_bytes(content)
    manifest = json.loads((directory / "manifest.json").read_text())
    manifest["files"][name] = digest(content)
    rewrite(directory, manifest)


def without(directory, *names):
    """Take files out of an export."""
    manifest = json.loads((directory / "manifest.json").read_text())
    for name in names:
        del manifest["files"][name]
        (directory / name).unlink()
    rewrite(directory, manifest)


def test_the_page_of_an_export_is_the_one_that_export_wrote(copy, call):
    code, out, error = call("report", copy)
    assert code == 0, error
    assert str(copy / "report.html") in out.replace("\n", "").replace(" ", "")
    assert "energy per sample" in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_page_made_anew_has_the_same_bytes(copy, call, tmp_path):
    code, out, error = call("report", copy, "--out", tmp_path / "new.html", "--json")
    assert code == 0, error
    assert (tmp_path / "new.html").read_bytes() == (copy / "report.html").read_bytes()
    document = json.loads(out)
    assert document["page"] == str(tmp_path / "new.html")
    assert document["report"] == json.loads((copy / "report.json").read_text())


def test_an_export_without_a_page_gets_one_beside_it(copy, call):
    without(copy, "report.html")
    code, _, error = call("report", copy)
    assert code == 0, error
    assert copy.with_name("small.html").read_text().startswith("<!DOCTYPE html>")
    code, _, error = call("report", copy)
    assert (code, "exists" in error) == (2, True)
    assert call("report", copy, "--force")[0] == 0
    assert {p.name for p in copy.iterdir()} >= {"report.json", "manifest.json"}
    assert not (copy / "report.html").exists()


def test_no_option_replaces_a_file_of_an_export(copy, call):
    before = (copy / "report.json").read_bytes()
    code, _, error = call("report", copy, "--out", copy / "report.json", "--force")
    assert (code, "is a file of the export" in error) == (2, True)
    assert (copy / "report.json").read_bytes() == before


def test_open_hands_the_page_to_a_browser(copy, call, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    assert call("report", copy, "--open")[0] == 0
    assert opened == [(copy / "report.html").as_uri()]
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    code, _, error = call("report", copy, "--open")
    assert (code, "no browser was found" in error) == (0, True)


def test_no_html_leaves_the_page_out(model, tmp_path, call):
    arguments = ("--target", "loihi-sim", "--engine", "fixed", "--samples", 2, "--no-html")
    code, out, error = call("export", model, *arguments, "--out", tmp_path / "out")
    assert code == 0, error
    assert "report.html" not in out
    written = {p.name for p in (tmp_path / "out").iterdir()}
    assert written == {
        "fixed.onnx", "float.onnx", "manifest.json", "report.json", "samples.npz",
    }  # fmt: skip


def test_a_report_of_another_major_schema_is_refused_with_what_to_do(copy, call):
    report = json.loads((copy / "report.json").read_text())
    for version in ("2.0", "0.9"):
        rewritten(copy, "report.json", json.dumps({**report, "schema_version": version}).encode())
        code, _, error = call("report", copy)
        assert code == 2
        assert f"has the schema {version}, but this neurocompile reads 1." in error
        assert "neurocompile export" in error


def test_a_report_of_a_newer_minor_schema_is_shown(copy, call, tmp_path):
    report = json.loads((copy / "report.json").read_text())
    report["fit"]["colour"] = "blue"
    rewritten(copy, "report.json", json.dumps({**report, "schema_version": "1.9"}).encode())
    assert call("report", copy, "--out", tmp_path / "page.html")[0] == 0


def test_an_export_of_the_first_release_has_a_page(call, tmp_path):
    from pathlib import Path

    release = Path(__file__).parents[1] / "formats/releases/0.1.0/export"
    code, _, error = call("report", release, "--out", tmp_path / "page.html")
    assert code == 0, error
    assert "No samples were recorded" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("report.json", b"{", "report.json is broken"),
        ("report.json", b" " * (1 << 25), "it is larger than 16777216 bytes"),
        ("report.json", b"[]", "is not a report of neurocompile"),
        ("report.json", b"[1" + b"0" * 400 + b"]", "report.json is broken: it holds 1000"),
        ("report.json", b'{"schema_version": "1.6"}', "is missing"),
        ("samples.npz", b"nothing", "samples.npz is broken"),
    ],
)
def test_damaged_files_are_refused_in_one_sentence(copy, call, name, content, said):
    rewritten(copy, name, content)
    code, out, error = call("report", copy)
    assert (code, out) == (2, "")
    assert said in error
    assert len(error.strip().splitlines()) == 1


CONTRADICTIONS = [  # which the schema allows
    lambda report: report["energy"].update(samples=0),
    lambda report: report["energy"]["models"][0]["terms"][0].update(layer="half \ud800"),
    lambda report: report["fit"].pop("fewest_of"),
    lambda report: report["core_events"].update(message_out=[]),
    lambda report: report["energy"]["static"].update(high_is="no power of it"),
]


@pytest.mark.parametrize("change", CONTRADICTIONS)
def test_a_report_that_contradicts_itself_is_refused_in_one_sentence(copy, call, change):
    report = json.loads((copy / "report.json").read_text())
    change(report)
    rewritten(copy, "report.json", json.dumps(report).encode())
    without(copy, "report.html")
    code, out, error = call("report", copy)
    assert (code, out) == (2, "")
    assert "report.json does not hold together" in error
    assert len(error.strip().splitlines()) == 1
    assert not copy.with_name(f"{copy.name}.html").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda report: report.pop("layers"), "report.json is broken: "),
        (lambda report: report["layers"][0].update(kind=["no", "kind"]), "report.json is broken: "),
        (lambda report: report["synapses"][0].update(target="half \ud800"), "not hold together"),
    ],
)
def test_prices_on_a_page_of_a_report_that_is_broken_are_refused(
    copy, call, tmp_path, change, said
):
    report = json.loads((copy / "report.json").read_text())
    change(report)
    rewritten(copy, "report.json", json.dumps(report).encode())
    code, out, error = call("energy", copy, "--html", tmp_path / "p.html")
    assert (code, out) == (2, "")
    assert said in error
    assert not (tmp_path / "p.html").exists()


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_result_that_cannot_be_printed_ends_in_one_sentence(copy, more):
    command = [sys.executable, "-m", "neurocompile.cli", "report", str(copy), *more]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("BadInput: the result cannot be printed: No space left")
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_file_changed_since_the_export_is_refused(copy, call):
    (copy / "samples.npz").write_bytes(b"other")
    code, _, error = call("report", copy)
    assert (code, "was changed since it was exported" in error) == (2, True)


def test_samples_of_another_network_are_refused(copy, call, model, tmp_path):
    other = tmp_path / "other"
    arguments = ("--target", "loihi-sim", "--engine", "fixed", "--samples", 2, "--bits", 4)
    assert call("export", model, *arguments, "--out", other)[0] == 0
    rewritten(copy, "samples.npz", (other / "samples.npz").read_bytes())
    code, _, error = call("report", copy)
    assert (code, "is of another network than report.json" in error) == (2, True)


@pytest.mark.parametrize("words", [
    ("report",), ("simulate",), ("simulate", "--verify"), ("simulate", "--data", "-"), ("energy",),
    ("compare",), ("faults", "--kind", "dead-neurons"), ("bundle", "--to", "c", "--out", "c"),
    ("check", "--baseline", "b.json", "--update"),
])  # fmt: skip
def test_what_is_no_export_is_refused_by_what_it_is_and_nothing_is_said_to_run(
    words, tmp_path, call, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "my net.pt").write_text("text")
    (tmp_path / "empty").mkdir()
    command, *more = words
    first = "Export a model first: neurocompile export"
    for name, said in (
        ("absent", "there is no absent. Give a directory that neurocompile exported: "),
        ("notes.txt", f"notes.txt is a file, not a directory that neurocompile exported. {first}"),
        ("my net.pt", f"{first} 'my net.pt' --target NAME --out DIR; then give DIR."),
        (
            "empty",
            f"empty is not a directory that neurocompile exported: no manifest.json. {first}",
        ),
    ):
        code, _, error = call(command, name, *more)
        assert (code, said in " ".join(error.split())) == (2, True), error
        assert "running" not in error
        assert "streaming" not in error
        assert "comparing" not in error


@pytest.fixture(scope="module")
def narrower(model, tmp_path_factory):
    """The same network with weights of 3 bits."""
    from click.testing import CliRunner

    from neurocompile.cli import main

    out = tmp_path_factory.mktemp("narrower") / "narrow"
    arguments = ("--target", "loihi-sim", "--engine", "fixed", "--samples", 12, "--bits", 3)
    done = CliRunner().invoke(main, [*map(str, ("export", model, *arguments, "--out", out))])
    assert done.exit_code == 0, done.output
    return out


def test_two_exports_give_what_changed(copy, narrower, call, tmp_path):
    code, out, error = call("report", copy, narrower, "--out", tmp_path / "both.html", "--json")
    assert code == 0, error
    found = json.loads(out)["changes"]
    a, b = (json.loads((d / "report.json").read_text()) for d in (copy, narrower))
    assert not found["integers"]["same"]
    changed = {row["node"]: row["what"] for row in found["integers"]["differ"]}
    assert any("bits" in what for what in changed.values())
    spikes = {row["layer"]: row for row in found["spikes"]}
    for row in a["layers"]:
        assert spikes[row["name"]]["a"] == row["spikes"] / 12
    assert any(row["differ"] for row in found["spikes"])
    (nominal,) = (row for row in found["joules"] if row["what"] == "nominal")
    assert nominal["b"] == b["energy"]["per_sample_j"]["nominal_j"]
    (fixed,) = (row for row in found["results"] if row["what"].endswith("fixed"))
    assert fixed["b"] == b["reconstruction"]["mse_fixed"]
    assert found["placement"][0] == {
        "what": "cores", "a": a["fit"]["cores_used"], "b": b["fit"]["cores_used"],
    }  # fmt: skip
    text = (tmp_path / "both.html").read_text()
    for words in ("What changed", "Energy per sample", "Placement", "Integers"):
        assert words in text


def test_an_export_beside_itself_has_no_change(copy, call):
    code, out, error = call("report", copy, copy, "--out", copy.with_name("same.html"))
    assert code == 0, error
    assert "the same, bit for bit" in out
    assert "%)" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_two_exports_have_their_page_beside_the_first(copy, narrower, call):
    assert call("report", copy, narrower)[0] == 0
    assert copy.with_name("small-narrow.html").is_file()


def test_compare_writes_its_page(copy, call, tmp_path):
    page = tmp_path / "compare.html"
    code, out, error = call("compare", copy, "--html", page)
    assert code == 0, error
    assert f"page: {page}" in out
    text = page.read_text()
    for words in ("By layer and step", "By what is rounded", "Errors of the membrane"):
        assert words in text
    code, _, error = call("compare", copy, "--html", page)
    assert (code, "exists" in error) == (2, True)
    assert call("compare", copy, "--html", page, "--force")[0] == 0


def test_energy_writes_its_page_with_the_prices_that_were_set(copy, call, tmp_path):
    page = tmp_path / "energy.html"
    price = "davies2018.synaptic_operation=20pJ"
    code, out, error = call("energy", copy, "--set", price, "--html", page)
    assert code == 0, error
    assert f"page: {page}" in out
    text = page.read_text()
    for words in ("davies2018.synaptic_operation", "Core by core", "How far the joules"):
        assert words in text
    code, _, error = call("energy", copy, copy, "--html", tmp_path / "other.html")
    assert (code, "of one DIR" in error) == (2, True)


def test_prices_on_a_page_need_no_recorded_samples(copy, call, tmp_path):
    (copy / "samples.npz").unlink()
    assert call("energy", copy, "--html", tmp_path / "energy.html")[0] == 0
