"""MaxPool in a plain ONNX file: of spikes it becomes neurons, where the caller asked for that.

In:  the node, and the graph under construction.
Out: the signal after neurons that fire at any spike of their window.
"""

from __future__ import annotations

from neurocompile.errors import BadInput
from neurocompile.formats.onnx_plain.call import Call, PlainSignal
from neurocompile.formats.onnx_plain.graph import Building
from neurocompile.formats.onnx_plain.rules import same_pads
from neurocompile.ir.pools import Windows, any_spike, cost, graded
from neurocompile.ir.shapes import out_shape


def check_asked(call: Call, graph: Building) -> None:
    """Refuse the pool where nobody asked for neurons."""
    if graph.max_pool is None:
        call.refuse(
            "a maximum is not a synapse. Of spikes of 0 and 1, max_pool='neurons' (--max-pool "
            "neurons) makes it neurons that fire at any spike of their window: exact, "
            "one neuron per output of the pool. Otherwise use AveragePool."
        )


def max_pool(call: Call, graph: Building) -> PlainSignal:
    """Of spikes, with the option max_pool: a SumPool, and an IAF that fires at any spike."""
    check_asked(call, graph)
    call.at_most(1)
    kernel = call.wholes("kernel_shape", ())
    axes = len(kernel)
    windows = Windows(
        kernel,
        call.wholes("strides", (1,) * axes),
        same_pads(call, axes),
        call.wholes("dilations", (1,) * axes),
    )
    call.only("storage_order", call.whole("storage_order", 0), 0)
    x = call.one_step()
    found = graded(x.layer, graph.nodes, graph.edges)
    if found is not None:
        call.refuse(
            f"it takes the maximum of what layer '{found}' gives, which is not spikes of 0 and 1. "
            "Put it after the neurons and train again, or use AveragePool."
        )
    total, neurons = any_spike(windows, x.shape[0])
    try:
        shape = out_shape(total, x.shape)
    except BadInput as error:
        raise type(error)(f"{call}: {error}") from None
    ceil = call.whole("ceil_mode", 0)
    wrong = windows.wrong(x.shape[1:], shape[1:], ceil=bool(ceil))
    if wrong:
        call.refuse(f"{wrong}.")
    before = graph.unique(f"{call.name}.sum")
    graph.nodes[before] = total
    graph.edges.append((x.layer, before))
    graph.said.append(cost(call.name, shape))
    return graph.add(call, neurons, PlainSignal(before, shape, x.lead))
