"""Put the populations of a network on the cores of a chip.

In:  FIXED graph, chip.
Out: Placed: every core within its limits, every route exact.
Populations are cut into blocks (`cut.py`), blocks share cores (`pack.py`), and cores are
numbered so that messages travel little (`chip/mesh.py`). The same input always has the same
placement.

Input axons are counted per Synapse node: a source neuron that reaches a core through two nodes
takes two axons there. SpikeInput and AlwaysOn take no core: the host sends their spikes, one
message to each core that they reach. A BiasInput takes no core either; the population after it
does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from neurocompile.chip.mesh import (
    arranged,
    chip_of,
    chips_allowed,
    chips_used,
    distances,
    positions,
)
from neurocompile.chip.record import Chip
from neurocompile.errors import DoesNotFit, Refusals
from neurocompile.ir.arrays import Array, frozen
from neurocompile.ir.fixed import ChipNeuron, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size
from neurocompile.ir.time import depths, longest_wait
from neurocompile.place.bound import least_cores
from neurocompile.place.fastest import fastest
from neurocompile.place.limits import Load, PopulationToPlace, limit_of
from neurocompile.place.maps import Listed, cut_shape, map_of
from neurocompile.place.memory import format_of
from neurocompile.place.objective import Objective
from neurocompile.place.pace import Pace
from neurocompile.place.pack import in_halves, packed
from neurocompile.place.placed import Core, Fan, Placed, Route


def place(
    graph: Graph,
    chip: Chip,
    objective: Objective = "both",
    spikes: Mapping[str, Array] | None = None,
) -> Placed:
    """Place a network.

    A network that needs more cores than the chip has is spread over as many chips as it needs.
    If these are more than allowed, `Placed.fits` is False and `require_fit` raises the error.

    Args:
        graph: FIXED graph.
        chip: Chip with its limits.
        objective: What the placement should have fewest of: "cores", "messages", "both", the
            smallest product of the two, or "time" of a step; or "halves" (`halves.py`). How far
            messages travel is decided last.
        spikes: By population, (shape) mean spikes of each neuron per step, which weigh the distance
            that its messages travel, and the time of its core. Without them all neurons are alike.

    Raises:
        BadInput: If time is the objective and the chip states no times.
        DoesNotFit: If a single neuron is too much for a core, or spikes wait longer than an axon
            holds them; names every such layer.
    """
    maps = _maps(graph, chip)
    layers = [_layer(graph, chip, name, maps) for name, _ in graph.of(ChipNeuron)]
    while True:  # in a loop of synapses, until no core sends to more than it has output axons
        if objective == "time":
            loads = fastest(layers, Pace(graph, chip, spikes or {}))
        else:
            loads = in_halves(layers) if objective == "halves" else packed(layers, objective)
        loads = _in_order(layers, loads)
        fans, core_of = _fans(graph, layers, loads, maps)
        if not _send_too_much(graph, chip, layers, loads, fans):
            break
    order = _arrangement(graph, chip, fans, core_of, len(loads), spikes or {})
    return _assembled(graph, chip, loads, order, fans, core_of, objective)


def require_fit(placed: Placed) -> None:
    """Refuse a network that needs more cores than the allowed chips have.

    Raises:
        DoesNotFit: Names the cores of the largest layers and the number of chips that suffices.
    """
    chip = placed.chip
    if placed.fits or chip.limits.cores is None:
        return
    used, allowed = len(placed.cores), chips_allowed(chip)
    have = allowed * chip.limits.cores.value
    enough = chips_used(chip, used)
    remedy = f"Use Target(chips={enough}) (--chips {enough})"
    if placed.objective != "cores" and max(least_cores(placed.graph, chip).values()) <= have:
        fewest = place(placed.graph, chip, "cores")
        if fewest.fits:
            remedy += (
                ", or Target(fewest_of='cores') (--place cores), which needs only "
                f"{len(fewest.cores)} cores"
            )
    cores_of: dict[str, int] = {}
    for core in placed.cores:
        for name in core.held:
            cores_of[name] = cores_of.get(name, 0) + 1
    largest = sorted(cores_of.items(), key=lambda item: -item[1])[:3]
    listed = ", ".join(f"'{name}' with {cores}" for name, cores in largest)
    chips = chip.name if allowed == 1 else f"{allowed} chips of {chip.name}"
    raise DoesNotFit(
        f"the network needs {used} cores, but {chips} {'has' if allowed == 1 else 'have'} {have}. "
        f"{remedy}. The largest layers are {listed} cores; smaller layers need fewer."
    )


def _maps(graph: Graph, chip: Chip) -> dict[str, Listed]:
    """By synapse, its map in the shape in which its target is cut."""
    depth = depths(graph)
    maps: dict[str, Listed] = {}
    refusals = Refusals()
    for name, population in graph.of(ChipNeuron):
        before = [b for b in graph.before(name) if isinstance(graph.nodes[b], Synapse)]
        shape = cut_shape(population.shape, [graph.nodes[b] for b in before])
        for synapse in before:
            wait = longest_wait(graph, depth, synapse)
            with refusals.gather():
                _check_wait(graph, chip, synapse, wait)
                maps[synapse] = map_of(graph.nodes[synapse], shape, wait)
    refusals.answer()
    return maps


def _check_wait(graph: Graph, chip: Chip, synapse: str, wait: int) -> None:
    """Refuse spikes that wait longer on the chip than an axon holds them."""
    most = chip.formats.delay_max.value - 1  # without the step that every synapse takes
    if wait <= most:
        return
    (source,), (target,) = graph.before(synapse), graph.after(synapse)
    own = int(graph.nodes[synapse].longest_delay)
    raise DoesNotFit(
        f"layer '{target}': spikes of '{source}' wait {wait} steps on the chip, but an axon of "
        f"{chip.name} holds them for at most {most}. Their own delay is {own} steps; the rest is "
        "the time that a longer path from there takes, one step for each layer. Use a shorter "
        "delay, or a skip over fewer layers."
    )


def _layer(graph: Graph, chip: Chip, name: str, maps: Mapping[str, Listed]) -> PopulationToPlace:
    """A population with its incoming maps."""
    population = graph.nodes[name]
    before = [b for b in graph.before(name) if b in maps]
    shape = cut_shape(population.shape, [graph.nodes[b] for b in before])
    onto = [(graph.before(b)[0], maps[b]) for b in before]
    return PopulationToPlace(name, population, shape, onto, chip)


def _in_order(layers: Sequence[PopulationToPlace], loads: Sequence[Load]) -> list[Load]:
    """Cores in the order in which a spike passes through the network."""
    number = {layer.name: k for k, layer in enumerate(layers)}

    def middle(load: Load) -> tuple[float, int]:
        inside = sum(number[name] * block.size for name, block in load.blocks.items())
        first = next(iter(load.blocks.values()))
        return inside / load.sums["neurons"], int(first.neurons()[0])

    return sorted(loads, key=middle)


def _fans(
    graph: Graph,
    layers: Sequence[PopulationToPlace],
    loads: Sequence[Load],
    maps: Mapping[str, Listed],
) -> tuple[dict[str, Fan], dict[str, Array]]:
    """By synapse, which cores each source neuron reaches; by population, each neuron's core."""
    core_of = {layer.name: np.zeros(size(layer.shape), np.int64) for layer in layers}
    blocks: dict[str, list[int]] = {layer.name: [] for layer in layers}
    for at, load in enumerate(loads):
        for name, block in load.blocks.items():
            core_of[name].reshape(block.shape)[block.slices] = at
            blocks[name].append(at)
    fans = {}
    for name, _ in graph.of(Synapse):
        (target,) = graph.after(name)
        cores, neurons, synapses = [], [], []
        for at in blocks[target]:
            reached = maps[name].reach(loads[at].blocks[target])
            (sources,) = np.nonzero(reached)
            cores.append(np.full(sources.size, at))
            neurons.append(sources)
            synapses.append(reached[sources])
        fans[name] = Fan(*map(np.concatenate, (cores, neurons, synapses)))
    return fans, core_of


