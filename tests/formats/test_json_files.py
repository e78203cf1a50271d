"""Numbers of a stranger's JSON can be counted with and written into messages."""

import re

import pytest

from neurocompile.formats.json_files import fault_in, parse_json, read_json


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1, -(2**63), 2**64 - 1])
def test_whole_numbers_of_64_bits_are_read(number):
    assert parse_json(f'{{"n": [{number}]}}') == {"n": [number]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("18446744073709551616", "it holds 18446744073709551616, a whole number beyond 64 bits"),
        ("-9223372036854775809", "it holds -9223372036854775809, a whole number beyond 64 bits"),
        ("1" + "0" * 5000, "it holds 1" + "0" * 39 + ", a whole number beyond 64 bits"),
        ("1e999", "it holds 1e999, which is too large for a number"),
        ("-Infinity", "it holds -Infinity, which is no number"),
        ('{"a": 1, "b": {"c": 1, "c": 1}}', "it holds the key 'c' twice"),
        ("[" * 100_000, "its lists and tables are nested too deep"),
    ],
)
def test_numbers_that_nothing_can_count_with_are_a_sentence(text, said, tmp_path):
    (tmp_path / "a.json").write_text(text)
    for reading in (lambda: parse_json(text), lambda: read_json(tmp_path / "a.json", 1 << 20)):
        with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
            reading()


@pytest.mark.parametrize(
    ("limits", "value", "expected"),
    [
        ({"minItems": 2, "maxItems": 2}, [1], "a list of 2"),
        ({"maxItems": 2}, [1, 2, 3], "a list of at most 2"),
        ({"minItems": 2}, [1], "a list of at least 2"),
    ],
)
def test_the_length_that_a_list_may_have_is_said(limits, value, expected):
    described = {"properties": {"shape": {"type": "array", **limits}}}
    assert fault_in(described, {"shape": value}) == f"'shape' is {value}, expected {expected}"
