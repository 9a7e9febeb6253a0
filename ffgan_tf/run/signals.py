"""Ctrl-C, SIGTERM and SIGHUP (a closed terminal) as a request to stop: the loop saves and ends with exit code 0."""

import contextlib
import os
import signal
from types import FrameType
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequest:
    """Inside this context SIGINT, SIGTERM and SIGHUP set `asked` to the signal's name; a second Ctrl-C interrupts at
    once.

    SIGHUP stays ignored where it was (nohup). Output to a closed terminal is discarded instead of raising EIO, because
    the checkpoint is saved after the status line.
    """

    def __init__(self, intention: str = "saving after this step"):
        """`intention` is what the answer to the signal says on stderr."""
        self._intention = intention
        self.asked: str | None = None
        self._before: dict[int, Any] = {}
        self._terminals: list[int] = []

    def __enter__(self) -> "StopRequest":
        self._terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]
        for number in STOPPING:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = signal.Signals(number).name
        self._leave_closed_terminals()
        with contextlib.suppress(OSError):
            # os.write, because print is not reentrant.
            os.write(2, f"{self.asked}: {self._intention}\n".encode())

    def _leave_closed_terminals(self) -> None:
        closed = [descriptor for descriptor in self._terminals if not os.isatty(descriptor)]
        if closed:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for descriptor in closed:
                os.dup2(nowhere, descriptor)
            os.close(nowhere)
