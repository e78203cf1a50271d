"""What a Python user types: `import neurocompile as nc`, and what it answers."""

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import neurocompile as nc
from neurocompile import compiler
from neurocompile.errors import BadInput
from neurocompile.ir.graph import same

# From an own Norse network to its joules on Loihi 1.
STRANGER = """\
import neurocompile as nc
import norse.torch as norse
import torch

lif = norse.LIFBoxCell(norse.LIFBoxParameters(v_th=torch.tensor(0.1)))
layers = torch.nn.Linear(64, 32), lif, torch.nn.Linear(32, 10), norse.LIBoxCell()
model = norse.SequentialState(torch.nn.Flatten(), *layers)  # one time step
settings = nc.Settings(steps=20, encoder=nc.Encoder("bernoulli"))
x = torch.zeros(1, 1, 8, 8)  # one sample; only its shape matters
compiled = nc.compile(model, "loihi-sim", example_input=x, settings=settings, data="digits")
print(compiled)  # layers, spikes, joules
print(compiled.energy.per_sample.nominal_j)
compiled.export("build/mine")
"""


def fresh(program, cwd):
    """What a program prints in a Python of its own."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def network():
    """digits (1 x 8 x 8) -> 12 neurons -> the digit again, one time step, as Norse users write."""
    import norse.torch as norse
    import torch
    from torch import nn

    torch.manual_seed(0)
    box = norse.LIFBoxParameters(v_th=torch.as_tensor(0.1))
    return norse.SequentialState(
        nn.Conv2d(1, 2, 3, stride=2, padding=1),
        norse.LIFBoxCell(box),
        nn.ConvTranspose2d(2, 1, 4, stride=2, padding=1),
        norse.LIBoxCell(),
    )


@pytest.fixture(scope="module")
def example():
    import torch

    return torch.zeros(1, 1, 8, 8)


SETTINGS = nc.Settings(
    steps=6,
    encoder=nc.Encoder("bernoulli", 0.5),
    decoder=nc.Decoder("last", task="reconstruction"),
    data="digits",
)


@pytest.fixture(scope="module")
def path(network, example, tmp_path_factory):
    found = tmp_path_factory.mktemp("face") / "model.pt"
    nc.save(network, found, example, settings=SETTINGS)
    return found


@pytest.fixture(scope="module")
def compiled(path):
    return nc.compile(path, "loihi-sim", data=nc.Sampling(samples=12, seed=3))


def written(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_stranger_comes_from_an_own_norse_network_to_its_joules_in_twelve_lines(tmp_path):
    code = [line for line in STRANGER.splitlines() if line.strip()]
    assert len(code) <= 12
    text = fresh(STRANGER, tmp_path)
    assert all(word in text for word in ("neurons", "spikes", "synops", "energy per sample"))
    report = json.loads((tmp_path / "build/mine/report.json").read_text())
    assert float(text.splitlines()[-1]) == report["energy"]["per_sample_j"]["nominal_j"] > 0
    assert sum(row["spikes"] for row in report["layers"] if row["kind"] == "neurons") > 0


def test_every_public_name_exists_and_dir_lists_it(tmp_path):
    program = (
        "import neurocompile as nc; found = [getattr(nc, name) for name in nc.__all__]\n"
        "print(len(found), set(nc.__all__) <= set(dir(nc)))"
    )
    assert fresh(program, tmp_path).split() == [str(len(nc.__all__)), "True"]
    with pytest.raises(AttributeError, match="no attribute 'exprot'"):
        nc.exprot  # noqa: B018


def test_a_nir_file_is_read_and_written_without_another_import(path, tmp_path):
    program = f"import neurocompile\ngraph = neurocompile.load({str(path)!r})\n"
    program += "neurocompile.write_nir(neurocompile.load('spikes.nir', dt=1e-4), 'again.nir')\n"
    shipped = Path(__file__).parents[1] / "examples/models/spikingjelly.nir"
    (tmp_path / "spikes.nir").write_bytes(shipped.read_bytes())
    fresh(program, tmp_path)
    again = nc.load(tmp_path / "again.nir")
    assert same(again, nc.load(shipped, dt=1e-4))


def test_a_package_that_is_missing_is_named_with_the_command_that_brings_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "neurocompile.formats.nir.write", raising=False)
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(nc.NeurocompileError, match=r"needs the package 'numpy'.*doctor --install"):
        nc.write_nir  # noqa: B018


@pytest.mark.parametrize("options", [(), ("--seed", "3", "--steps", "4", "--bits", "5")])
def test_export_writes_the_bytes_of_the_command(path, tmp_path, call, options):
    arguments = ("--target", "loihi-sim", "--engine", "fixed", "--samples", 12)
    assert call("export", path, *arguments, *options, "--out", tmp_path / "command")[0] == 0
    wanted = {name: int(number) for name, number in zip(options[::2], options[1::2], strict=True)}
    data = nc.Sampling(samples=12, seed=wanted.get("--seed"), steps=wanted.get("--steps"))
    compiled = nc.compile(str(path), "loihi-sim", data=data, bits=wanted.get("--bits", 8))
    assert compiled.export(tmp_path / "python") == compiled.report
    assert written(tmp_path / "python") == written(tmp_path / "command")


def test_the_narrowest_weights_are_those_of_the_command(path, tmp_path, call):
    arguments = ("--target", "loihi-sim", "--engine", "fixed", "--samples", 12)
    options = ("--max-error-increase", "50%", "--place", "cores", "--chips", 2, "--netx")
    assert call("export", path, *arguments, *options, "--out", tmp_path / "command")[0] == 0
    target = nc.Target("loihi-sim", chips=2, fewest_of="cores", netx=True)
    data = nc.Sampling("digits", samples=12)
    compiled = nc.compile(path, target, data=data, bits=nc.Narrowest(0.5))
    compiled.export(tmp_path / "python")
    assert written(tmp_path / "python") == written(tmp_path / "command")
    assert "<- taken" in str(compiled)


def test_a_network_that_was_not_run_is_exported_as_the_command_does_without_data(
    network, example, tmp_path, call
):
    from dataclasses import replace

    bare = tmp_path / "bare.pt"
    nc.save(network, bare, example, settings=replace(SETTINGS, data=""))
    arguments = ("--target", "loihi-sim", "--engine", "fixed", "--out", tmp_path / "command")
    assert call("export", bare, *arguments)[0] == 0
    compiled = nc.compile(bare, "loihi-sim")
    compiled.export(tmp_path / "python")
    assert written(tmp_path / "python") == written(tmp_path / "command")
    assert compiled.report["provenance"]["engines"] == []
    assert "not run yet" in repr(compiled)
    assert "nothing was run. Give data (--data SOURCE, data=)" in " ".join(str(compiled).split())
    with pytest.raises(BadInput, match=r"nothing was run.*run\(data\)"):
        compiled.energy  # noqa: B018
    with pytest.raises(BadInput, match="names no data"):
        compiled.run()


def test_a_path_a_graph_and_a_live_module_give_the_same_integers(path, network, example, compiled):
    graph = nc.load(path)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for model, options in (
        (str(path), {}),
        (graph, {}),
        (network, {"example_input": example, "settings": SETTINGS}),
    ):
        found = nc.compile(model, "loihi-sim", **options)
        assert same(found.fixed_graph, compiled.fixed_graph)
    assert all((network.state_dict()[name] == value).all() for name, value in before.items())
    assert found.report["provenance"]["digests"]["model"] is None


def test_a_target_is_a_name_a_folder_a_chip_or_a_target(path, compiled, tmp_path):
    folder = Path(__file__).parents[1] / "targets/loihi-sim"
    for target, name in (
        (folder, str(folder)),
        (nc.load_chip("loihi-sim"), "loihi-sim"),
        (nc.Target("loihi-sim"), "loihi-sim"),
    ):
        found = nc.compile(path, target)
        assert found.placed.chip == compiled.placed.chip
        assert found.target.name == name


def test_scales_come_from_the_training_part_of_the_data_unless_samples_are_given(path, compiled):
    assert compiled.report["provenance"]["calibration"] == "200 samples of digits:train"
    own = nc.load_data("digits:train", samples=7)
    found = nc.compile(path, "loihi-sim", calibration=own)
    assert found.report["provenance"]["calibration"] == "7 samples of digits:train"
    found = nc.compile(path, "loihi-sim", calibration=nc.Sampling("digits:train", samples=7))
    assert found.report["provenance"]["calibration"] == "7 samples of digits:train"


def test_integers_are_taken_as_they_are(compiled, tmp_path):
    compiled.export(tmp_path / "first")
    again = nc.compile(tmp_path / "first/fixed.onnx", "loihi-sim", data=nc.Sampling(samples=12))
    assert same(again.fixed_graph, compiled.fixed_graph)
    assert again.float_graph is again.calibration is again.quantized is None
    jsonschema.validate(again.report, SCHEMA)


SCHEMA = json.loads(files("neurocompile.report").joinpath("schema.json").read_text())


def test_a_run_leaves_the_network_as_it_was_and_shows_what_it_was_asked_for(compiled):
    before = compiled.report
    digits = nc.load_data("digits", samples=5)
    other = compiled.run(nc.Sampling(digits, steps=4, seed=0), engines=("fixed", "onnx"))
    assert compiled.report == before
    shown = other.result.stimulus
    assert (shown.steps, shown.seed, len(shown)) == (4, 0, 5)
    assert other.report["exactness"]["engines"] == ["fixed", "onnx"]
    assert other.report["exactness"]["mismatches"] == 0
    assert compiled.run(digits, engines="fixed").result.stimulus.seed == 3  # as compiled
    jsonschema.validate(other.report, SCHEMA)


def test_energy_is_of_all_samples_and_of_one(compiled):
    energy = compiled.energy
    assert energy.per_sample.nominal_j == pytest.approx(energy.total.nominal_j / 12, rel=1e-15)
    assert compiled.report["energy"]["nominal_j"] == energy.total.nominal_j


def test_energy_is_printed_as_one_line_with_the_joules_of_a_sample_first(compiled, path):
    energy = compiled.energy
    text, one = str(energy), energy.per_sample
    assert text.startswith(f"<Energy per sample nominal {one.nominal_j:.4g} J (low {one.low_j:.4g}")
    assert f"; 12 samples together nominal {energy.total.nominal_j:.4g} J (" in text
    assert len(text) < 250
    bare = nc.compile(path, "loihi2-sim", data=nc.Sampling(samples=2))
    assert str(bare.energy).startswith("<Energy per sample without a total; 2 samples together")
    shown = " ".join(str(bare).split())
    assert "loihi1-proxy" in shown
    assert "every price is assumed, for this chip has none of its own" in shown


def test_own_samples_are_run_like_those_of_a_data_set(compiled):
    digits = nc.load_data("digits", samples=4)
    mine = nc.Data("mine", "x", digits.values)
    ours = compiled.run(mine)
    assert ours.energy.total == compiled.run(digits).energy.total
    assert ours.report["provenance"]["digests"]["data"] != digits.digest


def test_it_shows_itself_in_a_terminal_and_in_a_notebook(compiled):
    from rich.console import Console

    text = str(compiled)
    shown = ("layer", "synops", "energy per sample", "fits the chip", "200 samples of digits:train")
    for words in shown:
        assert words in text
        assert words in compiled._repr_html_()
    console = Console(width=100)
    with console.capture() as capture:
        console.print(compiled)
    assert [line.rstrip() for line in capture.get().strip("\n").splitlines()] == text.splitlines()
    assert repr(compiled).startswith("<Compiled for 1 core of loihi-sim, 12 samples run, ")
    assert "\n" not in repr(compiled)


def test_a_wrong_argument_is_refused_before_any_work(path, network, example, monkeypatch):
    def work(*_):
        raise AssertionError("the pipeline has begun")

    monkeypatch.setattr(compiler, "simplify", work)
    for arguments, options, said in (
        (("nowhere.pt", "loihi-sim"), {}, "there is no file 'nowhere.pt'"),
        ((path, "loihi-9"), {}, "there is no target 'loihi-9'"),
        ((path, 9), {}, "the target is of the type int. Give the name"),
        ((path, "loihi-sim"), {"data": "mnist9"}, "data source 'mnist9' is unknown"),
        ((path, "loihi-sim"), {"data": np.zeros(3)}, "the data are of the type ndarray. Give"),
        ((path, "loihi-sim"), {"calibration": "mnist9"}, "data source 'mnist9' is unknown"),
        (
            (path, "loihi-sim"),
            {"data": nc.Sampling(samples=361)},
            "360 samples, but 361 were asked",
        ),
        ((path, "loihi-sim"), {"bits": 9}, "bits is 9. Use a width from 2 to 8"),
        ((path, "loihi-sim"), {"bits": 4.5}, "bits is 4.5"),
        ((path, "loihi-sim"), {"settings": SETTINGS}, "belong to a live module"),
        ((network, "loihi-sim"), {"settings": SETTINGS}, "example_input is missing"),
        ((network.state_dict(), "loihi-sim"), {}, "the model is of the type OrderedDict. Give"),
    ):
        with pytest.raises(BadInput) as caught:
            nc.compile(*arguments, **options)
        assert said in str(caught.value)


def test_an_engine_or_a_folder_is_refused_before_any_work(compiled, tmp_path, monkeypatch):
    def work(*_, **__):
        raise AssertionError("the work has begun")

    monkeypatch.setattr("neurocompile.compiled.evaluate", work)
    monkeypatch.setattr("neurocompile.compiled.build_report", work)
    with pytest.raises(BadInput, match=r"there is no engine 'loihi'\. Use onnx, fixed, lava"):
        compiled.run(engines="loihi")
    with pytest.raises(BadInput, match="there is no engine ''"):
        compiled.run(engines=())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("years")
    with pytest.raises(BadInput, match="exists"):
        compiled.export(tmp_path / "mine")
    with pytest.raises(BadInput, match=r"holds what no export wrote: thesis\.tex"):
        compiled.export(tmp_path / "mine", force=True)
    assert (tmp_path / "mine/thesis.tex").read_text() == "years"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: nc.Settings(steps=0), "steps = 0"),
        (lambda: nc.Settings(encoder=nc.Encoder("bernouli")), "encoder kind 'bernouli' is unknown"),
        (lambda: nc.Settings(encoder="bernoulli"), "Use an Encoder"),
        (lambda: nc.Settings(decoder=nc.Decoder("last", gain="2")), "decoder gain is '2'"),
        (
            lambda: nc.Settings(encoder=nc.Encoder("bernoulli", 0)),
            "the encoder 'bernoulli' is 0. It",
        ),
        (lambda: nc.Settings(encoder=nc.Encoder("bernoulli", -1)), "use a number above 0"),
        (lambda: nc.Settings(encoder=nc.Encoder("current", 0)), "use any number but 0"),
        (lambda: nc.Settings(encoder=nc.Encoder("spikes", 0.5)), "for spikes enter as they are"),
        (lambda: nc.Settings(decoder=nc.Decoder("rate", 0)), "every result is its offset"),
        (
            lambda: nc.Settings(decoder=nc.Decoder("rate", -2, task="classification")),
            "the gain of the decoder is -2, but the class is the largest result",
        ),
        (lambda: nc.Data("mine", "x", [[0.5, 1.0]]), "of the type list (no array). Give a numpy"),
        (lambda: nc.Data("mine", "x", np.array([["a"]])), "of the type ndarray (<U1 (1, 1))"),
        (lambda: nc.Data("mine", "x", np.zeros(3)), "of the type ndarray (float64 (3,))"),
        (lambda: nc.Data("mine", "y", np.zeros((1, 4))), "the kind 'y'. Give a text, and 'x'"),
        (lambda: nc.Data(3, "x", np.zeros((1, 4))), "the data have the name 3"),
        (lambda: nc.Data("mine", "x", np.zeros((1, 4)), [0]), "the labels are of the type list"),
        (lambda: nc.Data("mine", "x", np.zeros((2, 4)), np.zeros(1)), "array of 2 whole numbers"),
        (lambda: nc.load_data(3), "the data source is of the type int. Give a text"),
        (lambda: nc.load_data("\udcff.npz"), "'\\udcff.npz' is no text in UTF-8"),
        (lambda: nc.load_data("digits", samples="a"), "but a were asked for. Ask for 1 to 360."),
        (lambda: nc.load(None), "the model is of the type NoneType. Give its path"),
        (lambda: nc.load("spikes.nir", dt="a"), "dt is 'a'. Use a number of seconds above 0"),
        (lambda: nc.load_chip(3), "the chip is of the type int. Give its path"),
        (lambda: nc.write_nir(None, "spikes.nir"), "of the type NoneType. Give a graph from load"),
        (lambda: nc.write_nir(None, 3), "the file to write is of the type int. Give its path"),
        (lambda: nc.results(None, None), "the network is of the type NoneType. Give a graph"),
        (lambda: nc.Sampling(samples=0), "samples is 0. Use a whole number from 1 to"),
        (lambda: nc.Sampling(seed=-1), "seed is -1. Use a whole number from 0 to"),
        (lambda: nc.Sampling(steps=2.5), "steps is 2.5"),
        (lambda: nc.Sampling(seed=2**63), "seed is 9223372036854775808"),
        (lambda: nc.Narrowest(-0.1), "max_error_increase is -0.1"),
        (lambda: nc.Narrowest("2%"), "max_error_increase is '2%'"),
        (lambda: nc.Target("loihi-sim", chips=0), "chips is 0"),
        (lambda: nc.Target("loihi-sim", fewest_of="joules"), "cores, messages"),
    ],
)
def test_a_value_that_no_run_could_use_is_refused_where_it_is_written(make, said):
    with pytest.raises(BadInput) as caught:
        make()
    assert said in str(caught.value)


def test_a_negative_gain_of_a_decoder_turns_a_regression_around():
    assert nc.Settings(decoder=nc.Decoder("rate", -2.0)).decoder.gain == -2.0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda made: made.export(None),
            "the directory to write is of the type NoneType.",
        ),
        (
            lambda made: made.run(engines=None),
            "the engines are of the type NoneType. Give",
        ),
        (lambda made: made.run(engines=3), "the engines are of the type int"),
        (lambda made: made.run(progress=None), "progress is of the type NoneType. Give a function"),
    ],
)
def test_a_wrong_type_gets_a_sentence_from_what_is_compiled(compiled, call, said):
    with pytest.raises(BadInput) as caught:
        call(compiled)
    assert said in str(caught.value)


@pytest.mark.parametrize("target", [None, 3])
def test_a_wrong_type_gets_a_sentence_from_save(network, example, target):
    with pytest.raises(BadInput, match="the file to write is of the type"):
        nc.save(network, target, example)


def test_what_a_training_cannot_keep_is_refused_by_save(network, example, tmp_path):
    settings = nc.Settings(steps=6, training={"a": object()})
    with pytest.raises(BadInput, match="the settings cannot be stored"):
        nc.save(network, tmp_path / "net.pt", example, settings=settings)
    assert not list(tmp_path.iterdir())
