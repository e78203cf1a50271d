"""A table in a wide, a narrow and a very narrow terminal, line by line."""

import pytest

from neurocompile.terminal.tables import Facts, Table, columns, paragraph


def text(lines):
    return [line.plain for line in lines]


@pytest.fixture
def table():
    made = Table(("layer", "kind", "spikes", "rate"), texts=("kind",), title="T", caption="Said.")
    made.add("lif1", "LIF", "4,531", "0.09", note="a note")
    made.section()
    made.add("output", "LI", "0", "0")
    return made


def test_a_row_is_one_line_where_the_terminal_is_wide_enough(table):
    wide = [
        "T",
        "layer   kind  spikes  rate",
        "──────────────────────────",
        "lif1    LIF    4,531  0.09",
        "    a note",
        "",
        "output  LI         0     0",
        "",
        "Said.",
    ]
    assert text(table.lines(80)) == wide
    assert text(table.lines(26)) == wide


def test_a_label_has_a_line_of_its_own_where_it_is_not(table):
    assert text(table.lines(25)) == [
        "T",
        "layer",
        "  kind  spikes  rate",
        "────────────────────",
        "lif1",
        "  LIF    4,531  0.09",
        "    a note",
        "",
        "output",
        "  LI         0     0",
        "",
        "Said.",
    ]


def test_values_go_on_below_their_titles_where_that_takes_fewer_lines():
    table = Table(("at", "kind", "spikes", "rate"), texts=("kind",))
    table.add("l1", "LIF", "4,531", "0.09")
    assert text(table.lines(18)) == [
        "at  kind  spikes",
        "    rate",
        "────────────────",
        "l1  LIF    4,531",
        "    0.09",
    ]


def test_a_long_label_has_a_line_of_its_own():
    table = Table(("layer", "spikes", "rate"))
    table.add("encoder.block1.conv", "4,531", "0.09")
    assert text(table.lines(20)) == [
        "layer",
        "  spikes  rate",
        "───────────────────",
        "encoder.block1.conv",
        "   4,531  0.09",
    ]


def test_two_labels_name_a_row_together():
    table = Table(("layer", "event", "count"), labels=2)
    table.add("lif1", "spike_out", "7")
    assert text(table.lines(40))[-1] == "lif1   spike_out      7"
    assert text(table.lines(20))[-2:] == ["lif1   spike_out", "      7"]


def test_a_cell_that_is_longer_than_a_line_is_folded_and_nothing_of_it_is_lost():
    table = Table(("a", "b"), texts=("b",))
    table.add("x" * 30, "y" * 30)
    lines = text(table.lines(12))
    assert max(map(len, lines)) <= 12
    assert "".join(lines).count("x") == "".join(lines).count("y") == 30


def test_an_empty_cell_takes_no_line():
    table = Table(("core", "event", "count", "joules"), labels=2)
    table.add("0", "all", "", "3")
    assert text(table.lines(80))[-1] == "0     all                3"
    assert text(table.lines(12))[-2:] == ["0     all", "       3"]


def test_what_is_to_be_said_of_a_name_stands_in_its_own_column():
    rows = [("data", "20 samples of mnist5k"), ("", "16 steps"), ("encoder", "current")]
    assert text(Facts(rows).lines(24)) == [
        "data     20 samples of",
        "         mnist5k",
        "         16 steps",
        "encoder  current",
    ]


def test_names_that_are_too_long_for_a_column_stand_above():
    rows = [("training: command", "python train.py"), ("dt", "1 ms")]
    assert text(Facts(rows).lines(20)) == [
        "training: command",
        "    python train.py",
        "dt  1 ms",
    ]


def test_a_sentence_goes_on_further_in():
    assert text(paragraph("one two three four", 9)) == ["one two", "  three", "  four"]


def test_a_name_is_no_markup():
    table = Table(("layer", "n"))
    table.add("[bold]x[/bold]", "1")
    assert text(table.lines(80))[-1] == "[bold]x[/bold]  1"


@pytest.mark.parametrize(("said", "taken"), [("0", 80), ("1", 20), ("100", 100)])
def test_a_terminal_that_knows_no_width_has_eighty_columns_and_none_has_less_than_twenty(
    monkeypatch, said, taken
):
    monkeypatch.setenv("COLUMNS", said)
    assert columns() == taken
