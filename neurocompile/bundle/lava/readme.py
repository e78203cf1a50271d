"""README.md of a Lava bundle: how to run and edit it, what was tried, and what was not."""

from __future__ import annotations

from collections.abc import Iterator
from string import Template

from neurocompile.bundle.lava.network import LavaNetwork
from neurocompile.bundle.units import entering, result, units
from neurocompile.bundle.vectors import Vectors
from neurocompile.engines.lava.plan import RESET_FRESH, LavaPlan
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size

PAGE = Template("""\
# A spiking network for Lava

Written by neurocompile. Lava's processes compute, in integers, what the engine `fixed` of
neurocompile computes, bit for bit; `vectors/` proves it for the samples that it holds. It needs
lava-nc 0.10.0 and what lava-nc needs, nothing of neurocompile. The metadata of lava-nc exclude
today's Python, which it does run on:

    pip install --no-deps --ignore-requires-python lava-nc==0.10.0
    pip install numpy scipy networkx asteval scikit-learn
    python run.py --check
    python run.py --input FILE.npz --to DONE.npz

`--check` runs the $samples of `vectors/` ($steps each), prints `all $values values equal`, or the
layer, sample, step and neuron of the first value that differs, and exits with 1 then. Samples and
neurons count from 0, steps from 1.

## What was tried, and what was not

- Tried: Lava's simulator of Loihi 2 (`Loihi2SimCfg`), on a CPU.
- **Never tried: silicon.** Nobody who wrote this had a board. `--hardware` takes `Loihi2HwCfg`
  instead; it needs Intel's extension of Lava for Loihi, and is refused where that is missing.
- What a board will need as well: the input and the recorders are Python processes. Between one of
  them and a neurocore Lava wants adapters, which that extension has (lava-dl's tutorials take them
  from `lava.proc.embedded_io.spike`). They belong into `network.py` after the input, and into
  `Run.record` of `run.py`. A recorder reads potentials by a RefPort, which works between Python
  processes: `--spikes-only` leaves potentials out.
$ours
## Files

| file | what it is |
|---|---|
| `network.py` | the network: a line for each process and each connection. Edit this |
| `integers.npz` | weights, and the registers that differ inside a layer, by layer and name |
| `run.py` | reads the input, runs, records, compares |
| `processes/` | Lava processes: the input, the recorder, neurons that Lava does not have |
| `modern.py` | lets lava-nc 0.10.0 run on today's Python and numpy |
| `vectors/inputs.npz` | the input of the samples, in the form that `--input` takes |
| `vectors/expected.npz` | `LAYER.spikes` and `LAYER.potentials` of every layer |
| `bundle.json`, `SHA256SUMS` | what it was made of, and the digest of every file |

A file that was changed is named. Where it is one of numbers, `--check` stops; where it is source,
it goes on and compares.

## Input and output

$input

`--to` writes the keys `LAYER.spikes` and `LAYER.potentials`, (samples, steps, ...). LAYER is the
name in `LAYERS` of `network.py`. Potentials are those after the reset. Layer d of a chain lags the
input by d chip steps; what is written is in the network's own time.

A potential times its scale plus its offset is the potential in the units of the trained network:

| output | neurons | scale | offset |
|---|--:|--:|--:|
$scales

$result
Neither is computed here: samples become whole numbers before they enter, and results are read from
what `--to` writes.

## State between samples

$reset

## What the engine `lava` of neurocompile does and this does not

- It leaves no process and no shared memory behind, whatever is killed. Here, a worker that fails
  says why and ends the run with the exit code 70; of a run that is killed, workers and memory in
  /dev/shm may stay.
- It refuses a run in which a current wraps twice, a state leaves 24 bits, a readout spikes, or a
  sum of payloads leaves 32 bits. The samples of `vectors/` do none of this; others may, unseen.
""")

OURS = """\
- Not stock: $names are processes of our own on Lava's arithmetic, in `processes/neurons.py`. They
  have a Python model only, so no neurocore runs them.
"""


def readme(vectors: Vectors, network: LavaNetwork, plan: LavaPlan, key: str) -> str:
    """The text.

    Args:
        vectors: The network and its vectors.
        network: The network in Python.
        plan: How Lava runs it.
        key: Key of the input.
    """
    graph = vectors.graph
    neurons = sum(population.size for population in plan.populations)
    return PAGE.substitute(
        samples=_count(vectors.samples, "sample"),
        steps=_count(vectors.steps, "step"),
        values=neurons * 2 * vectors.samples * vectors.steps,
        ours=Template(OURS).substitute(names=", ".join(network.ours)) if network.ours else "",
        input=_input(graph, vectors, key),
        scales="\n".join(_scales(graph, network, plan)),
        result=result(graph),
        reset=_reset(plan),
    )


def outputs(graph: Graph, plan: LavaPlan) -> list[str]:
    """Names of the layers whose result is read, in the order of the plan."""
    return [each.name for each in plan.populations if each.name in graph.outputs()]


def _scales(graph: Graph, network: LavaNetwork, plan: LavaPlan) -> Iterator[str]:
    for name in outputs(graph, plan):
        node = graph.nodes[name]
        scale, offset = units(node)
        yield f"| {network.names[name]} | {size(node.shape):,} | {scale} | {offset} |"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)


def _input(graph: Graph, vectors: Vectors, key: str) -> str:
    (values,) = vectors.encoded.values.values()
    if key == "spikes":
        shape = ", ".join(["samples", "steps", *map(str, values.shape[2:])])
        return f"`FILE.npz` has the key `spikes`, whole numbers ({shape}).\n{entering(graph)}"
    shape = ", ".join(["samples", *map(str, values.shape[1:])])
    return (
        f"`FILE.npz` has the key `biases`, whole numbers ({shape}): the bias mantissas that the\n"
        "host writes for each sample. `--steps` says how many steps a sample has.\n"
        f"{entering(graph)}"
    )


def _reset(plan: LavaPlan) -> str:
    if plan.reset == RESET_FRESH:
        return (
            "Each sample gets a network of its own, built anew: a potential starts above 0, a "
            "synapse has a\ndelay, or Lava clears a neuron in no step. Potentials start where they "
            "reach their initial value\nwhen the input arrives; the numbers are in `network.py`."
        )
    return "LIFReset clears u and v in the first step of each sample, in each layer's own time."
