"""The commands of a campaign, each on a small network, and what they need.

In:  an empty folder, for `prepare`.
Out: `CASES`, and in the folder what their arguments name: a network, an export, samples, digits.
As a program of its own it answers the questions of `paper` in the folder that is its argument.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def cli(words: Sequence[str]) -> None:
    """Run a command of neurocompile in this process."""
    from neurocompile.cli import main

    main(list(words), prog_name="neurocompile")


def train(words: Sequence[str]) -> None:
    """Run the program of `make train` in this process."""
    sys.path.insert(0, str(ROOT / "examples"))
    import train_mnist_autoencoder

    from neurocompile.errors import NeurocompileError

    try:
        train_mnist_autoencoder.main(list(words))
    except NeurocompileError as error:
        sys.exit(str(error))


def paper(words: Sequence[str]) -> None:
    """Answer two small questions as `make paper` does, with a small network that is trained."""
    import torch

    sys.path.insert(0, str(ROOT))

    from neurocompile.errors import NeurocompileError
    from neurocompile.nn import SpikingAutoencoder, TrainingPlan
    from neurocompile.nn import train as fit
    from paper import make, study, weights

    (folder,) = map(Path, words)
    study.RESULTS, weights.WEIGHTS = folder, folder
    weights.CHECKPOINTS = folder / "none"
    images = torch.rand(64, 1, 28, 28, generator=torch.Generator().manual_seed(0))

    def compute(question: dict[str, int]) -> dict[str, float]:
        network = SpikingAutoencoder(latent=10, steps=4, encoder="current", seed=question["seed"])
        plan = TrainingPlan(2, 16, seed=question["seed"])
        weights.fitted(
            "small-", question, network, lambda state: fit(network, images, plan, state=state)
        )
        return {"sum": float(sum(p.sum() for p in network.state_dict().values()))}

    jobs = [study.Job("small", f"seed {n}", {"seed": n}, compute) for n in range(2)]
    try:
        make.answer(jobs)
    except NeurocompileError as error:
        sys.exit(str(error))


@dataclass(frozen=True)
class Case:
    """A command that writes something.

    Attributes:
        name: Name of its row.
        words: Its arguments; OUT stands for what it writes, which ends with `ending`.
        ending: Ending of OUT.
        force: Options with which it replaces what is there.
        share: Its part of all kills, in parts of the others'.
        program: What runs it in a fresh process: words of a command, before the arguments.
        inside: What runs it in a fork; None if it runs afresh always.
        parts: Whether what it writes are finished parts, any of which may be there.
    """

    name: str
    words: tuple[str, ...]
    ending: str = ""
    force: tuple[str, ...] = ("--force",)
    share: float = 1.0
    program: tuple[str, ...] = (sys.executable, "-m", "neurocompile.cli")
    inside: Callable[[Sequence[str]], object] | None = cli
    parts: bool = False


SMALL = ("--latent", "10", "--steps", "4", "--rate-epochs", "1", "--epochs", "2")
LOIHI = ("--target", "loihi-sim", "--samples", "4")
CASES = (
    Case("export", ("export", "small.pt", *LOIHI, "--out", "OUT", "--engine", "fixed"), share=1.5),
    Case("simulate --to", ("simulate", "made", "--record", "spikes,membrane", "--to", "OUT"), ".h5",
         share=1.5),
    Case("check --update", ("check", "made", "--baseline", "OUT", "--update"), ".json", (), 1.2),
    Case("compare --out", ("compare", "made", "--samples", "2", "--out", "OUT"), share=1.2),
    Case("report", ("report", "made", "--out", "OUT"), ".html", share=1.2),
    Case("bundle --to c", ("bundle", "made", "--to", "c", "--out", "OUT"), share=0.8),
    Case("bundle --to lava", ("bundle", "made", "--to", "lava", "--out", "OUT"), share=0.4),
    Case("make train", ("--data", "digits", *SMALL, "--out", "OUT"), ".pt", (), 0.5,
         (sys.executable, str(ROOT / "examples/train_mnist_autoencoder.py")), train),
    Case("make paper", ("OUT",), "", (), 0.5, (sys.executable, __file__), paper, True),
    Case("export, with Lava", ("export", "small.pt", *LOIHI, "--out", "OUT", "--engine", "lava",
                               "--engine", "fixed", "--steps", "4"), share=0.6),
    Case("sweep", ("sweep", "small.pt", *LOIHI, "--grid", "bits=2,8", "--out", "OUT", "--workers",
                   "1"), "", (), 0.3, inside=None, parts=True),
)  # fmt: skip


def prepare(folder: Path) -> None:
    """Import what commands import, and write what they read; nothing here starts a thread."""
    os.environ.update(
        TMPDIR=str(folder / "tmp"), XDG_CACHE_HOME=str(folder / "cache"), COLUMNS="80",
        OMP_NUM_THREADS="1", MPLCONFIGDIR=str(folder / "matplotlib"),
        PYTHONPATH=os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
    )  # fmt: skip
    for name in ("tmp", "cache", "matplotlib", "digits"):
        (folder / name).mkdir()
    tempfile.tempdir = None
    script = f"""
import numpy as np, torch
import norse.torch as norse
from neurocompile.frontend.save import save
from neurocompile.ir.settings import Decoder, Encoder, Settings
torch.manual_seed(0)
box = norse.LIFBoxParameters(v_th=torch.as_tensor(0.1))
network = norse.SequentialState(norse.LIFBoxCell(box), torch.nn.Linear(6, 6, bias=False),
                                norse.LIBoxCell())
np.savez("x.npz", x=np.random.default_rng(0).random((40, 6), np.float32))
settings = Settings(steps=8, encoder=Encoder("current", 0.5),
                    decoder=Decoder("last", task="reconstruction"), data=r"{folder / "x.npz"}")
save(network, "small.pt", torch.zeros(1, 6), settings=settings)
rng = np.random.default_rng(0)
for part, count in (("train", 100), ("t10k", 20)):
    images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    head = lambda kind, *shape: bytes([0, 0, 8, len(shape)]) + b"".join(
        n.to_bytes(4, "big") for n in shape)
    open(f"digits/{{part}}-images-idx3-ubyte", "wb").write(head(3, count, 28, 28)
                                                          + images.tobytes())
    open(f"digits/{{part}}-labels-idx1-ubyte", "wb").write(head(1, count) + bytes(count))
"""
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True)
    made = ["export", "small.pt", *LOIHI, "--out", "made", "--engine", "fixed", "--quiet"]
    subprocess.run([sys.executable, "-m", "neurocompile.cli", *made], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    for module in (
        "h5py", "matplotlib.backends.backend_svg", "norse.torch", "numba", "onnx", "onnxruntime",
        "neurocompile.commands.check.gate", "neurocompile.commands.compare.compare",
        "neurocompile.commands.simulate.run", "neurocompile.compiler", "neurocompile.nn",
        "neurocompile.bundle.c.folder", "neurocompile.bundle.lava.folder",
        "neurocompile.report.page.page", "neurocompile.frontend.torch", "neurocompile.cli",
        "neurocompile.commands.compare.pictures", "neurocompile.engines.lava", "scipy.sparse",
    ):  # fmt: skip
        __import__(module)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def import_all(names: Path) -> None:
    """Import what a fork has imported, so that the next one need not.

    Those of paper/ are left out, for they set how matplotlib draws.
    """
    for name in names.read_text().split("\n"):
        if name.partition(".")[0] not in ("__main__", "__mp_main__", "paper"):
            with suppress(ImportError):
                importlib.import_module(name)


if __name__ == "__main__":
    paper(sys.argv[1:])
