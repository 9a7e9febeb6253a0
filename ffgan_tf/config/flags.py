"""Settings as absl flags: `--help`, `--flagfile` and the command line.

Command-line flags beat the flag file wherever they stand (`flagfile_first`).
"""

import sys
from collections.abc import Sequence

from absl import flags

from ffgan_tf.config.fields import Settings
from ffgan_tf.config.recipes import find_recipe
from ffgan_tf.utils.errors import UserError


def define_flags(config_class: type[Settings], flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines one absl flag for each field of `config_class`."""
    for _, field in config_class.fields():
        meta, kwargs = field.metadata, {"flag_values": flag_values}
        if meta["choices"] is not None and field.type is str:
            flags.DEFINE_enum(field.name, field.default, list(meta["choices"]), meta["help"], **kwargs)
        elif field.type is bool:
            flags.DEFINE_boolean(field.name, field.default, meta["help"], **kwargs)
        elif field.type is int:
            flags.DEFINE_integer(field.name, field.default, meta["help"], **kwargs)
        elif field.type is float:
            flags.DEFINE_float(field.name, field.default, meta["help"], **kwargs)
        else:
            flags.DEFINE_string(field.name, field.default, meta["help"], **kwargs)


def flagfile_first(argv: Sequence[str]) -> list[str]:
    """Moves every --flagfile behind the program's name, so that what the command line says comes later and wins."""
    program, *rest = argv
    files, others = [], []
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            others += [argument, *rest]
            break
        if argument in ("--flagfile", "-flagfile") and rest:
            files.append(f"--flagfile={rest.pop(0)}")
        elif argument.startswith(("--flagfile=", "-flagfile=")):
            files.append(argument)
        else:
            others.append(argument)
    return [program, *(f"--flagfile={find_recipe(argument.split('=', 1)[1])}" for argument in files), *others]


def parse_flags(argv: Sequence[str]) -> list[str]:
    """absl's parser for `app.run(flags_parser=…)`, with `flagfile_first`; unknown flags end with exit code 2."""
    try:
        return flags.FLAGS(flagfile_first(argv))
    except (flags.Error, UserError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
