"""How the error falls with the number of steps and with the size of the latent layer.

In:  trainings of our architecture in its best regularized row, with one seed.
Out: error, latent life and rate by T and by latent size.
"""

from __future__ import annotations

from pathlib import Path

from paper.charts import STYLES, drawn, named, panels, save
from paper.markdown import table
from paper.settings import BOTH, SETTINGS
from paper.study import TRAINER, Job, Json
from paper.training import digits, question, summary, trained

ROW, SETTING = BOTH, SETTINGS["chip"]
STEPS = (4, 8, 16, 32)
LATENTS = (10, 20, 50, 100)
# Dense SAE, read off the plots of the first author's repository (jhuebotter/SpikingVAE): by T with
# 100 latent neurons, and by latent neurons at T = 100.
PUBLISHED_STEPS = {10: 20.0, 20: 14.3, 50: 9.8, 100: 6.8}
PUBLISHED_LATENTS = {10: 23.0, 20: 14.0, 50: 7.5, 100: 6.75}


def jobs() -> list[Job]:
    """One a value of either sweep; T = 16 with 100 latent neurons belongs to both."""
    return [*_by("steps", STEPS), *_by("latent", LATENTS)]


def _by(what: str, values: tuple[int, ...]) -> list[Job]:
    row = SETTING.rows[ROW]
    found = []
    for value in values:
        asked = question(
            SETTING.architecture,
            row.backprop,
            row.regularization,
            0,
            epochs=SETTING.epochs,
            learning_rate=row.learning_rate,
            **{what: value},
        )
        found.append(Job("sweeps", f"{what} {value}", asked, _measure, TRAINER))
    return found


def _measure(asked: Json) -> Json:
    return summary(trained(asked), digits("test")[0])


def text() -> str:
    """The section of the page."""
    head = ("", "squared error an image", "latent dead", "latent bursting", "latent spikes a step")
    lines = []
    for what, values, title in (("steps", STEPS, "T ="), ("latent", LATENTS, "latent neurons")):
        for value, job in zip(values, _by(what, values), strict=True):
            found = job.answer()
            latent = found["layers"]["latent"]
            line = [f"{title} {value}", f"{found['error']:.2f}"]
            line += [str(latent["dead"]), str(latent["bursting"]), f"{latent['rate']:.3f}"]
            lines.append(line)
    return "\n".join(
        [
            "## Steps and latent size",
            "",
            f"Our architecture, row *{ROW}*, seed 0, {SETTING.epochs} epochs of the 4,000",
            "training digits, the 1,000 test digits. Other seeds and the paper's T = 100 were left",
            "out for time: a run costs as many times more as it has steps. Published, dense SAE,",
            f"60,000 digits, read off plots: {_published(PUBLISHED_STEPS)} steps, and",
            f"{_published(PUBLISHED_LATENTS)} latent neurons at T = 100.",
            "",
            table(head, lines),
            "",
            "![error by steps and by latent size](results/sweeps.svg)",
            "",
        ]
    )


def _published(values: dict[int, float]) -> str:
    return ", ".join(f"{error:g} at {value}" for value, error in values.items())


def draw(folder: Path) -> None:
    """Error by steps, and by latent size beside the published values."""
    figure, (left, right) = panels(2, width=5.6)
    sides = (
        (left, "steps", STEPS, PUBLISHED_STEPS, "ours, 4,000 digits", "published, dense, 60,000"),
        (right, "latent", LATENTS, PUBLISHED_LATENTS, "ours, T = 16", "published, dense, T = 100"),
    )
    for ax, what, values, published, mine, theirs in sides:
        errors = [job.answer()["error"] for job in _by(what, values)]
        ax.plot(values, errors, **drawn(ROW))
        ax.plot(list(published), list(published.values()), linestyle="--", **drawn("published"))
        ax.set(ylabel="squared error an image", ylim=(0, None))
        if what == "steps":
            ax.set(xscale="log", xlabel="steps T")
            ticks = sorted({*STEPS, *PUBLISHED_STEPS})
            ax.set_xticks(ticks, [str(steps) for steps in ticks])
            ax.minorticks_off()
        else:
            ax.set(xlabel="latent neurons")
        last = max(published)
        named(ax, [(values[-1], errors[-1], mine, STYLES[ROW][0]),
                   (last, published[last], theirs, STYLES["published"][0])])  # fmt: skip
    save(figure, folder / "sweeps.svg")
