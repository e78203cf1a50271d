"""A message may quote an untrusted file, but acts on a terminal only as a sentence does."""

import pytest

from neurocompile.errors import (
    BadInput,
    DoesNotFit,
    NeurocompileError,
    NotInstalled,
    Refusals,
    Unsupported,
    a_or_an,
)


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


def gathered(*errors):
    refusals = Refusals()
    for error in errors:
        with refusals.gather():
            raise error
    return refusals.error()


@pytest.mark.parametrize(
    ("errors", "kind", "code"),
    [
        ((DoesNotFit("a"), DoesNotFit("b")), DoesNotFit, 3),
        ((Unsupported("a"), Unsupported("b")), Unsupported, 2),
        ((BadInput("a"), BadInput("b")), BadInput, 2),
        ((DoesNotFit("a"), Unsupported("b")), Unsupported, 2),
        ((DoesNotFit("a"), BadInput("b")), BadInput, 2),
        ((BadInput("a"), Unsupported("b")), Unsupported, 2),
    ],
)
def test_several_refusals_are_one_error_of_the_kind_that_no_other_target_cures(errors, kind, code):
    error = gathered(*errors)
    assert (type(error), error.exit_code) == (kind, code)
    assert error.reasons == ("a", "b")


def test_one_refusal_keeps_its_words_and_what_comes_twice_is_listed_once():
    assert str(gathered(BadInput("a"), BadInput("a"))) == "a"
    several = gathered(DoesNotFit("a"), gathered(DoesNotFit("b"), DoesNotFit("a")))
    assert str(several) == "2 things in this network do not fit the target:\n- a\n- b"


def test_a_place_before_an_error_leaves_its_list():
    error = gathered(BadInput("a"), BadInput("b")).within("'x.net'")
    assert str(error) == "'x.net': 2 things in this network are wrong:\n- a\n- b"
    assert error.each == ("a", "b")
    assert BadInput("a").within("'x.net'").each == ("'x.net': a",)


def test_what_is_no_refusal_of_a_network_is_not_gathered():
    refusals = Refusals()
    with pytest.raises(NotInstalled), refusals.gather():
        raise NotInstalled("torch")
    assert not refusals
    refusals.answer()


@pytest.mark.parametrize("said", ["an IFNode", "an Alpha", "a Leaky", "an Upsample", "a Conv2d"])
def test_a_kind_has_the_article_that_its_first_letter_asks_for(said):
    assert a_or_an(said.split()[1]) == said


def test_no_line_of_a_strangers_text_is_one_that_a_log_of_ci_obeys():
    name = "a\n::error::b\n  ::stop-commands::c\n##[group]d\nnc::net"
    said = "a\n: :error::b\n  : :stop-commands::c\n# #[group]d\nnc::net"
    assert str(BadInput(name)) == said
