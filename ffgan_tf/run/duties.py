"""`RUN/duties.json`: the duties after the newest checkpoint (samples, an evaluation), and which are done.

A process may be killed between a checkpoint and its duties. The list is on disk before the checkpoint is, and each duty
is marked once it is done; the next process does the others. At worst a duty is done twice.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from ffgan_tf.utils.errors import report_write_errors
from ffgan_tf.utils.files import write_json

DUTIES = "duties.json"


class Duties:
    """The file in the folder that this process writes; `read_from` is the run's folder if different."""

    def __init__(self, run: str | Path, read_from: str | Path | None = None):
        self.path, self._read_from = Path(run) / DUTIES, Path(read_from or run) / DUTIES
        self._step: int | None = None
        self._due: list[str] = []
        self._done: list[str] = []

    def begin(self, step: int, due: Iterable[str], done: Iterable[str] = ()) -> None:
        """Lists the duties of a step whose checkpoint is written next, or is the newest."""
        self._step, self._due, self._done = step, list(due), list(done)
        self._write()

    def mark(self, step: int, name: str) -> None:
        """Marks a duty as done. Duties of steps without a checkpoint are not kept: the step itself will be repeated."""
        if step == self._step and name not in self._done:
            self._done.append(name)
            self._write()

    def resume(self, step: int, scheduled: Sequence[str]) -> list[str]:
        """Duties still due at `step`, the newest checkpoint: those listed when it was written and those of the current
        schedule, except the ones done. Empty for a run without such a list, or with one of another step."""
        kept = self._read(step)
        if kept is None or kept[0] != step:
            return []
        _, due, done = kept
        self._step, self._due = step, list(dict.fromkeys([*scheduled, *due]))
        self._done = [name for name in done if name in self._due]
        return [name for name in self._due if name not in self._done]

    def _read(self, step: int) -> tuple[int, list[str], list[str]] | None:
        """Step, due, done; None where there is no file. In an unreadable file nothing counts as done."""
        try:
            kept = json.loads(self._read_from.read_text(encoding="utf-8"))
            lists = kept["due"], kept["done"]
            if not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists):
                raise ValueError("its lists are not lists of names")
            return int(kept["step"]), *lists
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            print(f"warning: {self._read_from} cannot be read ({error}); its duties are done again", file=sys.stderr)
            return step, [], []

    def _write(self) -> None:
        with report_write_errors(self.path):
            write_json(self.path, {"format": 1, "step": self._step, "due": self._due, "done": self._done})
