"""What every command has in common: --json, --quiet, colours, completion, the nearest word."""

import io
import json
import re
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from rich.console import Console
from rich.progress import Progress

from neurocompile.chip.find import chip_names
from neurocompile.cli import main
from neurocompile.commands.options import show_document
from neurocompile.terminal.screen import Screen, TimeLeft

COLOUR = re.compile(r"\x1b\[[0-9;]*[349][0-7][0-9;]*m")
LATER = ("sweep",)  # not in this version
HERE = {name: command for name, command in main.commands.items() if name not in LATER}
INSTALL = (Path(__file__).parents[2] / "docs" / "install.md").read_text()


def asked(command, exported, folder):
    """Arguments with which a command runs."""
    return {
        "export": ("export", exported / "fixed.onnx", "--target", "ideal", "--out", folder / "out"),
        "simulate": ("simulate", exported, "--samples", 2),
        "inspect": ("inspect", exported),
        "targets": ("targets",),
        "doctor": ("doctor",),
        "check": ("check", exported, "--baseline", folder / "base.json", "--update"),
        "compare": ("compare", exported, "--samples", 2),
        "energy": ("energy", exported, "--samples", 2),
        "faults": ("faults", exported, "--kind", "dead-neurons", "--draws", 2, "--samples", 2),
        "bundle": ("bundle", exported, "--to", "c", "--out", folder / "c", "--samples", 2),
        "report": ("report", exported, "--out", folder / "page.html"),
    }[command]


@pytest.mark.parametrize("command", HERE)
def test_quiet_leaves_stderr_empty_and_prints_the_result(command, exported, tmp_path, call):
    code, out, error = call(*asked(command, exported[0], tmp_path), "--quiet")
    assert (code, error) == (0, "")
    assert out.strip()


@pytest.mark.parametrize("command", [name for name in HERE if name != "export"])  # its own tests
def test_json_is_one_document_on_stdout_and_leaves_stderr_empty(command, exported, tmp_path, call):
    code, out, error = call(*asked(command, exported[0], tmp_path), "--json")
    assert (code, error) == (0, "")
    assert isinstance(json.loads(out), dict)


def test_quiet_does_not_hide_an_error(tmp_path, call):
    code, out, error = call("inspect", tmp_path / "none.pt", "--quiet")
    assert (code, out) == (2, "")
    assert error.startswith("BadInput: there is no file")


def test_doctor_installs_and_prints_one_document(call, monkeypatch):
    ran = []
    monkeypatch.setattr("neurocompile.commands.doctor.install", ran.append)
    code, out, error = call("doctor", "--install", "tables", "--yes", "--json")
    assert (code, ran) == (0, ["tables"])
    assert json.loads(out)["packages"]
    assert "pip install pyarrow" in error


def shown(monkeypatch, capsys, **environment):
    """What a terminal gets of a stage and a run."""
    monkeypatch.setenv("FORCE_COLOR", "1")  # stderr counts as a terminal
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with Screen() as screen:
        screen.tell("placing on loihi-sim")
        screen.progress("fixed", 1, 2)
        screen.progress("fixed", 2, 2)
    return capsys.readouterr().err


def test_no_color_takes_every_colour_away(monkeypatch, capsys):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert COLOUR.search(shown(monkeypatch, capsys))
    plain = shown(monkeypatch, capsys, NO_COLOR="1")
    assert not COLOUR.search(plain)
    assert "placing on loihi-sim" in plain
    assert "2/2 samples" in plain


