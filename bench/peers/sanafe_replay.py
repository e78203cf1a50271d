"""Replay recorded spikes in SANA-FE, on its shipped Loihi, neuron by neuron on the same cores.

In:  `sanafe_replay.py REPLAY.npz`, as tests/crosscheck/replay.py writes it.
Out: on standard output, as JSON, what SANA-FE charged in each step: joules by block; seconds by
     timing model: "simple" lets nothing wait on the mesh, "detailed" does.

SANA-FE's own potentials are not Loihi's integers, so every neuron is a soma of its model
`input`, which spikes on command, and all weights are 0. Two things are added to the text of
SANA-FE's own loihi.yaml, only for this process: input somas that cost what its `loihi_lif` costs,
and a host, an additional core in the first tile, whose messages cost nothing.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import sanafe

PRICES = (
    "energy_access_neuron", "latency_access_neuron", "energy_update_neuron",
    "latency_update_neuron", "energy_spike_out", "latency_spike_out",
)  # fmt: skip
INPUTS = re.compile(r"            - name: loihi_inputs.*?(?=          dendrite:)", re.S)
SYNAPSES = {
    "dense": "loihi_dense_synapse",
    "sparse": "loihi_sparse_synapse",
    "conv": "loihi_conv_synapse",
}


def main() -> None:
    """Build the chip, run it with each of its timing models, write what it charged."""
    replay = dict(np.load(sys.argv[1]))
    arch = architecture()
    net = network(replay, arch)
    times = {}
    for timing in ("simple", "detailed"):
        chip = sanafe.SpikingChip(arch)
        chip.load(net)
        trace = chip.sim(int(replay["steps"]), timing_model=timing, perf_trace=True)["perf_trace"]
        times[timing] = list(trace["sim_time"])
    blocks = {block: list(trace[f"{block}_energy"]) for block in ("synapse", "soma", "network")}
    sys.stdout.write(json.dumps({"version": version("sanafe"), **blocks, **times}) + "\n")


def architecture() -> Any:
    """SANA-FE's Loihi with somas that replay, and a host as a fifth core of its first tile."""
    text = (Path(sanafe.__file__).parent / "examples" / "loihi.yaml").read_text()
    head, tile, core = re.split(r"(?=    - name: loihi_tile|        - name: loihi_core)", text)
    replay = INPUTS.search(core)[0].replace("loihi_inputs", "replay")
    for price in PRICES:
        value = re.search(rf"{price}: (\S+)", core[core.index("loihi_lif") :])[1]
        replay = re.sub(rf"{price}: \S+", f"{price}: {value}", replay)
    core = core.replace("          dendrite:", replay + "          dendrite:")
    host = re.sub(r"(energy|latency)_message_out: \S+", r"\1_message_out: 0.0", core)
    host = host.replace("loihi_core[0..3]", "host")
    first = tile.replace("[0..31]", "[0]") + core.rstrip() + "\n" + host.rstrip() + "\n"
    others = tile.replace("[0..31]", "[1..31]") + core
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(head + first + others)
        file.flush()
        return sanafe.load_arch(file.name)


def network(replay: dict[str, Any], arch: Any) -> Any:
    """All populations with their spikes, and all synapses."""
    net = sanafe.Network()
    cores = [core for tile in arch.tiles for core in tile.cores[:4]]
    cores.append(arch.tiles[0].cores[4])  # core -1 is the host
    used: dict[int, int] = {}
    groups = {}
    for name in replay["populations"].tolist():
        spikes = replay[f"{name}/spikes"]
        lies_on = replay[f"{name}/core"].tolist()
        groups[name] = net.create_neuron_group(name, spikes.shape[1])
        for i, neuron in enumerate(groups[name]):
            core = lies_on[i]
            kind = "replay" if core >= 0 else "loihi_inputs"
            soma = used.get(core, 0)
            used[core] = soma + 1
            neuron.set_attributes(
                soma_hw_name=f"{kind}[{soma}]",
                model_attributes={"spikes": spikes[:, i].astype(int).tolist()},
            )
            neuron.map_to_core(cores[core])
    for name in replay["synapses"].tolist():
        before, after, kind = (str(x) for x in replay[f"{name}/ends"])
        for neuron in groups[after]:
            neuron.set_attributes(default_synapse_hw_name=SYNAPSES[kind])
        pairs = list(
            zip(replay[f"{name}/from"].tolist(), replay[f"{name}/to"].tolist(), strict=True)
        )
        groups[before].connect_neurons_sparse(groups[after], {"weight": [0.0] * len(pairs)}, pairs)
    return net


if __name__ == "__main__":
    main()
