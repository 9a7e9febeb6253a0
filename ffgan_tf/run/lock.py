"""Only one training process per run folder."""

import contextlib
import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from ffgan_tf.utils.errors import UserError


@contextlib.contextmanager
def run_lock(run: str | Path) -> Iterator[None]:
    """Holds `RUN/lock` while training. Raises UserError, naming host and pid, where another process holds it.

    The kernel releases the lock when its process ends, so the lock file of a killed process blocks nobody.
    """
    path = Path(run) / "lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "a+", encoding="utf-8")
    except OSError as error:
        raise UserError(f"--run={run}: cannot be written to ({error}). Fix: choose another folder.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise UserError(
                f"{path}: another process trains in this folder ({file.read().strip() or 'unknown'}). Fix: "
                "stop it, or choose another --run."
            ) from None
        except OSError as error:
            print(
                f"warning: {path}: this file system has no locks ({error.strerror}), so nothing keeps a second "
                "training out of the folder",
                file=sys.stderr,
            )
        file.truncate(0)
        file.write(f"host {socket.gethostname()} pid {os.getpid()}\n")
        file.flush()
        yield
