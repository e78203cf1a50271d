"""docs/support.md says what the rules of today say."""

import importlib
import re
from pathlib import Path

import norse.torch as norse
import pytest
from torch import nn

from neurocompile.chip.read import chip_names
from neurocompile.formats.checkpoint.plain import KINDS
from neurocompile.frontend.rules import node_of

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "support.md").read_text()


def cells(label):
    """A line of the matrix of stages, by the head of each column."""
    lines = PAGE.split("## Stages")[1].split("##")[0].splitlines()
    head = next(line for line in lines if line.startswith("| FLOAT | FIXED"))
    (line,) = [line for line in lines if line.startswith(f"| {label} |")]
    names, values = ([cell.strip() for cell in text.split("|")[1:-1]] for text in (head, line))
    return dict(zip(names, values, strict=True))


def test_the_page_is_what_the_rules_say(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    made = importlib.import_module("make_support").page()
    stale = [line for line in made.splitlines() if line not in PAGE.splitlines()]
    assert made == PAGE, f"docs/support.md is stale. Run: make docs. First new line: {stale[:1]}"


def test_a_reset_that_a_target_lacks_is_a_no_with_its_reason():
    row = cells("LIFBox, reset subtract")
    assert (row["ideal"], row["FIXED"]) == ("yes", "CubaLIF (reset subtract)")
    number = re.fullmatch(r"no \((\d+)\)", row["loihi-sim"])
    assert number is not None
    assert f"\n{number[1]}. A spike resets it by 'subtract', but loihi-sim has zero." in PAGE
    assert row["loihi2-sim"] == "yes"  # whose neurons are programs
    assert set(chip_names()) <= set(cells("LI"))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_float_node_has_a_line(kind):
    labels = re.findall(r"^\| ([\w ,]+?) \| [A-Z]\w+", PAGE, re.MULTILINE)
    assert any(re.match(rf"{kind}\b", label) for label in labels)


def test_every_module_is_read_or_refused_and_never_both():
    read, refused = (
        {name for line in part.splitlines() for cell in line.split("|")[1:-1][cells]
         for name in re.findall(r"[\w.]+", cell)}
        for part, cells in (
            (PAGE.split("## Stages")[0], slice(1, 7)),
            (PAGE.split("## Refused by name")[1].split("A call in")[0], slice(0, 1)),
        )
    )  # fmt: skip
    ruled = {kind.__name__ for kind in node_of.registry if kind is not object}
    assert ruled <= read
    assert not ruled & refused
    for kind in (nn.ReLU, nn.MaxPool2d, nn.LSTM, norse.LIFAdExCell, norse.IzhikevichCell):
        assert kind.__name__ in refused - read


@pytest.mark.parametrize("package", ["snntorch", "spikingjelly", "sinabs"])
def test_every_module_of_a_neighbour_is_on_the_page(package, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    peers, made = (importlib.import_module(name) for name in ("support_peers", "make_support"))
    listed = {word.strip(".") for word in re.findall(r"[\w.]+", PAGE)}
    for library in peers.LIBRARIES[package]:
        for name, kind in made.kinds_of(library).items():
            # "A subclass without a forward of its own is read as its parent", says the page.
            parents = {each.__name__ for each in kind.__mro__[1:] if hasattr(each, "forward")}
            inherits = any(kind.forward is getattr(each, "forward", 0) for each in kind.__mro__[1:])
            names = {name, f"{package}.{name}"} | (parents if inherits else set())
            assert kind is nn.Module or names & listed, name


def test_every_refused_module_of_a_neighbour_has_a_reason_before_its_cure():
    refused = PAGE.split("## Refused by name")[1].split("A call in")[0].splitlines()
    rows = [line.split("|")[1:3] for line in refused if re.match(r"\| \w+\.\w+", line)]
    assert len(rows) > 15
    for names, said in rows:
        assert not said.strip().startswith("Use "), names


def test_no_reason_says_that_an_axon_carries_bits_only_for_some_carry_payloads():
    assert "0 or 1" not in PAGE.split("## Refused by name")[1]
    for name in ("snntorch.GradedSpikes", "spikingjelly.TernaryIFNode", "sinabs.NeuromorphicReLU"):
        (row,) = [row for row in PAGE.splitlines() if row.startswith("|") and name in row]
        assert "and no rule reads it yet" in row


def test_every_block_of_slayer_is_on_the_page_with_what_becomes_of_it():
    rows = PAGE.split("## lava-dl's slayer blocks")[1].split("## Refused")[0]
    blocks = ("Conv", "Dense", "Flatten", "Input", "Pool", "Recurrent")
    read = [f"{kind}.{block}" for kind in ("alif", "cuba") for block in blocks]
    read += [f"{kind}.{block}" for kind in ("rf", "rf_iz") for block in blocks[1:4]]
    assert f"| {', '.join(read)} | read |" in rows
    for name in (
        "cuba.Affine",
        "cuba.KWTA",
        "rf.Conv",
        "adrf.Dense",
        "alif.Unpool",
        "sigma_delta.Output",
    ):
        (line,) = [line for line in rows.splitlines() if name in re.findall(r"[\w.]+", line)]
        assert "| refused: " in line
