"""What each primitive of NIR is in our FLOAT vocabulary: one rule each, or a refusal by name.

In:  a primitive at its site: its fields, the shape that arrives, dt.
Out: our nodes for it, the last under its own name.
Differential equations become forward Euler steps: x + dt dx/dt. No rule guesses in silence.

Source: nir 1.0.8, docstrings of nir/ir/*.py; docs/nir.md compares what others' exporters write.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurocompile.errors import Unsupported
from neurocompile.formats.nir.fields import NirNode, Parameter
from neurocompile.ir.arrays import Array
from neurocompile.ir.neurons import IAF, LI, LIF, Integrator, LIBox, LIFBox
from neurocompile.ir.nodes import (
    MOST_DELAY_STEPS,
    AvgPool,
    BatchNorm,
    Conv,
    Delay,
    Identity,
    Linear,
    Reshape,
    Shape,
    Sparse,
    SumPool,
    size,
)

Named = tuple[tuple[str, Any], ...]  # suffix of the name, and node; "" is the primitive itself


MAPS = ("Affine", "Linear", "Scale", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d", "Flatten")
AXES = {"Affine": 1, "Linear": 1, "Conv1d": 2, "Conv2d": 3, "SumPool2d": 3, "AvgPool2d": 3}
ROUNDING = 1e-12  # a factor this near to 1 is 1: what is left of (1 / x) x in float64
STEP_PART = 1e-3  # a delay this near to whole steps is meant to be whole: float32 holds 1e-7
SLACK = 1e-6  # by which a float32 time constant of one step may fall short of dt


def nodes_of(site: NirNode) -> Named:
    """Our nodes for a primitive.

    Raises:
        BadInput: If its fields do not fit; the sentence names the layer.
        Unsupported: If no node of ours is equal to it.
    """
    match site.kind:
        case "Affine" | "Linear":
            return (("", _linear(site)),)
        case "Scale":
            scale = site.array("scale")
            if scale.shape not in (site.shape, ()):
                raise site.wrong(f"its scale has shape {scale.shape}, but {site.shape} arrives.")
            return (("", factor_of(scale, site.shape)),)
        case "Conv1d" | "Conv2d":
            return (("", _conv(site, int(site.kind[4]))),)
        case "SumPool2d":
            return (("", SumPool(*_windows(site))),)
        case "AvgPool2d":
            return (("", AvgPool(*_windows(site))),)
        case "Flatten":
            return (("", Reshape(_flat(site))),)
        case "Delay":
            return (("", _delay(site)),)
        case "LIF":
            box = LIFBox(
                _inverse(site, "tau"),
                site.parameter("v_leak"),
                site.parameter("v_threshold"),
                site.parameter("v_reset", 0.0),
                site.reset,
            )
            return (*_factor(site, site.parameter("r")), ("", box))
        case "LI":
            readout = LIBox(_inverse(site, "tau"), site.parameter("v_leak"))
            return (*_factor(site, site.parameter("r")), ("", readout))
        case "CubaLIF":
            return (
                *_factor(site, _current(site)),
                (
                    "",
                    LIF(
                        _inverse(site, "tau_syn"),
                        _inverse(site, "tau_mem"),
                        site.parameter("v_leak"),
                        site.parameter("v_threshold"),
                        site.parameter("v_reset", 0.0),
                        site.reset,
                    ),
                ),
            )
        case "CubaLI":
            leaky = LI(
                _inverse(site, "tau_syn"), _inverse(site, "tau_mem"), site.parameter("v_leak")
            )
            return (*_factor(site, _current(site)), ("", leaky))
        case "IF":
            iaf = IAF(site.parameter("v_threshold"), site.parameter("v_reset", 0.0), site.reset)
            return (*_factor(site, _per_step(site)), ("", iaf))
        case "I":
            return (*_factor(site, _per_step(site)), ("", Integrator()))
        case "Threshold":
            raise Unsupported(
                f"layer '{site.name}' (Threshold): it keeps no state, and a chip has no such "
                "neuron. Use LIF or IF."
            )
        case _:
            raise Unsupported(
                f"layer '{site.name}' ({site.kind[:60]}): NIR 1.0.8 has no such primitive. Write "
                "it in the primitives of docs/nir.md."
            )


def factor_of(values: Array, shape: Shape) -> BatchNorm | Sparse:
    """A factor for each value of a layer; one for each channel where that says it all.

    A convolution keeps its kernel if what follows it treats a channel alike.
    """
    rows = np.broadcast_to(values, shape).reshape(shape[0], -1)
    if (rows == rows[:, :1]).all():
        return BatchNorm(rows[:, 0])
    return diagonal(values, shape)


def diagonal(values: Array, shape: Shape) -> Sparse:
    """A factor for each value of a layer, as a sparse map."""
    each = np.arange(size(shape) + 1)
    return Sparse(np.broadcast_to(values, shape).ravel(), each[:-1], each, shape, shape)


def _linear(site: NirNode) -> Linear:
    weight = site.array("weight")
    if weight.ndim != len(("out", "in")) or not weight.size:
        raise site.wrong(
            f"its weight has shape {weight.shape}, allowed is (n_out, n_in). Flatten what leads "
            "to it."
        )
    if len(site.shape) != AXES[site.kind]:
        raise site.wrong(f"it takes one axis, but {site.shape} arrives. Put a Flatten before it.")
    return Linear(weight, _bias(site))


def _bias(site: NirNode) -> Array | None:
    """NIR writes "no bias" as zeros, and many exporters do."""
    bias = site.array("bias") if site.kind != "Linear" else None
    return bias if bias is not None and bias.any() else None


def _conv(site: NirNode, axes: int) -> Conv:
    weight = site.array("weight", (axes + 2,))
    kernel, dilation = weight.shape[2:], site.each("dilation", axes)
    site.check_shape("input_shape", site.shape[1:])
    padding = site.fields.get("padding")
    if not isinstance(padding, str):
        pads = site.each("padding", axes)
    elif padding == "valid":
        pads = (0,) * axes
    elif padding == "same":
        both = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        if any(n % 2 for n in both) or set(site.each("stride", axes)) != {1}:
            raise Unsupported(
                f"layer '{site.name}' ({site.kind}): padding 'same' with kernel {kernel}, dilation "
                f"{dilation} and stride {site.each('stride', axes)} pads one side more than the "
                "other. Pad both sides alike: an odd kernel and stride 1."
            )
        pads = tuple(n // 2 for n in both)
    else:
        raise site.wrong(f"its padding is {padding[:20]!r}; allowed are numbers, 'same', 'valid'.")
    stride, groups = site.each("stride", axes), site.one("groups")
    return Conv(weight, _bias(site), stride, pads, dilation, groups)


def _windows(site: NirNode) -> tuple[Shape, Shape, Shape]:
    """Kernel, stride and padding of a pool; PyTorch's mean counts padded zeros."""
    return site.each("kernel_size", 2), site.each("stride", 2), site.each("padding", 2)


