"""The shipped autoencoder's error against joules, and two penalties that trade one for the other.

In:  examples/models/mnist_autoencoder.pt; a weight on its operations, or one on its spikes.
Out: a short fine-tuning per weight, then the 8-bit network on loihi-sim: errors, joules, time.
The weights are fixed beforehand. Every point is measured on the test digits, but nothing is chosen
on them.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from neurocompile.compiler import compile_graph
from neurocompile.data.samples import CALIBRATION_SAMPLES, load_data
from neurocompile.formats.checkpoint.read import load
from neurocompile.frontend.torch import trace
from neurocompile.nn import Regularization, SpikingAutoencoder, TrainingPlan, train
from neurocompile.nn.network import SpikingNetwork
from paper.charts import BLACK, BLUE, ORANGE, VERMILION, named, panels, save
from paper.markdown import table as markdown
from paper.rows import chip_digest, figures
from paper.study import ON_CHIP, ROOT, Job, Json
from paper.training import digits
from paper.weights import fitted

SHIPPED = ROOT / "examples" / "models" / "mnist_autoencoder.pt"
# What the shipped network was trained with, from examples/train_mnist_autoencoder.py.
BEFORE = Regularization(band=0.1, low=0.02, high=0.25, spikes_l1=1e-3)
WEIGHTS_OF: dict[str, tuple[float, ...]] = {
    "synops": (3.0, 10.0, 30.0, 60.0, 120.0, 300.0),
    "spikes_l1": (2e-3, 4e-3, 8e-3, 1.6e-2),
}
TITLES = {"synops": "price on operations", "spikes_l1": "price on spikes"}
SHIPPED_NAME, CONTROL = "as shipped", "control"
STYLES = {
    "synops": (BLUE, "o-"),
    "spikes_l1": (ORANGE, "s--"),
    SHIPPED_NAME: (VERMILION, "*"),
    CONTROL: (BLACK, "D"),
}
EPOCHS, RATE = 4, 1e-3
TARGET, BITS = "loihi-sim", 8
MODELS = ("davies2018", "boyle2025")
NOMINAL = "boyle2025"
MORE_ERROR = (0.02, 0.05, 0.1, 0.2, 0.5)  # than the control's: where the two curves are compared


def jobs() -> list[Job]:
    """The network as shipped, the control, and a job a weight."""
    return [
        _job(SHIPPED_NAME, BEFORE, 0),
        _job(CONTROL, BEFORE, EPOCHS),
        *(
            _job(f"{term} {weight:g}", replace(BEFORE, **{term: weight}), EPOCHS)
            for term, weights in WEIGHTS_OF.items()
            for weight in weights
        ),
    ]


def _job(name: str, regularization: Regularization, epochs: int) -> Job:
    training = {
        "checkpoint": hashlib.sha256(SHIPPED.read_bytes()).hexdigest(),
        "regularization": asdict(regularization),
        "epochs": epochs,
        "batch": 32,
        "learning_rate": RATE,
        "shift": 1,
        "weight_noise": 0.004,
        "seed": 0,
        "images": len(digits("train")[0]),
    }
    measuring = {
        "target": TARGET,
        "chip": chip_digest(TARGET),
        "bits": BITS,
        "calibration": CALIBRATION_SAMPLES,
        "images": len(digits("test")[0]),
    }
    return Job("pareto", name, {"training": training, "measuring": measuring}, _point, ON_CHIP)


def _point(asked: Json) -> Json:
    """One point of the curve."""
    return measured(_tuned(asked["training"]), asked["measuring"])


def _shipped() -> SpikingNetwork:
    """The shipped network, to be trained further."""
    kept = load(SHIPPED)
    network = SpikingAutoencoder(
        steps=kept.settings.steps, latent=len(kept.state_dict["layers.to_latent.bias"])
    )
    network.load_state_dict(dict(kept.state_dict))
    network.settings = replace(kept.settings, training={})
    return network


def _tuned(asked: Json) -> SpikingNetwork:
    """The network trained further as asked; taken from build/paper where it is kept."""
    network = _shipped()
    if not asked["epochs"]:
        return network
    plan = TrainingPlan(
        asked["epochs"],
        asked["batch"],
        asked["learning_rate"],
        shift=asked["shift"],
        weight_noise=asked["weight_noise"],
        regularization=Regularization(**asked["regularization"]),
        seed=asked["seed"],
    )
    images = digits("train")[0][: asked["images"]]
    return fitted(
        "pareto-", asked, network, lambda state: train(network, images, plan, state=state)
    )


def measured(network: SpikingNetwork, wanted: Json) -> Json:
    """What a network does on the chip, on the first test digits.

    Returns:
        `rows.figures`; `cores`, and the `rates` of the layers in spikes a neuron and step.
    """
    known = load_data("mnist5k:train", samples=wanted["calibration"])
    data = load_data("mnist5k", samples=wanted["images"])
    graph = trace(network, torch.zeros(1, *data.values.shape[1:]))
    ran = compile_graph(graph, wanted["target"], calibration=known, bits=wanted["bits"]).run(data)
    return {
        **figures(ran.result),
        "cores": len(ran.placed.cores),
        "rates": {layer.name: layer.rate for layer in ran.result.counts.layers.values()},
    }


def text() -> str:
    """The section of the page, out of the answers that are there."""
    found = _answers()
    weights = ", ".join(f"{weight:g}" for weight in WEIGHTS_OF["synops"])
    spikes = ", ".join(f"{weight:g}" for weight in WEIGHTS_OF["spikes_l1"])
    parts = [
        "## What error costs in joules",
        "",
        f"The shipped autoencoder, trained for {EPOCHS} more epochs with a penalty on expected "
        f"synaptic operations (`synops`: {weights}), which weighs a spike with the connections "
        f"behind it, or with a higher price on every spike (`spikes_l1`: {spikes}; it was trained "
        f"with {BEFORE.spikes_l1:g}). The control goes on for as long with nothing changed. All "
        f"other penalties stay as they were. Peak rate {RATE:g}, one seed, weights set beforehand. "
        f"Then {BITS}-bit integers on `{TARGET}`, scales chosen on {CALIBRATION_SAMPLES} training "
        "digits, measured by the fixed engine on the test digits. Errors are squared errors an "
        "image, everything else is a digit's; joules and times are modelled, the state is reset "
        "between digits and the chip runs as fast as it can.",
        "",
    ]
    if found:
        parts += [_table(found), ""]
    if len(found) < len(jobs()):
        parts += [f"{len(found)} of {len(jobs())} points have been computed so far.", ""]
    if _comparable(found):
        parts += [_at_equal_error(found), "", _verdict(found), ""]
        parts += ["![energy and time against error](results/pareto.svg)", ""]
    return "\n".join(parts)


def _answers() -> dict[str, Json]:
    """By name, the points that have an answer."""
    return {job.name: job.answer() for job in jobs() if job.done}


def _comparable(found: dict[str, Json]) -> bool:
    """Whether there is a curve of either penalty."""
    return all(len(_curve(found, term)) > 1 for term in WEIGHTS_OF)


def _table(found: dict[str, Json]) -> str:
    lines = [
        [
            name,
            f"{one['float_error']:.3f}",
            f"{one['fixed_error']:.3f}",
            f"{one['spikes']:,.0f}",
            f"{one['synops'] / 1e6:.3f}",
            *(f"{one['joules'][model] * 1e6:.2f}" for model in MODELS),
            *(f"{one['sample_s'][model] * 1e3:.3f}" for model in MODELS),
        ]
        for name, one in found.items()
    ]
    head = ["network", "float error", "fixed error", "spikes", "million operations"]
    units = [f"{unit}, {model}" for unit in ("µJ", "ms") for model in MODELS]
    return markdown([*head, *units], lines)


def _curve(found: dict[str, Json], term: str) -> list[Json]:
    """The control and the points of a penalty, by rising error; without a control none."""
    names = [CONTROL, *(f"{term} {weight:g}" for weight in WEIGHTS_OF[term])]
    points = [found[name] for name in names if name in found] if CONTROL in found else []
    return sorted(points, key=lambda one: float(one["fixed_error"]))


def joules_at(curve: list[Json], error: float) -> float | None:
    """Joules of the nominal model where a curve has this error, between its two neighbours.

    A point that another one beats in both error and joules is passed over; None outside the curve.
    """
    front: list[tuple[float, float]] = []
    for point in curve:
        joules = point["joules"][NOMINAL]
        if not front or joules < front[-1][1]:
            front.append((point["fixed_error"], joules))
    errors, joules = zip(*front, strict=True)
    if not errors[0] <= error <= errors[-1]:
        return None
    return float(np.interp(error, errors, joules))


def _compared(found: dict[str, Json]) -> dict[float, dict[str, float | None]]:
    """By error above the control's, joules of either penalty."""
    base = found[CONTROL]["fixed_error"]
    return {
        more: {term: joules_at(_curve(found, term), base * (1 + more)) for term in WEIGHTS_OF}
        for more in MORE_ERROR
    }


