"""Errors that are the user's to mend: shown as one message without a traceback, exit code 2."""

import functools
import sys
from typing import Callable


class UserError(Exception):
    """Something the user can put right. The message names the file or flag, what is wrong, and the mend."""


def _say(message: str) -> None:
    """One message on stderr; on a terminal it takes the place of an unfinished status line."""
    print(("\r\033[K" if sys.stderr.isatty() else "") + message, file=sys.stderr, flush=True)


def exit_code_main(main: Callable[[list], int]) -> Callable[[list], int]:
    """Wraps an absl main: a UserError becomes `error: …` on stderr and exit code 2, Ctrl-C exit code 130."""

    @functools.wraps(main)
    def wrapped(argv):
        try:
            code = main(argv)
        except UserError as error:
            _say(f"error: {error}")
            code = 2
        except KeyboardInterrupt:
            _say("interrupted")
            code = 130
        sys.exit(code or 0)

    return wrapped