def _flat(site: NirNode) -> Shape:
    """The shape after a Flatten, whose axes NIR counts without a batch."""
    axes, shape = len(site.shape), site.shape
    told = site.whole("input_type") if site.has("input_type") else shape
    batch = len(told) == axes + 1 and (told[1:] == shape or not any(told))
    if not batch and any(told):
        site.check_shape("input_type", shape)
    counted = axes + batch
    ends = site.one("start_dim"), site.one("end_dim")
    start, end = ((n + counted if n < 0 else n) - batch for n in ends)
    if not batch and ends[0] == 1 and end == axes - 1 and site.takes == site.arriving:
        batch = site.arriving != size(shape[1:])
        start -= batch
    if not 0 <= start <= end < axes:
        raise site.wrong(
            f"it flattens the axes {ends[0]} to {ends[1]} of {shape}. NIR counts from 0, without "
            "a batch."
        )
    if batch:
        site.assume(
            "axes",
            f"its axes {ends[0]} to {ends[1]} are read as if a batch were counted, for only so "
            "does it fit the file's own shapes.",
        )
    return (*shape[:start], size(shape[start : end + 1]), *shape[end + 1 :])


def _delay(site: NirNode) -> Delay | Identity:
    """One delay for all values, or one for each."""
    steps = site.parameter("delay").astype(np.float64) / site.dt
    whole = np.where((steps >= 0) & (steps <= MOST_DELAY_STEPS), np.rint(steps), -1)
    wrong = np.abs(steps - whole) > STEP_PART
    if np.any(wrong):
        first = float(steps[wrong].flat[0])
        raise site.wrong(
            f"its delay of {first * site.dt:g} s is {first:.6g} steps of dt = {site.dt:g} s, "
            f"allowed is a whole number from 0 to {MOST_DELAY_STEPS}. Change dt, or the delay."
        )
    if whole.ndim == 0:
        return Delay(int(whole)) if whole else Identity()
    least = int(whole.min())
    return Delay(least, whole.astype(np.int64) - least)


def _inverse(site: NirNode, what: str) -> Parameter:
    """1 / tau in float64, so that the leak of a step is dt / tau.

    Raises:
        BadInput: If a step is longer than tau: a step of Euler would then go past its goal.
    """
    tau = site.parameter(what).astype(np.float64)
    low = float(tau.min())
    if low * (1 + SLACK) < site.dt:
        raise site.wrong(
            f"its {what} is {low:.6g} s, shorter than a step of dt = {site.dt:g} s. Give a dt of "
            f"at most {low:.6g} s, or correct the file: NIR's time constants are in seconds."
        )
    return 1.0 / tau


def _current(site: NirNode) -> Parameter:
    """What one spike adds to the current that drives v: R w_in dt / tau_syn.

    tau_syn dI/dt = -I + w_in S is I + (dt / tau_syn) (w_in S - I) in a step; R follows it.
    """
    synapse = site.parameter("w_in", 1.0).astype(np.float64)
    return site.parameter("r") * (synapse * (site.dt * _inverse(site, "tau_syn")))


def _per_step(site: NirNode) -> Parameter:
    """What one spike adds to v of a neuron without leak: dt R, or 1 where R is 1.

    dv/dt = R I is v + dt R I in a step, and SpikingJelly writes R = 1 / dt for v + I. Norse,
    Sinabs, Spyx and BindsNET write R = 1 for the same step.
    """
    r = site.parameter("r").astype(np.float64)
    if (r == 1).all() and site.dt != 1:
        site.assume(
            "r",
            "R = 1 is read as 'a spike adds its weight', as Norse and Sinabs write it; by NIR's "
            f"equation it would add dt R = {site.dt:g} of it.",
        )
        return r
    return r * site.dt


def _factor(site: NirNode, factor: Parameter) -> Named:
    """A factor in front of the neurons; left out where it is 1 for all."""
    if (np.abs(factor - 1) <= ROUNDING).all():
        return ()
    return ((".factor", factor_of(np.asarray(factor, np.float64), site.shape)),)
