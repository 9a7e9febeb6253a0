"""Flag files (`--flagfile`): how they are found, and their lines as arguments that remember file and line."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ffgan_tf.config.recipes import find_recipe
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import expand_home


class Argument(NamedTuple):
    """One argument of a command, and `FILE line N` where it came from a flag file ("" from the command line)."""

    text: str
    origin: str = ""


def find_flagfile(name: str) -> Path:
    """The flag file `name`, or the packaged recipe of that name, which a note on stderr reports.

    Raises a UserError that lists the recipes where there is neither.
    """
    path = find_recipe(name)
    if path != expand_home(name):
        print(f"--flagfile={name}: taken from {path}", file=sys.stderr)
    return path


def expanded(arguments: Sequence[str]) -> list[Argument]:
    """The arguments with every flag file's lines in place of its --flagfile, in front of all others.

    Later flags win, so the command line overrides the file wherever --flagfile stands. After `--` nothing is a flag.
    """
    rest, from_files, others = list(arguments), [], []
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            others += [Argument(argument), *map(Argument, rest)]
            break
        if argument in ("--flagfile", "-flagfile") and rest:
            from_files += _lines(rest.pop(0), ())
        elif argument.startswith(("--flagfile=", "-flagfile=")):
            from_files += _lines(argument.split("=", 1)[1], ())
        else:
            others.append(Argument(argument))
    return from_files + others


def _lines(name: str, including: tuple[Path, ...]) -> list[Argument]:
    """A flag file's arguments, one per line; `#` and `//` begin comments. `including`: the files that include it."""
    path = find_flagfile(name)
    if path.resolve() in including:
        raise UserError(f"--flagfile={name}: includes itself through {including[-1]}. Fix: remove one of the lines.")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--flagfile={name}: cannot be read as UTF-8 text ({error}). Fix: name another file.") from None
    arguments = []
    for number, line in enumerate(map(str.strip, lines), 1):
        origin = f"{path} line {number}"
        if not line or line.startswith(("#", "//")):
            continue
        if not line.startswith("-"):
            raise UserError(f"{origin}: {line!r} is no flag. Fix: --NAME=VALUE, or put # in front of a comment.")
        if line.startswith(("--flagfile=", "-flagfile=")):
            arguments += _lines(line.split("=", 1)[1], (*including, path.resolve()))
        else:
            arguments.append(Argument(line, origin))
    return arguments


def origin_of(problem: str, flag: str, arguments: Sequence[Argument]) -> str:
    """Origin of the argument that a parser's `problem` refers to: one it quotes, or the unknown `flag`."""
    for argument in arguments:
        name = argument.text.lstrip("-").split("=")[0]
        if argument.origin and (name in (flag, f"no{flag}") if flag else argument.text.lstrip("-") in problem):
            return argument.origin
    return ""
