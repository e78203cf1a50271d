"""An autoencoder on the chip's integers beside the same layers without spikes.

In:  whole data sets as IDX files: MNIST in the folder that the variable MNIST names, Fashion-MNIST
     where Debian's dataset-fashion-mnist has it, or in the folder of the variable FASHION.
Out: errors of float and integers, joules, dead and bursting neurons of every layer, on the 10,000
     official test images, which are looked at once.
Both kinds have the same layers, images, passes and limits of a pixel. The last 1,000 training
images judged the choices; they train the networks of the table too.
"""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from neurocompile.compiler import compile_graph
from neurocompile.data.samples import Data, load_data
from neurocompile.data.stimulus import Stimulus
from neurocompile.engines.agree import Engine
from neurocompile.engines.batches import batches
from neurocompile.engines.decode import last_layer, result_of
from neurocompile.errors import BadInput
from neurocompile.frontend.torch import trace
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.nn import (
    RateNetwork,
    Regularization,
    SpikingAutoencoder,
    TrainingPlan,
    activity,
    train,
)
from neurocompile.nn.network import SpikingNetwork, read_out
from neurocompile.nn.training import shifted
from paper.charts import panels, save
from paper.intervals import or_mean, ratio
from paper.markdown import table
from paper.plain import PlainAutoencoder
from paper.rows import chip_digest, figures
from paper.study import ROOT, TRAINER, Job, Json
from paper.weights import fitted

FOLDERS = {"MNIST": ROOT / "build" / "mnist", "FASHION": Path("/usr/share/datasets/fashion-mnist")}
TITLES = {"MNIST": "MNIST", "FASHION": "Fashion-MNIST"}
SOURCES = {
    "MNIST": "the four files of its authors, gzipped or not",
    "FASHION": "apt install dataset-fashion-mnist, or the four files of its authors",
}
SEEDS = {"MNIST": (0, 1, 2), "FASHION": (0,)}  # a network takes 40 minutes of a core
CHOSEN = 1_000  # training images on which the integers are chosen
TARGET, BITS = "loihi-sim", (8, 4)
NOMINAL = "boyle2025"
SHOWN, PIXELS = 10, 784
KEYS = ("neurons", "unreachable", "dead", "bursting")
PENALTIES = Regularization(band=0.1, low=0.02, high=0.25, spikes_l1=5e-4)
RATES = TrainingPlan(20, 100, 3e-3, shift=1, regularization=PENALTIES)
SPIKES = TrainingPlan(12, 32, 2e-3, weight_noise=0.004, regularization=PENALTIES)
ASKED = (
    "epochs",
    "batch",
    "learning_rate",
    "shift",
    "clip",
    "weight_noise",
    "regularization",
    "seed",
)
PLAIN = {"epochs": 32, "shifted": 20, "batch": 32, "learning_rate": 2e-3, "shift": 1}
SPIKING, WITHOUT = "spiking, in the chip's integers", "the same layers without spikes"
# Squared error a pixel. FSVAE and ESVAE report errors in [-1, 1], so a quarter of theirs.
PUBLISHED = {
    "MNIST": (("FSVAE", 0.031 / 4), ("ESVAE", 0.013 / 4), ("paper, SAE dense", 6.75 / 784)),
    "FASHION": (("FSVAE", 0.031 / 4), ("ESVAE", 0.019 / 4)),
}


def folder(name: str) -> Path:
    """Where the files of a data set are.

    Raises:
        BadInput: If they are not there.
    """
    path = Path(os.environ.get(name, FOLDERS[name]))
    if not path.is_dir():
        raise BadInput(
            f"{path}: {TITLES[name]} is not there ({SOURCES[name]}). Set the variable {name} to "
            "the folder of its IDX files."
        )
    return path


@cache
def images(name: str, part: str, samples: int | None = None) -> Data:
    """The training images of a data set (part "train"), or its test images ("test"), or some."""
    ending = {"train": ":train", "test": ""}[part]
    return load_data(f"idx:{folder(name)}{ending}", samples=samples)


def jobs() -> list[Job]:
    """A spiking network and one without spikes, a data set and seed."""
    found = []
    for name, seed in ((each, seed) for each in FOLDERS for seed in SEEDS[each]):
        spiking, plain = (question(name, kind, seed) for kind in ("spiking", "plain"))
        found.append(Job("twin", f"{name} spiking {seed}", spiking, _spiking))
        found.append(Job("twin", f"{name} plain {seed}", plain, _plain, TRAINER))
    return found


