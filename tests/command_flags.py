"""Commands in this process: each with flags of its own, since several commands share names."""

import contextlib
from collections.abc import Iterator

from absl import flags


@contextlib.contextmanager
def own_flags() -> Iterator[flags.FlagValues]:
    """absl's flags, from which those defined inside are taken again at the end."""
    before = set(flags.FLAGS)
    try:
        yield flags.FLAGS
    finally:
        for name in set(flags.FLAGS) - before:
            delattr(flags.FLAGS, name)
        flags.FLAGS.unparse_flags()


def call_main(module, *arguments) -> int:
    """`main` of a command's module with these words; its exit code."""
    with own_flags() as values:
        module.define_flags()
        return module.main(values([module.__name__.rpartition(".")[2], *map(str, arguments)]))
