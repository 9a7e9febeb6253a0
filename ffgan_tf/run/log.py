"""A run's log: TensorBoard, `log.jsonl`, sample grids."""

import contextlib
import errno
import json
import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from ffgan_tf.utils import grid
from ffgan_tf.utils.errors import report_write_errors
from ffgan_tf.utils.files import write_atomic


def lines_until(content: bytes, step: int) -> bytes:
    """The lines of a `log.jsonl` for steps up to `step`, without an unfinished last line."""
    kept = []
    for line in content.splitlines(keepends=True):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            if line.endswith(b"\n") and json.loads(line)["step"] <= step:
                kept.append(line)
    return b"".join(kept)


def lines_at(content: bytes, step: int) -> set[frozenset[str]]:
    """What the lines of a `log.jsonl` for a step tell, each the names of its figures."""
    kept = (json.loads(line) for line in lines_until(content, step).splitlines())
    return {frozenset(line) - {"step"} for line in kept if line["step"] == step}


def write_restart(folder: Path, step: int) -> None:
    """Makes TensorBoard discard later steps in earlier event files, because the run resumes after `step`.

    tf.summary has no call for it, so the SessionLog.START event gets an event file of its own. TensorBoard reads files
    in the order of their names: this name sorts after older ones and before that of the next writer.
    """
    now = time.time()
    path = folder / f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}.{os.getpid()}.0.start"
    event, log = tf.compat.v1.Event, tf.compat.v1.SessionLog
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        start = event(wall_time=now, step=step + 1, session_log=log(status=log.START)).SerializeToString()
        writer.write(start)  # TensorBoard takes the first one for the start of the run,
        writer.write(start)  # the second for a restart, and discards the steps from the event's own on


def ends_whole(path: Path, start: int) -> bool:
    """Whether an event file has at least one record after byte `start`, and the last one is complete."""
    size = end = path.stat().st_size
    with open(path, "rb") as file:
        end = start
        while end + 8 <= size:  # length (8 bytes), its checksum (4), the record, its checksum (4)
            file.seek(end)
            end += 16 + struct.unpack("<Q", file.read(8))[0]
    return start < end == size


class Log:
    """TensorBoard events in `RUN/tensorboard`, one JSON line per log interval in `RUN/log.jsonl`, grids in
    `RUN/samples`.

    The run starts or resumes after `step`: entries of a killed process about later steps are discarded, because those
    steps are trained, and logged, again. A failed write (a full disk) raises a UserError naming the file.
    """

    def __init__(self, run: str | Path, step: int = 0):
        self.run, self._resumed = Path(run), step
        self._told: set[frozenset[str]] = set()  # of that step, by the process before
        events, lines, samples = (self.run / name for name in ("tensorboard", "log.jsonl", "samples"))
        with report_write_errors(samples):  # now, not after hours of training
            samples.mkdir(parents=True, exist_ok=True)
        with report_write_errors(events):
            events.mkdir(parents=True, exist_ok=True)
            before = set(events.iterdir())
            if before:
                write_restart(events, step)
            self._writer = tf.summary.create_file_writer(str(events))
            self._events = max(set(events.iterdir()) - before)
        with report_write_errors(lines):
            if lines.exists():
                content = lines.read_bytes()
                if (kept := lines_until(content, step)) != content:
                    write_atomic(lines, kept)
                self._told = lines_at(kept, step)
            self._lines = open(lines, "a", encoding="utf-8")

    @contextlib.contextmanager
    def _tensorboard(self, step: int) -> Iterator[None]:
        """Summaries written inside belong to this step and are on disk at the end."""
        with report_write_errors(self._events):
            start = self._events.stat().st_size
            with self._writer.as_default(step):
                yield
            self._writer.flush()
            if not ends_whole(self._events, start):  # a full disk fails the flush of small events only
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Writes scalars to TensorBoard and `log.jsonl` and flushes, so that a killed run loses none.

        Figures of the resumed step that a killed process has told are not told again: a duty that was done but not yet
        marked is done twice, with the same result.
        """
        if step == self._resumed and frozenset(values) in self._told:
            return
        with self._tensorboard(step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        with report_write_errors(self._lines.name):
            self._lines.write(json.dumps({"step": step, **values}) + "\n")
            self._lines.flush()

    def images(self, step: int, images: np.ndarray, sentences: list[str], columns: int | None = None) -> Path:
        """Writes the sample grid (N, S, S, 3) uint8 with its sentences, as PNG and to TensorBoard; returns the file."""
        sheet = grid.grid(images, sentences, columns)
        path = self.run / "samples" / f"step-{step:08d}.png"
        with report_write_errors(path):
            write_atomic(path, grid.png(sheet))
        with self._tensorboard(step):
            tf.summary.image("samples", sheet[None])
        return path

    def sheets(self, step: int, sheets: dict[str, np.ndarray]) -> None:
        """Images (H, W, 3) uint8 by name, to TensorBoard alone."""
        with self._tensorboard(step):
            for name, sheet in sheets.items():
                tf.summary.image(name, sheet[None])

    def histograms(self, step: int, values: dict[str, np.ndarray]) -> None:
        """The distribution of each array, to TensorBoard alone."""
        with self._tensorboard(step):
            for name, array in values.items():
                tf.summary.histogram(name, array)

    def hparams(self, settings: dict[str, bool | int | float | str], trial: str) -> None:
        """The run as one trial of TensorBoard's HParams, whose metrics are the scores that `evaluate` writes.

        Once per run: TensorBoard keeps a trial's first entry.
        """
        from tensorboard.plugins.hparams import api

        figures = [api.Metric(f"evaluation/{score}") for score in ("fid", "kid", "is", "precision", "recall")]
        with self._tensorboard(0):
            api.hparams_config([api.HParam(name) for name in settings], figures)
            api.hparams(settings, trial_id=trial)

    def text(self, name: str, text: str, step: int = 0) -> None:
        """A text panel in TensorBoard (Markdown)."""
        with self._tensorboard(step):
            tf.summary.text(name, text)

    def close(self) -> None:
        """Closes both."""
        with report_write_errors(self._events):
            self._writer.close()
        self._lines.close()
