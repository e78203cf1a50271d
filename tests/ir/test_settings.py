"""Settings travel with a graph, and remember what was assumed and not said."""

from dataclasses import replace

import pytest

from neurocompile.errors import BadInput
from neurocompile.ir.settings import Assumption, Encoder, Settings, steps_assumed

DT = Assumption("dt", "dt = 0.001 s: the file does not say it.")


def test_what_was_assumed_comes_back_from_a_file_with_its_key():
    settings = Settings(steps=30, assumed=(DT, steps_assumed(30)))
    values = settings.to_dict()
    assert values["assumed"] == [DT.sentence, steps_assumed(30).sentence]
    assert values["assumed_keys"] == ["dt", "steps"]
    assert Settings.from_dict(values) == settings


def test_settings_that_assume_nothing_say_nothing_of_it():
    assert not {"assumed", "assumed_keys"} & Settings(1e-3, 100).to_dict().keys()


@pytest.mark.parametrize(
    ("given", "assumed"),
    [
        ({}, ["dt", "steps"]),
        ({"steps": 100}, ["dt"]),
        ({"dt": 1e-3}, ["steps"]),
        ({"encoder": Encoder("bernoulli")}, ["dt", "steps"]),
        ({"dt": 1e-3, "steps": 100}, []),
    ],
)
def test_what_is_not_given_is_assumed_and_what_is_given_is_not(given, assumed):
    settings = Settings(**given)
    assert [a.key for a in settings.assumed] == assumed
    assert (settings.dt, settings.steps) == (1e-3, 100)
    assert replace(settings, data="digits").assumed == settings.assumed


def test_settings_of_a_user_go_over_those_of_a_model_key_by_key():
    own = Settings(steps=25, assumed=(Assumption("output", "The first is the output."),))
    both = Settings(dt=2e-3).over(own)
    assert (both.dt, both.steps) == (2e-3, 25)
    assert [a.key for a in both.assumed] == ["output"]


def test_steps_that_a_user_gives_replace_those_that_were_assumed_whatever_the_sentence():
    settings = Settings(steps=100, assumed=(DT, Assumption("steps", "In any words.")))
    assert settings.given(40) == Settings(steps=40, assumed=(DT,))
    assert settings.given(dt=2e-3).dt == 2e-3
    assert settings.given(None) is settings


def test_steps_that_the_file_says_stay():
    settings = Settings(steps=100, assumed=(DT,))
    assert settings.given(40) is settings


def test_a_file_from_before_keys_still_knows_that_its_steps_were_assumed():
    old = "a sample takes 30 steps: the file does not say how many. Give --steps where it "
    older = Settings(1e-3, 30).to_dict() | {"assumed": [DT.sentence, old]}
    settings = Settings.from_dict(older)
    assert settings.assumed == (Assumption("", DT.sentence), Assumption("steps", old))
    assert settings.given(40).steps == 40


@pytest.mark.parametrize("keys", [["dt"], ["dt", "steps", "more"], ["dt", 3]])
def test_a_sentence_without_its_key_is_refused(keys):
    values = {"assumed": ["one", "two"], "assumed_keys": keys}
    with pytest.raises(BadInput, match="assumed"):
        Settings.from_dict(values)
