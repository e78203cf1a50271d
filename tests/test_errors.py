"""A message may quote an untrusted file, but acts on a terminal only as a sentence does."""

import pytest

from neurocompile.errors import BadInput, DoesNotFit, NeurocompileError


@pytest.mark.parametrize("kind", [NeurocompileError, BadInput, DoesNotFit])
@pytest.mark.parametrize(
    ("quoted", "shown"),
    [
        ("layer 'fc1'", "layer 'fc1'"),
        ("Ziffern ä, 3 µs", "Ziffern ä, 3 µs"),
        ("a list:\n    one\n    two", "a list:\n    one\n    two"),
        ("\x1b[2J", "\\x1b[2J"),  # clears a screen
        ("\u202etxt", "\\u202etxt"),  # turns the line around
        ("\x00\r", "\\x00\\r"),
        ("\ud800", "\\ud800"),  # cannot be written as UTF-8
    ],
)
def test_what_no_terminal_prints_is_shown_as_an_escape(kind, quoted, shown):
    error = kind(quoted)
    assert str(error) == shown
    assert error.args == (shown,)
    str(error).encode()
