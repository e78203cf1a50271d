"""Run a FIXED graph: `fixed` (batched, exact), `lava` (the real processes), `onnx` (the file)."""

ENGINES = ("lava", "fixed", "onnx")
