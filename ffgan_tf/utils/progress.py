"""One status line with an ETA: redrawn in place on a terminal, a line now and then in a log."""

import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO


def format_duration(seconds: float) -> str:
    """`75` → `1:15`, `3700` → `1:01:40`; unknown or infinite → `?`."""
    if seconds != seconds or seconds in (float("inf"), float("-inf")):
        return "?"
    minutes, second = divmod(int(round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


class Progress:
    """`what 1,200/8,189 (14%) 310.2 images/s, ETA 0:22 note`.

    `every` is the least time between two redraws on a terminal (seconds); in a log file a line comes every `log_every`
    seconds, so that a log stays readable. `start` is the position a resumed job begins at: the rate counts from there.
    `clock` gives seconds and never runs backwards.
    """

    def __init__(
        self,
        what: str,
        total: int,
        unit: str = "items",
        start: int = 0,
        stream: TextIO | None = None,
        every: float = 0.2,
        log_every: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._what, self._total, self._unit = what, total, unit
        self._start = self._done = start
        self._stream = stream or sys.stderr
        self._tty = self._stream.isatty()
        self._every = every if self._tty else log_every
        self._clock = clock
        self._began = clock()
        self._drawn = -float("inf") if self._tty else self._began
        self._width = 0

    def rate(self) -> float:
        """Items a second since the start."""
        return (self._done - self._start) / max(self._clock() - self._began, 1e-9)

    def line(self, note: str = "") -> str:
        """The status line's text."""
        rate = self.rate()
        eta = format_duration(max(self._total - self._done, 0) / rate if rate > 0 else float("inf"))
        share = 100 * self._done // max(self._total, 1)
        text = f"{self._what} {self._done:,}/{self._total:,} ({share}%) {rate:,.1f} {self._unit}/s, ETA {eta}"
        return f"{text}  {note}" if note else text

    def update(self, done: int, note: str = "") -> None:
        """Sets the position; draws when it is time."""
        self._done = done
        now = self._clock()
        if now - self._drawn >= self._every:
            self._drawn = now
            text = self.line(note)
            if self._tty:  # a line that wraps could not be redrawn in place
                text = text[: shutil.get_terminal_size().columns - 1]
            self._draw(text)

    def close(self, note: str = "") -> None:
        """Draws the last line, with the time taken in place of the ETA."""
        took = format_duration(self._clock() - self._began)
        text = f"{self._what} {self._done:,}/{self._total:,} {self.rate():,.1f} {self._unit}/s, took {took}"
        self._draw(f"{text}  {note}" if note else text)
        if self._tty:
            self._stream.write("\n")
            self._stream.flush()

    def _draw(self, text: str) -> None:
        if self._tty:
            self._stream.write("\r" + text.ljust(self._width))
            self._width = len(text)
        else:
            self._stream.write(text + "\n")
        self._stream.flush()
