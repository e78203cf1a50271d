"""`neurocompile bundle`: what it writes, and what it refuses before it writes anything."""

import json
import shutil
import subprocess

import pytest
from c_networks import compilers, equal_values, make
from click.testing import CliRunner
from lava_bundles import equal_values as equal_on_lava
from lava_bundles import run

from neurocompile.cli import main
from neurocompile.formats import whole


def bundle(*words):
    """Run the command."""
    return CliRunner().invoke(main, ["bundle", *map(str, words)])


def files(folder):
    """Content of every file of a folder, by its path."""
    every = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in every}


@pytest.fixture(scope="module")
def bundled(exported, tmp_path_factory):
    """A bundle of a small network, and what the command printed."""
    out = tmp_path_factory.mktemp("bundled") / "c"
    done = bundle(exported[0], "--to", "c", "--out", out, "--json")
    assert done.exit_code == 0, done.output
    return out, json.loads(done.stdout)


def test_gcc_alone_runs_an_exported_network_and_proves_it(bundled):
    folder, document = bundled
    neurons, vectors = document["sizes"]["neurons"], document["vectors"]
    assert document["encoder"].keys() == {"kind", "gain"}
    assert document["decoder"]["task"] == "reconstruction"
    origin = {"data": "digits", "seed": 0, "recorded_by_export": True}
    assert vectors == {**origin, "samples": 2, "steps": 8}
    assert equal_values(make(folder, "check", compilers()[0])) == neurons * 2 * 2 * 8


def test_the_same_network_gives_the_same_bytes(exported, bundled, tmp_path):
    assert bundle(exported[0], "--to", "c", "--out", tmp_path / "c", "-q").exit_code == 0
    mine = files(tmp_path / "c")
    assert {name: files(bundled[0])[name] for name in mine} == mine


def test_the_digest_of_every_file_is_listed_and_checked_without_python(bundled, tmp_path):
    folder = tmp_path / "c"
    shutil.copytree(bundled[0], folder)
    description = json.loads((folder / "bundle.json").read_text())
    assert {*description["files"], "bundle.json", "SHA256SUMS", "run"} >= set(files(folder))
    assert make(folder, "digests", compilers()[0]).returncode == 0
    source = folder / "network.c"
    source.write_text(source.read_text().replace("4096", "4095", 1))
    done = subprocess.run(["make", "digests"], cwd=folder, capture_output=True, text=True)
    assert done.returncode != 0
    assert "network.c: FAILED" in done.stdout


def test_people_are_told_what_it_takes_and_how_to_prove_it(exported, tmp_path):
    done = bundle(exported[0], "--to", "c", "--out", tmp_path / "c", "--samples", "1", "-q")
    words = " ".join(done.output.split())
    assert "vectors 1 sample of digits, 8 steps, as export recorded them" in words
    assert f"to prove it make -C {tmp_path / 'c'}" in words


def test_a_sample_has_the_steps_of_the_export_whatever_the_vectors_have(exported, tmp_path):
    out = tmp_path / "c"
    assert bundle(exported[0], "--to", "c", "--out", out, "--steps", "3", "-q").exit_code == 0
    assert "#define NC_STEPS 8 " in (out / "network.h").read_text()
    assert "#define NC_VECTOR_STEPS 3U" in (out / "vectors.h").read_text()


def test_names_of_a_program_begin_as_asked_for(exported, bundled, tmp_path):
    out = tmp_path / "c"
    done = bundle(exported[0], "--to", "c", "--out", out, "--prefix", "kws", "--json")
    assert json.loads(done.stdout)["prefix"] == "kws"
    assert bundled[1]["prefix"] == "nc"
    assert "int kws_step(kws_state *s," in (out / "network.h").read_text()
    lava = bundle(exported[0], "--to", "lava", "--out", tmp_path / "l", "--prefix", "kws")
    assert refused(lava, "--prefix is for --to c")
    assert refused(bundle(exported[0], "--to", "c", "--out", tmp_path / "d", "--prefix", ""), "''")


def refused(done, *said):
    """Check that a command was refused as bad input, with these words."""
    assert done.exit_code == 2
    for words in said:
        assert words in done.output
    return True


def test_a_folder_that_exists_is_replaced_only_if_asked(exported, tmp_path):
    out = tmp_path / "c"
    assert bundle(exported[0], "--to", "c", "--out", out, "-q").exit_code == 0
    (out / "run").write_text("built by make")
    before = files(out)
    assert refused(bundle(exported[0], "--to", "c", "--out", out), "exists", "--force")
    assert files(out) == before
    again = bundle(exported[0], "--to", "c", "--out", out, "--samples", "1", "--force", "-q")
    assert again.exit_code == 0
    assert "run" not in files(out)
    assert json.loads((out / "bundle.json").read_text())["vectors"]["samples"] == 1


def test_what_no_bundle_wrote_is_never_removed(exported, tmp_path):
    out = tmp_path / "c"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    done = bundle(exported[0], "--to", "c", "--out", out, "--force")
    assert refused(done, f"{out} holds what no bundle wrote: ", "thesis.tex")
    assert files(out) == {"thesis.tex": b"years of work"}


def test_only_what_python_made_is_removed_from_its_cache(exported, tmp_path):
    out = tmp_path / "c"
    assert bundle(exported[0], "--to", "c", "--out", out, "-q").exit_code == 0
    (out / "__pycache__").mkdir()
    (out / "__pycache__" / "thesis.tex").write_text("years of work")
    done = bundle(exported[0], "--to", "c", "--out", out, "--force")
    assert refused(done, "__pycache__/thesis.tex", "no bundle wrote")


