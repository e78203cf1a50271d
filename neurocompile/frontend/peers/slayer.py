"""Networks of lava-dl's slayer blocks: integers already, so a FIXED graph.

In:  a module that runs CUBA, ALIF or resonating blocks one after the other, and an example of its
     input.
Out: the graph of the very integers that slayer simulates: weights on its 8-bit grid, decays of 12
     bits, a step of delay after each block that has `delay_shift`.
A copy of the model runs to show which block comes after which, and the graph is held against the
model's own spikes (`slayer_run`).

Source: lava-dl 0.6.0, lava/lib/dl/slayer/{block,neuron,synapse,axon}/.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import singledispatch
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from lava.lib.dl.slayer.axon import Delay
from lava.lib.dl.slayer.block import alif, base, cuba, rf, rf_iz, sigma_delta
from lava.lib.dl.slayer.neuron import alif as alif_neuron
from torch import Tensor, nn

from neurocompile.errors import BadInput, Refusals
from neurocompile.formats.netx.entries import OTHER_NEURONS, NetxFile
from neurocompile.formats.netx.graph import foreign
from neurocompile.formats.netx.layer import Geometry, NetxLayer
from neurocompile.frontend.peers.slayer_run import CURE, PACKAGE, Ran, prove, run
from neurocompile.frontend.shown import of_example
from neurocompile.frontend.site import Site
from neurocompile.ir.arrays import Array
from neurocompile.ir.chip_neurons import ATRLIF
from neurocompile.ir.fixed import CubaLIF, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Shape
from neurocompile.ir.resonators import RF, RF_IZ
from neurocompile.ir.settings import NOTED, Assumption, Settings
from neurocompile.ir.verify import verify

WHY = {
    "Affine": "it has weights, and no neurons that could spike. Use a Dense block.",
    "Average": "it averages the spikes of groups of neurons. Use a Dense block with one neuron per "
    "class, and Settings(decoder=Decoder('rate')).",
    "ConvT": "a .net file has no transposed convolution. Use a Conv or Dense block.",
    "KWTA": "no rule knows the weights by which its neurons hold each other back. Use a Recurrent "
    "block.",
    "TimeDecimation": "it sends the spikes of several steps as one number, and no rule reads "
    "it yet. Leave it out.",
    "Unpool": "a .net file has no transposed convolution. Use a Conv or Dense block.",
}


def integers(model: nn.Module, example: Tensor, settings: Settings | None) -> Graph:
    """The FIXED graph of a network of slayer blocks.

    Args:
        model: The network; it is left as it was found.
        example: Spikes (N, ..., T); only their shape matters.
        settings: Time and output; None: the defaults.

    Raises:
        Unsupported: If a block has no rule, or the blocks are no chain.
        BadInput: If the example has no axis of steps.
    """
    if example.dim() < 3:
        raise BadInput(
            f"example_input has shape {tuple(example.shape)}, but slayer's blocks take (N, ..., T):"
            " the batch comes first, the steps last."
        )
    _check_drawn(model)
    _check_rounded(model)
    ran = run(model, torch.zeros(example[:1].shape))
    layers = [NetxLayer("input", tuple(example.shape[1:-1]))]
    paths, shifts, spread = ["input"], [0], np.zeros(1, np.int64)
    waits: dict[str, Array] = {}
    refusals = Refusals()
    for each in ran:
        with refusals.gather():
            found = layer_of(each.block, each.site)
            if found is not None:
                waits[each.path] = spread
                layers.append(found)
                paths.append(each.path)
                shifts.append(0)
        shifts[-1] += int(getattr(each.block, "delay_shift", False))
        spread = _delays(each, spread)
    refusals.answer()
    graph = _waiting(_named(foreign(NetxFile(layers, ())), paths, shifts), waits)
    graph = graph.with_nodes(
        **{
            each.path: _with_registers(graph.nodes[each.path], each.block.neuron)
            for each in ran
            if each.path in paths
        }
    )
    own = replace(settings or Settings(), packages={PACKAGE: version(PACKAGE)})
    own = _timed(own, tuple(example.shape), paths[-1], shifts[-1] + spread)
    graph = verify(replace(graph, settings=own), "fixed")
    prove(model, graph, example, ran)
    return graph


def _check_drawn(model: nn.Module) -> None:
    """Refuse blocks whose delays or decays slayer draws when they first run."""
    refusals = Refusals()
    for path, block in model.named_modules():
        delay, neuron = getattr(block, "delay", None), getattr(block, "neuron", None)
        undrawn = isinstance(delay, Delay) and not delay.init
        if undrawn or any(hasattr(neuron, name) for name in ("current_decay_min", "decay_min")):
            what = "delays" if undrawn else "decays"
            refused = Site(path, (), ()).refuse(
                block, f"its {what} have no values yet. Run the model once before saving it."
            )
            refusals.errors.append(refused)
    refusals.answer()


def _check_rounded(model: nn.Module) -> None:
    """Refuse sigma-delta blocks before they run: their last one is no block to `run`."""
    refusals = Refusals()
    for path, block in model.named_modules():
        if type(block).__module__ == sigma_delta.__name__:
            refusals.errors.append(Site(path, (), ()).refuse(block, why_not(type(block))))
    refusals.answer()


@singledispatch
def layer_of(block: nn.Module, site: Site) -> NetxLayer | None:
    """A block as a layer of integers; None for one without neurons."""
    raise site.refuse(block, why_not(type(block)))


def why_not(kind: type) -> str:
    """Why a kind of block has no integers here, and what to do."""
    family = kind.__module__.removeprefix(base.__name__.removesuffix("base"))
    if kind.__module__ == sigma_delta.__name__:
        return (
            "it has sigma-delta neurons, and slayer rounds none of the numbers that they send, but "
            "a chip rounds them all. Write the network with export_hdf5 and read the .net file, "
            "which runs as lava-dl's netx runs it."
        )
    if family not in ("cuba", "alif", "rf", "rf_iz"):
        neurons = next((w for n, w in OTHER_NEURONS.items() if family.upper().startswith(n)), "")
        return f"it has {neurons or 'other neurons than CUBA'}. Use the block of slayer.block.cuba."
    if family in ("rf", "rf_iz") and kind.__name__ not in ("Affine", "Average", "TimeDecimation"):
        return "complex weights are read only as a dense matrix without loops. Use a Dense block."
    return WHY.get(kind.__name__, "no rule knows what it does. Use Dense, Conv, Pool or Recurrent.")


@layer_of.register(cuba.Input)
@layer_of.register(alif.Input)
@layer_of.register(rf.Input)
@layer_of.register(rf_iz.Input)
def _(block: Any, site: Site) -> None:
    if block.neuron is not None:
        raise site.refuse(
            block,
            "its neurons take real numbers, which no axon carries. Give the network spikes, with "
            "Input(neuron_params=None), or write it with export_hdf5 and read the .net file.",
        )


@layer_of.register(cuba.Flatten)
@layer_of.register(alif.Flatten)
@layer_of.register(rf.Flatten)
@layer_of.register(rf_iz.Flatten)
def _(block: Any, site: Site) -> None:
    return None


@layer_of.register(cuba.Dense)
@layer_of.register(alif.Dense)
def _(block: Any, site: Site) -> NetxLayer:
    weight = _weights(block, block.synapse, site)
    rows = len(weight)
    layer = NetxLayer("dense", (rows,), len(site.in_shape) > 1, weight=weight.reshape(rows, -1))
    return _with_neurons(layer, block, site)


@layer_of.register(rf.Dense)
@layer_of.register(rf_iz.Dense)
def _(block: Any, site: Site) -> NetxLayer:
    neuron, both = block.neuron, block.synapse
    if neuron.real_norm is not None or neuron.imag_norm is not None or neuron.graded_spike:
        raise site.refuse(
            block,
            "its neurons have norm or graded_spike. Use norm=None and graded_spike=False. " + CURE,
        )
    parts = [_weights(block, synapse, site) for synapse in (both.real, both.imag)]
    rows = len(parts[0])
    real, imag = (part.reshape(rows, -1) for part in parts)
    return NetxLayer(
        "dense",
        (rows,),
        len(site.in_shape) > 1,
        "rf" if isinstance(block, rf.Dense) else "rf_iz",
        vth=np.array(int(neuron.v_th_mant)),
        bias=np.array(0),
        weight=real,
        imag=imag,
        sin_decay=np.array(0),  # those of each neuron come with `_with_registers`
        cos_decay=np.array(0),
    )


@layer_of.register(cuba.Recurrent)
@layer_of.register(alif.Recurrent)
def _(block: Any, site: Site) -> NetxLayer:
    weight, back = (
        _weights(block, synapse, site) for synapse in (block.input_synapse, block.recurrent_synapse)
    )
    rows = len(weight)
    layer = NetxLayer(
        "dense_rec",
        (rows,),
        len(site.in_shape) > 1,
        weight=weight.reshape(rows, -1),
        recurrent=back.reshape(rows, rows),
    )
    if block.bias is not None:
        raise site.refuse(block, f"its bias is set. {CURE}")
    return _with_neurons(layer, block, site)


@layer_of.register(cuba.Conv)
@layer_of.register(alif.Conv)
def _(block: Any, site: Site) -> NetxLayer:
    found = block.synapse
    stride, padding, dilation = (
        tuple(map(int, p[:2])) for p in (found.stride, found.padding, found.dilation)
    )
    weight = _weights(block, found, site)[..., 0]
    geometry = Geometry(stride, padding, dilation, int(found.groups))
    return _with_neurons(
        NetxLayer("conv", site.out_shape, weight=weight, geometry=geometry), block, site
    )


@layer_of.register(cuba.Pool)
@layer_of.register(alif.Pool)
def _(block: Any, site: Site) -> NetxLayer:
    found = block.synapse
    kernel, stride, padding, dilation = (
        tuple(map(int, p[:2]))
        for p in (found.kernel_size, found.stride, found.padding, found.dilation)
    )
    channels, *image = site.in_shape
    uneven = any(n % k for n, k in zip(image, kernel, strict=True))
    if stride != kernel or padding != (0, 0) or dilation != (1, 1) or uneven:
        raise site.refuse(
            block,
            f"its kernel {kernel}, stride {stride}, padding {padding} and dilation {dilation} on "
            f"{tuple(image)} let slayer mix the rows of channels. Use a kernel that divides the "
            "image, the stride of the kernel and no padding.",
        )
    weight = np.repeat(_weights(block, found, site)[..., 0], channels, axis=0)
    geometry = Geometry(stride, padding, dilation, channels)
    return _with_neurons(
        NetxLayer("conv", site.out_shape, weight=weight, geometry=geometry), block, site
    )


def _weights(block: Any, synapse: Any, site: Site) -> Array:
    """The integers of a synapse, on slayer's grid, int16."""
    if getattr(synapse, "weight_norm_enabled", False):
        synapse.disable_weight_norm()
    weight = synapse.weight
    if getattr(block, "mask", None) is not None:
        weight = weight * block.mask
    with torch.no_grad():
        scaled = synapse.pre_hook_fx(weight, descale=True)
    found: Array = scaled.cpu().numpy()
    if np.any(found != np.round(found)) or found.min() < -256 or found.max() > 254:
        raise site.refuse(
            block,
            f"its pre_hook_fx gives weights from {found.min():.6g} to {found.max():.6g} that are "
            "not the even numbers -256..254 of the chip. Leave pre_hook_fx out.",
        )
    return found.astype(np.int16)


