"""The search for the weights of the penalties, which the publication does not state.

In:  a grid of weights; 3,600 training digits to train on, the other 400 to judge.
Out: one short run per point, all with the same seed; the best of each kind enters the table.
"""

from __future__ import annotations

from pathlib import Path

from paper.charts import GREY, SAFE, chance, named, panels, save
from paper.markdown import table
from paper.study import TRAINER, Job, Json
from paper.table import mean_image
from paper.training import digits, question, summary, trained

Group = tuple[str, str, float, int]  # architecture, gradient, learning rate, epochs

# (potential_l2, spikes_l2). In our architecture coarse steps first, which showed that a potential
# price of 0.1 and a spike price of 0.3 silence the latent layer; then finer ones below. The
# paper's has five times the neurons to pay for.
GRIDS: dict[Group, list[tuple[float, float]]] = {
    ("chip", "membrane", 2e-3, 4): [
        (0.01, 0.0), (0.01, 0.03), (0.01, 0.3), (0.03, 0.0), (0.03, 0.03), (0.1, 0.0),
        (0.1, 0.003), (0.1, 0.01), (0.03, 0.003), (0.03, 0.01), (0.003, 0.03), (0.01, 0.01),
        (0.003, 0.06), (0.02, 0.01), (0.015, 0.02), (0.3, 0.0), (0.003, 0.1), (0.01, 0.06),
    ],
    ("chip", "membrane", 1e-3, 4): [(0.0, 0.0), (0.003, 0.06), (0.01, 0.03), (0.02, 0.01)],
    ("chip", "surrogate", 2e-3, 4): [(0.0, 0.0), (0.01, 0.03)],
    ("chip", "membrane", 1e-3, 32): [(0.02, 0.01)],
    ("chip", "membrane", 2e-3, 32): [(0.02, 0.01), (0.01, 0.03), (0.03, 0.003)],
    ("chip", "membrane", 4e-3, 32): [(0.02, 0.01)],
    ("chip", "surrogate", 2e-3, 32): [(0.01, 0.03)],
    ("paper", "membrane", 1e-3, 2): [
        (0.003, 0.001), (0.001, 0.003), (0.003, 0.003), (0.001, 0.001), (0.0003, 0.0003),
    ],
}  # fmt: skip
PICTURE = "![error of every point](results/search.svg)"


def jobs() -> list[Job]:
    """A run a point."""
    return [job for group in GRIDS for _, job in _points(group)]


def _points(group: Group) -> list[tuple[tuple[float, float], Job]]:
    """Penalties and run of every point of one grid."""
    architecture, backprop, rate, epochs = group
    found = []
    for potential, spikes in GRIDS[group]:
        asked = question(
            architecture,
            backprop,
            {"potential_l2": potential, "spikes_l2": spikes},
            0,
            epochs=epochs,
            learning_rate=rate,
            part="search",
        )
        start = f"{architecture} {backprop} {rate:g} {epochs} epochs"
        name = f"{start} potential {potential:g}, spikes {spikes:g}"
        found.append(((potential, spikes), Job("search", name, asked, _judge, TRAINER)))
    return found


def _judge(asked: Json) -> Json:
    return summary(trained(asked), digits("judge")[0])


def text() -> str:
    """The section of the page."""
    head = ("architecture, gradient, rate", "epochs", "potential", "spikes",
            "squared error an image", "dead", "bursting", "latent spikes a step")  # fmt: skip
    lines = []
    for group in GRIDS:
        architecture, backprop, rate, epochs = group
        for (potential, spikes), job in _points(group):
            found = job.answer()
            latent = found["layers"]["latent"]
            line = [f"{architecture}, {backprop}, {rate:g}", str(epochs)]
            line += [f"{potential:g}", f"{spikes:g}"]
            line += [f"{found['error']:.1f}", str(latent["dead"]), str(latent["bursting"])]
            lines.append([*line, f"{latent['rate']:.3f}"])
    prose = Path(__file__).with_suffix(".md").read_text()
    return "\n".join([prose, table(head, lines), "", PICTURE, ""])


def draw(folder: Path) -> None:
    """Error of every point against its latent rate."""
    figure, ax = panels(1, width=8)
    places = []
    for group, colour, mark in zip(GRIDS, (*SAFE, GREY), "osD^vPX*", strict=True):
        answers = [job.answer() for _, job in _points(group)]
        found = [(one["layers"]["latent"]["rate"], one["error"]) for one in answers]
        label = f"{group[0]}, {group[1]}, rate {group[2]:g}, {group[3]} epochs"
        ax.plot(*zip(*found, strict=True), linestyle="", color=colour, marker=mark, alpha=0.7)
        places.append((*max(found), label, colour))
    ax.set(xlabel="spikes of a latent neuron a step", ylabel="squared error an image")
    ax.set(ylim=(0, None))
    chance(ax, mean_image(), "mean image")
    named(ax, places)
    save(figure, folder / "search.svg")
