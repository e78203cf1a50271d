"""Compressed transmission: bits for the latent spikes of a window against reconstruction error.

In:  trained autoencoders over gait windows; other codes for the same windows.
Out: bits per window and reconstruction error, for several sizes, steps and seeds.
Every message is encoded and decoded, and the decoded message must equal the one sent. All models of
the coder are learned on training windows. Test windows do not overlap and are sent as one message.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA

from neurocompile.ir.arrays import Array
from paper import rows, series, series_chip, series_models
from paper import transmission_coding as coding
from paper.charts import (
    BLUE,
    GREEN,
    PURPLE,
    SKY,
    STYLES,
    VERMILION,
    chance,
    drawn,
    named,
    panels,
    save,
)
from paper.markdown import mean_sd, table
from paper.series_data import SOURCES
from paper.study import ON_CHIP, Job, Json

RECORDING, SEEDS = "gait", (0, 1, 2)
SAMPLE_BITS = 16  # of the file's whole numbers, for a window as it is
LEVEL_BITS = (2, 3, 4, 6)  # of a value of the plain latent
COMPONENTS, STEPS = (12, 24, 48), (1.0, 0.5, 0.25, 0.12)  # a step is in units of the range
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "latent 24, T = 16": {},  # the detector's own network
    "latent 12, T = 16": {"latent": 12},
    "latent 48, T = 16": {"latent": 48},
    "latent 24, T = 8": {"steps": 8},
    "latent 24, T = 16, sparse": {"regularization": {"spikes_l1": 0.02}},
}


def jobs() -> list[Job]:
    """A job a configuration and seed, and one for principal components."""
    return [job for each in _jobs().values() for job in each] + [_principal_job()]


def _jobs() -> dict[str, list[Job]]:
    chip = {series_chip.CHIP: rows.chip_digest(series_chip.CHIP)}
    how = {"chip": chip, "bits": series_chip.BITS, "calibration": series_chip.CALIBRATION}
    return {
        name: [
            Job(
                "transmission",
                f"{name} {seed}",
                {
                    "training": series_models.question(
                        RECORDING, seed=seed, **{**series.SIZES[RECORDING], **changed}
                    ),
                    # The plain network has no steps and no spikes: one for each size is enough.
                    "level_bits": LEVEL_BITS if set(changed) <= {"latent"} else (),
                    **how,
                },
                _answer,
                ON_CHIP,
            )
            for seed in SEEDS
        ]
        for name, changed in CONFIGURATIONS.items()
    }


def _principal_job() -> Job:
    asked = series_models.question(RECORDING, seed=0, **series.SIZES[RECORDING])
    kept = {key: asked[key] for key in ("recording", "range")}
    question = {**kept, "components": COMPONENTS, "steps": STEPS}
    return Job("transmission", "principal components", question, _principal, code=())


def _answer(asked: Json) -> Json:
    training = asked["training"]
    train, test = _windows(training)
    network = series_models.spiking(training)
    compiled = series_chip.on_chip(network, train)
    before, now = series_chip.run(compiled, train).latent, series_chip.run(compiled, test)
    steps = training["steps"]
    sent = {}
    for name, memory in (("by neuron", 0), ("by silence", steps)):
        model = coding.learn_spikes(before, memory)
        words = coding.send_spikes(model, now.latent)
        _same(coding.receive_spikes(model, words, len(test), steps), now.latent)
        sent[name] = {"bits": _bits(words, test), "table_bits": model.table_bits}
    return {
        "error": _error(now.results, test),
        "raw_bits": steps * training["latent"],
        "latent_spikes": float(now.latent.sum() / len(test)),
        "sent": sent,
        "plain": {str(b): _plain(training, train, test, b) for b in asked["level_bits"]},
        "figures": series_chip.figures(compiled, now),
    }


def _plain(training: Json, train: Array, test: Array, bits: int) -> Json:
    """The plain autoencoder, each value of its latent at one of 2^bits levels of its range."""
    network = series_models.plain(training)
    with torch.no_grad():
        before, now = (
            network.get_submodule("encoder")(torch.tensor(x)).numpy() for x in (train, test)
        )
        low, high = before.min(axis=0), before.max(axis=0)
        step = np.maximum(high - low, 1e-9) / (2**bits - 1)
        levels = [np.rint((z - low) / step).astype(int) for z in (before, now)]
        received, figures = _exchanged(*levels)
        back = torch.tensor((received * step + low).astype(np.float32))
        return {"error": _error(network.get_submodule("decoder")(back).numpy(), test), **figures}


def _principal(asked: Json) -> Json:
    """Principal components, each coefficient in whole steps of one length."""
    train, test = _windows(asked)
    found = []
    for components in asked["components"]:
        fitted = PCA(components, svd_solver="full").fit(train.reshape(len(train), -1))
        before, now = (fitted.transform(x.reshape(len(x), -1)) for x in (train, test))
        for step in asked["steps"]:
            received, figures = _exchanged(*(np.rint(z / step).astype(int) for z in (before, now)))
            results = fitted.inverse_transform(received * step).reshape(test.shape)
            point = {"components": components, "step": step}
            found.append({**point, "error": _error(results, test), **figures})
    return {"points": found}


def _exchanged(train: Array, test: Array) -> tuple[Array, Json]:
    """Whole numbers (n, places) as they arrive, and what sending them took."""
    model = coding.learn_numbers(train)
    numbers = model.cut(test)
    words = coding.send_numbers(model, numbers)
    received = coding.receive_numbers(model, words, len(test))
    _same(received, numbers)
    return received, {"bits": _bits(words, test), "table_bits": model.table_bits}


def _same(received: Array, sent: Array) -> None:
    if not np.array_equal(received, sent):
        raise RuntimeError("a message was not decoded as it was sent: a bug in the coding")


def _bits(words: Array, test: Array) -> float:
    return coding.WORD * len(words) / len(test)


def _windows(asked: Json) -> tuple[Array, Array]:
    """Training windows, and test windows that do not overlap."""
    data = series_models.windows_of(asked, SOURCES[RECORDING].length)
    return data.train, data.test


def _error(results: Array, windows: Array) -> float:
    """Squared error over the variance of the windows."""
    return float(np.square(results - windows).mean() / windows.var(axis=0).mean())


def text() -> str:
    """The section of the page."""
    found = kept()
    if not found:
        return ""
    others = {"plain": _plain_points(found), "principal": principal_points()}
    lines = [_row(name, answers, others) for name, answers in found.items()]
    return "\n\n".join([_head(), table(_TABLE, lines), PICTURE]) + "\n"


def kept() -> dict[str, list[Json]]:
    """By configuration, the answers that are there."""
    each = {name: [j.answer() for j in some if j.done] for name, some in _jobs().items()}
    return {name: answers for name, answers in each.items() if answers}


PICTURE = "![error against bits](results/transmission.svg)"
_TABLE = [
    "network", "latent spikes", "raw bits", "coded by neuron", "coded by silence", "error",
    "plain at as many bits", "principal components", "sender's nJ, davies2018",
    "sender's nJ, boyle2025",
]  # fmt: skip


def _head() -> str:
    source = SOURCES[RECORDING]
    values = source.channels * source.length
    return f"""## Compressed transmission

