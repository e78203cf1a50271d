"""What every command prints fits the terminal, and no name or price key in it is cut."""

import json
import re

import pytest

from neurocompile.energy.estimate import MODEL_VERSION

WIDTHS = (60, 80, 120)
LONG = "hidden_layer_of_the_encoder"  # names as people give them
LAYERS = ("pixels", f"{LONG}_weights", LONG, "decoder_weights", "reconstruction")
POPULATIONS = LAYERS[::2]


@pytest.fixture(scope="module")
def long_names(tmp_path_factory):
    """A network with long names on loihi-sim, exported with the way to its narrowest weights."""
    import norse.torch as norse
    import torch
    from click.testing import CliRunner
    from torch import nn

    from neurocompile.cli import main
    from neurocompile.formats.onnx.write import to_bytes
    from neurocompile.frontend.torch import trace
    from neurocompile.ir.graph import chain
    from neurocompile.ir.settings import Decoder, Encoder, Settings

    folder = tmp_path_factory.mktemp("long")
    torch.manual_seed(0)
    box = norse.LIFBoxParameters(v_th=torch.as_tensor(0.1))
    network = norse.SequentialState(
        norse.LIFBoxCell(box),
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        norse.LIFBoxCell(box),
        nn.ConvTranspose2d(4, 1, 4, stride=2, padding=1),
        norse.LIBoxCell(),
    )
    settings = Settings(
        steps=8,
        encoder=Encoder("current", 0.5),
        decoder=Decoder("last", task="reconstruction"),
        data="digits",
        training={"command": "python train.py --epochs 60", "a_figure_of_the_training": 0.5},
    )
    nodes = trace(network, torch.rand(2, 1, 8, 8)).nodes.values()
    graph = chain(dict(zip(("input", *LAYERS), nodes, strict=True)), settings)
    (folder / "model.onnx").write_bytes(to_bytes(graph))
    out = folder / "out"
    done = CliRunner(env={"COLUMNS": "80"}).invoke(main, [*map(str, export(folder))])
    assert done.exit_code == 0, done.output
    (folder / "printed.txt").write_text(done.stdout)
    check = ["check", out, "--baseline", folder / "base.json", "--update"]
    assert CliRunner().invoke(main, [*map(str, check)]).exit_code == 0
    return folder


def export(folder):
    return (
        *("export", folder / "model.onnx", "--target", "loihi-sim", "--out", folder / "out"),
        *("--engine", "fixed", "--samples", 4, "--force", "--max-error-increase", "50%"),
    )


COMMANDS = {
    "simulate": lambda folder: ("simulate", folder / "out", "--engine", "fixed"),
    "simulate a stream": lambda folder: ("simulate", folder / "out", "--stream"),
    "simulate and verify": lambda folder: ("simulate", folder / "out", "--verify"),
    "inspect": lambda folder: ("inspect", folder / "out"),
    "inspect float": lambda folder: ("inspect", folder / "model.onnx"),
    "inspect target": lambda folder: ("inspect", folder / "model.onnx", "--target", "loihi-sim"),
    "energy": lambda folder: ("energy", folder / "out", "--cores"),
    "energy davies2018": lambda folder: (
        *("energy", folder / "out", "--model", "davies2018", "--cores"),
        *("--set", "davies2018.synaptic_operation=20pJ"),
    ),
    "energy with all asked": lambda folder: (
        *("energy", folder / "out", "--rate", "100/s", "--by-step", folder / "steps.csv"),
        *("--map", folder / "map.json", "--set", "boyle2025.neuron_access=x2", "--force"),
    ),
    "two designs": lambda folder: ("energy", folder / "out", folder / "out", "--rate", "100/s"),
    "compare": lambda folder: ("compare", folder / "out"),
    "faults": lambda folder: (
        *("faults", folder / "out", "--kind", "weight-flips", "--kind", "threshold-drift"),
        *("--draws", 2, "--share", 0.5, "--share", 0.123456),
    ),
    "check": lambda folder: ("check", folder / "out", "--baseline", folder / "base.json"),
    "report": lambda folder: ("report", folder / "out", "--out", folder / "p.html", "--force"),
    "two reports": lambda folder: (
        *("report", folder / "out", folder / "out", "--out", folder / "p.html", "--force"),
    ),
    "bundle": lambda folder: (
        *("bundle", folder / "out", "--to", "c", "--out", folder / "c", "--force"),
    ),
    "targets": lambda folder: ("targets",),
    "targets loihi-sim": lambda folder: ("targets", "loihi-sim"),
    "doctor": lambda folder: ("doctor",),
}


