"""Duties after a checkpoint are done, or remain due, wherever the process is killed; a session's refusals."""

import itertools
import json
from pathlib import Path

import pytest
import tensorflow as tf

from ffgan_tf.config import DamsmConfig
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.run import duties as duties_module
from ffgan_tf.run import settings
from ffgan_tf.run.checkpoints import Checkpoints
from ffgan_tf.run.duties import Duties
from ffgan_tf.training.schedule import ALWAYS, Duty, Schedule, Stop
from ffgan_tf.training.session import Session
from ffgan_tf.utils.errors import UserError

TOTAL = 7
SCHEDULE = Schedule(TOTAL, 1, (Duty("draw", 2, at_stop=ALWAYS), Duty("judge", 3, saved=True)), checkpoint_every=4)
DUE = {(2, "draw"), (3, "judge"), (4, "draw"), (6, "draw"), (6, "judge"), (7, "draw"), (7, "judge")}


class Killed(BaseException):
    """The process ends here: nothing catches it."""


class Fuse:
    """Kills at the n-th moment at which something is, or is not yet, on disk; counts them where n is None."""

    def __init__(self, at: int | None = None):
        self.at, self.moments = at, 0

    def __call__(self) -> None:
        if self.moments == self.at:
            raise Killed
        self.moments += 1

    def around(self, write):
        """`write`, with a moment before and one after it."""

        def watched(*args, **kwargs):
            self()
            result = write(*args, **kwargs)
            self()
            return result

        return watched


@pytest.fixture
def data(tmp_path) -> Path:
    folder = tmp_path / "records"
    folder.mkdir()
    Vocabulary(["<end>", "a", "bird"]).save(folder / "vocabulary.json")
    return folder


def process(
    data: Path, run: Path, monkeypatch, fuse: Fuse | None = None, schedule: Schedule = SCHEDULE, stop_at: int = 0
) -> Session:
    """A training of one number in the run's folder, as both loops go; what its duties saw stands in `seen.jsonl`."""
    fuse = fuse or Fuse()
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", fuse.around(Checkpoints.save))
        patch.setattr(duties_module, "write_json", fuse.around(duties_module.write_json))
        session = Session("train", DamsmConfig.of(data=str(data), keep_checkpoints=2), run)
        number, step_variable = tf.Variable(1, dtype=tf.int64), tf.Variable(0, dtype=tf.int64)
        step = session.resume(tf.train.Checkpoint(number=number, step=step_variable), schedule.total)
        session.accept()
        assert int(step_variable) == step

        def duty(name):
            def write(step):
                with open(run / "seen.jsonl", "a") as file:
                    file.write(json.dumps([step, name, int(number)]) + "\n")

            return fuse.around(write)

        actions = {duty_.name: duty(duty_.name) for duty_ in schedule.duties}
        session.catch_up(schedule, actions)
        stop = None
        while step < schedule.total and not stop:
            step += 1
            number.assign(3 * number + step)
            step_variable.assign(step)
            stop = Stop("signal", "SIGTERM received") if step == stop_at else None
            session.settle(step, schedule.at(step, stop), actions)
        session.close(step, schedule.total, stop)
    return session


def seen(run: Path) -> list[tuple[int, str, int]]:
    """What the duties saw: step, name, the number."""
    return [tuple(json.loads(line)) for line in (run / "seen.jsonl").read_text().splitlines()]


def numbers() -> dict[int, int]:
    """The number after each step."""
    return dict(enumerate(itertools.accumulate(range(1, TOTAL + 1), lambda value, step: 3 * value + step, initial=1)))


def test_killed_at_every_moment_each_duty_is_done_or_still_due(data, tmp_path, monkeypatch):
    counting = Fuse()
    process(data, tmp_path / "straight", monkeypatch, counting)
    assert {(step, name) for step, name, _ in seen(tmp_path / "straight")} == DUE
    assert counting.moments > 30
    for moment in range(counting.moments):
        run = tmp_path / f"run{moment}"
        with pytest.raises(Killed):
            process(data, run, monkeypatch, Fuse(moment))
        session = process(data, run, monkeypatch)  # the same command again
        actual = seen(run)
        assert {(step, name) for step, name, _ in actual} == DUE, moment
        assert all(number == numbers()[step] for step, _, number in actual), moment
        assert session.checkpoints.latest() == TOTAL
        before = len(actual)
        process(data, run, monkeypatch)  # once more: all is done
        assert len(seen(run)) == before, moment


def test_killed_twice_in_catching_up(data, tmp_path, monkeypatch):
    """At the last step, after its checkpoint: nothing is left but the duties."""
    run = tmp_path / "run"
    counting = Fuse()
    process(data, tmp_path / "straight", monkeypatch, counting)
    with pytest.raises(Killed):
        process(data, run, monkeypatch, Fuse(counting.moments - 8))  # before the last two duties
    assert (7, "draw") not in {line[:2] for line in seen(run)}
    with pytest.raises(Killed):
        process(data, run, monkeypatch, Fuse(2))
    process(data, run, monkeypatch)
    assert {line[:2] for line in seen(run)} == DUE


