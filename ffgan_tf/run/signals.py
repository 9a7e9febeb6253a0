"""Ctrl-C and SIGTERM as a wish to stop: the loop saves and ends with exit code 0."""

import os
import signal
from pathlib import Path
from types import FrameType


class StopRequest:
    """Context in which SIGINT and SIGTERM set `asked` to the signal's name; a second Ctrl-C interrupts at once."""

    def __init__(self):
        self.asked: str | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = signal.Signals(number).name
        # os.write, because print is not safe in the midst of another print.
        os.write(2, f"{self.asked}: saving after this step\n".encode())


def stop_line(command: str, run: str | Path, step: int, total: int, reason: str) -> str:
    """The last line of a training that ends before its last step, and how to go on."""
    return f"stopped at step {step:,} of {total:,} ({reason}); saved. Continue: python -m {command} --run={run}"
