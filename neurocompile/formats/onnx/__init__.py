"""Our ONNX files, both ways: both stages, bit for bit."""
