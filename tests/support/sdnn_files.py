"""Small `.net` files of sigma-delta layers, and what netx makes of them in plain numpy.

In:  a seed and where to write, or the layers of a file and the frames that enter.
Out: a file as lava-dl's exporters write it, and what each layer sends in the network's own time.
The second method: chip step by chip step from rest, each layer one step after the one before it.
"""

import h5py
import numpy as np

SHIFT = 12  # spike_exp + state_exp, as netx takes them
SENT = 6  # state_exp


def layers(seed):
    """Entries of an input, a convolution, two dense layers and one that adds up."""
    rng = np.random.default_rng(seed)

    def weights(*shape):
        return rng.integers(-30, 31, shape).astype(np.float32)

    return [
        {"type": "input", "shape": [2, 5, 4], "vThMant": 3},
        {
            **{"type": "conv", "shape": [3, 3, 3], "weight": weights(3, 2, 3, 2), "vThMant": 0},
            **{"stride": [2, 1], "padding": [1, 0], "dilation": [1, 1], "groups": 1},
            "bias": np.array([-9, 40, 127], np.float32),
        },
        {"type": "flatten", "shape": [27, 1, 1]},
        {
            **{"type": "dense", "shape": [6], "weight": 2 * weights(6, 27), "vThMant": 5},
            "bias": rng.integers(-128, 128, 6).astype(np.float32),
        },
        {"type": "dense", "shape": [5], "weight": weights(5, 6), "vThMant": 2},
        {"type": "dense", "shape": [2], "weight": weights(2, 5), "sigma_output": True},
    ]


def write(path, entries):
    """The file of some layers, as slayer's export_hdf5 writes it."""
    with h5py.File(path, "w") as file:
        for number, entry in enumerate(entries):
            group = file.create_group(f"layer/{number}")
            for key, value in entry.items():
                if key == "type":
                    group[key] = np.array([value.encode()])
                elif key in ("vThMant", "sigma_output", "activation"):
                    group[f"neuron/{key}"] = value
                else:
                    group[key] = value
            if entry["type"] != "flatten":
                group["neuron/type"] = "SDNN"
                if "vThMant" in entry:
                    group["neuron/activation"] = "relu"
    return path


def frames(seed, steps=6):
    """(steps, 2, 5, 4) whole numbers that change slowly."""
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.integers(-12, 13, (steps, 2, 5, 4)), axis=0).astype(np.int32)


def sent(entries, payloads):
    """What each layer with neurons sends, by its place among them, (steps, n), n in C order."""
    neurons = [entry for entry in entries if entry["type"] != "flatten"]
    steps, depth = len(payloads), len(neurons) - 1
    state = [{"sigma": 0, "act": 0, "residue": 0} for _ in neurons]
    flying = [np.zeros(int(np.prod(entry["shape"])), np.int64) for entry in neurons]
    found = [[] for _ in neurons]
    for chip_step in range(steps + depth):
        arriving = [None, *flying[:-1]]
        arriving[0] = payloads[chip_step] if chip_step < steps else 0 * payloads[0]
        for i, entry in enumerate(neurons):
            flying[i] = _step(entry, state[i], arriving[i])
            if chip_step >= i and len(found[i]) < steps:
                found[i].append(flying[i])
    return [np.array(rows) for rows in found]


def _step(entry, state, x):
    if entry["type"] == "input":
        new = x.astype(np.int64).ravel() << SHIFT
    else:
        state["sigma"] = state["sigma"] + _through(entry, x)
        new = state["sigma"]
        if entry.get("sigma_output"):
            return new
        bias = np.asarray(entry.get("bias", 0)).astype(np.int64) << SHIFT
        if entry["type"] == "conv":
            bias = np.repeat(bias, new.size // bias.size)
        new = np.maximum(new + bias, 0)
    delta = new - state["act"] + state["residue"]
    out = np.where(np.abs(delta) >= entry["vThMant"] << SHIFT, delta, 0)
    state["act"], state["residue"] = new, delta - out
    return out >> SENT


def _through(entry, x):
    """Weights times what was sent: a matrix, or a convolution tap by tap."""
    weight = entry["weight"].astype(np.int64)
    if entry["type"] == "dense":
        return weight @ x
    image = x.reshape(2, 5, 4)
    padded = np.pad(image, [(0, 0), *((p, p) for p in entry["padding"])])
    total = np.zeros(entry["shape"], np.int64)
    for row in range(weight.shape[2]):
        for column in range(weight.shape[3]):
            part = padded[:, row : row + 5 : 2, column : column + 3]
            total += np.einsum("oi,ihw->ohw", weight[:, :, row, column], part)
    return total.ravel()