A sensor node with the encoder half on its chip sends the latent spikes; the receiver runs the
decoder half. Gait windows of {values} values, {values * SAMPLE_BITS:,} bits as they are in the
file ({SAMPLE_BITS} bits a value). The spikes of the fixed engine are really encoded by the range
coder of constriction and decoded again. "By neuron": one spike probability a neuron; "by
silence": one for each number of steps since its last spike; both learned on training windows and
known to the receiver beforehand, as the weights are. Error: squared error over the variance of the
windows. Beside it the smallest error that two other codes reach with no more bits: the latent
of the plain autoencoder at {", ".join(map(str, LEVEL_BITS))} bits a value, and principal components
in steps, each coded the same way by histograms of the training windows. The sender's energy is
that of the encoder's layers and the synapses into them, for the steps of the whole network."""


def _row(name: str, answers: list[Json], others: dict[str, list[Json]]) -> list[str]:
    bits = float(np.mean([a["sent"]["by silence"]["bits"] for a in answers]))
    joules = [a["figures"]["encoder_joules"] for a in answers]
    return [
        name,
        f"{np.mean([a['latent_spikes'] for a in answers]):.0f}",
        f"{answers[0]['raw_bits']}",
        *(mean_sd([a["sent"][how]["bits"] for a in answers], 0)
          for how in ("by neuron", "by silence")),
        mean_sd([a["error"] for a in answers], 3),
        *(best_within(points, bits) for points in others.values()),
        *(f"{np.mean([j[m] for j in joules]) * 1e9:,.0f}" for m in series.MODELS),
    ]  # fmt: skip


def best_within(points: list[Json], bits: float) -> str:
    """The smallest error of points that take no more bits, or a dash."""
    errors = [p["error"] for p in points if p["bits"] <= bits]
    return f"{min(errors):.3f}" if errors else "-"


def _plain_points(found: dict[str, list[Json]]) -> list[Json]:
    """By latent size and level bits, means over the seeds."""
    return [
        {what: float(np.mean([a["plain"][b][what] for a in answers])) for what in ("bits", "error")}
        for answers in found.values()
        for b in answers[0]["plain"]
    ]


def principal_points() -> list[Json]:
    """Bits and errors of principal components."""
    job = _principal_job()
    return list(job.answer()["points"]) if job.done else []


def draw(folder: Path) -> None:
    """Error against bits a window."""
    found = kept()
    if not found:
        return
    figure, axes = panels(1, width=7.0)
    places = []
    for points, title in (
        (_plain_points(found), "plain autoencoder"),
        (principal_points(), "principal components"),
    ):
        x, y = [p["bits"] for p in points], [p["error"] for p in points]
        axes.plot(x, y, linestyle="", markersize=4, **drawn(title))
        if points:
            places.append((*max(zip(x, y, strict=True)), title, STYLES[title][0]))
    colours = (BLUE, SKY, GREEN, PURPLE, VERMILION)
    for (name, answers), colour in zip(found.items(), colours, strict=True):
        bits = [a["sent"]["by silence"]["bits"] for a in answers]
        errors = [a["error"] for a in answers]
        axes.plot(bits, errors, "o", markersize=4, color=colour)
        places.append((*max(zip(bits, errors, strict=True)), f"spikes, {name}", colour))
    axes.set(xlabel="bits a window", ylabel="squared error / variance", ylim=(0, 1.1))
    chance(axes, 1.0, "mean window")
    named(axes, places)
    save(figure, folder / "transmission.svg")
