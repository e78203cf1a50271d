"""Spoken digits on the chip's integers, beside an SVM and a GRU, and with a speaker left out.

In:  examples/models/spoken_digits.pt and its front end; the Free Spoken Digit Dataset in the folder
     that the variable FSDD names (CC BY-SA 4.0; it is no part of this project).
Out: share of digits that float and integers know, joules and seconds of a word on both chips, early
     decisions; the same for five speakers in training and the sixth in the test.
The official test, recordings 0 to 4, is looked at once. Plans and settings were chosen on
recordings 5 to 9.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

import neurocompile as nc
from examples import cochlea
from examples import train_spoken_digits as example
from examples.train_spoken_digits import HELD_OUT, TEST, Recording
from neurocompile.compiled import Compiled
from neurocompile.compiler import compile_graph
from neurocompile.data.samples import CALIBRATION_SAMPLES, Data
from neurocompile.engines.early_exit import EarlyExit, choose_exit, decide_early
from neurocompile.frontend.torch import trace
from neurocompile.ir.graph import Graph
from paper import spoken_plain
from paper.charts import SAFE, panels, save
from paper.intervals import LEVEL
from paper.markdown import table
from paper.rows import chip_digest, figures
from paper.study import ROOT, Job, Json
from paper.twin import ASKED
from paper.weights import fitted

SHIPPED = ROOT / "examples" / "models" / "spoken_digits.pt"
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
WORDS = len(SPEAKERS) * 10 * len(TEST)  # of the official test
CHIPS = ("loihi-sim", "loihi2-sim")
BITS = (8, 4)
NOMINAL = {"loihi-sim": "boyle2025", "loihi2-sim": "loihi1-proxy"}
TIMES = {"loihi-sim": "boyle2025", "loihi2-sim": "loihi1-scaled"}
TOLERANCES = (0.0, 0.01, 0.02, 0.05, 0.1)
SVM = {"coefficients": 13, "parts": 10, "c": 3.0, "gamma": 0.3}
GRU = {"epochs": 30, "batch": 64, "learning_rate": 4e-3}
GOAL, GOAL_LOSS, GOAL_UJ = 0.95, 0.01, 50.0


def jobs() -> list[Job]:
    """The shipped network on the official test, those without spikes, and a job a speaker."""
    how = {
        "front": front(),
        "chips": {name: chip_digest(name) for name in CHIPS},
        "bits": list(BITS),
        "calibration": CALIBRATION_SAMPLES,
        "tolerances": list(TOLERANCES),
    }
    shipped = hashlib.sha256(SHIPPED.read_bytes()).hexdigest()[:16]
    plain = {"front": front(), "svm": SVM, "gru": GRU, "weights": network_weights(), "seed": 0}
    return [
        Job("spoken", "official split", {"model": shipped, "test": list(TEST), **how}, _official),
        Job("spoken", "official split, plain", {"test": list(TEST), **plain}, _official_plain),
        *(
            Job("spoken", f"without {speaker}",
                {"speaker": speaker, "training": training(), "svm": SVM, **how}, _without)
            for speaker in SPEAKERS
        ),
    ]  # fmt: skip


def front() -> Json:
    """What decides the spikes of a recording."""
    return {name.lower(): getattr(cochlea, name) for name in
            ("HOP", "BANDS", "LOWEST", "HIGHEST", "THRESHOLDS", "QUIET", "FORGETS")}  # fmt: skip


def training() -> Json:
    """What decides the weights of a network, but for its recordings."""
    names = ("steps", "hidden", "most_delay", "score")
    return {
        **{name: getattr(example, name.upper()) for name in names},
        "plan": {name: asdict(example.PLAN)[name] for name in ASKED},
    }


@cache
def recordings() -> tuple[Recording, ...]:
    """The whole data set."""
    return tuple(example.load(Path(os.environ.get("FSDD", ROOT / example.FOLDER))))


def _official(asked: Json) -> Json:
    """The shipped network on the official test."""
    seen = [one for one in recordings() if one.number not in TEST]
    test = [one for one in recordings() if one.number in TEST]
    made = compiled(nc.load(SHIPPED), seen)
    integers = made[CHIPS[0], BITS[0]].fixed_graph
    return {"on": measured(made, test), "early": early(integers, data(seen), data(test))}


def _official_plain(asked: Json) -> Json:
    """What an SVM and a GRU know of the official test."""
    seen = [one for one in recordings() if one.number not in TEST]
    test = [one for one in recordings() if one.number in TEST]
    gru = spoken_plain.Gated(asked["weights"], asked["seed"])
    spoken_plain.fit_gru(gru, seen, asked["gru"], asked["seed"])
    return {
        "svm": spoken_plain.svm_right(seen, test, asked["svm"]),
        "gru": spoken_plain.gru_right(gru, test),
        "units": gru.hidden,
    }


def _without(asked: Json) -> Json:
    """Five speakers in training, and every recording of the sixth in the test."""
    seen = [one for one in recordings() if one.speaker != asked["speaker"]]
    judged = [one for one in recordings() if one.speaker == asked["speaker"]]
    weights = {"without": asked["speaker"], "front": asked["front"], **asked["training"]}
    untrained = example.network(example.PLAN.seed)
    model = fitted("spoken-", weights, untrained,
                   lambda state: example.fit(untrained, seen, example.PLAN, state))  # fmt: skip
    graph = trace(model, example.encoded(judged[:1]).float())
    return {
        "on": measured(compiled(graph, seen, CHIPS[:1]), judged),
        "svm": spoken_plain.svm_right(seen, judged, asked["svm"]),
    }


def compiled(
    graph: Graph, seen: Sequence[Recording], chips: Sequence[str] = CHIPS
) -> dict[tuple[str, int], Compiled]:
    """A FLOAT graph by chip and bits of a weight, its scales chosen on training recordings."""
    chosen = data(seen[:: -(-len(seen) // CALIBRATION_SAMPLES)])
    return {
        (chip, bits): compile_graph(graph, chip, calibration=chosen, bits=bits)
        for chip in chips
        for bits in BITS
    }


def measured(made: dict[tuple[str, int], Compiled], judged: Sequence[Recording]) -> Json:
    """Float and integers on judged recordings, by chip and bits."""
    test = data(judged)
    return {f"{chip} {bits}": _on(one, test) for (chip, bits), one in made.items()}


def data(recordings: Sequence[Recording]) -> Data:
    """Spikes and digits as the compiler takes them."""
    spikes = example.encoded(recordings).numpy().astype(np.float32)
    return Data("spoken digits", "spikes", spikes, example.labels(recordings).numpy())


def _on(one: Compiled, test: Data) -> Json:
    """One chip and width: words that are known in float and integers, and the cost of one."""
    result = one.run(test).result
    assert result is not None  # it has just run
    costs = figures(result)
    showed = result.evaluation
    return {
        "float": showed.float_score.right / len(test),
        "fixed": showed.fixed_score.right / len(test),
        "cores": len(one.placed.cores),
        **{name: costs[name] for name in ("spikes", "synops", "joules", "step_s", "sample_s")},
    }


def early(graph: Graph, seen: Data, test: Data) -> list[Json]:
    """Decisions before the last step, by the share of training words that may differ."""
    found = []
    for tolerance in TOLERANCES:
        exit_at: EarlyExit = choose_exit(graph, seen, tolerance=tolerance)
        decided = decide_early(graph, test, exit_at)
        right = float(np.mean(decided.early == test.labels))
        found.append({"tolerance": tolerance, "right": right, "steps": float(decided.steps.mean())})
    return found


def network_weights() -> int:
    """Trained numbers of the spiking network, delays included."""
    return sum(each.numel() for each in example.network(0).parameters())


def answers() -> dict[str, Json]:
    """Kept answers by the name of their job."""
    return {job.name: job.answer() for job in jobs() if job.done}


def of_words(share: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of the official test words."""
    known = binomtest(round(share * WORDS), WORDS).proportion_ci(LEVEL, method="wilson")
    return float(known.low), float(known.high)


