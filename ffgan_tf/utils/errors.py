"""Errors that are for the user to fix: shown as one message without a traceback, exit code 2."""

import contextlib
import errno
import functools
import os
import re
import sys
from collections.abc import Callable, Iterator


class UserError(Exception):
    """Something the user can put right. The message names the file or flag, what is wrong, and the fix."""


def cannot_write(path: str | os.PathLike, error: Exception, besides: str = "") -> UserError:
    """The error for a file or folder that could not be written, Python's or TensorFlow's; `besides` is said before the
    fix."""
    # TensorFlow: `{{function_node …}} PATH; No space left on device [Op:SaveV2]`, and lines of where it was.
    reason = re.sub(r"\{\{.*?\}\} ?| \[Op:.*", "", (str(error).splitlines() or [""])[0]) or type(error).__name__
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or any(
        os.strerror(number) in reason for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    )
    fix = "make room on that disk" if full else "make the folder one that can be written to"
    return UserError(f"{path}: cannot be written ({reason}). {besides}Fix: {fix}, then run the same command again.")


@contextlib.contextmanager
def report_write_errors(path: str | os.PathLike) -> Iterator[None]:
    """What goes wrong inside while `path` is written, as a UserError that names it: a full disk, say."""
    tensorflow = sys.modules.get("tensorflow")  # not imported for this: commands check their flags before
    faults: tuple[type[Exception], ...] = (OSError, tensorflow.errors.OpError) if tensorflow else (OSError,)
    try:
        yield
    except faults as error:
        raise cannot_write(path, error) from error


def _say(message: str) -> None:
    """One message on stderr; on a terminal it takes the place of an unfinished status line."""
    print(("\r\033[K" if sys.stderr.isatty() else "") + message, file=sys.stderr, flush=True)


def exit_code_main(main: Callable[[list], int]) -> Callable[[list], int]:
    """Wraps an absl main: a UserError becomes `error: …` on stderr and exit code 2, Ctrl-C exit code 130.

    A full disk is for the user to fix too, wherever it is met.
    """

    @functools.wraps(main)
    def wrapped(argv):
        try:
            code = main(argv)
        except UserError as error:
            _say(f"error: {error}")
            code = 2
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            _say(f"error: {cannot_write(error.filename or 'a file', error)}")
            code = 2
        except KeyboardInterrupt:
            _say("interrupted")
            code = 130
        sys.exit(code or 0)

    return wrapped
