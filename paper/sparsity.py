"""How sparse the code of an autoencoder is, in space and in time.

In:  the kept networks of paper/twin.py, spiking and without spikes; official test images.
Out: by layer, how many neurons take part in an image, and when they spike; how far the latent
     neurons go together.
The float network is looked at: its integers err by almost as much.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from neurocompile.engines.floating import run_float
from neurocompile.frontend.torch import trace
from neurocompile.ir.arrays import Array
from neurocompile.simplify import simplify
from paper import twin
from paper.charts import STYLES, named, panels, save
from paper.markdown import table
from paper.study import TRAINER, Job, Json

IMAGES, BATCH = 1_000, 100
BINS = np.linspace(-1, 1, 41)  # of correlations


def jobs() -> list[Job]:
    """One a data set, of the networks of seed 0."""
    return list(_jobs().values())


def _jobs() -> dict[str, Job]:
    found = {}
    for name in twin.FOLDERS:
        both = {kind: twin.question(name, kind, 0)["training"] for kind in ("spiking", "plain")}
        asked = {**both, "images": IMAGES, "bins": len(BINS) - 1}
        found[name] = Job("sparsity", name, asked, _measure, TRAINER)
    return found


def _measure(asked: Json) -> Json:
    """By layer, space and time; of both latent layers, shares and correlations."""
    images = twin.images(asked["spiking"]["data"], "test", asked["images"]).values
    network = twin.trained(asked["spiking"])
    graph = simplify(trace(network, torch.zeros(1, *images.shape[1:])))
    counts: dict[str, list[Array]] = {}
    steps: dict[str, list[Array]] = {}
    for first in range(0, len(images), BATCH):
        currents = images[first : first + BATCH].astype(float) * graph.settings.encoder.gain
        for layer, spikes in run_float(graph, currents, graph.settings.steps).spikes.items():
            flat = spikes.reshape(*spikes.shape[:2], -1)
            counts.setdefault(layer, []).append(flat.sum(axis=1, dtype=np.int64))
            steps.setdefault(layer, []).append(flat.mean(axis=2, dtype=float))
    whole = {layer: np.concatenate(each) for layer, each in counts.items()}
    with torch.no_grad():
        code = twin.plain(asked["plain"]).encode(torch.tensor(images))[0].numpy()
    return {
        "layers": {
            layer: {**space(each), "by_step": np.concatenate(steps[layer]).mean(0).tolist()}
            for layer, each in whole.items()
        },
        "spiking": {**space(whole["latent"]), **together(whole["latent"])},
        "plain": {**space(code), **together(code)},
    }


def space(counts: Array) -> Json:
    """How many neurons take part in an image, of what each does in it, (images, neurons).

    Returns:
        `active`: share of the neurons that are not silent, mean over images; `active_sd`: its
        standard deviation; `each`: what an active neuron does in an image, in the mean.
    """
    active = (counts > 0).mean(axis=1)
    return {
        "active": float(active.mean()),
        "active_sd": float(active.std(ddof=1)),
        "each": float(counts.sum() / max((counts > 0).sum(), 1)),
    }


def together(counts: Array) -> Json:
    """Pearson's correlation of every two neurons over images, silent ones left out.

    Returns:
        `correlation`: the mean of the absolute values; `histogram`: shares of the pairs in `BINS`.
    """
    moving = counts[:, counts.std(axis=0) > 0]
    r = np.corrcoef(moving.T)[np.triu_indices(moving.shape[1], 1)]
    shares = np.histogram(r, BINS)[0] / r.size
    return {"correlation": float(np.abs(r).mean()), "histogram": shares.tolist()}


def kept(name: str) -> Json | None:
    """The answer of a data set, if it is there."""
    job = _jobs()[name]
    return job.answer() if job.done else None


def text() -> str:
    """The section of the page."""
    found = {name: kept(name) for name in twin.FOLDERS}
    lines, codes = [], []
    for name, one in found.items():
        if one is None:
            continue
        for layer, each in one["layers"].items():
            lines.append([f"{twin.TITLES[name]}, {layer}", f"{100 * each['active']:.1f}",
                          f"{100 * each['active_sd']:.1f}", f"{each['each']:.2f}",
                          f"{np.mean(each['by_step']):.3f}"])  # fmt: skip
        for kind, words in (("spiking", "spikes"), ("plain", "the same layers without spikes")):
            codes.append([f"{twin.TITLES[name]}, {words}", f"{100 * one[kind]['active']:.1f}",
                          f"{100 * one[kind]['active_sd']:.1f}",
                          f"{one[kind]['correlation']:.3f}"])  # fmt: skip
    head = ("layer", "active in an image, %", "sd over images", "spikes of an active neuron",
            "spikes a step")  # fmt: skip
    return (
        "\n\n".join(
            [
                "## Sparsity in space and time",
                "The networks of *As good as the same layers without spikes?*, seed 0, in floats, "
                f"on the first {IMAGES:,} official test images. *Active*: with at least one spike "
                "in the image. *Spikes a step*: per neuron, silent ones counted.",
                table(head, lines),
                "The latent layer beside that of the same layers without spikes, where active "
                "means not zero. *Correlation*: the mean absolute one of every two neurons over "
                "images, of their numbers of spikes or their values.",
                table(("code", "active in an image, %", "sd over images", "correlation"), codes),
                PICTURE,
            ]
        )
        + "\n"
    )


PICTURE = "![neurons that take part, spikes by step, correlations](results/sparsity.svg)"


def draw(folder: Path) -> None:
    """Space by layer, time by layer, and correlations of the latent neurons."""
    found = {name: one for name in twin.FOLDERS if (one := kept(name)) is not None}
    if not found:
        return
    figure, (space_ax, time_ax, pairs_ax) = panels(3, width=4.4)
    layers = list(next(iter(found.values()))["layers"])
    for one, mark in zip(found.values(), "os", strict=False):
        shares = [100 * one["layers"][layer]["active"] for layer in layers]
        spread = [100 * one["layers"][layer]["active_sd"] for layer in layers]
        colours = [STYLES[layer][0] for layer in layers]
        places = np.arange(len(layers)) + (0.12 if mark == "s" else -0.12)
        space_ax.errorbar(places, shares, spread, linestyle="", color="0.6", capsize=2, zorder=1)
        space_ax.scatter(places, shares, c=colours, marker=mark, zorder=2)
    space_ax.set_xticks(range(len(layers)), layers)
    titles = (f"{mark}: {twin.TITLES[name]}" for name, mark in zip(found, ("●", "■"), strict=False))
    space_ax.set(ylabel="neurons active in an image, %", ylim=(0, 100), xlabel=", ".join(titles))
    one = next(iter(found.values()))
    ends = []
    for layer in layers:
        rates = one["layers"][layer]["by_step"]
        colour, mark = STYLES[layer]
        time_ax.plot(range(1, len(rates) + 1), rates, color=colour, marker=mark, markersize=3)
        ends.append((len(rates), rates[-1], layer, colour))
    time_ax.set(xlabel=f"step ({twin.TITLES[next(iter(found))]})", ylabel="spikes a neuron")
    time_ax.set(ylim=(0, None))
    named(time_ax, ends)
    middles, ends = (BINS[1:] + BINS[:-1]) / 2, []
    for kind, row in (("spiking", "spiking autoencoder, float"), ("plain", "plain autoencoder")):
        shares = 100 * np.array(one[kind]["histogram"])
        pairs_ax.plot(middles, shares, color=STYLES[row][0])
        top = int(shares.argmax())
        words = "spikes" if kind == "spiking" else "without spikes"
        ends.append((middles[top], shares[top], words, STYLES[row][0]))
    pairs_ax.set(xlabel="correlation of two latent neurons", ylabel="% of the pairs")
    pairs_ax.set(xlim=(-1, 1), ylim=(0, None))
    named(pairs_ax, ends)
    save(figure, folder / "sparsity.svg")
