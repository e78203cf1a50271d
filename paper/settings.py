"""The settings of the study: which questions share a table, and the spiking rows of each.

In:  nothing; this file states the choices of the study.
Out: training questions by setting, row and seed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from paper.study import Json
from paper.training import question

SEEDS = (0, 1, 2, 3, 4)
PLAIN = {"AE": "ae", "AE, weight decay": "ae-decay", "VAE": "vae", "beta-VAE": "beta-vae"}
UNREGULARIZED = "SAE, no regularization"


@dataclass(frozen=True)
class Row:
    """One spiking row: the gradient of a spike, the penalties, the learning rate."""

    backprop: str
    regularization: dict[str, float]
    learning_rate: float


@dataclass(frozen=True)
class Setting:
    """What all rows of one table share.

    Attributes:
        title: Of the table.
        architecture: As of paper/models.py.
        epochs: Of every row, plain ones too.
        rows: The spiking ones.
        plain: Rows without spikes, and what paper/plain.py calls them.
    """

    title: str
    architecture: str
    epochs: int
    rows: dict[str, Row]
    plain: dict[str, str] = field(default_factory=PLAIN.copy)

    @property
    def heading(self) -> str:
        """Of its part of a section."""
        return f"### {self.title[0].upper()}{self.title[1:]}"


def potential_and_spikes(potential: float, spikes: float) -> dict[str, float]:
    """The paper's penalties on squared potentials and squared spike counts."""
    return {"potential_l2": potential, "spikes_l2": spikes}


# Penalties and rates were chosen by paper/search.py on training digits that were held out there;
# the band is that of examples/train_mnist_autoencoder.py.
BAND = {"band": 0.1, "low": 0.02, "high": 0.25, "spikes_l1": 1e-3}
BOTH = "surrogate SAE, potential and spikes"
SETTINGS = {
    "chip": Setting(
        "our architecture, which fits the chip",
        "chip",
        8,
        {
            UNREGULARIZED: Row("membrane", {}, 1e-3),
            "SAE, sparse": Row("membrane", potential_and_spikes(0.003, 0.06), 1e-3),
            "SAE, dense": Row("membrane", potential_and_spikes(0.02, 0.01), 1e-3),
            "surrogate SAE, no regularization": Row("surrogate", {}, 2e-3),
            BOTH: Row("surrogate", potential_and_spikes(0.01, 0.03), 2e-3),
            "surrogate SAE, rate band": Row("surrogate", BAND, 2e-3),
        },
    ),
    "longer": Setting(
        "our architecture, six times as long",
        "chip",
        48,
        {
            UNREGULARIZED: Row("membrane", {}, 2e-3),
            "SAE, dense": Row("membrane", potential_and_spikes(0.02, 0.01), 2e-3),
        },
        {"AE": "ae"},
    ),
    "paper": Setting(
        "the paper's architecture, with the divisor 20",
        "paper",
        3,
        {
            UNREGULARIZED: Row("membrane", {}, 1e-3),
            "SAE, sparse": Row("membrane", potential_and_spikes(0.001, 0.003), 1e-3),
            "SAE, dense": Row("membrane", potential_and_spikes(0.001, 0.001), 1e-3),
            BOTH: Row("surrogate", potential_and_spikes(0.001, 0.001), 1e-3),
        },
    ),
}


def spiking_question(setting: str, row: str, seed: int) -> Json:
    """The training question of a spiking row."""
    chosen = SETTINGS[setting]
    how = chosen.rows[row]
    return question(
        chosen.architecture,
        how.backprop,
        how.regularization,
        seed,
        epochs=chosen.epochs,
        learning_rate=how.learning_rate,
    )


def spiking_rows() -> dict[tuple[str, str, int], Json]:
    """The training question of each (setting, row, seed)."""
    return {
        (name, row, seed): spiking_question(name, row, seed)
        for seed in SEEDS
        for name, setting in SETTINGS.items()
        for row in setting.rows
    }
