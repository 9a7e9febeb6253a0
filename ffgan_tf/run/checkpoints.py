"""Checkpoints that are complete or absent: a folder each, written beside and renamed, with the sha256 of its files."""

import contextlib
import fcntl
import hashlib
import json
import math
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from ffgan_tf.utils.errors import UserError, cannot_write, report_write_errors
from ffgan_tf.utils.files import directory_atomic, sha256_file, write_json
from ffgan_tf.utils.reading import read_json

BEST, META = "best.json", "meta.json"
BEST_FIX = (
    "Fix: put the file back, or write it by hand, as in "
    '{"step": 500, "metric": "fid", "value": 42.5}, without a "sha256"; or remove it: the next evaluation then writes '
    "another, and the former best checkpoint is deleted in its turn."
)


def _best_digest(best: dict) -> str:
    """SHA-256 of the best step's record: a valid but changed value would let another checkpoint be removed."""
    return hashlib.sha256(json.dumps(best, sort_keys=True).encode()).hexdigest()


class CheckpointGone(UserError):
    """A checkpoint was deleted between being chosen and being read: training keeps only the newest."""


class Checkpoints:
    """The folder `RUN/checkpoints`: `step-00000500/{state.index, state.data-…, meta.json}`, `best.json`."""

    def __init__(self, folder: str | Path, keep: int = 3):
        self.folder, self.keep = Path(folder), keep

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, ascending."""
        matches = [re.fullmatch(r"step-(\d+)", path.name) for path in self.folder.glob("step-*")]
        return sorted(int(match.group(1)) for match in matches if match)

    def path(self, step: int) -> Path:
        """Folder of a step's checkpoint."""
        return self.folder / f"step-{step:08d}"

    def save(self, checkpoint: tf.train.Checkpoint, step: int) -> Path:
        """Writes a checkpoint, then removes old ones beyond `keep` (never the best). Returns its folder.

        Checkpoints of later steps are removed, too: the run resumed from before them because they are damaged, and they
        would count as the newest. Raises UserError where writing fails (a full disk, say); older ones stay untouched.
        """
        try:
            with directory_atomic(self.path(step), replace=True) as temporary:
                checkpoint.write(str(temporary / "state"))
                files = {path.name: sha256_file(path) for path in sorted(temporary.iterdir())}
                write_json(temporary / META, {"format": 1, "step": step, "files": files})
        except (tf.errors.UnavailableError, tf.errors.AbortedError):
            raise  # another worker's failure, not the disk's
        except (OSError, tf.errors.OpError) as error:
            before = ", ".join(map(str, self.steps())) or "none"
            raise cannot_write(self.path(step), error, f"Whole checkpoints: steps {before}. ") from error
        try:
            best = self.best()
        except UserError as error:
            print(f"warning: {error} Until then no checkpoint is removed.", file=sys.stderr, flush=True)
            return self.path(step)
        for later in self.steps():
            if later > step and later != (best and best["step"]):
                self._remove(later)
        self.thin(step)
        return self.path(step)

    def thin(self, step: int) -> None:
        """Removes the checkpoints up to `step` beyond the `keep` newest, but for the best: after a save, and at a
        start, for a process killed in between leaves a former checkpoint, or a part of one. UserError as `best`."""
        best, earlier = self.best(), [old for old in self.steps() if old <= step]
        for old in earlier[: -self.keep]:
            if old != (best and best["step"]):
                self._remove(old)

    def _remove(self, step: int) -> None:
        """Removes a step's folder, unless it is being read; then the next call removes it."""
        with self._locked(step, fcntl.LOCK_EX | fcntl.LOCK_NB) as ours:
            if ours:
                shutil.rmtree(self.path(step))

    @contextlib.contextmanager
    def _locked(self, step: int, kind: int) -> Iterator[bool]:
        """Holds the lock of a step's folder inside; yields false where there is no such folder, or (LOCK_NB) another
        process holds it.

        Readers share it, so that training does not remove a checkpoint while `sample` reads it. The kernel releases it
        when its process ends.
        """
        try:
            fd = os.open(self.path(step), os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            yield False
            return
        try:
            held = True
            try:
                fcntl.flock(fd, kind)
            except BlockingIOError:
                held = False
            except OSError:
                pass  # a file system without locks
            yield held and self.path(step).is_dir()  # it may have been removed while we waited
        finally:
            os.close(fd)

    def remove_leftovers(self) -> None:
        """Removes half-written checkpoints of a killed process. Only for the one process that writes here, before its
        first save: raises UserError where the folder cannot be created, or `best.json` is damaged."""
        self.best()
        with report_write_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        for leftover in self.folder.glob(".step-*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def damage(self, step: int) -> str | None:
        """The damage of a step's checkpoint, in words; None where every file is as it was written."""
        with self._locked(step, fcntl.LOCK_SH):
            return self._damage(step)

    def _damage(self, step: int) -> str | None:
        folder = self.path(step)
        try:
            meta = read_json(folder / META)
            if meta["format"] != 1 or meta["step"] != step:
                return f"{folder / META} is not this step's"
            for name in sorted({path.name for path in folder.iterdir()} - {META} | set(meta["files"])):
                if not (folder / name).is_file():
                    return f"{folder / name} is missing"
                if sha256_file(folder / name) != meta["files"].get(name):
                    return f"{folder / name} is not as it was written (sha256)"
        except (UserError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            return f"{folder / META} cannot be read ({error})"
        return None

    def latest(self) -> int | None:
        """The newest undamaged step, or None where there is no checkpoint. Reports each damaged one that it skips.

        Raises UserError where there are checkpoints but none is whole.
        """
        steps = self.steps()
        for step in reversed(steps):
            damage = self.damage(step)
            if damage is None:
                return step
            if not self.path(step).exists():  # removed in the meantime by the training process, which has newer ones
                return self.latest()
            print(
                f"warning: checkpoint of step {step} is damaged: {damage}; trying the one before",
                file=sys.stderr,
                flush=True,
            )
        if steps:
            raise UserError(
                f"{self.folder}: no checkpoint is whole. Fix: restore one from a backup, or remove the "
                "folder to start again."
            )
        return None

    def restore(self, checkpoint: tf.train.Checkpoint, step: int, partial: bool = False) -> None:
        """Loads a step into `checkpoint`; with `partial`, the file may hold more variables.

        Raises CheckpointGone where the training process has removed the step, UserError where it does not fit.
        """
        with self._locked(step, fcntl.LOCK_SH) as there:
            if not there:
                raise CheckpointGone(f"{self.path(step)}: no such checkpoint any more. Fix: choose another step.")
            self._restore(checkpoint, step, partial)

    def _restore(self, checkpoint: tf.train.Checkpoint, step: int, partial: bool) -> None:
        try:
            status = checkpoint.read(str(self.path(step) / "state"))
            status.assert_existing_objects_matched()
            status.expect_partial() if partial else status.assert_consumed()
        except (AssertionError, ValueError, tf.errors.OpError) as error:
            raise UserError(
                f"{self.path(step)} does not fit this run's networks: {str(error).splitlines()[0]}. Fix: "
                "take the settings it was trained with (leave the model flags out)."
            ) from error

    def mark_best(self, step: int, metric: str, value: float, lower_is_better: bool = True) -> bool:
        """Records a step as the best by `metric` if it is; the best checkpoint is never removed. Returns whether it is.

        A step already on record that is evaluated again (its process was killed in between) gets its new value. The
        former best goes at once if it is not among the newest: so the run holds the same as one that was killed here.
        """
        before = self.best()
        if before and before["metric"] == metric and before["step"] in self.steps() and before["step"] != step:
            if (value >= before["value"]) if lower_is_better else (value <= before["value"]):
                return False
        record = {"step": step, "metric": metric, "value": float(value)}
        write_json(self.folder / BEST, {**record, "sha256": _best_digest(record)})
        self.thin(step)
        return True

    def best(self) -> dict | None:
        """The best step on record: {step, metric, value}, or None where none is.

        Raises UserError where `best.json` is damaged, or not as it was written (records of older versions have no
        digest, nor need those written by hand): ignoring it would let the best checkpoint be removed.
        """
        path = self.folder / BEST
        if not os.path.lexists(path):
            return None
        best = read_json(path, fix=BEST_FIX, what="the record of the best checkpoint")
        step, metric, value = (best.get(name) for name in ("step", "metric", "value"))
        sound = type(step) is int and step >= 0 and isinstance(metric, str)
        if not sound or type(value) not in (int, float) or not abs(value) < math.inf:
            raise UserError(f"{path}: not the record of the best checkpoint (step, metric and value). {BEST_FIX}")
        found = {"step": step, "metric": metric, "value": value}
        if "sha256" in best and best["sha256"] != _best_digest(found):
            raise UserError(f"{path} is not as it was written (sha256). {BEST_FIX}")
        return found
