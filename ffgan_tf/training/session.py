"""One training in a run's folder, over all the processes that continue it; both loops share this.

A process opens the session, resumes from the newest whole checkpoint, does the duties still due after it, and takes
steps; `settle` saves and does the duties of a step. docs/architecture.md has the order.
"""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import tensorflow as tf

from ffgan_tf.config import DamsmConfig, TrainConfig
from ffgan_tf.data import records
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.data.pipeline import size_ratio
from ffgan_tf.run import settings
from ffgan_tf.run.checkpoints import Checkpoints
from ffgan_tf.run.duties import Duties
from ffgan_tf.run.log import Log
from ffgan_tf.run.sources import check_sources, save_sources
from ffgan_tf.run.vocabulary import RUN_VOCABULARY, check_same_vocabulary
from ffgan_tf.training.schedule import Due, Schedule, Stop
from ffgan_tf.utils.files import write_atomic
from ffgan_tf.utils.progress import format_duration

Actions = Mapping[str, Callable[[int], None]]  # a duty's name → its function of the step


def stored_size(data_dir: str, image_size: int) -> int:
    """The largest S of the records. Raises UserError if they do not serve this one."""
    max_size = records.read_manifest(data_dir)["image"]["max_size"]
    size_ratio(max_size, image_size, data_dir)
    return max_size


def say(line: str) -> None:
    """Prints and flushes a line. A closed pipe does not stop a training: log.jsonl has the figures."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)


class Session:
    """A run's folder while one process trains in it.

    `command` is named in the closing line. `output`: the folder that this process writes to, if it is not the run's:
    workers after the first take part in saving, but their files are not the run's.
    Raises UserError if the records' vocabulary differs from the run's, or if there are checkpoints but none is whole.
    """

    def __init__(
        self, command: str, config: TrainConfig | DamsmConfig, run: str | Path, output: str | Path | None = None
    ):
        self.command, self.config = command, config
        self.run, self._read_from = Path(output or run), Path(run)
        self._vocabulary_file = Path(config.data) / records.VOCABULARY
        self.vocabulary = Vocabulary.load(self._vocabulary_file)
        self.checkpoints = Checkpoints(self.run / "checkpoints", config.schedule.keep_checkpoints)
        self._kept = Checkpoints(self._read_from / "checkpoints")
        self._duties = Duties(self.run, self._read_from)
        self.resume_step = self._kept.latest()
        if self.resume_step is not None:
            check_same_vocabulary(
                self.vocabulary,
                f"--data={config.data}",
                Vocabulary.load(self._read_from / RUN_VOCABULARY),
                f"the run in {self._read_from}",
                "train on the data the run was started with, or take another --run.",
            )
        self.checkpoints.remove_leftovers()
        if self.resume_step is not None and self.writes_run:
            self.checkpoints.thin(self.resume_step)
        self._sources: dict[str, str] = {}
        self.saved = self.resume_step  # the newest checkpoint
        self._checkpoint: tf.train.Checkpoint | None = None
        self._began = time.monotonic()

    @property
    def writes_run(self) -> bool:
        """Whether this process's files are the run's."""
        return self.run == self._read_from

    def resume(self, checkpoint: tf.train.Checkpoint, total: int) -> int:
        """Restores the newest checkpoint, if any, into the training's state; returns the step to continue from.

        Raises UserError if the checkpoint does not fit the state.
        """
        self._checkpoint = checkpoint
        if self.resume_step is not None:
            self._kept.restore(checkpoint, self.resume_step)
            say(f"continuing at step {self.resume_step:,} of {total:,}")
        return self.resume_step or 0

    def reads(self, flag: str, sha256: str) -> None:
        """Says what a flag names outside the run. Raises UserError where a continued run was trained with another."""
        self._sources[flag] = sha256
        if self.resume_step is not None:
            check_sources(self._read_from, self._sources)

    def accept(self) -> None:
        """Writes settings and vocabulary into the run's folder. Only after `resume`: if new settings do not fit the
        checkpoint, the run keeps its old ones."""
        write_atomic(self.run / RUN_VOCABULARY, self._vocabulary_file.read_bytes())
        settings.save(self.config, self.run)
        if self._sources:
            save_sources(self.run, self._sources)

    def open_log(self) -> Log:
        """Opens the run's log at the resumed step."""
        return Log(self.run, self.resume_step or 0)

    def catch_up(self, schedule: Schedule, actions: Actions) -> None:
        """Does the duties after the resumed checkpoint that a killed process left undone."""
        if self.resume_step is None:
            return
        due = self._duties.resume(self.resume_step, schedule.at(self.resume_step).duties)
        due = [name for name in due if name in actions]
        if due:
            say(f"still due at step {self.resume_step:,}: {', '.join(due)}")
        self._perform(self.resume_step, due, actions)

    def settle(self, step: int, due: Due, actions: Actions) -> None:
        """Saves, if that is due after the step, then does the step's duties.

        In this order, because after SIGTERM there may be no time left for images. If the process is killed at any point
        in between, the next one does the remaining duties (`catch_up`).
        """
        if due.save:
            assert self._checkpoint is not None, "resume comes first"
            self._duties.begin(step, due.duties)
            self.checkpoints.save(self._checkpoint, step)
            self.saved = step
        self._perform(step, due.duties, actions)

    def _perform(self, step: int, names, actions: Actions) -> None:
        for name in names:
            actions[name](step)
            self._duties.mark(step, name)

    def close(self, step: int, total: int, stop: Stop | None, finished: str = "") -> None:
        """Prints the closing line: the command that continues, or that all steps are done, followed by `finished`."""
        if step < total:
            reason = stop.reason if stop else "no step left to take"
            say(
                f"stopped at step {step:,} of {total:,} ({reason}); saved. Continue: python -m {self.command} "
                f"--run={self._read_from}"
            )
        else:
            say(f"done: {step:,} steps in {format_duration(time.monotonic() - self._began)}.{finished}")
