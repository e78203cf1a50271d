"""A Dask scheduler and workers, each a process of its own, as a user starts them."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from neurocompile import installed


class DaskProcesses:
    """A scheduler on the loopback, and workers of one thread."""

    def __init__(self, folder):
        self.file, self.running = folder / "scheduler.json", []
        self.port = 20000 + random.SystemRandom().randrange(20000)
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.environment = installed.child_environment()
        self.environment["PYTHONPATH"] += os.pathsep + str(Path(__file__).parent)

    def start(self, *arguments):
        """One `dask` command."""
        self.running.append(
            subprocess.Popen(
                [sys.executable, "-m", "dask", *map(str, arguments)],
                env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip
        return self.running[-1]

    def scheduler(self):
        self.file.unlink(missing_ok=True)
        return self.start("scheduler", "--host", "127.0.0.1", "--port", self.port,
                          "--scheduler-file", self.file, "--no-dashboard")  # fmt: skip

    def worker(self):
        return self.start("worker", "--nthreads", 1, "--host", "127.0.0.1", "--no-nanny",
                          "--scheduler-file", self.file, "--no-dashboard")  # fmt: skip

    def program(self, file):
        """Start a program of Python; the first line that it prints."""
        self.running.append(
            subprocess.Popen(
                [sys.executable, file], env=self.environment, stdout=subprocess.PIPE, text=True
            )
        )
        return self.running[-1].stdout.readline().strip()

    def wait(self):
        while not self.file.is_file():
            time.sleep(0.05)

    def end(self):
        for process in self.running:
            process.kill()
            process.communicate()
