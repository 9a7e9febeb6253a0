"""How every training command begins: its flags, the run's settings and lock."""

import contextlib
from collections.abc import Iterator
from typing import Any

from absl import flags

from ffgan_tf.config import flags as settings_flags
from ffgan_tf.data import records
from ffgan_tf.run import settings
from ffgan_tf.run.lock import run_lock
from ffgan_tf.training.cluster import worker_rank
from ffgan_tf.utils.errors import UserError


def define_flags(config_class: type) -> None:
    """--run, --allow_config_change and one flag for each setting: not at import, because several commands share
    names."""
    flags.DEFINE_string("run", "", "Folder of the run: made by the first command, continued by the next.")
    flags.DEFINE_boolean(
        "allow_config_change",
        False,
        "Continue the run with settings other than those it was started with, or as its edited config.json says.",
    )
    settings_flags.define_flags(config_class)


@contextlib.contextmanager
def opened_run(
    argv: list[str], config_class: type, command: str, example: str, recipe: str
) -> Iterator[tuple[Any, str]]:
    """Yields the resolved settings and the run's folder, locked; a mistake in a flag is told before TensorFlow is
    loaded.

    `command`, `example` (a folder) and `recipe` (a flag file) are for messages.
    """
    if len(argv) > 1:
        raise UserError(f"{argv[1]!r} is no flag. See python -m {command} --help")
    run = flags.FLAGS.run
    if not run:
        raise UserError(
            f"--run is missing: the folder to train in, such as --run={example}. The recipes in experiments/ "
            f"name one: --flagfile={recipe}"
        )
    config: Any
    config, changed = settings.resolve(config_class, run, flags.FLAGS.allow_config_change)
    if not config.data:
        raise UserError(
            "--data is missing: the folder of a converted data set. Fix: tools/make_demo_dataset.py and "
            "tools/convert_cub.py make one."
        )
    records.read_manifest(config.data)  # before the run's folder is made
    chief = getattr(config, "strategy", "one") != "multi_worker" or worker_rank()[0] == 0  # who alone writes there
    with run_lock(run) if chief else contextlib.nullcontext():
        for name, (was, now) in changed.items():
            print(f"--{name}: {was!r} before, {now!r} from here on", flush=True)
        yield config, run
