"""What the integers of a bundle mean outside it, for its README.

In:  nodes of a FIXED graph.
Out: sentences and numbers.
"""

from __future__ import annotations

from neurocompile.ir.fixed import BiasInput, ChipNeuron


def mantissa(node: BiasInput) -> str:
    """How the host makes a bias mantissa of a sample."""
    if node.host is not None:
        how = "round(scale * host(x)), where host is a linear map of the sample x"
    elif node.scale.size == 1:
        how = f"round({float(node.scale.ravel()[0]):.17g} * x) for a sample x"
    else:
        how = "round(scale * x) for a sample x, with a scale for each neuron"
    return (
        f"{how}, plus the bias mantissa of the neuron.\n"
        "It is the same in each step of a sample. fixed.onnx, from which this was made, holds its "
        "numbers."
    )


def units(node: ChipNeuron) -> tuple[str, str]:
    """Scale and offset that turn potentials into the units of the trained network, as text."""
    texts = []
    for values in (node.scale, node.offset):
        one = values.size and (values == values.flat[0]).all()
        texts.append(f"{float(values.flat[0]):.17g}" if one else "one per neuron, in fixed.onnx")
    return texts[0], texts[1]