def _send_too_much(
    graph: Graph,
    chip: Chip,
    layers: Sequence[PopulationToPlace],
    loads: Sequence[Load],
    fans: Mapping[str, Fan],
) -> bool:
    """Whether some core needs more output axons than it has.

    If so, each population remembers how many axons its neurons took, and the next placement
    counts them. These numbers only grow, so the repetition ends.
    """
    limit = limit_of(chip, "output_axons")
    axons = {layer.name: np.zeros(layer.shape, np.int64) for layer in layers}
    for name, fan in fans.items():
        (source,) = graph.before(name)
        if source in axons:
            axons[source].ravel()[:] += np.bincount(fan.neuron, minlength=axons[source].size)
    used = [sum(int(axons[n][b.slices].sum()) for n, b in ld.blocks.items()) for ld in loads]
    if limit is None or max(used, default=0) <= limit:
        return False
    for layer in layers:
        layer.earlier_axons = np.maximum(layer.earlier_axons, axons[layer.name])
    return True


def _arrangement(
    graph: Graph,
    chip: Chip,
    fans: Mapping[str, Fan],
    core_of: Mapping[str, Array],
    cores: int,
    spikes: Mapping[str, Array],
) -> Array:
    """(cores,) the number that each core gets."""
    distance = distances(chip, cores)
    if distance is None:
        return np.arange(cores)
    traffic = np.zeros(cores * cores)
    for name, fan in fans.items():
        (source,) = graph.before(name)
        if source in core_of:
            pairs = core_of[source][fan.neuron] * cores + fan.core
            weight = spikes[source].ravel()[fan.neuron] if source in spikes else None
            traffic += np.bincount(pairs, weight, minlength=traffic.size)
    return arranged(traffic.reshape(cores, cores), distance)


