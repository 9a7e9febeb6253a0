"""Several devices see what one would: twenty steps at one global batch, in float64, with synchronised batch norm and
three discriminators."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from runs import ROOT

from ffgan_tf.training.cluster import worker_rank
from ffgan_tf.utils.errors import UserError

SCRIPT = Path(__file__).with_name("twenty_steps.py")
TOLERANCE = 1e-12  # 20 steps of rounding in another order: 7e-15 was seen


def start(kind: str, records: Path, out: Path, **environment) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), kind, str(records), str(out)],
        cwd=ROOT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def results(processes: list[subprocess.Popen], outs: list[Path]) -> list[dict[str, np.ndarray]]:
    for process in processes:
        output = process.communicate(timeout=900)[0]
        assert process.returncode == 0, output[-3000:]
    return [dict(np.load(out)) for out in outs]


def assert_alike(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert set(found) == set(wanted)
    for name in set(wanted) - {"replicas"}:
        # Metrics are float32.
        np.testing.assert_allclose(found[name], wanted[name], rtol=0, atol=2e-6 if name == "arr_0" else TOLERANCE)


@pytest.fixture(scope="module")
def one(tiny_records, tmp_path_factory) -> dict[str, np.ndarray]:
    """What one device gets."""
    out = tmp_path_factory.mktemp("one") / "one.npz"
    return results([start("one", tiny_records, out)], [out])[0]


@pytest.mark.slow
def test_two_devices_of_one_machine_equal_one(one, tiny_records, tmp_path):
    actual = results([start("mirrored", tiny_records, tmp_path / "two.npz")], [tmp_path / "two.npz"])[0]
    assert int(actual["replicas"]) == 2 and int(one["replicas"]) == 1
    assert_alike(actual, one)
    moved = [name for name in one if name != "replicas" and np.abs(one[name]).max() > 0]
    assert len(moved) > 100  # or there was nothing to compare


@pytest.mark.workers
@pytest.mark.parametrize("workers", [2, 3])
def test_several_workers_equal_one_device(one, tiny_records, tmp_path, workers):
    sockets = [socket.socket() for _ in range(workers)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    hosts = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    outs = [tmp_path / f"{i}.npz" for i in range(workers)]
    processes = [
        start(
            "multi_worker",
            tiny_records,
            out,
            TF_CONFIG=json.dumps({"cluster": {"worker": hosts}, "task": {"type": "worker", "index": i}}),
        )
        for i, out in enumerate(outs)
    ]
    for actual in results(processes, outs):
        assert int(actual["replicas"]) == workers
        assert_alike(actual, one)


def test_place_of_a_worker(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert worker_rank() == (0, 1)
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    for kind, index, rank in (("chief", 0, 0), ("worker", 0, 1), ("worker", 1, 2)):
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}}))
        assert worker_rank() == (rank, 3)
    for wrong in (
        "{",
        '{"cluster": {"worker": ["a:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 4}}',
    ):
        monkeypatch.setenv("TF_CONFIG", wrong)
        with pytest.raises(UserError, match="TF_CONFIG"):
            worker_rank()
