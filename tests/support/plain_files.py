"""Plain ONNX files for tests, as other tools write them with onnx.helper."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from neurocompile.formats.onnx.ops import DOMAIN

ONE_STEP, TIMED = ["batch"], ["batch", "steps"]
LIF_BOX = {"tau_mem_inv": 100.0, "v_leak": 0.0, "v_th": 0.5, "v_reset": 0.0}


def node(op, inputs, output, **attributes):
    """A node named like its only output."""
    return helper.make_node(op, inputs, [output], name=output, **attributes)


def neurons(x, output, op="LIFBox", dt="dt"):
    """A node of our domain with the arrays of LIF_BOX."""
    names = LIF_BOX if op.startswith("LIFBox") else ("tau_mem_inv", "v_leak")
    return node(op, [x, dt, *names], output, domain=DOMAIN)


def plain(nodes, axes, outputs, opset=18, settings=None, **arrays):
    """A model with the input x, the outputs named, and these constants beside LIF_BOX and dt."""
    constants = {k: np.float32(v) for k, v in LIF_BOX.items()} | {"dt": np.float64(1e-3)} | arrays
    taken = {name for one in nodes for name in one.input}
    graph = helper.make_graph(
        nodes,
        "plain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, axes)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [
            numpy_helper.from_array(np.asarray(a), name)
            for name, a in constants.items()
            if name in taken
        ],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, 1)],
        ir_version=9,
    )
    if settings is not None:
        helper.set_model_props(model, {"neurocompile.settings": settings})
    return model
