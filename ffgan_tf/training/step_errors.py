"""Errors inside a compiled step that the user can fix."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.utils.errors import UserError


@contextlib.contextmanager
def as_user_errors(config: TrainConfig) -> Iterator[None]:
    """Turns TensorFlow's errors of a lost worker, of memory, of a batch of one class and of a damaged image into
    UserErrors; passes on all others."""
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        if config.devices.strategy != "multi_worker":
            raise
        # The reason stands below "Graph execution error:" and a traceback of the graph's own.
        reason = next((line.strip() for line in str(error).splitlines() if "abort" in line), type(error).__name__)
        raise UserError(
            f"another worker is gone ({reason[:160]}). Fix: start all workers again, each with its command; "
            "they continue from the newest checkpoint."
        ) from error
    except (tf.errors.ResourceExhaustedError, tf.errors.InvalidArgumentError) as error:
        # A constant that there is no room for, gradients' zeros say, is one that "cannot be parsed".
        if isinstance(error, tf.errors.ResourceExhaustedError) or "Cannot parse tensor from proto" in str(error):
            batch = config.schedule.batch
            raise UserError(
                f"out of memory at --batch={batch}. Fix: --batch={max(2, batch // 2)} with --allow_config_change, or a "
                "smaller --image_size, --ngf or --ndf in a new run."
            ) from error
        if "one class only" in str(error):
            raise UserError(
                f"a batch of {config.schedule.batch} images was of one class only, so no sentence was wrong for any of "
                "them (Eq. 4). Fix: a larger --batch with --allow_config_change, or data of more classes."
            ) from error
        if "JPEG" in str(error):
            raise UserError(
                f"--data={config.data}: an image cannot be decoded. Fix: python -m ffgan_tf.verify_records "
                f"--data={config.data} says where the damage is; convert again."
            ) from error
        raise
