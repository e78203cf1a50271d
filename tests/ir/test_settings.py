"""Settings travel with a graph, and remember what was assumed and not said."""

import pytest

from neurocompile.errors import BadInput
from neurocompile.ir.settings import Assumption, Settings, steps_assumed

DT = Assumption("dt", "dt = 0.001 s: the file does not say it.")


def test_what_was_assumed_comes_back_from_a_file_with_its_key():
    settings = Settings(steps=30, assumed=(DT, steps_assumed(30)))
    values = settings.to_dict()
    assert values["assumed"] == [DT.sentence, steps_assumed(30).sentence]
    assert values["assumed_keys"] == ["dt", "steps"]
    assert Settings.from_dict(values) == settings


def test_settings_that_assume_nothing_say_nothing_of_it():
    assert not {"assumed", "assumed_keys"} & Settings().to_dict().keys()


def test_steps_that_a_user_gives_replace_those_that_were_assumed_whatever_the_sentence():
    settings = Settings(steps=100, assumed=(DT, Assumption("steps", "In any words.")))
    assert settings.given(40) == Settings(steps=40, assumed=(DT,))
    assert settings.given(None) is settings


def test_steps_that_the_file_says_stay():
    settings = Settings(steps=100, assumed=(DT,))
    assert settings.given(40) is settings


def test_a_file_from_before_keys_still_knows_that_its_steps_were_assumed():
    older = Settings(steps=30).to_dict() | {"assumed": [DT.sentence, steps_assumed(30).sentence]}
    settings = Settings.from_dict(older)
    assert settings.assumed == (Assumption("", DT.sentence), steps_assumed(30))
    assert settings.given(40).steps == 40


@pytest.mark.parametrize("keys", [["dt"], ["dt", "steps", "more"], ["dt", 3]])
def test_a_sentence_without_its_key_is_refused(keys):
    values = {"assumed": ["one", "two"], "assumed_keys": keys}
    with pytest.raises(BadInput, match="assumed"):
        Settings.from_dict(values)
