"""What the code behind an answer does: numbers of tiny networks, which show a changed rule.

In:  this project's trainer, quantizer and engine, as they are now.
Out: a digest of each kind; the numbers that it stands for are kept in paper/results/code.

A digest of the text would change with every comment and every name, and answers that took hours
would be thrown away for nothing. So what counts is what the code does: a few updates of tiny
networks, the integers of one, and what they do on the chip. Networks that get currents from the
host, in place of spikes of an input population, are a kind of their own. Integers have to be equal.
Floats may differ by `TOLERANCE`, for processors and their libraries round differently, while a
changed rule changes them by far more: with numbers that are as close as that, a behaviour is one
that is kept, and has its digest. What no tiny network here uses is not seen; whoever adds a rule to
a study adds it to a probe. The file of a study itself is not seen either: a change of what it
measures belongs into its question.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from paper.files import write_json

Numbers = dict[str, list[float]]

# Of logarithms to the base of 10, and of cosines. Without the vector units of a processor they move
# by 5e-7 at most, and the integers not at all.
TOLERANCE = 1e-4
IMAGES, SIDE, STEPS = 4, 8, 6
UPDATES = 2


def digest(kind: str, kept: Path) -> str:
    """The name of what the code of a kind does now.

    Args:
        kind: One of `PROBES`.
        kept: Folder of the behaviours that are known. One that is not is named by its numbers.
    """
    found = numbers(kind)
    for name, known in _known(kind, kept):
        if same(found, known):
            return name
    words = json.dumps({key: np.round(each, 3).tolist() for key, each in found.items()})
    return hashlib.sha256(words.encode()).hexdigest()[:12]


def record(kind: str, kept: Path) -> None:
    """Keep what the code of a kind does now, if it is not known yet."""
    path = kept / f"{kind}-{digest(kind, kept)}.json"
    if not path.exists():
        write_json(path, numbers(kind))


def same(found: Numbers, known: Numbers) -> bool:
    """Whether two behaviours are one."""
    return found.keys() == known.keys() and all(
        len(found[key]) == len(known[key])
        and np.allclose(found[key], known[key], rtol=0, atol=TOLERANCE)
        for key in found
    )


def _known(kind: str, kept: Path) -> Iterator[tuple[str, Numbers]]:
    for path in sorted(kept.glob(f"{kind}-*.json")):
        yield path.stem.removeprefix(f"{kind}-"), json.loads(path.read_text())


@cache
def numbers(kind: str) -> Numbers:
    """What the probe of a kind finds; once a process, for it takes seconds."""
    return PROBES[kind]()


def _trainer() -> Numbers:
    """Gradients and weights of a few updates under every rule that a study trains with."""
    from neurocompile.nn import RateNetwork, Regularization, SpikingAutoencoder, TrainingPlan, train
    from paper.models import spiking_autoencoder

    band = Regularization(band=0.1, low=0.02, high=0.25, spikes_l1=1e-3, synops=0.1)
    papers = Regularization(potential_l1=0.01, potential_l2=0.02, spikes_l1=0.01, spikes_l2=0.06,
                            latent_per_sample=0.01, latent_per_neuron=0.01)  # fmt: skip
    fast = {"schedule": "constant", "clip_by": "value"}
    small = {"shape": (1, SIDE, SIDE), "channels": (2, 3), "latent": 5, "steps": STEPS}
    rules = ("straight leak", "flip", "output spikes")
    few = {"latent": 5, "steps": STEPS}
    networks: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "surrogate": (SpikingAutoencoder(**small), band, {"weight_noise": 0.004}),
        "membrane": (SpikingAutoencoder(**small, backprop="membrane"), papers, {"shift": 1}),
        "paper": (spiking_autoencoder("strided", "membrane", **few), papers, {}),
        "rules": (spiking_autoencoder("strided", "membrane", rules=rules, **few), papers, fast),
    }
    limited = SpikingAutoencoder(**small, input_population=False, limited=True)
    networks["rates"] = RateNetwork(limited), band, {"shift": 1}
    found = {}
    for name, (network, penalties, options) in networks.items():
        side = SIDE if name in ("surrogate", "membrane", "rates") else 28
        plan = TrainingPlan(1, IMAGES // UPDATES, 1e-2, regularization=penalties, **options)
        found[name] = _watched(network, lambda n=network, p=plan, s=side: train(n, _images(s), p))
    return found | {"plain": _descended()}


def _descended() -> list[float]:
    """The same of a network without spikes."""
    from paper.plain import PlainAutoencoder, _loss
    from paper.weights import descend

    model = PlainAutoencoder("chip", 5, variational=True, seed=0)
    asked = {"kl": 0.1, "weight_decay": 1e-3}
    return _watched(
        model,
        lambda: descend(
            model, _images(28), lambda x, random: _loss(model, x, asked, random),
            epochs=1, batch=IMAGES // UPDATES, learning_rate=1e-2, seed=0,
        ),
    )  # fmt: skip


def _watched(network: Any, fit: Callable[[], object]) -> list[float]:
    """Size and direction of every gradient on the way, and of every change in the end."""
    gradients: list[tuple[str, Any]] = []
    named = dict(network.named_parameters())
    before = {name: p.detach().clone() for name, p in named.items()}
    hooks = [
        p.register_hook(lambda gradient, n=name: gradients.append((n, gradient.clone())))
        for name, p in named.items()
    ]
    fit()
    for hook in hooks:
        hook.remove()
    found = [number for _, each in sorted(gradients, key=lambda pair: pair[0])
             for number in _sized(each)]  # fmt: skip
    return found + [n for name, p in named.items() for n in _sized(p.detach() - before[name])]


def _sized(tensor: Any) -> tuple[float, float]:
    """Logarithm of the norm, and cosine of the angle to a fixed direction."""
    flat = tensor.double().numpy().ravel()
    norm = float(np.linalg.norm(flat))
    fixed = np.cos(np.arange(flat.size) * 1.7)
    cosine = float(flat @ fixed / np.linalg.norm(fixed) / norm) if norm > 1e-9 else 0.0
    return float(np.log10(max(norm, 1e-9))), cosine


def _images(side: int) -> Any:
    """(IMAGES, 1, side, side) smooth images in [0, 1], which no library's random numbers change."""
    import torch

    y, x = np.mgrid[:side, :side] / side
    waves = [np.sin(7 * x * (n + 1) + 3 * y) * np.cos(5 * y - n) for n in range(IMAGES)]
    return torch.tensor(np.clip(np.stack(waves), 0, 1)[:, None].astype(np.float32))


