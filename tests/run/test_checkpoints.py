"""Checkpoints: whole or not there, the newest whole one used, none lost to a failed write."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from ffgan_tf.run.checkpoints import Checkpoints
from ffgan_tf.utils.errors import UserError


class State:
    """A network, its Adam and a step: all that a checkpoint of a run is made of, in small."""

    def __init__(self, units: int = 3, seed: int = 0):
        tf.keras.utils.set_random_seed(seed)
        self.model = tf.keras.Sequential([tf.keras.layers.Dense(units), tf.keras.layers.BatchNormalization()])
        self.model.build([None, 4])
        self.optimizer = tf.keras.optimizers.Adam(0.1)
        self.optimizer.build(self.model.trainable_variables)
        self.step = tf.Variable(0, dtype=tf.int64)
        self.checkpoint = tf.train.Checkpoint(model=self.model, optimizer=self.optimizer, step=self.step)

    def train(self) -> "State":
        inputs = tf.random.stateless_normal([8, 4], [1, int(self.step)])
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self.model(inputs, training=True) - 1.7 * inputs[:, :1]))
        self.optimizer.apply_gradients(
            zip(tape.gradient(loss, self.model.trainable_variables), self.model.trainable_variables)
        )
        self.step.assign_add(1)
        return self

    def values(self) -> list[bytes]:
        return [
            variable.numpy().tobytes() for variable in [*self.model.variables, *self.optimizer.variables, self.step]
        ]


@pytest.fixture
def kept(tmp_path) -> Checkpoints:
    """Checkpoints of the steps 1, 2 and 3."""
    checkpoints, state = Checkpoints(tmp_path / "checkpoints"), State()
    for step in (1, 2, 3):
        checkpoints.save(state.train().checkpoint, step)
    return checkpoints


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_training_goes_on_from_a_checkpoint_as_if_never_stopped(tmp_path):
    checkpoints, state = Checkpoints(tmp_path), State()
    for _ in range(3):
        state.train()
    checkpoints.save(state.checkpoint, 3)
    fresh = State(seed=1)
    assert fresh.values() != state.values()
    checkpoints.restore(fresh.checkpoint, 3)
    assert len(fresh.values()) > 10  # weights, statistics, both of Adam's slots
    assert fresh.values() == state.values()
    assert fresh.train().train().values() == state.train().train().values()


def test_the_newest_and_the_best_are_kept(tmp_path):
    checkpoints, state = Checkpoints(tmp_path, keep=2), State()
    for step in (1, 2, 3, 4, 5):
        checkpoints.save(state.checkpoint, step)
        if step == 2:
            assert checkpoints.mark_best(2, "fid", 30.0)
    assert checkpoints.steps() == [2, 4, 5]
    assert checkpoints.best() == {"step": 2, "metric": "fid", "value": 30.0}
    assert not checkpoints.mark_best(4, "fid", 31.0) and checkpoints.steps() == [2, 4, 5]
    assert checkpoints.mark_best(5, "fid", 29.0) and checkpoints.steps() == [4, 5]  # the former best goes at once
    checkpoints.save(state.checkpoint, 6)
    assert checkpoints.steps() == [5, 6]
    assert all(checkpoints.damage(step) is None for step in (5, 6))


def test_no_checkpoint_is_no_error(tmp_path):
    assert Checkpoints(tmp_path / "none").latest() is None


def flip_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


FILES = ("state.index", "state.data-00000-of-00001", "meta.json")
HARMS = {
    "flip": flip_byte,
    "truncate": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "empty": lambda path: path.write_bytes(b""),
    "remove": lambda path: path.unlink(),
}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_newest_is_named_and_the_one_before_used(kept, capsys, file, harm):
    HARMS[harm](kept.path(3) / file)
    assert kept.latest() == 2
    # Where a digest itself was changed, the file that it is of is named.
    named = str(kept.path(3)) if file == "meta.json" else str(kept.path(3) / file)
    assert f"checkpoint of step 3 is damaged: {named}" in capsys.readouterr().err
    state = State()
    kept.restore(state.checkpoint, kept.latest())
    assert int(state.step) == 2


def test_a_meta_file_that_leaves_files_out_or_is_another_steps_is_damage(kept):
    path = kept.path(3) / "meta.json"
    meta = json.loads(path.read_text())
    path.write_text(json.dumps({**meta, "files": {}}))
    assert "not as it was written" in kept.damage(3)
    path.write_text((kept.path(2) / "meta.json").read_text())
    assert "not this step's" in kept.damage(3)


def test_all_damaged_is_an_error(kept, capsys):
    for step in kept.steps():
        flip_byte(kept.path(step) / FILES[1])
    with pytest.raises(UserError, match="no checkpoint is whole"):
        kept.latest()
    assert capsys.readouterr().err.count("is damaged") == 3


def test_damaged_ones_do_not_take_the_place_of_whole_ones(kept, capsys):
    """The run goes back to step 1 and saves more often: steps 2 and 3 must not count as the newest to keep."""
    kept.keep = 2
    for step in (2, 3):
        flip_byte(kept.path(step) / FILES[1])
    state = State()
    kept.restore(state.checkpoint, kept.latest())
    shutil.move(kept.path(2), kept.path(20))
    shutil.move(kept.path(3), kept.path(30))
    kept.save(state.checkpoint, 10)
    assert kept.steps() == [1, 10]
    assert kept.latest() == 10


def test_another_size_of_network_is_an_error(kept):
    with pytest.raises(UserError, match="step-00000003 does not fit this run's networks"):
        kept.restore(State(units=5).checkpoint, 3)


def test_a_part_of_what_is_saved_can_be_loaded(kept):
    whole, state = State(), State(seed=1)
    kept.restore(whole.checkpoint, 3)
    kept.restore(tf.train.Checkpoint(model=state.model), 3, partial=True)
    assert [v.numpy().tobytes() for v in state.model.variables] == [v.numpy().tobytes() for v in whole.model.variables]
    with pytest.raises(UserError, match="does not fit"):
        kept.restore(tf.train.Checkpoint(model=state.model), 3)
    with pytest.raises(UserError, match="does not fit"):
        kept.restore(tf.train.Checkpoint(model=State().model, other=tf.Variable(1.0)), 3, partial=True)


@pytest.mark.parametrize("call, number", [("fsync", 1), ("fsync", 3), ("replace", 1), ("rename", 1)])
def test_a_write_that_fails_midway_leaves_the_others_whole(kept, monkeypatch, call, number):
    before, state, calls = content(kept.folder), State().train(), []
    real = getattr(os, call)

    def full(*args):
        calls.append(args)
        if len(calls) == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*args)

    monkeypatch.setattr(os, call, full)
    with pytest.raises(UserError, match="step-00000004: cannot be written.*No space left.*1, 2, 3"):
        kept.save(state.checkpoint, 4)
    monkeypatch.undo()
    assert len(calls) == number
    assert content(kept.folder) == before  # nothing half-written either
    kept.save(state.checkpoint, 4)
    assert kept.latest() == 4


def test_a_failing_tensorflow_write_leaves_the_others_whole(kept):
    before = content(kept.folder)

    class Full:
        def write(self, prefix):
            Path(f"{prefix}.data-00000-of-00001").write_bytes(b"half")
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    with pytest.raises(UserError, match="No space left"):
        kept.save(Full(), 4)
    assert content(kept.folder) == before


def test_what_a_killed_process_left_is_no_checkpoint_and_is_removed(kept):
    before = content(kept.folder)
    leftover = kept.folder / ".step-00000004.0123456789ab.tmp"
    leftover.mkdir()
    (leftover / "state.index").write_bytes(b"half")
    assert kept.latest() == 3
    kept.remove_leftovers()
    assert content(kept.folder) == before and not leftover.exists()


def test_values_survive_as_they_are(tmp_path):
    """Numbers that text formats or casts would lose."""
    values = np.array([np.float32(1) / 3, np.finfo(np.float32).tiny / 8, -0.0, np.inf], np.float32)
    Checkpoints(tmp_path).save(tf.train.Checkpoint(v=tf.Variable(values)), 1)
    restored = tf.Variable(tf.zeros(4))
    Checkpoints(tmp_path).restore(tf.train.Checkpoint(v=restored), 1)
    assert restored.numpy().tobytes() == values.tobytes()


def test_what_a_kill_left_of_a_former_checkpoint_goes_at_the_next_start(tmp_path, monkeypatch):
    """Killed in the removal: between two files of one, or before it. The best and the newest stay."""
    checkpoints, checkpoint = Checkpoints(tmp_path, keep=2), tf.train.Checkpoint(step=tf.Variable(1))
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "_remove", lambda self, step: None)
        for step in (1, 2, 3, 4, 5):
            checkpoints.save(checkpoint, step)
    checkpoints.mark_best(2, "fid", 3.0)
    (checkpoints.path(3) / "state.index").unlink()
    checkpoints.thin(5)
    assert checkpoints.steps() == [2, 4, 5]
    checkpoints.thin(5)
    assert checkpoints.steps() == [2, 4, 5]
