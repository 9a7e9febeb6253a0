"""A run of tiny networks in whose images words and noise show, on the tiny data set's vocabulary."""

from pathlib import Path

import pytest
from tiny_run import make_run

import ffgan_tf


@pytest.fixture(scope="session")
def run(tmp_path_factory, tiny_records) -> Path:
    """A run's folder as training leaves it, but for the discriminator."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    make_run(folder, tiny_records)
    return folder


@pytest.fixture(scope="session")
def model(run) -> "ffgan_tf.TextToImage":
    return ffgan_tf.load(run)