def question(name: str, kind: str, seed: int) -> Json:
    """The question of a network of a data set; kind: "spiking" or "plain"."""
    if kind == "plain":
        return {"training": {"data": name, "seed": seed, **PLAIN}}
    spiking = {"data": name, "seed": seed, "rates": asked_of(RATES), "spikes": asked_of(SPIKES)}
    how = {"target": TARGET, "chip": chip_digest(TARGET), "bits": BITS, "chosen": CHOSEN}
    return {"training": spiking, "measuring": how}


def trained(asked: Json) -> SpikingNetwork:
    """The spiking network of a question, trained as rates and then as spikes."""
    seed = asked["seed"]
    network = SpikingAutoencoder(input_population=False, limited=True, seed=seed)
    values = torch.tensor(images(asked["data"], "train").values)

    def fit(state: Path) -> None:
        plans = [replace(plan_of(asked[stage]), seed=seed) for stage in ("rates", "spikes")]
        before = state.with_suffix(".rates.state")
        train(RateNetwork(network), values, plans[0], state=before)
        train(network, values, plans[1], state=state)
        before.unlink(missing_ok=True)

    return fitted("twin-", asked, network, fit)


def asked_of(plan: TrainingPlan) -> Json:
    """A plan as part of a question, which does not change when plans get further options."""
    return {name: asdict(plan)[name] for name in ASKED}


def plan_of(asked: Json) -> TrainingPlan:
    """The plan that is part of a question."""
    penalties = Regularization(**asked["regularization"])
    return TrainingPlan(**{**asked, "regularization": penalties})


def _spiking(asked: Json) -> Json:
    """What the spiking network does on the chip, on all test images."""
    name, how = asked["training"]["data"], asked["measuring"]
    network, test = trained(asked["training"]), images(asked["training"]["data"], "test")
    graph = trace(network, torch.zeros(1, *test.values.shape[1:]))
    chosen = images(name, "train", how["chosen"])
    made = {b: compile_graph(graph, how["target"], calibration=chosen, bits=b) for b in how["bits"]}
    layers = activity(network, torch.tensor(test.values))
    return {
        "bits": {str(bits): figures(one.run(test).result) for bits, one in made.items()},
        "layers": {layer: asdict(found) for layer, found in layers.items()},
        "shown": _pixels(_results(made[how["bits"][0]].fixed_graph, images(name, "test", SHOWN))),
    }


def _results(graph: Graph, data: Data) -> Array:
    """What the integers make of samples."""
    read = (last_layer(graph),)
    engine = Engine("fixed", graph, len(data), spikes=read, membrane=read)
    ran = batches(graph, Stimulus(data, graph.settings.steps), engine)
    return np.concatenate([np.asarray(result_of(graph, batch.did)) for batch in ran])


def _pixels(pictures: Array) -> list[str]:
    """Pictures as bytes in hexadecimal."""
    return [np.rint(one * 255).astype(np.uint8).tobytes().hex() for one in pictures]


def _plain(asked: Json) -> Json:
    """Error of the layers without spikes on all test images."""
    name, model = asked["training"]["data"], plain(asked["training"])
    few = torch.tensor(images(name, "test", SHOWN).values)
    with torch.no_grad():
        shown = read_out(LIMITS, model(few)).numpy()
    return {
        "error": plain_error(model, name),
        "shown": _pixels(shown),
        "truth": _pixels(few.numpy()),
    }


def plain(asked: Json) -> PlainAutoencoder:
    """The layers without spikes, trained through the limits of a pixel."""
    model = PlainAutoencoder("chip", 100, variational=False, seed=asked["seed"])
    values = torch.tensor(images(asked["data"], "train").values)
    return fitted("twin-plain-", asked, model, lambda _: descend_shifted(model, values, asked))


