"""Check that a chip's neurons reset as the network was trained, and measure the loss otherwise.

In:  a FLOAT graph, the chip, the user's samples if there are any.
Out: nothing, or an error that names the layer and the loss, measured before anything long runs;
     and one line about the other reset if a file did not state it.
"""

from __future__ import annotations

from neurocompile.chip.record import Chip
from neurocompile.data.samples import Data
from neurocompile.engines.resets import compare_resets
from neurocompile.errors import DoesNotFit
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import Neuron, Reset
from neurocompile.ir.resets import other_reset, resetting


def check_resets(
    graph: Graph, chip: Chip, data: Data | None, steps: int, seed: int
) -> tuple[str, ...]:
    """Refuse a network whose neurons have a reset that the chip does not have.

    Args:
        graph: Graph of either stage; the resets of a FIXED graph are the chip's.
        chip: Target chip.
        data: Samples on which to measure the effect of the other reset, or None.
        steps: Time steps per sample.
        seed: Seed of the random encoder.

    Returns:
        If the reset was assumed, one line about the effect of the other reset on the data.

    Raises:
        DoesNotFit: Names the first such layer and, if there are data, the loss.
    """
    if graph.fixed:
        return ()

    def measured(other: Reset) -> str:
        assert data is not None
        return compare_resets(graph, other, data, steps, seed).sentence()

    for name, node in graph.of(Neuron):
        if not has_reset(chip, node):
            other = other_reset(node.reset)
            raise refused(
                chip, name, node, "" if data is None else f" Measured: {measured(other)}."
            )
    if data is None or all(assumption.key != "reset" for assumption in graph.settings.assumed):
        return ()
    own = next(iter(resetting(graph).values()))
    return (f"the other reset: {measured(other_reset(own))}.",)


def has_reset(chip: Chip, neuron: Neuron) -> bool:
    """Whether the chip has the reset of a neuron; a readout needs none."""
    return not neuron.spiking or neuron.reset in chip.formats.resets.value


def refused(chip: Chip, name: str, neuron: Neuron, loss: str = "") -> DoesNotFit:
    """The error for a layer whose reset the chip does not have."""
    own = neuron.reset
    return DoesNotFit(
        f"layer '{name}': a spike resets it by '{own}', but {chip.name} has "
        f"{', '.join(chip.formats.resets.value)}.{loss} Choose a target with this reset "
        f"(loihi2-sim), train with the other reset, or run it with the other one anyway: "
        f"--reset {other_reset(own)}."
    )