def _assembled(
    graph: Graph,
    chip: Chip,
    loads: Sequence[Load],
    order: Array,
    fans: Mapping[str, Fan],
    core_of: Mapping[str, Array],
    objective: Objective,
) -> Placed:
    """Number the cores and draw the routes between them."""
    core_of = {name: order[cores] for name, cores in core_of.items()}
    routes = {
        name: _route(graph, chip, name, fan._replace(core=order[fan.core]), core_of, len(loads))
        for name, fan in fans.items()
    }
    sent = np.zeros(len(loads), np.int64)
    for route in routes.values():
        if not route.host:
            np.add.at(sent, core_of[route.source], route.destinations)
    cores = [
        Core(
            index,
            MappingProxyType({n: frozen(b.neurons()) for n, b in loads[at].blocks.items()}),
            {**loads[at].use(chip), "output_axons": int(sent[index])},
        )
        for index, at in enumerate(np.argsort(order))
    ]
    return Placed(
        graph,
        chip,
        tuple(cores),
        MappingProxyType({name: frozen(cores_of) for name, cores_of in core_of.items()}),
        MappingProxyType(routes),
        objective,
    )


def _route(
    graph: Graph, chip: Chip, name: str, fan: Fan, core_of: Mapping[str, Array], cores: int
) -> Route:
    """Where the spikes that pass one synapse go."""
    (source,), (target,) = graph.before(name), graph.after(name)
    synapse = graph.nodes[name]
    host = source not in core_of
    sources = size(synapse.in_shape)
    per_spike: list[Array | None] = [None, None, None]
    if not host:
        start, on = core_of[source][fan.neuron], chip_of(chip, cores)
        stays = on[fan.core] == on[start]
        tiles = positions(chip, cores) or ()
        hops = [stays * np.abs(at[fan.core] - at[start]) for at in tiles] or [None, None]
        for k, per_message in enumerate((*hops, ~stays)):
            if per_message is not None:
                total = np.zeros(sources, np.int64)
                np.add.at(total, fan.neuron, per_message)
                per_spike[k] = frozen(total)
    return Route(source, target, format_of(synapse), host, sources, fan, *per_spike)
