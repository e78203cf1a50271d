"""One rule for each kind of PyTorch and Norse module: what it is in the FLOAT vocabulary.

In:  a module in eval mode, and where it is in the network.
Out: one FLOAT node.
A kind without a rule falls to the default, which is the error message.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any

from norse import torch as norse
from norse.torch.functional.adjoint import lif_adjoint, lif_refrac_adjoint, lsnn_adjoint
from norse.torch.functional.iaf import iaf_feed_forward_step
from norse.torch.functional.leaky_integrator import li_feed_forward_step
from norse.torch.functional.leaky_integrator_box import li_box_feed_forward_step
from norse.torch.functional.lif import lif_feed_forward_step, lif_step
from norse.torch.functional.lif_box import lif_box_feed_forward_step
from norse.torch.functional.lif_refrac import lif_refrac_feed_forward_step, lif_refrac_step
from norse.torch.functional.lsnn import lsnn_feed_forward_step, lsnn_step
from norse.torch.functional.reset import reset_subtract, reset_value
from norse.torch.module.snn import SNN, SNNCell, SNNRecurrent, SNNRecurrentCell
from torch import nn

from neurocompile.errors import Unsupported, a_or_an
from neurocompile.frontend.hints import instead_of
from neurocompile.frontend.numbers import constants, weights
from neurocompile.frontend.site import (
    Site,
    each,
    even_windows,
    expect_floor,
    expect_zero_padding,
    ints,
    repeats,
    scale_and_shift,
)
from neurocompile.ir import adapting, neurons, nodes
from neurocompile.ir.arrays import Array
from neurocompile.ir.schema import arrays_of
from neurocompile.nn import adapting as trained
from neurocompile.nn import layers, sigma_delta
from neurocompile.nn.delays import WAITING, Delay, LearnedDelay

CELLS = (SNNCell, SNNRecurrentCell)
RECURRENT = (SNNRecurrentCell, SNNRecurrent)
WEIGHTED = (norse.LILinearCell,)  # a readout with the weights before it
NEURON_MODULES = (*CELLS, *WEIGHTED, SNN, SNNRecurrent, layers.Neuron)
LENGTHENING = (
    *(norse.ConstantCurrentLIFEncoder, norse.PoissonEncoder, norse.SignedPoissonEncoder),
    norse.SpikeLatencyLIFEncoder,
)
TIME_FIRST = (
    norse.Lift,
    SNN,
    SNNRecurrent,
    layers.Neuron,
    *WAITING,
)  # all steps at once, (T, N, ...)

STEPS: dict[type, tuple[Callable[..., Any], ...]] = {
    neurons.LIF: (
        *(lif_feed_forward_step, lif_adjoint.lif_feed_forward_adjoint_step),
        *(lif_step, lif_adjoint.lif_adjoint_step),
    ),
    neurons.LIFBox: (lif_box_feed_forward_step,),
    neurons.IAF: (iaf_feed_forward_step,),
    adapting.LIFRefrac: (
        *(lif_refrac_feed_forward_step, lif_refrac_adjoint.lif_refrac_feed_forward_adjoint_step),
        *(lif_refrac_step, lif_refrac_adjoint.lif_refrac_adjoint_step),
    ),
    adapting.LSNN: (
        *(lsnn_feed_forward_step, lsnn_adjoint.lsnn_feed_forward_adjoint_step),
        *(lsnn_step, lsnn_adjoint.lsnn_adjoint_step),
    ),
    neurons.LI: (li_feed_forward_step,),
    neurons.LIBox: (li_box_feed_forward_step,),
}


@singledispatch
def node_of(module: nn.Module, site: Site) -> Any:
    """The node that a module is.

    Raises:
        Unsupported: If no rule covers its kind, or one of its options.
        BadInput: If one of its parameters cannot be used.
    """
    raise Unsupported(
        f"layer '{site.name}' is {a_or_an(type(module).__name__)}, which is not supported. "
        f"{instead_of(module)}"
    )


def has_rule(module: nn.Module) -> bool:
    """Whether a rule covers a module: a subclass with a forward of its own is another kind."""
    kind: Any = type(module)
    known: Any = next((c for c in kind.__mro__ if c in node_of.registry and c is not object), None)
    return known is not None and kind.forward is known.forward


def returns_state(module: nn.Module) -> bool:
    """Whether a layer returns (output, state)."""
    inner = module.lifted_module if isinstance(module, norse.Lift) else module
    return isinstance(inner, (*CELLS, *WEIGHTED, SNN, SNNRecurrent, norse.RegularizationCell))


def lengthens(module: Any) -> bool:
    """Whether a module is an encoder of Norse, which makes all steps out of one sample."""
    return isinstance(module, LENGTHENING)


def refusal(module: nn.Module, name: str) -> Unsupported:
    """The default rule's error, for a module without a rule."""
    try:
        node_of.dispatch(object)(module, Site(name, (), ()))
    except Unsupported as error:
        return error
    raise AssertionError("the default rule always raises")


@node_of.register
def _(module: nn.Linear, site: Site) -> nodes.Linear:
    return nodes.Linear(*_weight_and_bias(module, site))