def unseen() -> tuple[float, float] | None:
    """Share known of the words of a speaker left out, by the chip and by the SVM, in the mean."""
    found = [one for name, one in answers().items() if name.startswith("without ")]
    if not found:
        return None
    ours = [one["on"][f"{CHIPS[0]} {BITS[0]}"]["fixed"] for one in found]
    return float(np.mean(ours)), float(np.mean([one["svm"] for one in found]))


def text() -> str:
    """The section of the page, out of the answers that are there."""
    found = answers()
    parts = [_HEAD]
    if "official split" in found:
        official = found["official split"]
        parts += [table(_KNOWN_TABLE, _known(found)), _verdict(found)]
        parts += [_COST, table(_COST_TABLE, _costs(official))]
        parts += [_EARLY, table(_EARLY_TABLE, _early_lines(official)), PICTURE]
    left_out = {s: found[f"without {s}"] for s in SPEAKERS if f"without {s}" in found}
    if left_out:
        parts += [_SPEAKERS, table(_SPEAKER_TABLE, _by_speaker(left_out))]
    missing = [job.name for job in jobs() if job.name not in found]
    if missing:
        parts += [f"Not answered yet: {', '.join(missing)}."]
    return "\n\n".join(parts) + "\n"


PICTURE = "![words known by the time of the decision, and by speaker](results/spoken.svg)"

