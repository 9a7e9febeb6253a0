"""A tiny run, served within this process and by one of its own; the same run loaded apart, to compare with."""

import contextlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from runs import ROOT, command
from tiny_run import make_run

import ffgan_tf
from ffgan_tf.run.text_to_image import BATCH
from ffgan_tf.serving.app import create_app
from ffgan_tf.serving.service import Service
from ffgan_tf.serving.worker import Worker


@pytest.fixture(scope="session")
def run(tmp_path_factory, tiny_records) -> Path:
    """The run's folder, called `tiny`."""
    folder = tmp_path_factory.mktemp("served") / "tiny"
    make_run(folder, tiny_records)
    return folder


@pytest.fixture(scope="session")
def model(run) -> "ffgan_tf.TextToImage":
    """The front door's own copy, which no server uses."""
    return ffgan_tf.load(run)


@pytest.fixture(scope="module")
def client(run):
    """Flask's test client of the run."""
    models = {"tiny": ffgan_tf.load(run)}
    worker = Worker(models, BATCH)
    worker.start()
    yield create_app(Service(models, worker)).test_client()
    worker.stop()


class Server:
    """`python -m ffgan_tf.serve` in a process; `url` is where it listens."""

    def __init__(self, run: Path, *arguments: str):
        self.process = subprocess.Popen(
            command("serve", f"--run={run}", "--port=0", *arguments),
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines = []
        for line in self.process.stdout:
            self.lines.append(line)
            if found := re.match(r"(http://\S+)   \(Ctrl-C stops\)", line):
                self.url = found[1]
                return
        raise AssertionError("".join(self.lines))

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rpartition(":")[2])

    def stop(self, number: int) -> tuple[int, str]:
        """Sends a signal; the exit code, and what was printed after it began to listen."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=300)
        return self.process.returncode, rest


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers; those that still run at the end are killed."""
    with contextlib.ExitStack() as stack:

        def start(run: Path, *arguments: str) -> Server:
            server = Server(run, *arguments)
            stack.callback(server.process.wait)
            stack.callback(server.process.kill)
            return server

        yield start
