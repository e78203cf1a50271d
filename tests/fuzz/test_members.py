"""The campaign of `make fuzz-members`, on a small sample."""

import members
import random_parts

from neurocompile.ir.chip_neurons import CHIP_NEURONS


def test_every_neuron_of_a_chip_is_drawn():
    assert set(random_parts.DRAWN) == set(CHIP_NEURONS)


def test_a_campaign_counts_networks_and_what_differs(capsys):
    assert members.main(["TernaryLIF", "--packs", "1", "--graphs", "2", "--engines", "onnx"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[:4] for row in rows[1:]] == [
        ["TernaryLIF", "packed", "onnx", "100"],
        ["TernaryLIF", "graphs", "onnx", "2"],
    ]
    assert all(int(values) > 1000 and differ == "0" for *_, values, _, differ, _, _ in rows[1:])
