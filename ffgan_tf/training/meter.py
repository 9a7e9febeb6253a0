"""Metrics, speed and remaining time of a training; metrics stay on the device until they are read."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ffgan_tf.utils.progress import format_duration


class Reading(NamedTuple):
    """The steps since the last reading."""

    means: dict[str, float]  # of each metric
    steps_per_second: float
    seconds_left: float  # NaN while unknown


class Meter:
    """Metrics and speed of the steps alone, without reports, checkpoints, samples and evaluations.

    The first call, which compiles (tens of seconds), does not count either: the meter waits for it, so that the ETA
    rests on steps. `names`: the metrics' names; `check(values, first_step)` raises if values (n, len(names)) show
    divergence; `clock` gives seconds.
    """

    def __init__(
        self,
        names: Sequence[str],
        total: int,
        check: Callable[[np.ndarray, int], None] = lambda values, first_step: None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._names, self._total, self._check, self._clock = names, total, check, clock
        self._pending: list[Any] = []
        self._compiling = 0.0  # seconds of the first call
        self._uncounted = 0  # steps of it, among the pending
        self._first = True
        self._seconds, self._steps = 0.0, 0  # of all counted steps
        self._interval = clock()

    def add(self, metrics: Any) -> None:
        """Takes the metrics of one call, (steps, len(names)), on the device. Waits for the first call's only."""
        self._pending.append(metrics)
        if self._first:
            self._first, self._uncounted = False, len(np.asarray(metrics))
            self._compiling = self._clock() - self._interval
            self._interval = self._clock()

    def read(self, step: int) -> Reading:
        """Reads the steps since the last reading, up to `step`. Waits for the device; time until `resume` does not
        count."""
        values = np.concatenate([np.asarray(metrics) for metrics in self._pending])
        seconds, counted = self._clock() - self._interval, len(values) - self._uncounted
        self._check(values, step - len(values) + 1)
        self._seconds, self._steps = self._seconds + seconds, self._steps + counted
        if not counted:  # the first call alone: better a low speed than none
            seconds, counted = self._compiling, len(values)
        per_step = self._seconds / self._steps if self._steps else float("nan")
        self._pending, self._uncounted = [], 0
        return Reading(
            dict(zip(self._names, values.mean(axis=0).astype(float))),
            counted / max(seconds, 1e-9),
            per_step * (self._total - step),
        )

    def resume(self) -> None:
        """Starts the clock again, before the next step."""
        self._interval = self._clock()


def status_line(step: int, total: int, epoch: float, figures: str, speed: str, reading: Reading) -> str:
    """`step 20/6,000  epoch 1.0  … 12.3 images/s  ETA 1:02:03`."""
    eta = format_duration(reading.seconds_left)
    return f"step {step:,}/{total:,}  epoch {epoch:.1f}  {figures}  {speed}  ETA {eta}"
