"""A batch of the pipeline as both networks see it."""

from typing import NamedTuple

import tensorflow as tf

from ffgan_tf.config import ModelConfig
from ffgan_tf.losses import gan as losses
from ffgan_tf.models import build
from ffgan_tf.models.generator import Generator
from ffgan_tf.models.text_encoder import TextEncoder
from ffgan_tf.utils.pixels import to_unit


class Inputs(NamedTuple):
    """A replica's share of a batch, or a part of it, as both networks see it. b images."""

    real: tf.Tensor  # t (b, S, S, 3) in [−1, 1]
    sentence: tf.Tensor  # s (b, d)
    words: tf.Tensor  # e (b, T, d)
    mask: tf.Tensor  # (b, T) bool
    noise: tf.Tensor  # z (b, z_dim)
    epsilon: tf.Tensor  # ε (b, c_dim)
    condition: tf.Tensor  # what D is conditioned on, I_s by --condition (b, ·)
    wrong: tf.Tensor  # Î_s (b, ·)
    classes: tf.Tensor  # (b,)
    uniform: tf.Tensor  # random numbers of --augment in [0, 1) (b, ·): the real image's, then the fake's

    def parts(self, count: int) -> "Inputs":
        """Each of shape (count, b / count, …): for gradient accumulation, a part at a time."""
        return Inputs(*(tf.reshape(value, [count, value.shape[0] // count, *value.shape[1:]]) for value in self))


def gan_inputs(
    batch: dict[str, tf.Tensor], config: ModelConfig, text_encoder: TextEncoder, generator: Generator
) -> Inputs:
    """What the step needs of this replica's share of a batch of `training_batches`; nothing here has a gradient."""
    tokens, lengths = batch["tokens"], batch["lengths"]
    noise, epsilon, extra = tf.split(batch["noise"], [config.z_dim, config.c_dim, -1], axis=1)
    uniform = 0.5 + 0.5 * tf.math.erf(extra / 2**0.5)  # the quantiles of normal draws
    real = to_unit(batch["image"])
    sentence, words = text_encoder(tokens, lengths)
    sentence, words = tf.stop_gradient(sentence), tf.stop_gradient(words)
    condition = build.discriminator_condition(config.condition, sentence, *generator.augment(sentence, epsilon)[:2])
    wrong = mismatching(condition, batch["classes"])
    mask = tf.sequence_mask(lengths, tokens.shape[1])
    return Inputs(real, sentence, words, mask, noise, epsilon, condition, wrong, batch["classes"], uniform)


def mismatching(condition: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """Î_s: for each sample the condition of another class's, of any in the global batch, so that it is the same one
    however many replicas share it."""
    everyone, all_classes, own = condition, classes, tf.range(tf.shape(condition)[0])
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync > 1:
        # all_gather needs a tensor with a device; tf.identity gives the pipeline's tensors one.
        everyone, all_classes = (context.all_gather(tf.identity(value), 0) for value in (condition, classes))
        own += context.replica_id_in_sync_group * tf.shape(condition)[0]
    wrong = tf.gather(everyone, tf.gather(losses.mismatch_index(all_classes), own))
    return tf.ensure_shape(wrong, condition.shape)  # which gathering forgets