_HEAD = f"""## Spoken digits

The Free Spoken Digit Dataset (CC BY-SA 4.0, github.com/Jakobovski/free-spoken-digit-dataset; the
variable `FSDD` names its folder): 3,000 recordings of ten digits by six speakers. Recordings
{TEST[0]} to {TEST[-1]} of each speaker and digit are its own test, 300 words. They chose nothing:
plans and settings were chosen on recordings {HELD_OUT[0]} to {HELD_OUT[-1]}, but for those of the
GRU, which were not searched. `examples/cochlea.py` turns sound into spikes without looking ahead:
{cochlea.BANDS} gammatone filters, hair cells, a gain, {len(cochlea.THRESHOLDS)} nerve fibres per
band, a step per {1000 * cochlea.DT:.0f} ms. The network is `examples/models/spoken_digits.pt`: a
learned delay for each of {cochlea.AXONS} fibres, up to {example.MOST_DELAY} steps, {example.HIDDEN}
LIF neurons, and the mean potential of ten readouts over {example.STEPS} steps. Scales are chosen on
{CALIBRATION_SAMPLES} training words. One seed. The SVM sees the mean cepstrum of {SVM["parts"]}
equal parts of a word; the GRU sees the levels of the bands, before the fibres make them spikes, and
has at most as many weights as the network."""

_KNOWN_TABLE = ["official test", "known, %", "weights", "of a weight"]
_COST = f"""What a word costs, the state reset between words. Joules and times are modelled: nominal
by {NOMINAL[CHIPS[0]]}, on `{CHIPS[1]}` by {NOMINAL[CHIPS[1]]}. Static power of a chip is in no
total. `neurocompile export examples/models/spoken_digits.pt --target loihi-sim` prints it: about
80 µJ a word as fast as possible, and about 60 mJ in real time, far more than all events:"""
_COST_TABLE = ["chip, bits of a weight", "known, %", "cores", "spikes", "operations",
               "µJ, nominal", "µJ, davies2018", "µs a step", "ms a word"]  # fmt: skip
_EARLY = f"""Decisions before the last step (`choose_exit`), 8 bits on `{CHIPS[0]}`: the margin is
chosen so that no more than a share of the training words is decided otherwise than at the end. Time
counts from the begin of the recording, which is the delay of an answer as people speak:"""
_EARLY_TABLE = ["training words that may differ, %", "known, %", "steps", "ms of sound"]
_SPEAKERS = """One speaker left out: the other five train a network of the same plan, and all 500
words of the sixth are its test. Five voices are too few for either method. Known, %:"""
_SPEAKER_TABLE = ["left out", "float", "8 bits", "4 bits", "MFCC + SVM"]


def _known(found: dict[str, Json]) -> list[list[str]]:
    """Words that are known, by network."""
    weights, on = f"{network_weights():,}", found["official split"]["on"]
    lines = [["spiking, float", _percent(on[f"{CHIPS[0]} {BITS[0]}"]["float"]), weights, "float32"]]
    lines += [["spiking, integers", _percent(on[f"{CHIPS[0]} {bits}"]["fixed"]), weights,
               f"{bits} bits"] for bits in BITS]  # fmt: skip
    if plain := found.get("official split, plain"):
        units = plain["units"]
        size = f"{spoken_plain.weights_of(units):,}"
        lines += [
            [f"GRU of {units} units", _percent(plain["gru"]), size, "float32"],
            ["MFCC + SVM", _percent(plain["svm"]), "-", "float64"],
        ]
    return lines


