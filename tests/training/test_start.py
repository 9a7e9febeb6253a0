"""Which process writes in the run's folder."""

import json

import pytest

from ffgan_tf.config import DamsmConfig, TrainConfig
from ffgan_tf.training.start import writes_run

CLUSTER = {"worker": ["one:1", "two:2"]}


@pytest.mark.parametrize("index", [0, 1])
def test_of_several_workers_the_first_alone_writes(monkeypatch, index):
    """Every other one would find the folder locked."""
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": CLUSTER, "task": {"type": "worker", "index": index}}))
    assert writes_run(TrainConfig.of(strategy="multi_worker")) == (index == 0)
    # Without the strategy the machines know nothing of each other, whatever TF_CONFIG says.
    assert writes_run(TrainConfig()) and writes_run(TrainConfig.of(strategy="mirrored")) and writes_run(DamsmConfig())


def test_one_process_writes(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert writes_run(TrainConfig.of(strategy="multi_worker"))
