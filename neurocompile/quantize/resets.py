"""Check that a chip's neurons reset as the network was trained, and measure the loss otherwise.

In:  a FLOAT graph, the chip, the user's samples if there are any.
Out: nothing, or an error that names the layers and the loss, measured on the data;
     and one line about the other reset if a file did not state it.
"""

from __future__ import annotations

from neurocompile.chip.record import Chip
from neurocompile.data.samples import Data
from neurocompile.engines.resets import compare_resets
from neurocompile.errors import DoesNotFit, Refusals
from neurocompile.ir.fixed import ChipNeuron, CubaLIF, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import Neuron, Reset
from neurocompile.ir.nodes import Input
from neurocompile.ir.payloads import graded
from neurocompile.ir.resets import other_reset, resetting
from neurocompile.quantize.changes import chip_kind


def check_neurons(graph: Graph, chip: Chip) -> None:
    """Refuse neurons that the chip does not have, of a graph of either stage.

    Raises:
        DoesNotFit: Names all such layers, their neurons and those of the chip.
    """
    allowed = chip.formats.neurons.value
    refused: dict[str, list[str]] = {}
    for name, node in graph.of(Neuron, ChipNeuron):
        needed = type(node) if isinstance(node, ChipNeuron) else chip_kind(node)
        if needed is not None and needed.__name__ not in allowed:
            refused.setdefault(needed.__name__, []).append(f"'{name}'")
    refusals = Refusals()
    for kind, names in refused.items():
        with refusals.gather():
            raise DoesNotFit(
                f"layer{'s' if len(names) > 1 else ''} {', '.join(names)}: the neurons are {kind}, "
                f"but {chip.name} has {', '.join(allowed)}. Choose a target with them "
                "(loihi2-sim), or train the network with other neurons."
            )
    refusals.answer()
    sending = [f"'{name}'" for name, node in graph.of(SpikeInput, ChipNeuron) if graded(node)]
    if not graph.fixed and graph.settings.encoder.kind == "sequence":
        sending += [f"'{name}'" for name, _ in graph.of(Input)]
    if sending and not chip.formats.graded_spikes.value:
        raise DoesNotFit(
            f"layer{'s' if len(sending) > 1 else ''} {', '.join(sending)}: the spikes carry "
            f"payloads, but those of {chip.name} carry none (formats.graded_spikes). Choose a "
            "target whose spikes do (loihi2-sim)."
        )


def check_resets(
    graph: Graph, chip: Chip, data: Data | None, steps: int, seed: int
) -> tuple[str, ...]:
    """Refuse a network whose neurons have a reset that the chip does not have.

    Args:
        graph: Graph of either stage.
        chip: Target chip.
        data: Samples on which to measure the effect of the other reset, or None.
        steps: Time steps per sample.
        seed: Seed of the random encoder.

    Returns:
        If the reset was assumed, one line about the effect of the other reset on the data.

    Raises:
        DoesNotFit: Names all such layers and, if there are data, the loss.
    """

    def measured(other: Reset) -> str:
        assert data is not None
        return compare_resets(graph, other, data, steps, seed).sentence()

    for own, layers in _by_reset(graph).items():
        if own not in chip.formats.resets.value:
            known = data is not None and not graph.fixed
            loss = f" Measured: {measured(other_reset(own))}." if known else ""
            raise _refused(graph, chip, own, layers, loss)
    assumed = any(assumption.key == "reset" for assumption in graph.settings.assumed)
    if graph.fixed or data is None or not assumed:
        return ()
    own = next(iter(resetting(graph).values()))
    return (f"the other reset: {measured(other_reset(own))}.",)


def _by_reset(graph: Graph) -> dict[Reset, list[str]]:
    """The layers that spike, by their reset; a readout needs none."""
    layers: dict[Reset, list[str]] = {}
    for name, node in graph.of(Neuron, CubaLIF):
        spikes = not node.readout if isinstance(node, CubaLIF) else node.spiking and not node.graded
        if spikes:
            layers.setdefault(node.reset, []).append(name)
    return layers


def _refused(graph: Graph, chip: Chip, own: Reset, layers: list[str], loss: str) -> DoesNotFit:
    """The error for layers whose reset the chip does not have."""
    named = ", ".join(f"'{name}'" for name in layers)
    layer, them = ("layer", "it") if len(layers) == 1 else ("layers", "them")
    again = (
        "or compile the trained network with the other one"
        if graph.fixed
        else "train with the other reset, or run it with the other one anyway"
    )
    return DoesNotFit(
        f"{layer} {named}: a spike resets {them} by '{own}', but {chip.name} has "
        f"{', '.join(chip.formats.resets.value)}.{loss} Choose a target with this reset "
        f"(loihi2-sim), {again}: load(..., reset='{other_reset(own)}') "
        f"(--reset {other_reset(own)})."
    )
