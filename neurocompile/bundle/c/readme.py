"""README.md of a C bundle: how to build, check and call it, and what its files hold."""

from __future__ import annotations

from collections.abc import Iterator
from string import Template

from neurocompile.bundle.c.names import prefixed
from neurocompile.bundle.c.network import CNetwork
from neurocompile.bundle.units import entering, result, units
from neurocompile.bundle.vectors import Vectors
from neurocompile.ir.graph import Graph

PAGE = Template("""\
# A spiking network in C99

Written by neurocompile. The program computes, in integers, what the engine `fixed` of neurocompile
computes, bit for bit; `vectors/` proves it for the samples that it holds. It needs a C99 compiler
and no library but the standard one; `network.c` needs memcpy, memset and fixed-width integers only.
It allocates nothing and has no floating point.

    make check             build it with cc and compare every spike and every potential
    make check CC=clang
    make sanitize          the same under the sanitizers of addresses and undefined behaviour
    make digests           which file of this folder was changed

`OPTIMIZE` holds the options of optimization, -O3 by default; -Os makes the code smaller. `CFLAGS`
are further options. `RUN` is what runs the program, such as the emulator of another processor:

    make clean check CC=arm-linux-gnueabihf-gcc CFLAGS=-static RUN=qemu-arm

## Use

    #include "network.h"

    static nc_state state;
    static nc_output output;

    nc_init(&state);                      /* start of a sample */
    int fault = nc_step(&state, input, &output);

A step takes NC_INPUTS values of the type `nc_input`, in the C order of the shape $in_shape:
$kind.
$entering

It fills the spikes and the potentials of $outputs. A potential times its scale plus its offset is
the potential in the units of the trained network:

| output | neurons | scale | offset |
|---|--:|--:|--:|
$scales

$result

Several networks fit into one program: a state each, or where they are different ones, a prefix each
(`neurocompile bundle --prefix`) and the include by folder, `#include "FOLDER/network.h"`.

A sample has NC_STEPS steps, after which `nc_init` starts the next one; without it the state carries
on. `nc_step` returns NC_OK, or says which number left its register; `state.fault_layer` says in
which layer. Compiled with -DNC_CHECKED=0 it does not look, and results after such a step are wrong.

On a microcontroller compile `network.c` and `weights.c`, as C; a program in C++ may include
`network.h` and call them. `main.c` and `vectors.h` are for a machine with files. The functions
nc_layer_name to nc_tables_digest are for checks, and a linker drops them (-ffunction-sections
-Wl,--gc-sections).

    ./run --check [FOLDER]   compare with the vectors in a folder
    ./run --size             what the program takes
    ./run --time [N]         steps per second on the inputs of the vectors, the best of N turns
    ./run [--binary] [--potentials | --spikes] [--steps N] < INPUTS

The last one reads inputs from standard input, NC_INPUTS whole numbers for a step, as text with any
space between them, or as `$binary` with --binary, the low byte first on every machine. It prints a
line of output per step, as text, $reads unless told otherwise. --steps starts a new
sample after every N steps. Exit codes: 0 good, 1 something differs, 2 bad input or output that
cannot be written, 3 a number left its register.

## Size

$flash
$ram

## Layers

| layer | neuron | neurons | numbers of a step | input by |
|---|---|--:|---|---|
$layers

A layer goes by events, where each spike adds its weights, or as a product, where at least half of
its source sent something in each step of the vectors.

## Vectors

$samples samples of $steps steps. Each file starts with 32 bytes: the text NCVECTOR, then six
numbers of 4 bytes: version 1, samples, steps, layers, values per step, 0. Then come the values,
sample by sample, step by step, layer by layer in the order of the table above, each layer's neurons
in the C order of its shape. All numbers are little-endian.

| file | a value |
|---|---|
| inputs.bin | `$binary` |
| spikes.bin | uint8, or int32 in layers that send payloads |
| potentials.bin | int32, after the reset |

bundle.json lists the SHA-256 of every file. `run` holds the CRC-32 of its tables and of the
vectors, and refuses others.

## What it leaves out

The encoder that makes inputs of samples, the decoder that makes a result of outputs (both are
described above), counts of events and joules: these are neurocompile's.
""")


def readme(vectors: Vectors, network: CNetwork, sizes: dict[str, int], prefix: str) -> str:
    """The page.

    Args:
        vectors: The network and its vectors.
        network: The network in C.
        sizes: What the program takes.
        prefix: What its names begin with.
    """
    graph, node = vectors.graph, network.inputs.node
    weights = f"{sizes['weight_bytes']:,} of them weights ({sizes['packed_bytes']:,} without gaps)"
    return Template(prefixed(PAGE.template, prefix)).substitute(
        kind=network.input_kind,
        in_shape=node.shape,
        entering=entering(graph),
        result=result(graph),
        outputs=" and ".join(f"`{layer.name}`" for layer in network.outputs),
        scales="\n".join(_scales(network)),
        binary=f"{network.inputs.sends.removesuffix('_t')}",
        reads="the potentials" if network.reads_potentials else "the spikes",
        flash=f"Flash: {sizes['table_bytes']:,} bytes of tables, {weights}, and the code.",
        ram=f"RAM: the size of `{prefix}_state`, which `./run --size` prints.",
        layers="\n".join(_layers(graph, network)),
        samples=vectors.samples,
        steps=vectors.steps,
    )


def _scales(network: CNetwork) -> Iterator[str]:
    for layer in network.outputs:
        scale, offset = units(layer.node)
        yield f"| {_cell(layer.name)} | {layer.neurons:,} | {scale} | {offset} |"


def _layers(graph: Graph, network: CNetwork) -> Iterator[str]:
    for layer in network.layers:
        into = [
            f"{_cell(name)}: {'a product' if name in network.products else 'events'}"
            for name in graph.before(layer.name)
            if name in network.synapses
        ]
        kind, width = type(layer.node).__name__, network.widths[layer.name]
        yield (
            f"| {_cell(layer.name)} | {kind} | {layer.neurons:,} | {width} bits | "
            f"{', '.join(into) or 'no synapse'} |"
        )


def _cell(name: str) -> str:
    return name.replace("|", "\\|").replace("\n", " ")