def saved(more: float) -> float:
    """Share of the control's joules that a price on operations saves at that much more error."""
    found = _answers()
    joules = _compared(found)[more]["synops"]
    return 0.0 if joules is None else 1 - joules / float(found[CONTROL]["joules"][NOMINAL])


def _at_equal_error(found: dict[str, Json]) -> str:
    base = found[CONTROL]["joules"][NOMINAL]
    lines = [
        [f"+{more:.0%}".replace("%", " %"), *(_cell(joules, base) for joules in each.values())]
        for more, each in _compared(found).items()
    ]
    head = ["fixed error", *(f"µJ with a {TITLES[term]}" for term in WEIGHTS_OF)]
    return markdown(head, lines)


def _cell(joules: float | None, base: float) -> str:
    return "-" if joules is None else f"{joules * 1e6:.2f} ({100 * (joules / base - 1):+.0f} %)"


def _verdict(found: dict[str, Json]) -> str:
    """How much energy an error buys, and which penalty buys more of it."""
    said = []
    for more, each in _compared(found).items():
        operations, spikes = each["synops"], each["spikes_l1"]
        if operations is None or spikes is None:
            continue
        saved = 100 * (1 - operations / spikes)
        than = f"{abs(saved):.1f} % {'less' if saved > 0 else 'more'}"
        said.append(f"at {100 * more:.0f} % more error {than} energy than a price on spikes")
    how = f"Joules ({NOMINAL}) are interpolated between points; brackets compare with the control."
    if not said:
        return f"{how} The curves have none of these errors in common."
    return f"{how} A price on operations takes {'; '.join(said)}."


def draw(folder: Path) -> None:
    """Energy and time against error, a line a penalty."""
    found = _answers()
    if not _comparable(found):
        return
    figure, axes = panels(2, width=5)
    views = (("joules", "µJ", 1e6), ("sample_s", "ms", 1e3))
    for ax, (key, unit, factor) in zip(axes, views, strict=True):
        lines = {title: (_curve(found, term), STYLES[term]) for term, title in TITLES.items()}
        lines |= {n: ([found[n]], STYLES[n]) for n in (SHIPPED_NAME, CONTROL) if n in found}
        places = []
        for title, (points, (colour, style)) in lines.items():
            x = [one["fixed_error"] for one in points]
            y = [one[key][NOMINAL] * factor for one in points]
            ax.plot(x, y, style, color=colour)
            places.append((x[-1], y[-1], title, colour))
        ax.set(xlabel="fixed error, squared an image", ylabel=f"{unit} a digit, {NOMINAL}")
        ax.set_ylim(bottom=0)
        named(ax, places)
    save(figure, folder / "pareto.svg")