def _with_neurons(layer: NetxLayer, block: Any, site: Site) -> NetxLayer:
    """The layer with the registers of its neurons."""
    neuron = block.neuron
    options = (
        (neuron.norm is not None, "norm", "norm=None, or fold the norm into the weights"),
        (
            neuron.graded_spike,
            "graded_spike",
            "graded_spike=False: no rule reads graded spikes yet",
        ),
    )
    for refused, what, cure in options:
        if refused:
            raise site.refuse(block, f"its neurons have {what}. Use {cure}. {CURE}")
    current, voltage = (
        _register(decay, layer.shape)
        for decay in (neuron.cx_current_decay, neuron.cx_voltage_decay)
    )
    threshold = np.array(int(neuron.v_th_mant))
    return replace(layer, cells="cuba", du=current - 1, dv=voltage, vth=threshold, bias=np.array(0))


def _with_registers(node: Any, neuron: Any) -> Any:
    """The population of a block, with registers that a `.net` layer does not have."""
    if isinstance(neuron, alif_neuron.Neuron):
        return _adaptive(node, neuron)
    if isinstance(node, RF | RF_IZ):  # netx cuts these decays, and slayer does not
        sin, cos = (
            _register(decay, node.shape) for decay in (neuron.cx_sin_decay, neuron.cx_cos_decay)
        )
        return replace(node, sin_decay=sin, cos_decay=cos)
    return node


