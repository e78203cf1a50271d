"""What could stand in the place of a module or operation that no rule covers.

In:  the module or the name of the operation.
Out: one sentence or two that tell its user what to do.
The first entry whose kinds a module is one of counts, so special kinds stand first.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

from norse import torch as norse
from norse.torch.module import encode, exp_filter
from norse.torch.module.snn import SNN, SNNCell, SNNRecurrent, SNNRecurrentCell
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.loss import _Loss
from torch.nn.modules.padding import (
    _CircularPadNd,
    _ConstantPadNd,
    _ReflectionPadNd,
    _ReplicationPadNd,
)
from torch.nn.modules.pooling import _LPPoolNd, _MaxUnpoolNd

from neurocompile.nn.network import SpikingNetwork

RECURRENCE = (
    "Recurrence is norse.torch.LIFRecurrentCell or LIFRecurrent, norse.torch.RecurrentSequential "
    "around cells, or spikes that a module of your own hands back through its state, "
    "forward(x, state=None) -> (output, state), to add or concatenate them a step later."
)
SPIKING = "Use a spiking layer in its place: norse.torch.LIFBoxCell or norse.torch.LIFCell."
NEURONS = "LIFCell, LIFBoxCell, IAFCell, LIFRefracCell, LSNNCell, LICell or LIBoxCell"
NO_FIXED_MODEL = "Its dynamics have no fixed-point model in Lava, so no target can run it."
ENCODING = (
    "Use it outside of the network: encode the samples before it, save the layers after it, and "
    "give the spikes as data (key `spikes` of a .npz file). Norse's PoissonEncoder and "
    "ConstantCurrentLIFEncoder are read where the forward gives their steps to its layers."
)
MAXIMUM = "A maximum is not a synapse: use AvgPool2d, LPPool2d(1, ...) or a strided convolution."
NEURONS_BY_OPTION = (
    "Of spikes of 0 and 1, max_pool='neurons' of save and compile (--max-pool neurons of a "
    "command) reads it as neurons that fire in the same step at any spike of their window: exact, "
    "one more neuron per output of the pool."
)
MAXIMUM_OF_SPIKES = (
    f"{NEURONS_BY_OPTION} Written by hand, without padding, it is their sum, "
    "torch.nn.LPPool{}(1, kernel, stride), and then "
    "norse.torch.IAFCell(norse.torch.IAFParameters(v_th=0.5)); in an nn.Sequential of snnTorch "
    "snntorch.Leaky(beta=1.0, threshold=0.5, reset_mechanism='zero', init_hidden=True)."
)
THREE_AXES = "A layer has up to two axes beside its channels: use {} or its form for two."
ACTIVATIONS = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU),
    *(nn.SiLU, nn.Mish, nn.Sigmoid, nn.LogSigmoid, nn.Tanh, nn.Softplus, nn.Softsign, nn.GLU),
    *(nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, nn.Hardshrink, nn.Softshrink, nn.Tanhshrink),
    nn.Threshold,
)
SOFT = (nn.Softmax, nn.Softmin, nn.Softmax2d, nn.LogSoftmax, nn.AdaptiveLogSoftmaxWithLoss)
LOSSES = (
    *(_Loss, nn.CosineEmbeddingLoss, nn.HingeEmbeddingLoss, nn.GaussianNLLLoss),
    *(nn.MarginRankingLoss, nn.MultiLabelMarginLoss, nn.TripletMarginWithDistanceLoss),
    *(nn.CosineSimilarity, nn.PairwiseDistance),
)
ATTENTION = (
    *(nn.MultiheadAttention, nn.Transformer, nn.TransformerEncoder, nn.TransformerDecoder),
    *(nn.TransformerEncoderLayer, nn.TransformerDecoderLayer, nn.Bilinear),
)
MAXIMA = (
    *(nn.MaxPool3d, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d, _MaxUnpoolNd),
)
NORMS = (nn.GroupNorm, nn.LayerNorm, nn.RMSNorm, nn.LocalResponseNorm, nn.CrossMapLRN2d)
PADDING = (_CircularPadNd, _ConstantPadNd, _ReflectionPadNd, _ReplicationPadNd)
REFRACTORY = (
    *(norse.LIFAdExRefracCell, norse.LIFAdExRefracRecurrentCell, norse.LIFAdExRefracRecurrent),
    norse.LIFMCRefracRecurrentCell,
)
ENCODERS = (
    *(norse.ConstantCurrentLIFEncoder, norse.PoissonEncoder, norse.SignedPoissonEncoder),
    *(norse.PopulationEncoder, norse.SpikeLatencyEncoder, norse.SpikeLatencyLIFEncoder),
    *(encode.PoissonEncoderStep, encode.SignedPoissonEncoderStep),
)
RECEPTIVE_FIELDS = (
    *(norse.SpatialReceptiveField2d, norse.ParameterizedSpatialReceptiveField2d),
    norse.SampledSpatialReceptiveField2d,
)

MODULES: tuple[tuple[tuple[type, ...], str], ...] = (
    (
        REFRACTORY,
        f"{NO_FIXED_MODEL} Use norse.torch.LIFRefracCell for a refractory period without the rest, "
        "or LIFRefracRecurrentCell with recurrence.",
    ),
    (
        (norse.TemporalReceptiveField,),
        "Use a spiking layer for each time constant, such as norse.torch.LIFCell, and torch.cat "
        "of their outputs.",
    ),
    (
        (norse.Lift,),
        "Lift takes one supported layer here, or an nn.Sequential of layers without a state. Use "
        "norse.torch.LIF, IAF, LI or LIFRecurrent for its cells, or trace the lifted module.",
    ),
    ((SNN, SNNCell), f"{NO_FIXED_MODEL} Use norse.torch.{NEURONS}."),
    (
        (SNNRecurrent, SNNRecurrentCell),
        f"{NO_FIXED_MODEL} {RECURRENCE}",
    ),
    (
        (norse.CobaLIFCell, norse.LIFCorrelation),
        f"{NO_FIXED_MODEL} Use norse.torch.{NEURONS}.",
    ),
    (ENCODERS, ENCODING),
    (
        (norse.SpikesToTimesDecoder,),
        "Results are read after the network: leave it out, and use "
        "Settings(decoder=Decoder('rate' or 'last')), or the recorded spikes.",
    ),
    (
        RECEPTIVE_FIELDS,
        "Use a torch.nn.Conv2d with its weights: conv.weight = field.weights.",
    ),
    (
        (exp_filter.ExpFilter,),
        "Use a torch.nn.Linear and norse.torch.LICell, whose synaptic current filters its input.",
    ),
    ((norse.LConv2d,), "Use norse.torch.Lift(torch.nn.Conv2d(...))."),
    (
        (nn.SyncBatchNorm,),
        "Use BatchNorm1d or BatchNorm2d with the same parameters and running statistics.",
    ),
    (
        (nn.LazyBatchNorm1d, nn.LazyBatchNorm2d),
        "It has no weights yet. Use it once, model(x), before exporting it.",
    ),
    ((nn.BatchNorm3d, nn.LazyBatchNorm3d), THREE_AXES.format("BatchNorm2d")),
    (
        (_NormBase, *NORMS),
        "It normalizes by the values of each sample, which no synapse does: use BatchNorm1d or "
        "BatchNorm2d, whose statistics are fixed after training.",
    ),
    (
        (nn.RNNBase, nn.RNNCellBase),
        f"Its state is real-valued, and only spikes leave a neuron on a chip. {RECURRENCE}",
    ),
    (ACTIVATIONS, f"A chip has no such activation. {SPIKING}"),
    (
        SOFT,
        "Leave it out and end the network with a readout, norse.torch.LIBoxCell or LICell: the "
        "largest potential is the class, as before a softmax.",
    ),
    (LOSSES, "It is part of the training, not of the network: leave it out of the forward."),
    (ATTENTION, f"It multiplies signals with each other, which no synapse does. {SPIKING}"),
    ((nn.MaxPool1d,), f"{MAXIMUM} {MAXIMUM_OF_SPIKES.format('1d')}"),
    ((nn.MaxPool2d,), f"{MAXIMUM} {MAXIMUM_OF_SPIKES.format('2d')}"),
    (MAXIMA, MAXIMUM),
    (
        (nn.AvgPool3d, nn.AdaptiveAvgPool3d, _LPPoolNd),
        THREE_AXES.format("AvgPool2d, AdaptiveAvgPool2d, LPPool2d(1, ...)"),
    ),
    ((_ConvNd,), THREE_AXES.format("Conv1d, Conv2d, ConvTranspose1d or ConvTranspose2d")),
    ((_DropoutNd,), "Use Dropout, Dropout1d or Dropout2d."),
    (PADDING, "Use zeros, by the option padding= of the convolution or pool after it."),
    (
        (nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle),
        "Use a ConvTranspose2d or Conv2d with a stride, whose fixed weights of 0 and 1 can do the "
        "same.",
    ),
    ((nn.Fold, nn.Unfold), "Use a Conv2d, which reads the same windows."),
    (
        (nn.Embedding, nn.EmbeddingBag),
        "Use a Linear without bias after spikes, one input for each entry of the table.",
    ),
    (
        (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict),
        "It has no forward: call its layers one by one, or use norse.torch.SequentialState.",
    ),
    ((nn.DataParallel,), "Trace the module inside of it: model.module."),
    ((SpikingNetwork,), "Trace or save the SpikingNetwork itself, not a module around it."),
)

OPERATIONS = {
    **dict.fromkeys(
        ("add", "iadd", "add_", "__add__", "__iadd__"),
        "Only the outputs of two layers can be added: put a constant into a layer's bias, and "
        "leave random numbers out.",
    ),
    **dict.fromkeys(
        ("cat", "concat", "concatenate", "stack", "sub", "isub"),
        "Use torch.cat of the outputs of two or more layers along channels, or their sum.",
    ),
    **dict.fromkeys(
        ("mul", "imul", "mul_", "truediv", "div"),
        "A signal can be multiplied by one number, no more: fold factors of each value into the "
        "weights of the layer before.",
    ),
    **dict.fromkeys(
        ("relu", "relu_", "gelu", "sigmoid", "tanh"), f"A chip has no such activation. {SPIKING}"
    ),
    **dict.fromkeys(
        ("linear", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "batch_norm"),
        "Use the module of that name from torch.nn, which holds its weights.",
    ),
    **dict.fromkeys(
        ("getitem", "transpose", "permute", "movedim"),
        "Signals cannot be indexed or transposed: trace the forward pass of a single step.",
    ),
    **{
        f"max_pool{axes}": "A maximum is not a synapse: use avg_pool2d or a strided convolution. "
        + MAXIMUM_OF_SPIKES.format(axes)
        for axes in ("1d", "2d")
    },
    "mean": "Use torch.nn.AdaptiveAvgPool1d(1) or AdaptiveAvgPool2d(1), and Flatten.",
    **dict.fromkeys(("softmax", "log_softmax"), "Leave it out: the largest potential wins."),
}

OTHERWISE = (
    "Use Linear, Conv1d/2d, ConvTranspose1d/2d, BatchNorm1d/2d, AvgPool, AdaptiveAvgPool, "
    "LPPool(1), Upsample(nearest), Flatten, Unflatten, Dropout, or a LIF, LIFBox, IAF, LIFRefrac, "
    "LSNN, LI or LIBox neuron."
)


@singledispatch
def instead_of(module: nn.Module) -> str:
    """What could replace a module; the neighbours' files of rules add what they say of theirs."""
    return next((hint for kinds, hint in MODULES if isinstance(module, kinds)), OTHERWISE)


def say_why(whys: Mapping[tuple[str, ...], str], *libraries: Any) -> None:
    """Let `instead_of` say a sentence of kinds by their names, where a version has them."""
    for names, why in whys.items():
        for kind in (getattr(library, name, None) for library in libraries for name in names):
            if kind is not None:
                instead_of.register(kind, lambda module, why=why: why)


def instead_of_operation(name: str) -> str:
    """What could replace a function or method call."""
    return OPERATIONS.get(name, OTHERWISE)