@node_of.register(nn.Conv1d)
@node_of.register(nn.Conv2d)
def _(module: nn.Conv1d | nn.Conv2d, site: Site) -> nodes.Conv:
    expect_zero_padding(module, site)
    weight, bias = _weight_and_bias(module, site)
    padding = module.padding
    if padding == "valid":
        padding = (0,) * len(module.kernel_size)
    elif padding == "same":
        total = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
        if any(n % 2 for n in total):
            raise site.refuse(
                module,
                f"padding='same' with kernel {module.kernel_size} pads one side more than the "
                "other. Use an odd kernel, or a number as padding.",
            )
        padding = tuple(n // 2 for n in total)
    return nodes.Conv(
        weight, bias, ints(module.stride), ints(padding), ints(module.dilation), module.groups
    )


@node_of.register(nn.ConvTranspose1d)
@node_of.register(nn.ConvTranspose2d)
def _(module: nn.ConvTranspose1d | nn.ConvTranspose2d, site: Site) -> nodes.ConvTranspose:
    expect_zero_padding(module, site)
    weight, bias = _weight_and_bias(module, site)
    return nodes.ConvTranspose(
        weight,
        bias,
        ints(module.stride),
        ints(module.padding),
        ints(module.output_padding),
        ints(module.dilation),
        module.groups,
    )


@node_of.register(nn.BatchNorm1d)
@node_of.register(nn.BatchNorm2d)
def _(module: nn.BatchNorm1d | nn.BatchNorm2d, site: Site) -> nodes.BatchNorm:
    return nodes.BatchNorm(*scale_and_shift(module, site))


@node_of.register(nn.Flatten)
@node_of.register(nn.Unflatten)
def _(_: nn.Module, site: Site) -> nodes.Reshape:
    return nodes.Reshape(site.out_shape)


@node_of.register(nn.AvgPool1d)
@node_of.register(nn.AvgPool2d)
def _(module: nn.AvgPool1d | nn.AvgPool2d, site: Site) -> nodes.AvgPool:
    expect_floor(module, site)
    if getattr(module, "divisor_override", None) is not None:
        raise site.refuse(
            module,
            f"divisor_override = {module.divisor_override} is not supported. "
            "Use None, and multiply the next layer's weights.",
        )
    axes = len(site.in_shape) - 1
    return nodes.AvgPool(
        each(module.kernel_size, axes),
        each(module.stride, axes),
        each(module.padding, axes),
        module.count_include_pad,
    )


@node_of.register(nn.AdaptiveAvgPool1d)
@node_of.register(nn.AdaptiveAvgPool2d)
def _(module: nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d, site: Site) -> nodes.AvgPool:
    kernel = even_windows(module, site)
    return nodes.AvgPool(kernel, kernel, (0,) * len(kernel))


@node_of.register(nn.LPPool1d)
@node_of.register(nn.LPPool2d)
def _(module: nn.LPPool1d | nn.LPPool2d, site: Site) -> nodes.SumPool:
    expect_floor(module, site)
    if module.norm_type != 1:
        raise site.refuse(
            module, f"norm_type = {module.norm_type} is no linear map. Use 1, which is the sum."
        )
    axes = len(site.in_shape) - 1
    kernel = each(module.kernel_size, axes)
    stride = kernel if module.stride is None else each(module.stride, axes)
    return nodes.SumPool(kernel, stride, (0,) * axes)


@node_of.register
def _(module: nn.Upsample, site: Site) -> nodes.Upsample:
    if module.mode not in ("nearest", "nearest-exact"):
        raise site.refuse(module, f"mode {module.mode!r} is not supported. Use mode='nearest'.")
    spatial = zip(site.in_shape[1:], site.out_shape[1:], strict=True)
    scale = tuple(after // before for before, after in spatial)
    if not repeats(module, site.in_shape[1:], scale):
        raise site.refuse(
            module,
            f"{site.in_shape[1:]} to {site.out_shape[1:]} does not repeat every value equally "
            "often. Use a whole number as scale_factor.",
        )
    return nodes.Upsample(scale)


@node_of.register(nn.Identity)
@node_of.register(nn.Dropout)
@node_of.register(nn.Dropout1d)
@node_of.register(nn.Dropout2d)
@node_of.register(nn.AlphaDropout)
@node_of.register(nn.FeatureAlphaDropout)
@node_of.register(norse.RegularizationCell)
def _(_: nn.Module, site: Site) -> nodes.Identity:
    return nodes.Identity()


@node_of.register(Delay)
@node_of.register(LearnedDelay)
def _(module: Delay | LearnedDelay, site: Site) -> nodes.Delay | nodes.Identity:
    if module.shape not in (None, site.in_shape):
        raise site.refuse(
            module,
            f"it has delays for {module.shape}, but {site.in_shape} arrives. Give it that shape.",
        )
    steps = module.whole().cpu().numpy()
    least = int(steps.min())
    if int(steps.max()) == least:
        return nodes.Delay(least) if least else nodes.Identity()
    return nodes.Delay(least, steps - least)


@node_of.register(norse.LIFCell)
@node_of.register(norse.LIF)
@node_of.register(norse.LIFRecurrentCell)
@node_of.register(norse.LIFRecurrent)
@node_of.register(layers.LIF)
def _(module: Any, site: Site) -> neurons.LIF:
    return neurons.LIF(**_constants(neurons.LIF, module, site))


@node_of.register(norse.LIFRefracCell)
@node_of.register(norse.LIFRefracRecurrentCell)
@node_of.register(norse.LIFRefracRecurrent)
@node_of.register(trained.LIFRefrac)
def _(module: Any, site: Site) -> adapting.LIFRefrac:
    return adapting.LIFRefrac(**_constants(adapting.LIFRefrac, module, site))


@node_of.register(norse.LSNNCell)
@node_of.register(norse.LSNN)
@node_of.register(norse.LSNNRecurrentCell)
@node_of.register(norse.LSNNRecurrent)
@node_of.register(trained.LSNN)
def _(module: Any, site: Site) -> adapting.LSNN:
    return adapting.LSNN(**_constants(adapting.LSNN, module, site))


@node_of.register
def _(module: trained.ALIF, site: Site) -> adapting.ALIF:
    return adapting.ALIF(**_constants(adapting.ALIF, module, site))


@node_of.register(norse.LIFBoxCell)
@node_of.register(layers.LIFBox)
def _(module: Any, site: Site) -> neurons.LIFBox:
    if getattr(module, "flips", False):
        raise site.refuse(
            module,
            "it flips potentials below -v_th to v_th (flips=True), which no chip does. "
            "Train it with flips=False; its weights may start the training.",
        )
    resets: dict[Any, neurons.Reset] = {reset_value: "zero", reset_subtract: "subtract"}
    reset = resets.get(module.p.reset_method)
    if reset is None:
        name = getattr(module.p.reset_method, "__name__", repr(module.p.reset_method))
        raise site.refuse(
            module,
            f"reset method '{name}' is unknown. Use norse.torch.reset_value or reset_subtract.",
        )
    return neurons.LIFBox(**_constants(neurons.LIFBox, module, site), reset=reset)


@node_of.register
def _(module: norse.ConstantCurrentLIFEncoder, site: Site) -> neurons.LIFBox:
    p: dict[str, Any] = {
        name: constants(getattr(module.p, name), name, site.in_shape, layer=site.name)
        for name in ("tau_mem_inv", "v_leak", "v_th", "v_reset")
    }
    if p["v_leak"].any():  # its membrane starts at 0, all others at v_leak
        raise site.refuse(
            module, f"v_leak = {float(p['v_leak'].max())}, but the encoder starts at 0. Use 0."
        )
    return neurons.LIFBox(**p)


@node_of.register(norse.IAFCell)
@node_of.register(norse.IAF)
def _(module: Any, site: Site) -> neurons.IAF:
    return neurons.IAF(**_constants(neurons.IAF, module, site))


@node_of.register(norse.LICell)
@node_of.register(norse.LI)
@node_of.register(norse.LILinearCell)
@node_of.register(layers.LI)
def _(module: Any, site: Site) -> neurons.LI:
    return neurons.LI(**_constants(neurons.LI, module, site))


@node_of.register(norse.LIBoxCell)
@node_of.register(layers.LIBox)
def _(module: Any, site: Site) -> neurons.LIBox:
    return neurons.LIBox(**_constants(neurons.LIBox, module, site))


@node_of.register
def _(module: sigma_delta.Delta, site: Site) -> neurons.DeltaEncoder:
    return neurons.DeltaEncoder(v_th=_given(module.p.v_th, "v_th", site))


@node_of.register
def _(module: sigma_delta.SigmaDelta, site: Site) -> neurons.SigmaDeltaReLU:
    threshold = _given(module.p.v_th, "v_th", site)
    return neurons.SigmaDeltaReLU(bias=_given(module.bias, "bias", site), v_th=threshold)


@node_of.register
def _(module: sigma_delta.Sigma, site: Site) -> neurons.SigmaReadout:
    return neurons.SigmaReadout(bias=_given(module.bias, "bias", site))


def _given(held: Any, what: str, site: Site) -> Array:
    """A constant of a layer of neurocompile.nn; 0 where it has none."""
    return constants(0.0 if held is None else held, what, site.in_shape, layer=site.name)


def _constants(kind: Any, module: Any, site: Site) -> dict[str, Any]:
    """The arrays of a neuron class, which have the names of Norse's parameters."""
    step = getattr(module, "activation", None)  # the layers of neurocompile.nn have no other step
    if step is not None and step not in STEPS[kind]:
        raise site.refuse(module, f"its activation is not Norse's {STEPS[kind][0].__name__}.")

    def held(name: str) -> Any:
        return getattr(module.p if hasattr(module.p, name) else module.p.lif, name)

    return {
        name: constants(held(name), name, site.in_shape, layer=site.name)
        for name in arrays_of(kind)
    }


def _weight_and_bias(module: Any, site: Site) -> tuple[Array, Array | None]:
    bias = module.bias
    return (
        weights(module.weight, "weight", layer=site.name),
        None if bias is None else weights(bias, "bias", layer=site.name),
    )
