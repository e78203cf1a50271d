"""Every module of norse.torch and torch.nn has a rule, or is refused with what could replace it."""

import warnings

import norse.torch as norse
import pytest
from torch import nn

from neurocompile.errors import Unsupported
from neurocompile.frontend.hints import MODULES, OTHERWISE
from neurocompile.frontend.rules import node_of, refusal
from neurocompile.frontend.tracer import CONTAINERS

# Built of other modules, or their base: traced into, or of no kind of their own.
BASES = {nn.Module, norse.ConvNet, norse.ConvNet4, norse.VGG, norse.MobileNetV2, *CONTAINERS}
DEPRECATED = {"Container", "NLLLoss2d"}


def modules_of(library):
    """Names of the kinds of modules of a library."""
    found = {name: getattr(library, name) for name in dir(library) if name not in DEPRECATED}
    return sorted(
        name
        for name, kind in found.items()
        if isinstance(kind, type) and issubclass(kind, nn.Module) and kind not in BASES
    )


def rule_of(kind):
    """The kind whose rule covers this one, or None."""
    known = next((c for c in kind.__mro__ if c in node_of.registry and c is not object), None)
    return known if known is not None and kind.forward is known.forward else None


def refused(kind):
    """The refusal of a kind, of which the kind alone counts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = kind.__new__(kind)
    with pytest.raises(Unsupported) as caught:
        raise refusal(module, "here")
    return str(caught.value)


@pytest.mark.parametrize("name", modules_of(norse))
def test_a_module_of_norse_has_a_rule_or_a_hint_of_its_own(name):
    kind = getattr(norse, name)
    if rule_of(kind) is None:
        words = refused(kind)
        article = "an" if name[0] in "AEIOU" else "a"
        assert words.startswith(f"layer 'here' is {article} {name}, which is not supported. ")
        assert OTHERWISE not in words


@pytest.mark.parametrize("name", modules_of(nn))
def test_a_module_of_pytorch_has_a_rule_or_a_hint_of_its_own(name):
    kind = getattr(nn, name)
    if rule_of(kind) is None:
        words = refused(kind)
        article = "an" if name[0] in "AEIOU" else "a"
        assert words.startswith(f"layer 'here' is {article} {name}, which is not supported. ")
        assert OTHERWISE not in words


def test_the_modules_with_a_rule_are_these():
    assert [n for n in modules_of(norse) if rule_of(getattr(norse, n))] == [
        *("ConstantCurrentLIFEncoder", "IAF", "IAFCell", "LI", "LIBoxCell", "LICell", "LIF"),
        *("LIFBoxCell", "LIFCell", "LIFRecurrent", "LIFRecurrentCell", "LIFRefracCell"),
        *("LIFRefracRecurrent", "LIFRefracRecurrentCell", "LILinearCell", "LSNN", "LSNNCell"),
        *("LSNNRecurrent", "LSNNRecurrentCell", "RegularizationCell"),
    ]
    assert [n for n in modules_of(nn) if rule_of(getattr(nn, n))] == [
        *("AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AlphaDropout", "AvgPool1d", "AvgPool2d"),
        *("BatchNorm1d", "BatchNorm2d", "Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"),
        *("Dropout", "Dropout1d", "Dropout2d", "FeatureAlphaDropout", "Flatten", "Identity"),
        *("LPPool1d", "LPPool2d", "LazyConv1d"),
        *("LazyConv2d", "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyLinear", "Linear"),
        *("Unflatten", "Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"),
    ]


@pytest.mark.parametrize("hint", sorted({hint for _, hint in MODULES}))
def test_a_hint_says_what_to_do_and_ends_as_a_sentence(hint):
    doing = ("Use ", "use ", "Trace ", "trace ", "Leave ", "leave ", "call ", "Recurrence is ")
    assert any(verb in hint for verb in doing)
    assert hint.endswith(".")