def met(one: Json) -> dict[str, bool]:
    """Goals, and whether one chip and width meets them."""
    return {
        f"at least {GOAL:.0%} in integers": one["fixed"] >= GOAL,
        f"within {100 * GOAL_LOSS:.0f} point of float": round(one["float"] - one["fixed"], 9)
        <= GOAL_LOSS,
        f"below {GOAL_UJ:.0f} µJ a word": 1e6 * one["joules"][NOMINAL[CHIPS[0]]] < GOAL_UJ,
    }


def _verdict(found: dict[str, Json]) -> str:
    """Goals that are met, those that are not, and what without spikes knows more."""
    one = found["official split"]["on"][f"{CHIPS[0]} {BITS[0]}"]
    said = "; ".join(f"{goal}: {'met' if good else 'missed'}" for goal, good in met(one).items())
    verdict = f"Goals set before, at {BITS[0]} bits on `{CHIPS[0]}`: {said}."
    plain = found.get("official split, plain", {})
    ahead = [name.upper() for name in ("svm", "gru") if plain.get(name, 0.0) > one["fixed"]]
    return f"{verdict} Ahead of it without spikes: {', '.join(ahead) or 'none'}."


def _costs(official: Json) -> list[list[str]]:
    """What a word costs, by chip and width."""
    lines = []
    for chip in CHIPS:
        for bits in BITS:
            one = official["on"][f"{chip} {bits}"]
            other = one["joules"].get("davies2018")
            lines.append(
                [f"`{chip}`, {bits}", _percent(one["fixed"]), str(one["cores"]),
                 f"{one['spikes']:,.0f}", f"{one['synops']:,.0f}",
                 f"{1e6 * one['joules'][NOMINAL[chip]]:.2f}",
                 "-" if other is None else f"{1e6 * other:.2f}",
                 f"{1e6 * one['step_s'][TIMES[chip]]:.1f}",
                 f"{1e3 * one['sample_s'][TIMES[chip]]:.2f}"]
            )  # fmt: skip
    return lines


def _early_lines(official: Json) -> list[list[str]]:
    """Early decisions, from the surest on."""
    return [
        [f"{100 * one['tolerance']:g}", _percent(one["right"]), f"{one['steps']:.1f}",
         f"{1000 * cochlea.DT * one['steps']:.0f}"]
        for one in official["early"]
    ]  # fmt: skip


def _by_speaker(left_out: dict[str, Json]) -> list[list[str]]:
    """A line a speaker, and their mean."""
    rows = {speaker: _known_of(one) for speaker, one in left_out.items()}
    rows["mean"] = [float(np.mean(column)) for column in zip(*rows.values(), strict=True)]
    return [[speaker, *map(_percent, row)] for speaker, row in rows.items()]


def _known_of(one: Json) -> list[float]:
    """Float, integers of each width, SVM."""
    integers = [one["on"][f"{CHIPS[0]} {bits}"] for bits in BITS]
    return [integers[0]["float"], *(each["fixed"] for each in integers), one["svm"]]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def draw(directory: Path) -> None:
    """Words known by the time of the decision, and by the speaker that is left out."""
    found = answers()
    if "official split" not in found:
        return
    figure, (early, speakers) = panels(2)
    lines = found["official split"]["early"]
    times = [1000 * cochlea.DT * one["steps"] for one in lines]
    early.plot(times, [100 * one["right"] for one in lines], "o-", color=SAFE[0])
    early.set_xlabel("ms of sound before the decision, mean")
    early.set_ylabel("words known, %")
    left_out = {s: found[f"without {s}"] for s in SPEAKERS if f"without {s}" in found}
    for i, (name, column) in enumerate((("8 bits", 1), ("MFCC + SVM", 3))):
        heights = [100 * _known_of(one)[column] for one in left_out.values()]
        at = np.arange(len(left_out)) + 0.4 * (i - 0.5)
        speakers.bar(at, heights, 0.38, label=name, color=SAFE[i])
    speakers.set_xticks(np.arange(len(left_out)), list(left_out), rotation=30)
    speakers.set_ylabel("words of a speaker left out, known, %")
    speakers.legend()
    save(figure, directory / "spoken.svg")
