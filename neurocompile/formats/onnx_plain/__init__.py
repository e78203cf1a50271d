"""ONNX files that others wrote: standard operators and neurons of our domain."""
