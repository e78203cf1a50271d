"""Turn a recording into spikes as an ear does: filters, hair cells, gain, nerve fibres.

In:  samples of a recording, 8,000 per second, of any loudness.
Out: spikes of nerve fibres, (steps, AXONS) uint8, one step per 10 ms.
Nothing looks ahead: the spikes of a step depend only on the sound up to its end, so that a network
may decide while a word is still being spoken.

1. Basilar membrane: a bank of gammatone filters (scipy.signal.gammatone, fourth order, IIR), their
   centres evenly spaced on the ERB-rate scale of Glasberg and Moore.
2. Inner hair cells: each band is rectified, and its mean over a step is taken.
3. Gain: the level of a band in decibels below the loudest that was heard lately.
4. Nerve fibres: three per band, of different thresholds, as fibres of high, medium and low
   spontaneous rate have. A fibre spikes in each step in which the level is above its threshold.

Sources: Patterson et al., An efficient auditory filterbank based on the gammatone function (1987),
as scipy implements it; Glasberg and Moore, Derivation of auditory filter shapes from notched-noise
data (1990), eq. 4; Liberman, Auditory-nerve response from cats raised in a low-noise chamber
(1978), for the three groups of fibres.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import gammatone, lfilter

RATE, HOP = 8000, 80  # samples per second, and per step
DT = HOP / RATE  # s
BANDS, LOWEST, HIGHEST = 32, 100.0, 3800.0  # filters, and the outer centres in Hz
THRESHOLDS = (-30.0, -20.0, -10.0)  # dB, of the fibres of each band
AXONS = BANDS * len(THRESHOLDS)
QUIET = 1e-4  # loudness that counts as heard before the recording begins; 1 is the full scale
FORGETS = 0.995  # of the loudest per step: half of it in 1.4 s


def spikes_of(samples: NDArray[np.float64], steps: int) -> NDArray[np.uint8]:
    """Spikes of the nerve fibres in the first steps of a recording.

    Args:
        samples: (n,) in [-1, 1].
        steps: Number of steps; a shorter recording is followed by silence.

    Returns:
        (steps, AXONS) 0 or 1; all bands of the lowest threshold come first.
    """
    fired = fibres(levels(hair_cells(samples)))[:steps]
    return np.pad(fired, ((0, steps - len(fired)), (0, 0)))


def centres() -> NDArray[np.float64]:
    """Centre frequencies of the bands, (BANDS,) Hz."""
    lowest, highest = (21.4 * np.log10(1 + 0.00437 * f) for f in (LOWEST, HIGHEST))
    return (10 ** (np.linspace(lowest, highest, BANDS) / 21.4) - 1) / 0.00437


@cache
def bank() -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Coefficients b, a of the filter of each band."""
    return [gammatone(centre, "iir", fs=RATE) for centre in centres()]


def hair_cells(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each rectified band over each step, (steps, BANDS); the last step may end early."""
    steps = -(-len(samples) // HOP)
    sound = np.pad(samples, (0, steps * HOP - len(samples)))
    bands = [np.maximum(lfilter(b, a, sound), 0) for b, a in bank()]
    return np.stack([band.reshape(steps, HOP).mean(1) for band in bands], axis=1)


def levels(loudness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Level of each band below the loudest that was heard lately, dB, (steps, BANDS).

    top <- max(FORGETS top, loudest band), from QUIET on;
    level = 20 log10(loudness / top), at least -120. In a long silence the top falls to the noise.
    """
    top, tops = QUIET, []
    for loudest in loudness.max(axis=1):
        top = max(FORGETS * top, loudest)
        tops.append(top)
    return 20 * np.log10(np.maximum(loudness / np.array(tops)[:, None], 1e-6))


def fibres(level: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Whether each fibre spikes, (steps, AXONS)."""
    return np.concatenate([level > threshold for threshold in THRESHOLDS], axis=1).astype(np.uint8)
