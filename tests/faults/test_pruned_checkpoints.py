"""A run is read while its training writes and removes checkpoints: every read gets a whole one."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf

from ffgan_tf.run.checkpoints import CheckpointGone, Checkpoints

ROOT = Path(__file__).resolve().parents[2]
WRITER = """
import sys, tensorflow as tf
from ffgan_tf.run.checkpoints import Checkpoints
value = tf.Variable(tf.zeros([20000]), name="value")
step = 1
while True:
    value.assign(tf.fill([20000], float(step)))
    Checkpoints(sys.argv[1], keep=1).save(tf.train.Checkpoint(value=value), step)
    step += 1
"""


def test_reading_beside_a_training_that_keeps_one(tmp_path, draw_cases, capsys):
    folder = tmp_path / "checkpoints"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], cwd=ROOT)
    try:
        deadline = time.monotonic() + 120
        while not list(folder.glob("step-*")):
            assert writer.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        checkpoints, value = Checkpoints(folder), tf.Variable(tf.zeros([20000]))

        def case(_):
            for _ in range(100):
                step = checkpoints.latest()
                try:
                    checkpoints.restore(tf.train.Checkpoint(value=value), step)
                    break
                except CheckpointGone:
                    pass
            else:
                raise AssertionError("never caught one")
            assert (value.numpy() == step).all(), "the numbers of another step"

        draw_cases(40, case)
        assert "damaged" not in capsys.readouterr().err
    finally:
        writer.kill()
        writer.wait()


def test_a_checkpoint_that_is_read_is_removed_later(tmp_path):
    checkpoints, checkpoint = Checkpoints(tmp_path, keep=1), tf.train.Checkpoint(value=tf.Variable(1))
    checkpoints.save(checkpoint, 1)
    with checkpoints._locked(1, 1) as held:  # as a reader in another process holds it: shared
        assert held
        checkpoints.save(checkpoint, 2)
        assert checkpoints.steps() == [1, 2]
    checkpoints.save(checkpoint, 3)
    assert checkpoints.steps() == [3]
    with pytest.raises(CheckpointGone, match="no such checkpoint any more"):
        checkpoints.restore(checkpoint, 1)
