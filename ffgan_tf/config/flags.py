"""Settings as absl flags, and how every command reads its command line.

Command-line flags override flag files, whatever the order; a former flag name still works, with a note; `--help` lists
flags in groups (`ffgan_tf.config.help`).
"""

import contextlib
import math
import sys
from collections.abc import Iterator, Sequence
from typing import Any
from weakref import WeakSet

from absl import flags

from ffgan_tf.config.fields import Settings
from ffgan_tf.config.flag_files import expanded, find_flagfile, origin_of
from ffgan_tf.config.help import CHOICES, HIDDEN, TITLES, define_help_flags
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import check_utf8

# Flags whose names of files TensorFlow never sees: any bytes that the disk takes, not UTF-8 alone.
ANY_BYTES: "WeakSet[flags.Flag]" = WeakSet()

__all__ = ["any_bytes", "define_flags", "find_flagfile", "parse", "parse_flags", "renamed", "section"]


@contextlib.contextmanager
def section(title: str, flag_values: flags.FlagValues = flags.FLAGS) -> Iterator[None]:
    """Lists the flags defined inside under this title in `--help`; several sections may share a title."""
    before = set(flag_values)
    yield
    for name in set(flag_values) - before:
        TITLES[flag_values[name]] = title


def define_flags(config_class: type[Settings], flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines one absl flag for each field of `config_class`, under its group's title, and for its former names."""
    for group_name, field in config_class.fields():
        meta, name = field.metadata, field.name
        default: Any = field.default
        bounds: dict[str, Any] = {"lower_bound": meta["low"], "upper_bound": meta["high"], "flag_values": flag_values}
        if meta["choices"] is not None and field.type is str:
            flags.DEFINE_enum(name, default, list(meta["choices"]), meta["help"], flag_values=flag_values)
        elif field.type is bool:
            flags.DEFINE_boolean(name, default, meta["help"], flag_values=flag_values)
        elif field.type is int:
            flags.DEFINE_integer(name, default, meta["help"], **bounds)
        elif field.type is float:
            flags.DEFINE_float(name, default, meta["help"], **bounds)
        else:
            flags.DEFINE_string(name, default, meta["help"], flag_values=flag_values)
        if group_name:
            TITLES[flag_values[name]] = config_class.title(group_name)
        if meta["choices"] is not None:
            CHOICES[flag_values[name]] = tuple(meta["choices"])
        if meta["old_name"]:
            renamed(meta["old_name"], name, flag_values)


class _Renamed(flags.Flag):
    """A flag's former name: sets the current flag and prints a note to stderr."""

    def __init__(self, old: str, flag: flags.Flag):
        self._flag = flag
        super().__init__(flag.parser, None, old, None, f"Now --{flag.name}.", boolean=flag.boolean)

    def parse(self, argument: Any) -> None:
        """absl's hook for a flag on the command line or in a flag file."""
        if not self.present:
            print(f"--{self.name} is now --{self._flag.name}", file=sys.stderr)
        self.present += 1
        self._flag.parse(argument)


def renamed(old: str, new: str, flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Makes the flag `new`, already defined, accept its former name as well."""
    flag = _Renamed(old, flag_values[new])
    HIDDEN[flag] = new
    flags.DEFINE_flag(flag, flag_values)


def any_bytes(*names: str, flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Lets these flags, already defined, name files in any encoding: Python alone opens them, never TensorFlow."""
    ANY_BYTES.update(flag_values[name] for name in names)


def parse(argv: Sequence[str], flag_values: flags.FlagValues = flags.FLAGS) -> list[str]:
    """Reads a command line, program first, into `flag_values`; returns the program and the positional arguments.

    Raises UserError for whatever absl rejects, with the flag file and line it came from, for floats that are not
    finite, and for text that is not UTF-8, but for `any_bytes`.
    """
    program, *rest = argv
    arguments = expanded(rest)
    try:
        left = flag_values([program, *(argument.text for argument in arguments)])
    except flags.Error as error:
        origin = origin_of(str(error), getattr(error, "flagname", ""), arguments)
        raise UserError(f"{origin}: {error}" if origin else str(error)) from None
    for name in flag_values:
        value = flag_values[name].value
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"--{name}={value}: must be a finite number.")
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and flag_values[name] not in ANY_BYTES:
                check_utf8(text, f"--{name}")
    for text in left[1:]:
        check_utf8(text)
    return left


def parse_flags(argv: Sequence[str]) -> list[str]:
    """`parse` for `app.run(flags_parser=...)`, with our help; a mistake ends the command with exit code 2."""
    define_help_flags()
    try:
        return parse(argv)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
