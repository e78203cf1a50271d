"""Whether a chip's neurons reset as a network was trained, and what it would lose otherwise.

In:  a FLOAT graph, the chip, the user's samples where there are some.
Out: nothing, or a refusal that names the layer and the loss, measured before anything long runs;
     and one line on the other reset, where a file left it open.
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
    """Refuse a network whose neurons reset as those of the chip do not.

    Args:
        graph: Of either stage; the resets of a FIXED graph are the chip's.
        chip: The target.
        data: Samples to measure on what the other reset would change, or None.
        steps: Steps per sample.
        seed: Seed of the random encoder.

    Returns:
        One line on what the other reset gives on the data, where the reset was assumed.

    Raises:
        DoesNotFit: Naming the first layer and, where there are data, the loss.
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
    """The refusal of a layer."""
    own = neuron.reset
    return DoesNotFit(
        f"layer '{name}': a spike resets it by '{own}', but {chip.name} has "
        f"{', '.join(chip.formats.resets.value)}.{loss} Take a target that has this reset "
        f"(loihi2-sim), train with the other one, or give --reset {other_reset(own)} to "
        "run it all the same."
    )