def _adaptive(node: CubaLIF, neuron: Any) -> ATRLIF:
    """The population of an ALIF block, which has more registers than a `.net` layer."""
    more: dict[str, Any] = {
        "dtheta": _register(neuron.cx_threshold_decay, node.shape),
        "dr": _register(neuron.cx_refractory_decay, node.shape),
        "theta_0": node.vth,
        "theta_step": np.array(int(neuron.v_th_step)),
    }
    common: dict[str, Any] = {
        name: getattr(node, name) for name in ATRLIF.registers if name not in more
    }
    return ATRLIF(shape=node.shape, **more, **common)


def _register(values: Any, shape: Shape) -> Array:
    """One value, or one per channel as one per neuron; int64."""
    found: Array = np.asarray(values, dtype=np.int64)
    if found.ndim == 0:
        return found
    return np.broadcast_to(found.reshape(-1, *(1,) * (len(shape) - 1)), shape)


def _delays(each: Ran, before: Array) -> Array:
    """Steps by which each neuron's spikes wait after a block, beside `delay_shift`: its shape."""
    delay = getattr(each.block, "delay", None)
    shape = each.site.out_shape
    if isinstance(each.block, base.AbstractFlatten):
        return before.ravel() if before.size > 1 else before
    if delay is None:
        return np.zeros(1, np.int64)
    steps = np.floor(delay.delay.detach().cpu().numpy()).astype(np.int64)
    return np.broadcast_to(steps.reshape(-1, *(1,) * (len(shape) - 1)), shape)


