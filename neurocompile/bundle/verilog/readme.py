"""README.md of a Verilog bundle: how to check and drive the module, and what it takes."""

from __future__ import annotations

from collections.abc import Iterator
from string import Template
from typing import Any

from neurocompile.bundle.c.names import comment
from neurocompile.bundle.units import units
from neurocompile.bundle.verilog.layer import CircuitLayer

PAGE = Template("""\
# A spiking layer in Verilog

Written by neurocompile. `layer.v` is the layer "$name" of a network, $neurons neurons of the
model $kind with their weights, as one module of Verilog-2001 that can be synthesized. In a
simulator it has the spikes and potentials that the engine `fixed` of neurocompile computes, bit for
bit; `vectors/` proves it for the samples that it holds.

    make check                in Icarus Verilog
    make check SIM=verilator  in Verilator 5
    make synth                what yosys makes of it, for a Lattice ECP5
    make digests              which file of this folder was changed

**It was never on an FPGA.** Simulators have run it, and yosys has read it; no timing was closed.

## Use

The module `nc_layer` works alone, with one clock and no reset: `begin_sample` is one.

| port | what it is |
|---|---|
| `begin_sample` | for one clock, while `ready`: all states go to where a sample starts |
| `begin_step` | for one clock, while `ready`: takes all neurons through a step |
| `sent` | the lines that carry a spike in this step; held until `ready` again |
| `valid` | for one clock a neuron: `neuron`, `spike` and `potential` are its own, in order |
| `fault` | a number left its register, where the engine stops; kept until `begin_sample` |

A potential is the state after the reset. Times the scale $scale
plus the offset $offset it is the potential in the units of the trained network.

The lines, from `sent[0]` on. A spike of the source is on its line so many steps later; 0 is the
same step, so that the source goes first:

| lines | source | synapse | steps later |
|--:|---|---|--:|
$lines

The tables `*.hex` fill the memories through `$$readmemh`, from the folder in which the tool runs.

## Size

Read-only memory: $rom bits, for $weights weights and the constants. Memory: $ram bits of states
and sums.
A step takes a clock for each line, each weight of a line that carries a spike and each neuron, and
4 more: at most $clocks clocks in the vectors.

## Vectors

`vectors/arrives.hex` has a number for each of $steps steps of $samples samples, whose bit k is
`sent[k]`. `vectors/expected.hex` has a number for each neuron of each of these steps: the spike
before the 25 bits of the potential.

## What it leaves out

The other layers, the way of spikes between layers, the encoder and the decoder. Neurons that send
payloads or have several inputs, delays that differ inside a synapse, and biases that the host
writes are refused when this is made.
""")


def readme(layer: CircuitLayer, sizes: dict[str, Any], samples: int, steps: int) -> str:
    """The page."""
    scale, offset = units(layer.node)
    return PAGE.substitute(
        name=comment(layer.name),
        kind=type(layer.node).__name__,
        neurons=f"{layer.neurons:,}",
        scale=scale,
        offset=offset,
        lines="\n".join(_lines(layer)),
        rom=f"{sizes['rom']:,}",
        ram=f"{sizes['ram']:,}",
        weights=f"{sizes['weights']:,}",
        clocks=f"{sizes['clocks_most']:,}",
        samples=samples,
        steps=steps,
    )


def _lines(layer: CircuitLayer) -> Iterator[str]:
    """A row for each synapse."""
    begin = 0
    for line in layer.lines:
        source = f"`{comment(line.source)}`" + ", in C order" * (line.count > 1)
        late = f"from step {line.delay + 1} on, always" if line.always else str(line.delay)
        last = begin + line.count - 1
        lines = f"{begin}..{last}" if line.count > 1 else str(begin)
        yield f"| {lines} | {source} | `{comment(line.synapse)}` | {late} |"
        begin += line.count
