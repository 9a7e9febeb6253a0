"""The checkpoint that sampling and scoring take: the newest, a named one, the best; one that training removes."""

import shutil

import pytest
import tensorflow as tf

from ffgan_tf.run.checkpoints import CheckpointGone, Checkpoints
from ffgan_tf.run.sampler import choose_step, restore_chosen
from ffgan_tf.utils.errors import UserError


@pytest.fixture
def run(tmp_path):
    """A run with checkpoints of the steps 1, 2 and 3, whose variable holds ten times the step; the best is 1."""
    checkpoints, value = Checkpoints(tmp_path / "checkpoints"), tf.Variable(0.0)
    for step in (1, 2, 3):
        value.assign(10.0 * step)
        checkpoints.save(tf.train.Checkpoint(value=value), step)
    checkpoints.mark_best(1, "fid", 20.0)
    return tmp_path


def test_the_newest_a_named_one_and_the_best(run):
    assert [choose_step(run), choose_step(run, 2), choose_step(run, -1)] == [3, 2, 1]
    Checkpoints(run / "checkpoints").mark_best(2, "fid", 10.0)
    assert choose_step(run, -1) == 2


def test_steps_that_are_not_there(run, tmp_path):
    with pytest.raises(UserError, match=r"--step=7: .*\(it has 1, 2, 3\)"):
        choose_step(run, 7)
    (run / "checkpoints" / "best.json").unlink()
    with pytest.raises(UserError, match="--step=-1: no checkpoint"):
        choose_step(run, -1)
    with pytest.raises(UserError, match="no checkpoint there yet"):
        choose_step(tmp_path / "another")


def test_a_damaged_one_is_passed_over_unless_it_is_named(run, capsys):
    (run / "checkpoints" / "step-00000003" / "state.index").write_bytes(b"")
    assert choose_step(run) == 2 and "step 3 is damaged" in capsys.readouterr().err
    with pytest.raises(UserError, match="--step=3: its checkpoint is damaged"):
        choose_step(run, 3)


def test_training_removes_the_chosen_one_before_it_is_read(run):
    """The newest is taken instead, unless the user named the step."""
    shutil.rmtree(run / "checkpoints" / "step-00000002")
    value = tf.Variable(0.0)
    assert restore_chosen(tf.train.Checkpoint(value=value), run, 2, newest=True) == 3 and value.numpy() == 30.0
    with pytest.raises(CheckpointGone, match="no such checkpoint"):
        restore_chosen(tf.train.Checkpoint(value=value), run, 2, newest=False)