def test_a_folder_in_which_the_command_runs_is_not_replaced(exported, tmp_path, monkeypatch):
    out = tmp_path / "c"
    assert bundle(exported[0], "--to", "c", "--out", out, "-q").exit_code == 0
    before = files(out)
    monkeypatch.chdir(out / "vectors")
    done = bundle(exported[0], "--to", "c", "--out", "..", "--force")
    assert refused(done, "is the current directory, or holds it")
    assert files(out) == before


def test_a_file_is_never_replaced_by_a_bundle(exported, tmp_path):
    (tmp_path / "c").write_text("mine")
    done = bundle(exported[0], "--to", "c", "--out", tmp_path / "c", "--force")
    assert refused(done, "is a file, which is never replaced")


def test_a_bundle_that_fails_leaves_the_earlier_one(exported, tmp_path, monkeypatch):
    out = tmp_path / "c"
    assert bundle(exported[0], "--to", "c", "--out", out, "-q").exit_code == 0
    before, flush = files(out), whole.on_disk

    def full(path):
        if path.name == "weights.c":
            raise OSError(28, "No space left on device")
        flush(path)

    monkeypatch.setattr(whole, "on_disk", full)
    done = bundle(exported[0], "--to", "c", "--out", out, "--force")
    assert refused(done, "the disk is full")
    assert files(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_a_folder_that_is_no_export_is_refused(tmp_path):
    done = bundle(tmp_path, "--to", "c", "--out", tmp_path / "c")
    assert refused(done, "is not a directory that neurocompile exported")


def test_an_export_that_was_changed_is_refused(exported, tmp_path):
    copy = tmp_path / "export"
    shutil.copytree(exported[0], copy)
    (copy / "fixed.onnx").write_bytes((copy / "fixed.onnx").read_bytes() + b"\0")
    done = bundle(copy, "--to", "c", "--out", tmp_path / "c")
    assert refused(done, "was changed since it was exported")
    assert not (tmp_path / "c").exists()


def test_a_language_that_it_does_not_write_is_refused(exported, tmp_path):
    done = bundle(exported[0], "--to", "ada", "--out", tmp_path / "c")
    assert refused(done, "'ada' is not one of 'c', 'lava'")


# --- Vectors that export recorded -------------------------------------------------------------


def vectors_of(folder):
    """The description of a bundle's vectors, and the files that hold them."""
    described = json.loads((folder / "bundle.json").read_text())["vectors"]
    return described, {n: c for n, c in files(folder).items() if n.startswith("vectors/")}


def test_vectors_need_no_data_where_export_recorded_them(exported, tmp_path, monkeypatch):
    words = ("--to", "c", "--out")
    with_data = bundle(exported[0], *words, tmp_path / "run", "--data", "digits", "-q")
    assert with_data.exit_code == 0, with_data.output

    def gone(*args, **kwargs):
        raise AssertionError("the data were loaded")

    monkeypatch.setattr("neurocompile.data.stimulus.load_stimulus", gone)
    done = bundle(exported[0], *words, tmp_path / "recorded", "-q")
    assert done.exit_code == 0, done.output
    loaded, ran = vectors_of(tmp_path / "run")
    taken, recorded = vectors_of(tmp_path / "recorded")
    assert (loaded["recorded_by_export"], taken["recorded_by_export"]) == (False, True)
    assert ran == recorded


def test_more_samples_than_export_recorded_are_run(exported, tmp_path):
    out = tmp_path / "c"
    assert bundle(exported[0], "--to", "c", "--out", out, "--samples", "13", "-q").exit_code == 0
    described, _ = vectors_of(out)
    assert (described["samples"], described["recorded_by_export"]) == (13, False)


# --- For Lava ---------------------------------------------------------------------------------


def test_a_bundle_for_lava_runs_without_neurocompile(exported, tmp_path):
    out = tmp_path / "lava"
    done = bundle(exported[0], "--to", "lava", "--out", out, "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    neurons = sum(row["neurons"] for row in document["layers"])
    assert equal_on_lava(run(out, "--check")) == {str(out): neurons * 2 * 2 * 8}
    assert {row["kind"]: row["process"] for row in document["layers"]}["CubaLIF"] in (
        *("LIF", "LIFReset", "SubtractLIF"),
    )


def test_people_are_told_which_processes_are_ours_and_what_was_tried(exported, tmp_path):
    out = tmp_path / "lava"
    said = bundle(exported[0], "--to", "lava", "--out", out, "-q").output
    assert "Lava's simulator; silicon never" in said
    assert f"python{out}/run.py--check" in "".join(said.split())  # a long path is broken
    (out / "processes" / "__pycache__").mkdir()
    (out / "processes" / "__pycache__" / "neurons.cpython-311.pyc").write_text("Python's own")
    again = bundle(exported[0], "--to", "c", "--out", out, "--force", "-q")
    assert again.exit_code == 0, again.output
    assert not (out / "processes").exists()


def test_a_layer_becomes_a_module_of_verilog_by_its_name(exported, tmp_path):
    refused = bundle(exported[0], "--to", "c", "--layer", "hidden", "--out", tmp_path / "c")
    assert refused.exit_code == 2
    assert "--layer names the layer of a module in Verilog" in refused.output
    several = bundle(exported[0], "--to", "verilog", "--out", tmp_path / "v")
    assert several.exit_code == 2
    assert "Choose one of '2', '4' (--layer NAME)" in several.output
    words = ("--to", "verilog", "--layer", "4", "--out", tmp_path / "v", "--json")
    done = bundle(exported[0], *words)
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    (layer,) = document["layers"]
    about = (tmp_path / "v" / "README.md").read_text()
    assert f'the layer "4" of a network, {layer["neurons"]} neurons' in about
    assert f"at most {document['sizes']['clocks_most']:,} clocks" in about
    assert {"layer.v", "testbench.v", "weights.hex"} <= set(files(tmp_path / "v"))
