"""Norse's float forward and our float reference give the same spikes on random networks."""

from norse_agrees import compare
from random_norse import random_network

EVERY_MODULE = {
    *("Linear", "Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d", "BatchNorm1d"),
    *("BatchNorm2d", "AvgPool1d", "AvgPool2d", "LPPool1d", "LPPool2d", "AdaptiveAvgPool2d"),
    *("Upsample", "Flatten", "Unflatten", "Dropout", "Lift", "RecurrentSequential"),
    *("LIFCell", "LIF", "LIFBoxCell", "IAFCell", "IAF", "LIFRecurrentCell", "LIFRecurrent"),
    *("LSNN", "LSNNCell", "LIFRefracCell"),
    *("LICell", "LI", "LIBoxCell", "Residual", "Joined", "FedBack"),
}


def test_no_spike_of_40_random_networks_differs():
    spikes, kinds = 0, set()
    for seed in range(40):
        found = compare(*random_network(seed))
        assert found.wrong == [], seed
        spikes += found.spikes
        kinds |= found.kinds
    assert spikes > 50_000
    for seed in range(40, 120):  # most kinds of module are in the first 40; the rest in some more
        if kinds >= EVERY_MODULE:
            break
        found = compare(*random_network(seed))
        assert found.wrong == [], seed
        kinds |= found.kinds
    assert kinds >= EVERY_MODULE
