"""Settings, targets and sources of a wrong type are refused in one sentence."""

import pytest

from neurocompile.data.sampling import Sampling
from neurocompile.data.stimulus import load_samples
from neurocompile.errors import BadInput
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.place.target import Target


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"steps": True}, "steps = True. Use a whole number"),
        ({"assumed": None}, "must be a tuple of Assumption"),
        ({"assumed": "a"}, "must be a tuple of Assumption"),
    ],
)
def test_settings_of_a_wrong_type_are_refused(values, said):
    with pytest.raises(BadInput, match=said):
        Settings(**values)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: Encoder("poisson"),
            "encoder kind 'poisson' is unknown. Use one of: spikes, bernoulli, current, sequence.",
        ),
        (
            lambda: Decoder("sum"),
            "decoder kind 'sum' is unknown. Use one of: none, last, max, mean, rate.",
        ),
        (
            lambda: Decoder("rate", task="classify"),
            "task 'classify' is unknown. Did you mean 'classification'? Use one of: none, "
            "reconstruction, classification.",
        ),
    ],
)
def test_an_encoder_and_a_decoder_of_an_unknown_kind_are_refused_with_the_list(make, said):
    with pytest.raises(BadInput) as refused:
        make()
    assert str(refused.value) == said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((None,), "the chip is of the type NoneType"),
        ((5,), "the chip is of the type int"),
        (("loihi-sim", None, "both", "no"), "netx is 'no'. Use True or False"),
    ],
)
def test_a_target_of_a_wrong_type_is_refused(values, said):
    with pytest.raises(BadInput, match=said):
        Target(*values)


def test_a_source_of_a_wrong_type_is_refused():
    with pytest.raises(BadInput, match="the source of the samples is of the type Sampling"):
        load_samples(Sampling(Sampling("digits")), "")
