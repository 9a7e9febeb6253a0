"""How every command begins and ends: its flags, its `--help`, its exit code.

A command is a module of the package's own folder with a docstring (which `--help` prints), `main(argv)`,
`define_flags()`, and `cli()`, which calls `run_command` and is what `python -m` and the installed script both start.
"""

import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from absl import app, flags

from ffgan_tf.config.flags import parse_flags
from ffgan_tf.utils.errors import UserError, exit_code_main

Main = Callable[[list[str]], int]


def run_command(
    main: Main,
    define_flags: Callable[[], None] | None = None,
    *,
    required: Sequence[str] = (),
    arguments: int = 0,
    wanted: str = "",
) -> NoReturn:
    """Defines the flags, parses the command line, runs `main` and exits with its return value.

    The flags named by `required` must have a value. `main` gets the program's name and exactly
    `arguments` positional arguments; `wanted` describes them to the user when the number is wrong. Exit codes: 0 done;
    2 with one message `error: …` on stderr for a wrong flag and for every UserError; 130 after Ctrl-C.
    """
    # TensorFlow logs errors at every start (CUDA factories registered twice); real problems arrive as exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    module = sys.modules[main.__module__]
    sys.modules["__main__"].__doc__ = module.__doc__  # absl's --help prints it; an installed script has none
    # Under python -m the module's own name is __main__ and its spec has the real one; a script has no spec.
    hint = f"Fix: see python {f'-m {module.__spec__.name}' if module.__spec__ else sys.argv[0]} --help"
    foreign = set(flags.FLAGS)
    if define_flags:  # a stand-alone script may define its flags at module level
        define_flags()
    for name in sorted(set(flags.FLAGS) - foreign):  # so that --help shows flags defined in other modules
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])

    def checked(argv: list[str]) -> int:
        if len(argv) != 1 + arguments:
            problem = "" if arguments else f"{argv[1]!r} is no flag. "
            raise UserError(f"{problem}{wanted and wanted + ' '}{hint}")
        for name in required:
            if flags.FLAGS[name].value in (None, "", []):
                raise UserError(f"--{name} is missing: {flags.FLAGS[name].help} {hint}")
        return main(argv)

    app.run(exit_code_main(checked), flags_parser=parse_flags)
    raise AssertionError("app.run exits")
