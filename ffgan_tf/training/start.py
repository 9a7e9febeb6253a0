"""The start of every training command: its flags, the run's settings and lock."""

import contextlib
import os
from collections.abc import Iterator
from typing import TypeVar

from absl import flags

from ffgan_tf.config import DamsmConfig, TrainConfig
from ffgan_tf.config import flags as settings_flags
from ffgan_tf.data import records
from ffgan_tf.run import settings
from ffgan_tf.run.lock import run_lock
from ffgan_tf.run.sources import forget_sources
from ffgan_tf.training.cluster import worker_rank
from ffgan_tf.utils.errors import UserError

T = TypeVar("T", TrainConfig, DamsmConfig)


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


def writes_run(config: TrainConfig | DamsmConfig) -> bool:
    """Whether this process writes in the run's folder: of several workers, only the first does."""
    return config.flat().get("strategy") != "multi_worker" or worker_rank()[0] == 0


@contextlib.contextmanager
def opened_run(config_class: type[T], example: str, recipe: str) -> Iterator[tuple[T, str]]:
    """Yields the resolved settings and the run's folder, locked. Reports a wrong flag before TensorFlow is loaded.

    `example` (a folder) and `recipe` (a flag file) are for messages.
    """
    run = flags.FLAGS.run
    if not run:
        raise UserError(
            f"--run is missing. Fix: the folder to train in, such as --run={example}. The recipes in experiments/ "
            f"name one: --flagfile={recipe}"
        )
    if os.path.lexists(run) and not os.path.isdir(run):
        raise UserError(
            f"--run={run}: a file, not the folder of a run. A model file cannot be trained on: it has no discriminator "
            "and no optimisers. Fix: the folder of the run that it was made from, or a new one."
        )
    config, changed = settings.resolve(config_class, run, flags.FLAGS.allow_config_change)
    if not config.data:
        raise UserError(
            "--data is missing: the folder of a converted data set. Fix: ffgan_tf.make_demo_dataset and "
            "ffgan_tf.convert_cub make one."
        )
    records.read_manifest(config.data)  # before the run's folder is made
    with run_lock(run) if writes_run(config) else contextlib.nullcontext():
        if flags.FLAGS.allow_config_change and writes_run(config):
            forget_sources(run)
        for name, (was, now) in changed.items():
            print(f"--{name}: {was!r} before, {now!r} from here on", flush=True)
        yield config, run
