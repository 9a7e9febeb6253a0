"""`kill -9` at random moments, most inside a checkpoint's write: nothing is lost, nothing is told twice.

Four of them: each costs the start of a process. `tools/soak.py` does hundreds.
"""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from runs import ROOT, SETTINGS, assert_equal_state, command

KILLS, STEPS, SEED = 4, 24, 5
# A batch goes over the end of an epoch, and none is of one class only.
EVERY_STEP = (*SETTINGS, "--checkpoint_every=1", "--batch=7", f"--steps={STEPS}")


class Moment(NamedTuple):
    """When to kill: `seconds` after the process made `checkpoints` more (training), or after the write of the next one
    began (writing)."""

    kind: str
    checkpoints: int
    seconds: float


class Kill(NamedTuple):
    """The state at a kill: the newest checkpoint before and after the process lived, and half-written files."""

    before: int
    after: int
    half_written: list[str]


def moments() -> list[Moment]:
    """One in training, three in a checkpoint's write, in random order."""
    random = np.random.default_rng(SEED)
    actual = [Moment("training", int(random.integers(1, 4)), random.uniform(0, 0.3))]
    actual += [Moment("writing", int(random.integers(0, 3)), random.uniform(0, 0.02)) for _ in range(KILLS - 1)]
    random.shuffle(actual)
    return [Moment(*moment) for moment in actual]


class Watched:
    """A training that runs, its words in a file."""

    def __init__(self, folder: Path, records: Path, words: Path):
        self.checkpoints, self.words = folder / "checkpoints", words
        self.left_before = self.names(r"\.step-.*")  # by the one killed before; gone once this one has begun
        with open(words, "w") as file:
            self.process = subprocess.Popen(
                command("train", f"--run={folder}", f"--data={records}", *EVERY_STEP),
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def names(self, pattern: str) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self.checkpoints) if re.fullmatch(pattern, name))
        except FileNotFoundError:
            return []

    def half_written(self) -> list[str]:
        return [name for name in self.names(r"\.step-.*") if name not in self.left_before]

    def newest(self) -> int:
        return max([0, *(int(name[5:]) for name in self.names(r"step-\d+"))])

    def wait(self, condition) -> None:
        end = time.monotonic() + 300
        while not condition():
            assert self.process.poll() is None and time.monotonic() < end, self.words.read_text()
            time.sleep(0.0005)

    def kill_at(self, moment: Moment) -> Kill:
        before = self.newest()
        self.wait(lambda: self.newest() >= before + moment.checkpoints)
        if moment.kind == "writing":
            self.wait(self.half_written)
        time.sleep(moment.seconds)
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait() == -signal.SIGKILL, self.words.read_text()
        half = [
            str(path.relative_to(self.checkpoints))
            for name in self.half_written()
            for path in [self.checkpoints / name, *sorted((self.checkpoints / name).iterdir())]
        ]
        return Kill(before, self.newest(), half)


class Story:
    """A run that is killed again and again and one that never is, side by side."""

    def __init__(self, records: Path, folder: Path):
        self.broken, self.straight = folder / "broken", folder / "straight"
        straight = Watched(self.straight, records, folder / "straight.txt")
        try:
            self.kills, self.words = [], []
            for number, moment in enumerate(moments(), 1):
                process = Watched(self.broken, records, folder / f"{number}.txt")
                try:
                    kill = process.kill_at(moment)
                finally:
                    process.process.kill()
                self.kills.append(kill)
                self.words.append(process.words.read_text())
                print(
                    f"kill {number} at {moment.seconds:.3f} s ({moment.kind}): had {kill.before}, left {kill.after}, "
                    f"half-written: {' '.join(kill.half_written) or 'nothing'}"
                )
            last = Watched(self.broken, records, folder / "last.txt")
            self.codes = last.process.wait(300), straight.process.wait(300)
            self.words.append(last.words.read_text())
        finally:
            straight.process.kill()
        inside = sum(bool(kill.half_written) for kill in self.kills)
        print(f"{len(self.kills)} kills, {inside} inside a checkpoint's write")


@pytest.fixture(scope="module")
def story(tiny_records, tmp_path_factory) -> Story:
    return Story(tiny_records, tmp_path_factory.mktemp("kills"))


@pytest.mark.slow
def test_kills_change_no_bit(story):
    assert len(story.kills) == KILLS
    assert sum(bool(kill.half_written) for kill in story.kills) >= 2
    assert story.codes == (0, 0), story.words[-1]
    assert_equal_state(story.broken, story.straight, STEPS)


@pytest.mark.slow
def test_every_start_goes_on_from_the_newest_checkpoint(story):
    """None that was whole is passed over, and nothing half-written taken for one."""
    reached = [0, *(kill.after for kill in story.kills)]
    assert reached == sorted(reached) and 0 < reached[-1] < STEPS
    for step, words in zip(reached, story.words):
        resumed = re.findall(r"^continuing at step (\d+) of", words, re.MULTILINE)
        assert resumed in ([str(step)] if step else [], []), words  # not at all: killed before it could
        assert "is damaged" not in words and "error" not in words.lower(), words
    assert f"continuing at step {reached[-1]} of {STEPS}" in story.words[-1]
    assert sorted(path.name for path in (story.broken / "checkpoints").iterdir()) == [
        f"step-{step:08d}" for step in (STEPS - 2, STEPS - 1, STEPS)
    ]


@pytest.mark.slow
def test_the_log_tells_every_step_once_as_if_never_killed(story):
    broken, straight = (
        [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        for folder in (story.broken, story.straight)
    )
    for line in broken + straight:
        assert line.pop("speed/images_per_second") > 0
    assert [line["step"] for line in straight] == list(range(1, STEPS + 1))
    assert broken == straight


@pytest.mark.slow
def test_tensorboard_shows_every_step_once(story):
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

    files = list((story.broken / "tensorboard").glob("*.v2"))
    assert len(files) > 2  # a file a process that came so far
    seen = []
    for folder in (story.broken, story.straight):
        events = EventAccumulator(str(folder / "tensorboard"), {"tensors": 0}).Reload().Tensors("loss_g/total")
        seen.append([(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in events])
    assert [step for step, _ in seen[0]] == list(range(1, STEPS + 1))
    assert seen[0] == seen[1]