def _compiled(bits: int, **options: Any) -> Any:
    """A tiny convolutional autoencoder as integers, its scales chosen on the images."""
    import torch

    from neurocompile.compiler import compile_graph
    from neurocompile.data.samples import Data
    from neurocompile.frontend.torch import trace
    from neurocompile.nn import SpikingAutoencoder

    network = SpikingAutoencoder(
        shape=(1, SIDE, SIDE), channels=(2, 3), latent=5, steps=STEPS, **options
    )
    with torch.no_grad():
        for p in network.parameters():  # sums of 64ths, which every processor adds up alike
            wave = np.round(64 * np.sin(1 + 2.3 * np.arange(p.numel())))
            p.copy_(torch.tensor(wave / 64, dtype=torch.float32).reshape(p.shape))
    graph = trace(network, torch.zeros(1, 1, SIDE, SIDE))
    data = Data("probe", "x", _images(SIDE).numpy())
    return compile_graph(graph, "loihi-sim", calibration=data, bits=bits), data


def _quantizer(**options: Any) -> Numbers:
    """Every integer of a network of 8 and of 4 bits."""
    from dataclasses import fields

    from neurocompile.ir.fixed import Synapse

    found: Numbers = {}
    for bits in (8, 4):
        graph = _compiled(bits, **options)[0].fixed_graph
        for name, node in graph.nodes.items():
            parts = {"weights": node.op.weights} if isinstance(node, Synapse) else {}
            parts |= {f.name: getattr(node, f.name) for f in fields(node)}
            for part, value in parts.items():
                if isinstance(value, int | np.integer | np.ndarray):
                    found[f"{bits} bits, {name}, {part}"] = [float(v) for v in np.ravel(value)]
    return found


def _engine(**options: Any) -> Numbers:
    """Spikes, operations, results, joules and times of the integers on the chip."""
    from neurocompile.engines.results import results

    compiled, data = _compiled(8, **options)
    result = compiled.run(data).result
    energy, counts = result.energy, result.counts
    return {
        "results": [float(v) for v in results(compiled.fixed_graph, data).ravel()],
        "spikes": [float(layer.spikes) for layer in counts.layers.values()],
        "operations": [float(synapse.synops) for synapse in counts.synapses.values()],
        "joules": [float(np.log10(m.total_j)) for m in energy.models if m.total_j],
        "seconds": [float(np.log10(row["sample_s"])) for row in energy.latency],
    }


def _currents() -> Numbers:
    """Quantizer and engine of a network whose first layer gets currents from the host."""
    options = {"input_population": False, "limited": True}
    return _quantizer(**options) | _engine(**options)


PROBES: dict[str, Callable[[], Numbers]] = {
    "trainer": _trainer,
    "quantizer": _quantizer,
    "engine": _engine,
    "currents": _currents,
}