def _waiting(graph: Graph, waits: dict[str, Array]) -> Graph:
    """The graph in which each block's synapses hold the delays of the neurons before it.

    Args:
        graph: Graph with the names of the blocks.
        waits: By block, steps of each of these neurons, or one number for all.
    """
    nodes = {}
    for path, steps in waits.items():
        least = int(steps.min())
        late = (steps - least).reshape(1, -1) if np.any(steps != least) else None
        for link in graph.before(path):
            if path not in graph.before(link):
                synapse = graph.nodes[link]
                nodes[link] = replace(synapse, delay=synapse.delay + least, late=late)
    return graph.with_nodes(**nodes)


def _timed(own: Settings, example: tuple[int, ...], path: str, late: Array) -> Settings:
    """The settings with the steps of the example, and a line where the last block is late.

    Args:
        own: What its user gave.
        example: (N, ..., T).
        path: Name of the last block.
        late: Steps by which slayer returns each neuron's spikes later than they are made, or one
            for all.
    """
    first, last, all_steps = int(late.min()), int(late.max()), example[-1]
    uniform = first == last
    if uniform and last > 0 and not own.assumes("steps") and own.steps == all_steps - last:
        return own  # these steps make the spikes that the model returns in all of the example's
    own = of_example(own, example, -1)
    if last == 0:
        return own
    steps, kept = own.steps, own.steps - last
    words = (
        f"slayer returns the spikes of the last block '{path}' {_steps(first, last)} after its "
        f"neurons make them (delay_shift, delay), and leaves out what comes after step {steps}. "
        f"Here they are read where they are made: the decoder 'rate' counts those of all {steps} "
        "steps."
    )
    if uniform and kept >= 1:
        words += f" Settings(steps={kept}) (--steps {kept}) counts those that slayer returns."
    return replace(own, assumed=(*own.assumed, Assumption(f"{NOTED}late", words)))


def _steps(first: int, last: int) -> str:
    """A number of steps, or a range of them, in words."""
    if first < last:
        return f"{first} to {last} steps"
    return "1 step" if last == 1 else f"{last} steps"


def _named(graph: Graph, paths: list[str], shifts: list[int]) -> Graph:
    """The graph with the names of the model's blocks, and a delay after those that shift."""

    def name_of(name: str) -> str:
        found = re.fullmatch(r"layer(\d+)(.*)", name)
        return paths[int(found[1])] + found[2] if found else name

    shift = dict(zip(paths, shifts, strict=True))
    nodes, edges = {}, tuple((name_of(a), name_of(b)) for a, b in graph.edges)
    source = {b: a for a, b in edges}
    for name, node in graph.nodes.items():
        name = name_of(name)
        if isinstance(node, Synapse) and not name.endswith("_loop"):
            node = replace(node, delay=node.delay + shift[source[name]])
        nodes[name] = node
    return Graph(nodes, edges, graph.settings)