def names(command, folder, call):
    """What the command must print whole."""
    if command.startswith("inspect"):
        return (*LAYERS, "training: a_figure_of_the_training")
    if command.startswith("energy"):
        found = json.loads(call(*COMMANDS[command](folder), "--json")[1])
        prices = [row["price"] for row in found["sensitivity"][found["model"]]]
        assert len(prices) >= 4
        events = {t["quantity"] for m in found["energy"]["models"] for t in m["terms"]
                  if m["name"] == found["model"]}  # fmt: skip
        return (*LAYERS, *prices, *events)
    if command == "simulate and verify":
        return ("golden vectors, fixed",)
    if command.endswith(("report", "reports")):
        return ("energy per sample",) if command == "report" else ("joules, boyle2025",)
    if command == "faults":
        return ("weight-flips", "threshold-drift", "0.5", "0.123456", "2 of 2")
    if command == "two designs":
        found = json.loads(call(*COMMANDS[command](folder), "--json")[1])["side_by_side"]["tables"]
        return (*LAYERS, *(row["name"] for rows in found.values() for row in rows))
    if command.startswith("targets"):
        return ("loihi-sim", "davies2018", "boyle2025") if command == "targets" else keys()
    if command == "check":
        return ("reconstruction error", "spikes", "synops", f"joules (boyle2025 {MODEL_VERSION})")
    return ("lava-nc", "scikit-learn", "engine onnx") if command == "doctor" else POPULATIONS


def keys():
    from neurocompile.chip.read import load_chip

    return {key.rpartition(".")[2] for key, _ in load_chip("loihi-sim").quantities()}


@pytest.mark.parametrize("width", WIDTHS)
def test_what_export_prints_fits_the_terminal(width, long_names, capsys, monkeypatch):
    """Printed anew from the report of one export, which takes seconds."""
    from neurocompile.commands.export import print_export

    monkeypatch.setenv("COLUMNS", str(width))
    print_export(json.loads((long_names / "out/report.json").read_text()), long_names / "out")
    text = capsys.readouterr().out
    assert (text == (long_names / "printed.txt").read_text()) == (width == 80)
    assert_fits(text, width)
    for name in POPULATIONS:
        assert_whole(name, text)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_line_is_longer_than_the_terminal_and_no_name_is_cut(
    command, width, long_names, call, monkeypatch
):
    monkeypatch.setenv("COLUMNS", str(width))
    code, text, stderr = call(*COMMANDS[command](long_names))
    assert code == 0, stderr
    assert_fits(text, width)
    for name in names(command, long_names, call):
        assert_whole(name, text)


def assert_fits(text, width):
    lines = text.splitlines()
    assert len(lines) > 1
    links = [line for line in lines if line.startswith("  https://")]  # whole, to be followed
    assert [line for line in lines if len(line) > width and line not in links] == []
    assert "…" not in text


def assert_whole(name, text):
    assert re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", text), name


def test_joules_beside_the_terms_are_per_sample(long_names, call):
    code, text, _ = call("energy", long_names / "out")
    found = json.loads(call("energy", long_names / "out", "--json")[1])
    assert code == 0
    assert found["samples"] == 4
    doubled = found["sensitivity"]["boyle2025"][0]["total_doubled_j"] / 4
    unit, factor = next((u, f) for u, f in (("uJ", 1e6), ("nJ", 1e9)) if doubled * f >= 1)
    assert f"{doubled * factor:.4g} {unit}" in text
    assert "sensitivity of the total of boyle2025, per sample" in text
    assert "a sample " not in text.split("time,")[0]
