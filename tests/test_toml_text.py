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


@pytest.mark.parametrize("number", ["0x7fffffffffffffff", "-9223372036854775808", "inf", "1e999"])
def test_numbers_of_64_bits_are_read(number):
    assert parse_toml(f"x = {number}")["x"] in (2**63 - 1, -(2**63), float("inf"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 0x8000000000000000", "x has a whole number of 65 bits, allowed are up to 64"),
        ("x = -9223372036854775809", "x has a whole number of 65 bits, allowed are up to 64"),
        # 4 x 5,000 bits and a sign; 6,021 decimal digits, of which Python writes up to 4,300
        (
            "[a.b]\ny = [[1], {z = [0x" + "f" * 5000 + "]}]",
            "a.b.y.z has a whole number of 20001 bits",
        ),
        ("x = 0b1" + "0" * 20_000, "x has a whole number of 20002 bits"),
        ("x = " + "9" * 5000, "a whole number of thousands of digits"),
        ("x = [", "line 1, column 6|end of document"),
    ],
)
def test_longer_numbers_are_a_sentence(text, said):
    with pytest.raises(ValueError, match=said):
        parse_toml(text)
