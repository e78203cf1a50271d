"""The child process in which Lava runs: `python -m neurocompile.engines.lava.child FOLDER`.

In:  a workspace folder; a line on standard input once the parent has filled it.
Out: the recordings in it; on standard output the number of samples done, one per line.
It ends itself and everything that it started when the parent or a worker is gone.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from neurocompile.engines.lava import guard, repairs
from neurocompile.engines.lava.plan import RESET_FRESH
from neurocompile.engines.lava.workspace import Workspace

if TYPE_CHECKING:
    from neurocompile.engines.lava.lower import Network


def main(root: Path) -> None:
    """Run what the workspace describes.

    The process always ends here, because after a failed run Lava's own clean-up, which Python
    would call at exit, hangs.
    """
    watch = guard.ParentWatch(root, int(os.environ[guard.PARENT]))
    watch.start()
    progress_file = os.dup(1)
    os.dup2(2, 1)  # Lava's output goes where its warnings go
    status = guard.CHILD_FAILED
    try:
        workspace = Workspace(root)
        repairs.apply()
        guard.install(root, watch)
        from neurocompile.engines.lava.lower import Network  # Lava, beside the parent's work

        if sys.stdin.buffer.readline() != guard.GO:  # the parent is gone or needs no run
            guard.end_everything(root)
        run(Network, workspace, watch, lambda done: _tell(progress_file, done, root))
        status = 0
    except BaseException as error:
        traceback.print_exc()
        guard.tell_failure(root, guard.one_line(error))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def run(
    build: type[Network],
    workspace: Workspace,
    watch: guard.ParentWatch,
    progress: Callable[[int], None],
) -> None:
    """Run all samples, in one network or in one network per sample."""
    plan, arrays = workspace.plan(), workspace.arrays()
    per_network = 1 if plan.reset == RESET_FRESH else plan.samples
    for first in range(0, plan.samples, per_network):
        network = build(plan, workspace, arrays, (first, first + per_network))
        for sample in range(first, first + per_network):
            if sample > first:
                network.write_biases(sample)
            network.run(plan.steps)
            progress(sample)  # the last layers of this sample are not done yet
        if plan.last_depth:
            network.run(plan.last_depth)
        watch.release()
        network.stop()
    progress(plan.samples)


def _tell(file: int, done: int, root: Path) -> None:
    try:
        os.write(file, f"{done}\n".encode())
    except BrokenPipeError:  # the parent is gone; the watch may not have seen it yet
        guard.end_everything(root)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
