"""A batch of the pipeline as both networks see it, and as the generator's own step sees it where that differs."""

from typing import NamedTuple

import tensorflow as tf

from ffgan_tf.config import ModelConfig, TrainConfig
from ffgan_tf.losses import gan as losses
from ffgan_tf.models import build
from ffgan_tf.models.conditioning import unit_rms
from ffgan_tf.models.generator import Generator
from ffgan_tf.models.text_encoder import TextEncoder
from ffgan_tf.training.augment import numbers_for
from ffgan_tf.utils.pixels import to_unit


class Inputs(NamedTuple):
    """A replica's share of a batch, or a part of it, as both networks see it. b images."""

    real: tf.Tensor  # t (b, S, S, 3) in [−1, 1]
    sentence: tf.Tensor  # s (b, d), the mean of --captions_mean captions
    words: tf.Tensor  # e (b, T, d), the first caption's
    mask: tf.Tensor  # (b, T) bool
    noise: tf.Tensor  # z (b, z_dim)
    epsilon: tf.Tensor  # ε (b, epsilon_dim)
    condition: tf.Tensor  # what D is conditioned on, I_s by --condition (b, ·)
    wrong: tf.Tensor  # Î_s (b, ·)
    classes: tf.Tensor  # (b,)
    uniform: tf.Tensor  # random numbers of --augment in [0, 1) (b, ·): the real image's, then the fake's
    fresh: tf.Tensor  # z and ε of G's own step: for its b samples, then for the interpolated ones (b, ·); or (b, 0)

    def parts(self, count: int) -> "Inputs":
        """Each of shape (count, b / count, …): for gradient accumulation, a part at a time."""
        return Inputs(*(tf.reshape(value, [count, value.shape[0] // count, *value.shape[1:]]) for value in self))


def second_pass(config: TrainConfig) -> bool:
    """Whether G's step makes fakes of its own (`generator_inputs`) instead of taking those that D has seen."""
    return config.losses.fresh_noise or config.losses.interpolate


def noise_numbers(config: TrainConfig) -> int:
    """Random numbers that a sample needs: z, ε, those of `--augment` twice, and `Inputs.fresh`."""
    own = config.model.z_dim + config.model.epsilon_dim
    fresh = config.losses.fresh_noise + config.losses.interpolate
    return own * (1 + fresh) + 2 * numbers_for(config.losses.augmentations)


def gan_inputs(
    batch: dict[str, tf.Tensor], config: TrainConfig, text_encoder: TextEncoder, generator: Generator
) -> Inputs:
    """What the step needs of this replica's share of a batch of `training_batches`; nothing here has a gradient."""
    model = config.model
    augmenting = 2 * numbers_for(config.losses.augmentations)
    noise, epsilon, extra, fresh = tf.split(batch["noise"], [model.z_dim, model.epsilon_dim, augmenting, -1], axis=1)
    uniform = 0.5 + 0.5 * tf.math.erf(extra / 2**0.5)  # the quantiles of normal draws
    real = to_unit(batch["image"])
    sentence, words, mask = read_captions(batch["tokens"], batch["lengths"], text_encoder)
    condition = discriminator_condition(model, sentence, epsilon, generator)
    wrong = mismatching(condition, batch["classes"])
    return Inputs(real, sentence, words, mask, noise, epsilon, condition, wrong, batch["classes"], uniform, fresh)


def read_captions(
    tokens: tf.Tensor, lengths: tf.Tensor, text_encoder: TextEncoder
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """s (b, d), e (b, T, d) and its mask. `tokens` (b, T), `lengths` (b,); or (b, K, T) and (b, K): s is then the mean
    of K captions' (Reed et al. 2016, StackGAN), e the first one's."""
    if tokens.shape.rank == 2:
        sentence, words = text_encoder(tokens, lengths)
    else:
        count = tokens.shape[1]
        sentences, all_words = text_encoder(tf.reshape(tokens, [-1, tokens.shape[2]]), tf.reshape(lengths, [-1]))
        sentence = tf.reduce_mean(tf.reshape(sentences, [-1, count, sentences.shape[-1]]), axis=1)
        words, tokens, lengths = all_words[::count], tokens[:, 0], lengths[:, 0]
    return tf.stop_gradient(sentence), tf.stop_gradient(words), tf.sequence_mask(lengths, tokens.shape[1])


def discriminator_condition(
    config: ModelConfig, sentence: tf.Tensor, epsilon: tf.Tensor, generator: Generator
) -> tf.Tensor:
    """What D is conditioned on, without a gradient: s itself, or what `generator` makes of it now."""
    if config.condition == "sentence":
        return tf.stop_gradient(sentence)
    return build.discriminator_condition(config.condition, sentence, *generator.augment(sentence, epsilon)[:2])


def generator_inputs(inputs: Inputs, config: TrainConfig) -> Inputs:
    """What G's step sees of a part: the same, with fresh z and ε (`--fresh_noise`) and with ⌊b/2⌋ more samples of texts
    halfway between those of samples i and i + ⌊b/2⌋ (`--interpolate`; Reed et al. 2016, Eq. 5 with β = ½).

    `condition` follows where it is the sentence; where G makes it, it depends on ε, and is known after G's pass alone.
    """
    model, fresh = config.model, inputs.fresh
    own = [model.z_dim, model.epsilon_dim]
    if config.losses.fresh_noise:
        noise, epsilon, fresh = tf.split(fresh, [*own, -1], axis=1)
        inputs = inputs._replace(noise=noise, epsilon=epsilon)
    if not config.losses.interpolate:
        return inputs
    half = inputs.sentence.shape[0] // 2
    noise, epsilon, _ = tf.split(fresh[:half], [*own, -1], axis=1)
    between = unit_rms(inputs.sentence)
    between = (between[:half] + between[half : 2 * half]) / 2
    more = inputs._replace(**{name: value[:half] for name, value in inputs._asdict().items()})
    more = more._replace(sentence=between, noise=noise, epsilon=epsilon)
    if model.condition == "sentence":
        more = more._replace(condition=between)
    return Inputs(*(tf.concat(pair, axis=0) for pair in zip(inputs, more)))


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
