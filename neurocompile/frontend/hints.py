"""What could stand in the place of a module or operation that no rule covers.

In:  the module or the name of the operation.
Out: one sentence that tells its user what to do.
"""

from __future__ import annotations

from norse import torch as norse
from norse.torch.module.snn import SNNRecurrent, SNNRecurrentCell
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd

from neurocompile.nn.network import SpikingNetwork

RECURRENCE = (
    "Of recurrence this version has norse.torch.LIFRecurrentCell and LIFRecurrent, whose spikes "
    "come back to the same layer a step later: use one of them, or feed-forward neurons."
)
SPIKING = "Use a spiking layer in its place: norse.torch.LIFBoxCell or norse.torch.LIFCell."

MODULES: tuple[tuple[tuple[type, ...], str], ...] = (
    (
        (_BatchNorm,),
        "Batch norm is not in this version: fold it into the layer before it with "
        "torch.nn.utils.fuse_conv_bn_eval(conv.eval(), bn.eval()) or fuse_linear_bn_eval.",
    ),
    (
        (norse.RecurrentSequential, SNNRecurrent, SNNRecurrentCell, nn.RNNBase, nn.RNNCellBase),
        RECURRENCE,
    ),
    (
        (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh),
        f"A chip has no such activation. {SPIKING}",
    ),
    (
        (nn.MaxPool1d, nn.MaxPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d),
        "A maximum is not a synapse: use AvgPool2d, LPPool2d(1, ...) or a strided convolution.",
    ),
    (
        (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d),
        "Use AvgPool1d or AvgPool2d with the kernel that gives the same size.",
    ),
    ((_ConvNd,), "Use Conv1d, Conv2d, ConvTranspose1d or ConvTranspose2d."),
    ((_DropoutNd,), "Use Dropout."),
    (
        (norse.Lift,),
        "Lift takes one supported module here: lift each layer, or trace the lifted module.",
    ),
    ((SpikingNetwork,), "Trace or save the SpikingNetwork itself, not a module around it."),
    (
        (norse.LILinearCell,),
        "Use a torch.nn.Linear without bias and a norse.torch.LICell.",
    ),
    (
        (
            norse.IAFCell,
            norse.LIFRefracCell,
            norse.LIFAdExCell,
            norse.LIFExCell,
            norse.IzhikevichCell,
            norse.CobaLIFCell,
            norse.LSNNCell,
        ),
        "Use norse.torch.LIFCell, LIFBoxCell, LICell or LIBoxCell.",
    ),
)

OPERATIONS = {
    **dict.fromkeys(
        ("add", "iadd", "add_", "__add__", "__iadd__"),
        "Only the outputs of two layers can be added: put a constant into a layer's bias.",
    ),
    **dict.fromkeys(
        ("cat", "concat", "concatenate", "stack", "sub", "isub"),
        "Use torch.cat of the outputs of two or more layers along channels, or their sum.",
    ),
    **dict.fromkeys(
        ("mul", "imul", "mul_", "truediv", "div"),
        "Multiply the weights of the layer before by the factor instead.",
    ),
    **dict.fromkeys(
        ("relu", "relu_", "gelu", "sigmoid", "tanh"), f"A chip has no such activation. {SPIKING}"
    ),
    **dict.fromkeys(
        ("linear", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"),
        "Use the module of that name from torch.nn, which holds its weights.",
    ),
    **dict.fromkeys(
        ("getitem", "transpose", "permute", "movedim"),
        "Signals cannot be indexed or transposed: trace the forward pass of a single step.",
    ),
    **dict.fromkeys(
        ("max_pool1d", "max_pool2d"),
        "A maximum is not a synapse: use avg_pool2d or a strided convolution.",
    ),
}

OTHERWISE = (
    "Use Linear, Conv1d/2d, ConvTranspose1d/2d, AvgPool, LPPool(1), Upsample(nearest), Flatten, "
    "Unflatten, Dropout, or a LIF, LIFBox, LI or LIBox neuron."
)


def instead_of(module: nn.Module) -> str:
    """What could replace a module."""
    return next((hint for kinds, hint in MODULES if isinstance(module, kinds)), OTHERWISE)


def instead_of_operation(name: str) -> str:
    """What could replace a function or method call."""
    return OPERATIONS.get(name, OTHERWISE)
