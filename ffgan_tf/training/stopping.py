"""Reasons to stop a training before its last step: a signal, --max_minutes, another worker."""

import time
from collections.abc import Callable

from ffgan_tf.run.signals import StopRequest
from ffgan_tf.training.schedule import Stop


class Stopping:
    """Decides after every call of the step. `clock` gives seconds; `max_minutes` count from the creation, 0: no limit.

    With several workers, `agreement(flag)` is true if the flag is set on any of them: they must stop at the same step,
    so a stop request to one reaches all at the next multiple of `log_every`.
    """

    def __init__(
        self,
        request: StopRequest,
        max_minutes: float,
        log_every: int = 1,
        agreement: Callable[[bool], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._request, self._max_minutes, self._log_every = request, max_minutes, log_every
        self._agreement, self._clock = agreement, clock
        self._began = clock()

    def at(self, step: int) -> Stop | None:
        """The reason to stop after this step, or None."""
        own = self._own()
        if self._agreement is None:
            return own
        if step % self._log_every or not self._agreement(own is not None):
            return None
        return own or Stop("worker", "another worker stopped")

    def _own(self) -> Stop | None:
        if self._request.asked:
            return Stop("signal", f"{self._request.asked} received")
        if self._max_minutes and self._clock() - self._began > 60 * self._max_minutes:
            return Stop("time", f"--max_minutes={self._max_minutes:g} are over")
        return None
