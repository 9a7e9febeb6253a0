"""The text of `--help`: the command's docstring, then its flags in groups, in the order in which they were defined.

absl sorts flags by module and alphabet, which separates related flags.
"""

import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

from absl import flags

from ffgan_tf.utils.errors import reader_gone

TITLES: "WeakKeyDictionary[flags.Flag, str]" = WeakKeyDictionary()  # a flag → the title of its group
HIDDEN: "WeakKeyDictionary[flags.Flag, str]" = WeakKeyDictionary()  # former names → current ones, not listed
CHOICES: "WeakKeyDictionary[flags.Flag, tuple]" = WeakKeyDictionary()  # allowed values that absl's parser does not know
FOREIGN = ("absl", "tensorflow", "keras", "tf_keras")  # packages whose flags belong to no command
INDENT = " " * 6
GENERAL, ABSL = "general", "flags of every program that uses absl"


def flag_text(flag: flags.Flag) -> str:
    """One flag: its name and kind of value, then the description, the range and the default."""
    choices = CHOICES.get(flag) or getattr(flag.parser, "enum_values", None)
    text = flag.help
    if isinstance(flag, flags.EnumFlag):
        text = text.split(">: ", 1)[1]  # absl puts the choices in front
    if isinstance(flag, flags.MultiFlag):
        text = text.split(";\n    repeat this option", 1)[0]
    if flag.boolean:
        head = f"--[no]{flag.name}"
    elif choices:
        head = f"--{flag.name}={'|'.join(map(str, choices))}"
    else:
        head = f"--{flag.name}={_value_of(flag)}"
    notes = [text if text.endswith(".") else f"{text}."]
    low, high = (getattr(flag.parser, name, None) for name in ("lower_bound", "upper_bound"))
    if low is not None and high is not None:
        notes.append(f"From {low:,g} to {high:,}.")
    elif low is not None:
        notes.append(f"At least {low:,g}.")
    if isinstance(flag, flags.MultiFlag):
        notes.append("May be given several times.")
    if "default" not in text.lower():
        notes.append(_default(flag))
    width = min(100, max(60, shutil.get_terminal_size((100, 24)).columns))
    body = textwrap.fill(" ".join(filter(None, notes)), width, initial_indent=INDENT, subsequent_indent=INDENT)
    return f"  {head}\n{body}"


def _value_of(flag: flags.Flag) -> str:
    """Placeholder after the flag's `=`."""
    kind = getattr(flag.parser, "flag_type", lambda: "string")()
    kinds = {"int": "N", "float": "X", "comma separated list of strings": "A,B,..."}
    return kinds.get(kind.removeprefix("multi "), "TEXT")


def _default(flag: flags.Flag) -> str:
    if flag.boolean:
        return f"Default: {'on' if flag.default else 'off'}."
    if flag.default in (None, "", []):
        return ""
    return f"Default: {flag.default:g}." if isinstance(flag.default, float) else f"Default: {flag.default}."


def sections(flag_values: flags.FlagValues, everything: bool = False) -> Iterator[tuple[str, list[flags.Flag]]]:
    """(title, flags) of every group, in order of definition; with `everything`, absl's own come last."""
    by_title: dict[str, list[flags.Flag]] = {GENERAL: []}
    foreign = []
    for name in flag_values:
        flag = flag_values[name]
        if name != flag.name or flag in HIDDEN:  # a short name; a former one
            continue
        if (flag_values.find_module_defining_flag(name) or "").split(".")[0] in FOREIGN:
            foreign.append(flag)
        elif not isinstance(flag, HelpFlag):
            by_title.setdefault(TITLES.get(flag, GENERAL), []).append(flag)
    yield from ((title, group) for title, group in by_title.items() if group)
    if everything:
        yield ABSL, foreign


def help_text(description: str, flag_values: flags.FlagValues, everything: bool = False) -> str:
    """The full text of `--help` (with `everything`, of `--helpfull`)."""
    parts = [description.strip()] if description.strip() else []
    for title, group in sections(flag_values, everything):
        parts.append("\n".join([f"{title[:1].upper()}{title[1:]}:", *map(flag_text, group)]))
    parts.append("--flagfile=FILE reads further flags from a file, one per line; the command line overrides it.")
    if not everything:
        parts[-1] += "\n--helpfull also shows absl's flags."
    return "\n\n".join(parts)


class HelpFlag(flags.BooleanFlag):
    """Prints the help and ends the command with exit code 0."""

    def __init__(self, name: str, show: Callable[[], str], short_name: str | None = None):
        super().__init__(name, False, "show the help", short_name=short_name, allow_override=True)
        self._show = show

    def parse(self, argument: Any) -> None:
        """absl's hook for a flag on the command line."""
        if self._parse(argument):
            try:
                print(self._show(), flush=True)
            except BrokenPipeError:
                sys.exit(reader_gone())
            sys.exit(0)


def define_help_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Replaces absl's help flags with ours: --help, -h, -?, --helpshort, --helpfull."""

    def shown(everything: bool) -> Callable[[], str]:
        return lambda: help_text(sys.modules["__main__"].__doc__ or "", flag_values, everything)

    for name, short_name, everything in (("help", "?", False), ("helpshort", "h", False), ("helpfull", None, True)):
        flags.DEFINE_flag(HelpFlag(name, shown(everything), short_name), flag_values)
