"""StackGAN's second run takes the generator of its first (`--init_from`; docs/families.md)."""

from pathlib import Path

import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.models import build
from ffgan_tf.run import settings
from ffgan_tf.run.checkpoints import Checkpoints
from ffgan_tf.run.encoder_files import weights_of
from ffgan_tf.run.sampler import choose_step
from ffgan_tf.training.gan_step import Gan
from ffgan_tf.training.warm_start import check_same, same_weights
from ffgan_tf.utils.errors import UserError

SAME = ("ngf", "z_dim", "c_dim", "normalise_sentence")  # of both stages


def load_first_stage(gan: Gan) -> int:
    """Gives a new Stage II the EMA generator of the run `--init_from`, newest checkpoint; returns its step.

    Raises UserError where that is no run of Stage I, has other widths, or reads sentences by another text encoder.
    """
    config, run = gan.config, Path(gan.config.init_from)
    first = settings.load(TrainConfig, run)
    if (first.model.family, first.model.stage) != (config.model.family, 1):
        raise UserError(
            f"--init_from={run} is a run of --family={first.model.family} --stage={first.model.stage}. Fix: name one "
            f"of --family={config.model.family} --stage=1."
        )
    check_same(SAME, config.model, first.model, run)
    step = choose_step(run)
    embedding = gan.text_encoder.variables[0]
    encoder = build.build_text_encoder(embedding.shape[0])
    target = tf.train.Checkpoint(ema=gan.generator.first, text_encoder=encoder)
    Checkpoints(run / "checkpoints").restore(target, step, partial=True)
    if not same_weights(weights_of(encoder), weights_of(gan.text_encoder)):
        raise UserError(
            f"--init_from={run} reads sentences by another text encoder. Fix: --text_encoder="
            f"{first.text.text_encoder or '(empty), with the same --seed'}, as there."
        )
    gan.copy_to_average()
    return step