def test_a_duty_of_the_stop_itself_is_done_by_the_next_process(data, tmp_path, monkeypatch):
    """SIGTERM at step 5, at which nothing else is due; killed before the grid."""
    run, fuse = tmp_path / "run", Fuse()
    process(data, tmp_path / "straight", monkeypatch, fuse, stop_at=5)
    with pytest.raises(Killed):
        process(data, run, monkeypatch, Fuse(fuse.moments - 4), stop_at=5)
    assert Checkpoints(run / "checkpoints").latest() == 5 and (5, "draw") not in {line[:2] for line in seen(run)}
    process(data, run, monkeypatch)
    assert {line[:2] for line in seen(run)} == DUE | {(5, "draw")}


def test_a_run_ended_where_it_was_stopped_has_its_last_duties(data, tmp_path, monkeypatch, capsys):
    """Stopped at step 5, then `--steps=5`: what is due after the last step is due now."""
    run = tmp_path / "run"
    process(data, run, monkeypatch, stop_at=5)
    assert "stopped at step 5 of 7 (SIGTERM received); saved. Continue: python -m train" in capsys.readouterr().out
    process(data, run, monkeypatch, schedule=SCHEDULE._replace(total=5))
    assert "still due at step 5: judge" in capsys.readouterr().out
    assert [line[:2] for line in seen(run)].count((5, "judge")) == 1


def test_a_run_of_before_duties_were_kept_goes_on_as_it_did(data, tmp_path, monkeypatch):
    run = tmp_path / "run"
    process(data, run, monkeypatch, stop_at=4)
    before = seen(run)
    (run / "duties.json").unlink()
    process(data, run, monkeypatch, stop_at=5)
    assert seen(run)[: len(before)] == before and [line[0] for line in seen(run)[len(before) :]] == [5]


@pytest.mark.parametrize("content", ["", "{", "[1]", "null", '{"step": 4, "due": 3}', '{"step": 4, "due": [[]]}'])
def test_a_damaged_list_is_told_and_its_step_s_duties_done_again(data, tmp_path, monkeypatch, capsys, content):
    run = tmp_path / "run"
    process(data, run, monkeypatch, stop_at=4)
    before = len(seen(run))
    (run / "duties.json").write_text(content)
    process(data, run, monkeypatch, stop_at=5)
    assert "duties.json cannot be read" in capsys.readouterr().err
    assert [line[:2] for line in seen(run)[before:]] == [(4, "draw"), (5, "draw")]


def test_what_is_kept_of_duties(tmp_path):
    duties = Duties(tmp_path)
    duties.begin(20, ["sample", "evaluate"])
    duties.mark(20, "sample")
    duties.mark(25, "evaluate")  # of a step without a checkpoint: not kept
    assert Duties(tmp_path).resume(20, ["sample", "evaluate"]) == ["evaluate"]
    assert Duties(tmp_path).resume(20, []) == ["evaluate"]
    assert Duties(tmp_path).resume(19, ["sample"]) == []  # the list is of a checkpoint that was never finished
    assert Duties(tmp_path / "worker", tmp_path).resume(20, []) == ["evaluate"]  # another folder to write to
    assert not (tmp_path / "worker").exists()


def test_other_words_are_refused_before_anything_is_written(data, tmp_path, monkeypatch):
    run = tmp_path / "run"
    process(data, run, monkeypatch, stop_at=3)
    Vocabulary(["<end>", "a", "fish", "swims"]).save(data / "vocabulary.json")
    kept = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=r"has another vocabulary \(4 words\) than the run in .* \(3 words\)"):
        process(data, run, monkeypatch)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == kept


def test_settings_become_the_runs_only_once_they_fit(data, tmp_path, monkeypatch):
    run = tmp_path / "run"
    process(data, run, monkeypatch, stop_at=3)
    assert settings.load(DamsmConfig, run).schedule.keep_checkpoints == 2
    session = Session("train", DamsmConfig.of(data=str(data), keep_checkpoints=9), run)
    with pytest.raises(UserError, match="does not fit"):
        session.resume(tf.train.Checkpoint(number=tf.Variable([1.0, 2.0])), 7)
    assert settings.load(DamsmConfig, run).schedule.keep_checkpoints == 2


def test_a_session_notices_files_that_are_others_than_before(data, tmp_path):
    """What the first one read is kept in the run; the next refuses others before it takes a step."""

    def begun(digest: str) -> Session:
        session = Session("train", DamsmConfig.of(data=str(data)), tmp_path / "run")
        session.resume(tf.train.Checkpoint(step=step), 1)
        session.reads("trunk_weights", digest)
        session.accept()
        return session

    step = tf.Variable(0, dtype=tf.int64)
    first = begun("a" * 64)
    step.assign(1)
    first.settle(1, Schedule(1, 1, (), checkpoint_every=1).at(1, None), {})
    first.close(1, 1, None)
    with pytest.raises(UserError, match="--trunk_weights names other weights"):
        begun("b" * 64)