def descend_shifted(model: nn.Module, values: Tensor, asked: Json) -> None:
    """Adam with a one-cycle rate, as the spiking network has it."""
    batch, epochs, rate = asked["batch"], asked["epochs"], asked["learning_rate"]
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    total = epochs * -(-len(values) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=total)
    random = torch.Generator().manual_seed(asked["seed"])
    for epoch in range(epochs):
        limit = asked["shift"] if epoch < asked["shifted"] else 0
        for chosen in torch.randperm(len(values), generator=random).split(batch):
            x = shifted(values[chosen], limit, random)
            loss = (read_out(LIMITS, model(x)) - x).square().sum() / len(x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


LIMITS = SpikingAutoencoder(limited=True).settings.decoder


def plain_error(model: nn.Module, name: str, samples: int | None = None) -> float:
    """Squared error an image on all test images, or on the first ones."""
    values = torch.tensor(images(name, "test", samples).values)
    total = 0.0
    with torch.no_grad():
        for x in values.split(500):
            total += float((read_out(LIMITS, model(x)) - x).double().square().sum())
    return total / len(values)


def answers(name: str, kind: str) -> list[Json]:
    """Kept answers of a data set and kind, "spiking" or "plain", by seed."""
    start = f"{name} {kind} "
    return [job.answer() for job in jobs() if job.name.startswith(start) and job.done]


def text() -> str:
    """The section of the page, out of the answers that are there."""
    seeds = ", ".join(f"{len(each)} ({TITLES[name]})" for name, each in SEEDS.items())
    parts = [
        "## As good as the same layers without spikes?",
        "",
        f"Our architecture at T = {SpikingAutoencoder().settings.steps} on all 60,000 training "
        f"images, measured on the 10,000 official test images. The image enters as bias "
        "currents of the first maps, so no neuron stands for a pixel; a reconstruction is limited "
        f"to [0, 1], in training too. The spiking network is trained for {RATES.epochs} passes as "
        f"its rates (`RateNetwork`) and then for {SPIKES.epochs} as it spikes, the layers without "
        f"spikes for {PLAIN['epochs']} passes. Both have shifts of a pixel in the first "
        f"{RATES.epochs}, the same batches and a one-cycle rate with the same peak of "
        f"{SPIKES.learning_rate:g}. Integers on `{TARGET}`, chosen on {CHOSEN:,} training images; "
        f"joules are modelled ({NOMINAL}). Seeds: {seeds}; ± is half of a 95 % interval over them; "
        "neurons are counted in all of them together. FSVAE and ESVAE have images enlarged to "
        "32 x 32, four convolutions and 150 and 300 passes.",
        "",
    ]
    for name in FOLDERS:
        if answers(name, "spiking") and answers(name, "plain"):
            parts += [f"### {TITLES[name]}", "", _table(name), "", _layers(name), ""]
            parts += [f"![images, and what is left of them](results/twin-{name.lower()}.svg)", ""]
    missing = [job.name for job in jobs() if not job.done]
    if missing:
        parts += [f"Not answered yet: {', '.join(missing)}.", ""]
    return "\n".join(parts)


def _table(name: str) -> str:
    """Errors and joules, our networks above those that others published."""
    without = [one["error"] for one in answers(name, "plain")]
    mean = np.mean(without)
    lines = [[WITHOUT, or_mean(without, 2), f"{mean / PIXELS:.5f}", "1", "-", "-"]]
    for bits in BITS:
        found = [one["bits"][str(bits)] for one in answers(name, "spiking")]
        errors = [one["fixed_error"] for one in found]
        joules = [one["joules"][NOMINAL] * 1e6 for one in found]
        ratios = [one["fixed_error"] / one["float_error"] for one in found]
        lines.append(
            [f"{SPIKING}, {bits} bits", or_mean(errors, 2), f"{np.mean(errors) / PIXELS:.5f}",
             f"{ratio(errors, without)[0]:.2f}", f"{np.mean(ratios):.3f}", or_mean(joules, 1)]
        )  # fmt: skip
    for who, error in PUBLISHED[name]:
        lines.append([f"{who}, published", f"{error * PIXELS:.2f}", f"{error:.5f}", "-", "-", "-"])
    head = ["network", "squared error an image", "a pixel", "times without spikes",
            "times its float form", "µJ an image"]  # fmt: skip
    return table(head, lines)


def _layers(name: str) -> str:
    """Dead and bursting neurons of every layer, over all seeds."""
    found = [one["layers"] for one in answers(name, "spiking")]
    lines = [
        [layer, *(f"{sum(one[layer][key] for one in found):,}" for key in KEYS),
         f"{np.mean([one[layer]['rate'] for one in found]):.3f}"]
        for layer in found[0]
    ]  # fmt: skip
    return table(["layer", *KEYS, "spikes a step"], lines)


def draw(directory: Path) -> None:
    """Test images, what the layers without spikes and what the chip's integers make of them."""
    for name in FOLDERS:
        spiking, without = answers(name, "spiking"), answers(name, "plain")
        if not spiking or not without:
            continue
        rows = (without[0]["truth"], without[0]["shown"], spiking[0]["shown"])
        sheet = np.concatenate([_row(row) for row in rows])
        figure, ax = panels(1, width=8.0, height=2.8)
        ax.imshow(sheet, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
        ax.set_yticks([14, 42, 70], ["image", "without spikes", "integers"])
        ax.set_xticks([])
        ax.grid(visible=False)
        save(figure, directory / f"twin-{name.lower()}.svg")


def _row(pictures: list[str]) -> Array:
    """Pictures side by side."""
    each = [np.frombuffer(bytes.fromhex(one), np.uint8).reshape(28, 28) for one in pictures]
    return np.concatenate(each, axis=1)
