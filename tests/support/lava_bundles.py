"""Lava bundles of random networks, run where neurocompile cannot be imported.

In:  networks with their input; folders.
Out: folders; what `run.py` prints there.
"""

import os
import re
import subprocess
import sys

from neurocompile.bundle.folder import write_folder
from neurocompile.bundle.lava.folder import lava_bundle
from neurocompile.bundle.vectors import vectors_of

EQUAL = re.compile(r"all (\d+) values equal")

# Runs the run.py of each folder in a process of its own. Lava is imported once, before that.
WITHOUT_NEUROCOMPILE = """
import os, runpy, sys, tempfile

AT_ONCE = 4  # processes of Lava mostly wait for each other

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("neurocompile", "torch", "onnx", "click", "rich", "numba"):
            raise ModuleNotFoundError(f"{name} is hidden", name=name)

sys.meta_path.insert(0, Hidden())
try:
    import neurocompile
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("neurocompile is not hidden")
folders, words = sys.argv[1].split(os.pathsep), sys.argv[2:]
if len(folders) > 1:
    sys.path.insert(0, folders[0])
    import modern
    modern.modernize()
    import lava.magma.core.run_conditions, lava.magma.core.run_configs
    import lava.proc.dense.process, lava.proc.sparse.process, scipy.sparse
    sys.path.remove(folders[0])
    del sys.modules["modern"]
failed, waiting, running = 0, list(folders), {}
said = {folder: tempfile.TemporaryFile() for folder in folders}
while waiting or running:
    while waiting and len(running) < AT_ONCE:
        folder = waiting.pop(0)
        child = os.fork()
        if child == 0:
            os.dup2(said[folder].fileno(), 1)
            sys.argv = [f"{folder}/run.py", *words]
            runpy.run_path(sys.argv[0], run_name="__main__")
            os._exit(0)
        running[child] = folder
    child, status = os.wait()
    del running[child]
    failed = os.waitstatus_to_exitcode(status) or failed
for folder in folders:
    said[folder].seek(0)
    print(f"# {folder}\\n{said[folder].read().decode()}", flush=True)
sys.exit(failed)
"""


def put(graph, encoded, folder):
    """Write the bundle of a network and its vectors; returns what was made."""
    made = lava_bundle(vectors_of(graph, encoded))
    about = {"vectors": {"samples": encoded.samples, "steps": encoded.steps}}
    write_folder(folder, made.files, about)
    return made


def run(folders, *words):
    """Run the programs of some folders without neurocompile; what they did."""
    given = os.pathsep.join(map(str, folders if isinstance(folders, list) else [folders]))
    program = [sys.executable, "-I", "-c", WITHOUT_NEUROCOMPILE, given, *map(str, words)]
    return subprocess.run(program, capture_output=True, text=True, timeout=300)


def equal_values(done):
    """Number of values that each program found equal, by folder; 0 where it failed."""
    found = {}
    for part in done.stdout.split("# ")[1:]:
        folder, _, said = part.partition("\n")
        match = EQUAL.search(said)
        found[folder] = int(match[1]) if match else 0
    return found
