"""Whether a network's last layer has what its decoder reads, and how a user sets another.

In:  a graph of either stage.
Out: nothing, or a BadInput that names the layer, what it gives and the decoders that read it.
It is asked before anything runs: when a network is saved, and when it is compiled.
"""

from __future__ import annotations

from neurocompile.errors import BadInput
from neurocompile.ir.checks import naming_layer
from neurocompile.ir.fixed import ChipNeuron
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import Neuron


def with_decoder(decoder: str) -> str:
    """How a user gives a network another decoder, as the end of a sentence; of every file.

    Args:
        decoder: The call that makes it, such as "Decoder('rate')".
    """
    return (
        f"save a .pt file with Settings(decoder={decoder}), or load any other file and compile "
        f"replace(graph, settings=replace(graph.settings, decoder={decoder})), with replace of "
        "dataclasses"
    )


def check_decoder(graph: Graph) -> None:
    """Refuse to count the spikes of a readout.

    Raises:
        BadInput: If the decoder reads the rate of a layer that never spikes.
    """
    if graph.settings.decoder.kind != "rate":
        return
    cure = with_decoder("Decoder('last')")
    for name in graph.outputs():
        node = graph.nodes[name]
        silent = (isinstance(node, Neuron) and not node.spiking) or (
            isinstance(node, ChipNeuron) and node.readout
        )
        if silent:
            with naming_layer(name, node):
                raise BadInput(
                    "it is a readout, which gives a potential and never spikes, but the decoder "
                    "'rate' counts spikes. Use Decoder('last'), Decoder('max') or Decoder('mean'): "
                    f"{cure}. Or end the network in neurons that spike."
                )
