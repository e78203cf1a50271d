"""A signal while torch writes a checkpoint is an interrupt, and no error of torch."""

import signal

import pytest
import torch

from neurocompile.formats.checkpoint import write


def test_an_interrupt_in_the_middle_of_a_checkpoint_comes_after_it(tmp_path, monkeypatch):
    written = []

    def save(content, file):
        signal.raise_signal(signal.SIGINT)
        written.append(file.write(b"whole"))

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(KeyboardInterrupt):
        write.save_whole({}, tmp_path / "net.pt")
    assert written == [5]
    assert list(tmp_path.iterdir()) == []  # nothing was put in its place