@pytest.mark.parametrize("command", ["inspect", "compare"])
def test_results_have_no_colour_on_a_terminal(command, exported, tmp_path, call, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    _, out, _ = call(*asked(command, exported[0], tmp_path))
    assert "\x1b[1m" in out  # titles are bold
    assert not COLOUR.search(out)


def test_a_log_has_a_line_per_stage_and_per_run_in_their_order(capsys):
    with Screen() as screen:
        screen.tell("choosing scales")
        screen.progress("float", 50, 200)
        screen.progress("float", 200, 200)
        screen.tell("placing")
    first, bar, last = capsys.readouterr().err.splitlines()
    assert (first, last) == ("choosing scales", "placing")
    assert re.fullmatch(r"  float ━+ 200/200 samples in 0:00:00", bar)


def test_the_time_left_is_what_the_speed_until_now_leaves():
    now = [0.0]
    bars = Progress(TimeLeft(), get_time=lambda: now[0], console=Console(file=io.StringIO()))
    bars.add_task("fixed", total=200)
    (run,) = bars.tasks
    column = TimeLeft()
    column.max_refresh = None  # every second of this clock, not of the wall's
    for second in (10, 20):
        now[0] = second
        bars.update(run.id, advance=40)  # 4 samples per second; 120 are left
    assert column(run).plain == "0:00:30 left"
    now[0] = 50
    bars.update(run.id, advance=120)
    assert column(run).plain == "in 0:00:50"


@pytest.mark.parametrize(
    ("arguments", "incomplete", "offered"),
    [
        ([], "exp", ["export"]),
        (["export", "--target"], "loihi", ["loihi-sim", "loihi2-sim", "loihi"]),
        (["targets"], "id", ["ideal", "id"]),
        (["export", "m.pt", "--data"], "digits", ["digits", "digits:train", "digits"]),
        (["simulate", "out", "--engine"], "l", ["lava"]),
        (["energy", "out"], "--cores-", ["--cores-per-chip"]),
        (["faults", "out", "--kind"], "thres", ["threshold-flips", "threshold-drift"]),
    ],
)
def test_the_shell_completes_commands_options_targets_and_sources(arguments, incomplete, offered):
    shell = ShellComplete(main, {}, "neurocompile", "_NEUROCOMPILE_COMPLETE")
    found = shell.get_completions(arguments, incomplete)
    assert [item.value for item in found] == offered  # the shell completes a path, the last one


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_line_of_the_page_loads_the_completion_of_a_shell(shell):
    assert f"_NEUROCOMPILE_COMPLETE={shell}_source neurocompile" in INSTALL
    done = CliRunner().invoke(
        main, [], prog_name="neurocompile", env={"_NEUROCOMPILE_COMPLETE": f"{shell}_source"}
    )
    assert done.exit_code == 0
    assert "_neurocompile_completion" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (("exprt",), "export"),
        (("export", "m.pt", "--target", "ideal", "--sampels", 3), "--samples"),
        (("export", "m.pt", "--target", "ideal", "--engine", "fxed"), "fixed"),
        (("export", "m.pt", "--target", "ideal", "--encoder", "curent"), "current"),
        (("check", "out", "--baseline", "b.json", "--format", "junti"), "junit"),
        (("doctor", "--install", "neighbors"), "neighbours"),
        (("targets", "lohi-sim"), "loihi-sim"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_nearest(arguments, nearest, call):
    code, _, error = call(*arguments)
    assert code == 2
    assert re.search(rf"[Dd]id you mean (one of: )?'{nearest}'", error), error


@pytest.mark.parametrize(
    ("option", "value", "nearest"),
    [("--data", "digit", "digits"), ("--model", "boyle25", "boyle2025")],
)
def test_a_mistyped_name_of_what_an_export_knows_too(option, value, nearest, exported, call):
    code, _, error = call("energy", exported[0], option, value)
    assert code == 2
    assert f"Did you mean '{nearest}'?" in error


def test_a_mistyped_key_of_a_target_file_too(tmp_path, call):
    file = Path(__file__).parents[2] / "targets/ideal/target.toml"
    text = file.read_text().replace("title =", "tilte = 'x'\ntitle =", 1)
    (tmp_path / "target.toml").write_text(text)
    code, _, error = call("targets", tmp_path)
    assert code == 2
    assert "tilte: an unknown key." in error
    assert "Did you mean 'title'?" in error


def test_what_is_near_to_nothing_is_answered_with_the_list_only(call):
    _, _, error = call("targets", "qqqq")
    assert "Did you mean" not in error
    assert all(name in error for name in chip_names())


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("command", [None, *main.commands])
def test_the_help_of_a_command_fits_the_terminal(command, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    out = io.StringIO()
    context = click.Context(main, info_name="neurocompile", **main.context_settings)
    shown = main if command is None else main.commands[command]
    inner = context if command is None else click.Context(shown, context, info_name=command)
    out.write(shown.get_help(inner))
    assert max(map(len, out.getvalue().splitlines())) <= width


def test_a_number_that_json_lacks_is_printed_as_a_text(capsysbinary):
    with click.Context(main):
        show_document({"notes": {"error": float("nan"), "each": [1.5, float("inf")]}})
    found = json.loads(capsysbinary.readouterr().out)
    assert found == {"notes": {"error": "nan", "each": [1.5, "inf"]}}
