"""A run of tiny networks in whose images words and noise show, on the tiny data set's vocabulary."""

from pathlib import Path

import pytest

import ffgan_tf


@pytest.fixture(scope="session")
def run(tiny_run) -> Path:
    """A run's folder, at step 30."""
    return tiny_run


@pytest.fixture(scope="session")
def model(run) -> "ffgan_tf.TextToImage":
    return ffgan_tf.load(run)
