"""TOML of strangers takes no longer than its length allows."""

import time

import pytest

from neurocompile.toml_text import parse_toml

LETTERS = 1 << 20  # as many as a target or a sweep may have


@pytest.mark.parametrize(
    "text",
    ["#" + "a" * LETTERS, "#" + "a." * 60 + "a" * LETTERS, "x = '" + "a" * LETTERS + "'"],
    ids=["comment", "dots", "string"],
)
def test_a_line_of_a_million_letters_is_read_at_once(text):
    begun = time.process_time()
    parse_toml(text)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    ("dots", "refused"), [("a" + ".a" * 63, False), ("a" + ".a" * 64, True), ("a.a," * 64, False)]
)
def test_64_dots_are_too_many_where_nothing_parts_them(dots, refused):
    text = f"x = 1\n# {dots}"
    if not refused:
        assert parse_toml(text) == {"x": 1}
        return
    with pytest.raises(ValueError, match="line 2 has 64 dots in a row"):
        parse_toml(text)
