"""A layer as a module of Verilog, proved in a simulator: `neurocompile bundle --to verilog`."""
