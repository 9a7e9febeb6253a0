"""A new run that begins with the weights of another (`--init_from`): larger images, other data, other losses."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf

from ffgan_tf.config import ModelConfig, TrainConfig
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.models import blocks, build
from ffgan_tf.models.text_encoder import TextEncoder
from ffgan_tf.run import settings
from ffgan_tf.run.encoder_files import weight_names
from ffgan_tf.run.sampler import choose_step, restore_chosen
from ffgan_tf.run.vocabulary import RUN_VOCABULARY
from ffgan_tf.training.gan_step import Gan, discriminator_names
from ffgan_tf.utils.errors import UserError


def begin_with_run(gan: Gan) -> str:
    """Gives a new run's G and EMA the EMA of the run `--init_from`, its Ds the Ds' weights; returns what to tell.

    A weight is taken where both networks have one of that name and shape; the others stay as they were drawn, and
    Adam's moments are zero. Raises UserError where that is no run of the same family and widths, or has no checkpoint.
    """
    run = Path(gan.config.init_from)
    other, words = settings.load(TrainConfig, run), len(Vocabulary.load(run / RUN_VOCABULARY))
    if other.model.family != gan.config.model.family:
        raise UserError(
            f"--init_from={run} is a run of --family={other.model.family}. Fix: name one of "
            f"--family={gan.config.model.family}, or leave it out."
        )
    check_same(("ngf", "ndf"), gan.config.model, other.model, run)
    precision, sync = other.devices.precision, other.devices.sync_batch_norm
    with blocks.blank_weights():
        encoder = build.build_text_encoder(words)
        generator = build.build_generator(other.model, precision, sync)
        discriminators = build.build_discriminators(other.model, precision, sync)
    of_d = dict(zip(discriminator_names(other.model), discriminators))
    checkpoint = tf.train.Checkpoint(text_encoder=encoder, ema=generator, **of_d)
    step = restore_chosen(checkpoint, run, choose_step(run), newest=True)
    told = [f"begins with {run}, step {step:,}: {_taken('generator', generator, gan.generator)}"]
    names = discriminator_names(gan.config.model)
    # From the largest image's on: the only discriminator and the last of three are alike.
    for name, source, target in zip(names[::-1], discriminators[::-1], gan.discriminators[::-1]):
        told.append(_taken(name, source, target))
    gan.copy_to_average()
    if not same_encoder(encoder, gan.text_encoder):
        told.append("its text encoder was another: what G knows of sentences has to be learnt again")
    return "; ".join(told)


def _taken(name: str, source: tf.keras.Model, target: tf.keras.Model) -> str:
    """Gives `target` those weights of `source` that fit, and says how many, and which layers are new."""
    held = dict(zip(weight_names(source), source.variables))
    taken, everything, anew = 0, 0, []
    for weight, variable in zip(weight_names(target), target.variables):
        numbers = int(np.prod(variable.shape))
        everything += numbers
        if weight in held and held[weight].shape == variable.shape:
            variable.assign(held[weight])
            taken += numbers
        else:
            anew.append("/".join(weight.split("/")[:2]))
    new = f", new: {', '.join(dict.fromkeys(anew))}" if anew else ""
    return f"{name} takes {taken:,} of its {everything:,} weights{new}"


def check_same(names: Iterable[str], own: ModelConfig, other: ModelConfig, run: Path) -> None:
    """Raises UserError where one of these settings is not that of the run `--init_from`."""
    for name in names:
        if (here := getattr(own, name)) != (there := getattr(other, name)):
            raise UserError(f"--{name}={here}: --init_from={run} was trained with {there}. Fix: --{name}={there}.")


def same_encoder(one: TextEncoder, other: TextEncoder) -> bool:
    """Whether two text encoders have the same weights."""
    pairs = list(zip(one.variables, other.variables))
    return all(a.shape == b.shape and np.array_equal(a.numpy(), b.numpy()) for a, b in pairs)
