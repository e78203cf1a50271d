"""Sigma-delta layers of a `.net` file: what netx makes of their entries, and back.

In:  the entries of a layer's neuron, or a population of a FIXED graph.
Out: the layer with its cells, or the population.
netx makes Lava's Delta of an input layer, Sigma where the entry `sigma_output` is there, whatever
it says, and SigmaDelta elsewhere, always with the activation "relu". It takes spike_exp 6 and
state_exp 6 for all of them: weights and payloads are in units of 1/64, states of 1/4096.

Source: lava-dl 0.6.0, lava/lib/dl/netx/hdf5.py (get_neuron_params); lava-nc 0.10.0,
lava/proc/sdn/process.py; checked against them in tests/formats/netx/test_netx_on_lava.py.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neurocompile.errors import BadInput, Unsupported
from neurocompile.formats.hdf5.read import Tree
from neurocompile.formats.netx.layer import NetxLayer
from neurocompile.formats.netx.numbers import check_range, one, text
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import ChipNeuron, Synapse
from neurocompile.ir.nodes import Conv, Shape, size
from neurocompile.ir.registers import BIAS_EXPONENTS, LARGEST_THRESHOLD, MANTISSAS, Bounds
from neurocompile.ir.sigma_delta import Delta, Sigma, SigmaDelta

KINDS = (Sigma, Delta, SigmaDelta)
SDNN = "SDNN"
SDNN_ENTRIES = {"type", "vThMant", "activation", "sigma_output"}
ACTIVATION = "relu"
SPIKE_EXP = STATE_EXP = 6
UNIT_EXP = SPIKE_EXP + STATE_EXP  # of thresholds and biases
INPUT_BITS = 24 - UNIT_EXP  # Delta shifts what enters by as much, and a state has 24
BIASES: Bounds = (MANTISSAS[0] >> 5, MANTISSAS[1] >> 5)
BIAS_EXP = BIAS_EXPONENTS[1]  # of the register that holds a bias
LACKS = {
    "vThMant": "the threshold, in units of 1/64; 0 sends every change",
    "activation": "the text 'relu', with which netx runs it whatever it says",
}


def with_sigma_delta(layer: NetxLayer, neuron: Tree, biased: bool) -> NetxLayer:
    """A layer with the cells that netx makes of its neuron's entries.

    Args:
        layer: The layer so far, with its bias.
        neuron: The group `neuron` of its entries.
        biased: Whether the layer has an entry `bias`.
    """
    if layer.kind != "input" and "sigma_output" in neuron:
        if biased:
            raise Unsupported(
                "it has a bias, but its neurons only add up (sigma_output), and netx cannot load "
                "them with one. Delete the entry 'bias'."
            )
        return replace(layer, cells="sigma", bias=np.array(0))
    needed = ("vThMant",) if layer.kind == "input" else ("vThMant", "activation")
    for entry in needed:
        if entry not in neuron:
            raise BadInput(
                f"its neurons lack the entry '{entry}', {LACKS[entry]}. Write it with h5py, where "
                f"layer is the group of this layer: layer['neuron/{entry}'] = "
                f"{0 if entry == 'vThMant' else repr(ACTIVATION)}."
            )
    threshold = np.array(one(neuron, "vThMant"))
    check_range(threshold, "vThMant", (0, LARGEST_THRESHOLD))
    if layer.kind == "input":
        return replace(layer, cells="delta", vth=threshold, bias=np.array(0))
    if text(neuron, "activation") != ACTIVATION:
        raise Unsupported(
            f"its activation is '{text(neuron, 'activation')}', but netx runs '{ACTIVATION}' "
            "whatever the file says. Train with torch.nn.functional.relu."
        )
    assert layer.bias is not None
    check_range(layer.bias, "bias", BIASES)
    return replace(layer, cells="sigma_delta", vth=threshold)


def population(layer: NetxLayer) -> ChipNeuron:
    """The population of a layer with such cells, from rest."""
    if layer.cells == "sigma":
        return Sigma(layer.shape)
    assert layer.vth is not None
    assert layer.bias is not None
    # A vThMant of 0 sends every change. So does the smallest threshold of the state: 1, or 2^12
    # for Delta, whose states are multiples of it.
    threshold = np.maximum(layer.vth, 1)
    if layer.cells == "delta":
        return Delta(layer.shape, threshold, SPIKE_EXP, STATE_EXP)
    return SigmaDelta(
        layer.shape,
        threshold,
        SPIKE_EXP if layer.vth else -STATE_EXP,
        STATE_EXP,
        bias_mant=layer.bias << (UNIT_EXP - BIAS_EXP),
        bias_exp=np.array(BIAS_EXP),
    )


def one_to_one(shape: Shape) -> Synapse:
    """A synapse that brings each payload as it is: a kernel of one weight, 2 / 2."""
    flat = (1, 1, size(shape))
    kernel = np.full((1, 1, 1, 1), 2, np.int16)
    return Synapse(Conv(kernel, None, (1, 1), (0, 0), (1, 1), 1), flat, flat, weight_exp=-1)


def held(layer: NetxLayer, node: Sigma | Delta | SigmaDelta) -> NetxLayer:
    """A layer with the entries from which netx makes a population.

    Raises:
        Unsupported: With a sentence that goes on after the layer's name.
    """
    if isinstance(node, Delta) != (layer.kind == "input"):
        raise Unsupported(
            f"its neurons are {type(node).__name__}; of sigma-delta neurons, netx has Delta in an "
            "input layer and only there."
        )
    if isinstance(node, Sigma):
        return replace(layer, cells="sigma", bias=np.array(0))
    unit = 1 << UNIT_EXP
    threshold = np.unique(node.vth << node.threshold_exp)
    small = isinstance(node, SigmaDelta) and threshold.tolist() == [1]
    if len(threshold) > 1 or (threshold[0] % unit and not small):
        raise Unsupported(
            f"its threshold is {int(threshold[0])}, but a .net file has one per layer, in steps "
            f"of {unit} (vth with spike_exp = state_exp = {STATE_EXP})."
        )
    if node.state_exp != STATE_EXP or node.cum_error:
        raise Unsupported(
            f"its state_exp is {node.state_exp} and its cum_error {node.cum_error}, but netx runs "
            f"those of a .net file with {STATE_EXP} and False."
        )
    vth = np.array(int(threshold[0]) >> UNIT_EXP)
    if isinstance(node, Delta):
        if node.spike_exp != SPIKE_EXP:
            raise Unsupported(
                f"its spike_exp is {node.spike_exp}, but netx runs those of a .net file with "
                f"{SPIKE_EXP}."
            )
        return replace(layer, cells="delta", vth=vth, bias=np.array(0))
    if node.activation != ACTIVATION:
        raise Unsupported(
            f"its activation is '{node.activation}', but netx runs those of a .net file with "
            f"'{ACTIVATION}'."
        )
    return replace(layer, cells="sigma_delta", vth=vth, bias=_biases(node, layer))


def _biases(node: SigmaDelta, layer: NetxLayer) -> Array:
    """The biases in the file's unit."""
    bias, unit = np.asarray(node.bias), 1 << UNIT_EXP
    if np.any(bias % unit):
        raise Unsupported(
            f"its bias {int(bias[bias % unit != 0].flat[0])} is no multiple of {unit}, the unit of "
            "a sigma-delta layer of a .net file."
        )
    bias = bias >> UNIT_EXP
    return bias.reshape(layer.shape) if bias.ndim else bias
