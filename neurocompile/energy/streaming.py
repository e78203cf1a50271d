"""The events of a second of streaming input: samples follow each other, a step lasts dt.

In:  counts of a run; the length of a step.
Out: events per second, JSON-ready.
Nothing is reset between samples, so a sample takes T steps of dt, as in the mode "pipelined".
"""

from __future__ import annotations

from typing import Any

from neurocompile.energy.counts import Counts
from neurocompile.energy.steps import Mode

FOLLOW: Mode = "pipelined"


def streaming(counts: Counts, dt: float) -> dict[str, Any]:
    """Events per second of chip time in real time.

    Args:
        counts: Counts of a run.
        dt: Length of a step, seconds.

    Returns:
        dt_s; samples_follow; samples_per_s; per_second: `spikes` of the chip's neurons,
        `synaptic_operations`, neuron `updates` (None if they were not counted), and `messages` to
        cores, those from the host included.
    """
    seconds = counts.steps_charged(FOLLOW) * dt
    neurons = [layer for layer in counts.layers.values() if layer.on_chip]
    updates = [layer.updated for layer in neurons]
    known = [n for n in updates if n is not None]
    events = {
        "spikes": sum(layer.spikes for layer in neurons),
        "synaptic_operations": sum(s.synops for s in counts.synapses.values()),
        "updates": sum(known) if len(known) == len(updates) else None,
        "messages": sum(s.messages for s in counts.synapses.values()),
    }
    return {
        "dt_s": dt,
        "samples_follow": FOLLOW,
        "samples_per_s": counts.samples / seconds,
        "per_second": {name: None if n is None else n / seconds for name, n in events.items()},
    }
