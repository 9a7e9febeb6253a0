"""Errors that are for the user to fix: shown as one message without a traceback, exit code 2."""

import contextlib
import errno
import functools
import io
import os
import re
import sys
from collections.abc import Callable, Iterator


class UserError(Exception):
    """An error that the user can fix. The message names the file or flag, the problem, and the fix."""


_WRITE_FIXES = (
    ((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "make room on that disk"),
    ((errno.EEXIST, errno.ENOTEMPTY), "something else stands there; move it away, or name another place"),
    ((errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG), "name another place"),
)


def cannot_write(path: str | os.PathLike, error: Exception, besides: str = "") -> UserError:
    """The error for a file or folder that could not be written, Python's or TensorFlow's; `besides` is said before the
    fix."""
    if isinstance(error, OSError) and error.strerror:  # without the path: that of a hidden file beside
        reason = f"[Errno {error.errno}] {error.strerror}"
    else:
        # TensorFlow: `{{function_node …}} PATH; No space left on device [Op:SaveV2]`, and lines of where it was.
        reason = re.sub(r"\{\{.*?\}\} ?| \[Op:.*", "", (str(error).splitlines() or [""])[0]) or type(error).__name__
    number = getattr(error, "errno", None)
    fix = next(
        (
            fix
            for numbers, fix in _WRITE_FIXES
            if number in numbers or (not number and any(os.strerror(each) in reason for each in numbers))
        ),
        "make the folder one that can be written to, or name another place",
    )
    return UserError(f"{path}: cannot be written ({reason}). {besides}Fix: {fix}, then run the same command again.")


@contextlib.contextmanager
def report_write_errors(path: str | os.PathLike) -> Iterator[None]:
    """Turns errors while `path` is written, such as a full disk, into a UserError that names it."""
    tensorflow = sys.modules.get("tensorflow")  # not imported for this: commands check their flags before
    faults: tuple[type[Exception], ...] = (OSError, tensorflow.errors.OpError) if tensorflow else (OSError,)
    try:
        yield
    except faults as error:
        raise cannot_write(path, error) from error


def _say(message: str) -> None:
    """One message on stderr; on a terminal it takes the place of an unfinished status line."""
    print(("\r\033[K" if sys.stderr.isatty() else "") + message, file=sys.stderr, flush=True)


def _of_the_system(error: OSError) -> str | None:
    """The message for a file that the system refused; None for other errors of the system (a socket's, say)."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return str(cannot_write(error.filename or "a file", error))
    if not isinstance(error.filename, (str, bytes)):
        return None
    name = os.fsencode(error.filename).decode("utf-8", "backslashreplace")
    return f"{name}: {error.strerror}. Fix: make it one that can be read and written, or name another."


def reader_gone() -> int:
    """The exit code where the reader of our output went away (`… | head`); nothing more is written to it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it once more at its end
    return 141


def exit_code_main(main: Callable[[list], int]) -> Callable[[list], int]:
    """Wraps an absl main: a UserError becomes `error: …` on stderr and exit code 2, Ctrl-C exit code 130.

    What the system refuses to do with a file is for the user to fix too, wherever it is met: a full disk, a folder that
    may not be written to, a name that is none. So is a reader of our output that went away (`… | head`): exit code 141,
    without a word. Names that are not UTF-8 are printed with `\\x…` for their stray bytes.
    """

    @functools.wraps(main)
    def wrapped(argv):
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            code = main(argv)
        except UserError as error:
            _say(f"error: {error}")
            code = 2
        except BrokenPipeError:
            code = reader_gone()
        except OSError as error:
            if (message := _of_the_system(error)) is None:
                raise
            _say(f"error: {message}")
            code = 2
        except KeyboardInterrupt:
            _say("interrupted")
            code = 130
        sys.exit(code or 0)

    return wrapped
