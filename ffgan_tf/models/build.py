"""Builds the networks of a run, with all their variables created."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from ffgan_tf.compat import all_layers
from ffgan_tf.config import ModelConfig
from ffgan_tf.models.families import FAMILIES
from ffgan_tf.models.text_encoder import TEXT_DIM, TextEncoder


@contextlib.contextmanager
def precision_scope(name: str) -> Iterator[None]:
    """Layers built inside compute in this Keras policy (`float32`, `mixed_bfloat16`, `float64`)."""
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)


def build_generator(config: ModelConfig, precision: str = "float32", sync: bool = False) -> tf.keras.Model:
    """The family's generator with its variables; `sync`: batch norm over all replicas."""
    with precision_scope(precision):
        model = FAMILIES[config.family].generator(config, sync)
        model(
            tf.zeros([2, TEXT_DIM]),
            tf.zeros([2, 3, TEXT_DIM]),
            tf.ones([2, 3], tf.bool),
            tf.zeros([2, config.z_dim]),
            tf.zeros([2, config.epsilon_dim]),
        )
    return model


def build_discriminators(config: ModelConfig, precision: str = "float32", sync: bool = False) -> list[tf.keras.Model]:
    """The family's discriminators with their variables, one for each of `config.sizes`, small to large."""
    with precision_scope(precision):
        models = FAMILIES[config.family].discriminators(config, sync)
        for model, size in zip(models, config.sizes):
            model(tf.zeros([2, size, size, 3]), tf.zeros([2, condition_size(config)]))
            if config.d_projected:
                model.projected.make()
    return models


def build_discriminator(config: ModelConfig, precision: str = "float32", sync: bool = False) -> tf.keras.Model:
    """The largest image's discriminator, with its variables."""
    return build_discriminators(config, precision, sync)[-1]


def condition_size(config: ModelConfig) -> int:
    """Width of what D is conditioned on (`--condition`)."""
    return TEXT_DIM if config.condition == "sentence" else config.c_dim


def build_text_encoder(
    n_words: int, init_range: float = 0.1, seed: int | None = None, forget_bias: float = 0.0
) -> TextEncoder:
    """A text encoder with its variables, drawn from the seed; `forget_bias` is added to the LSTMs' forget gates."""
    model = TextEncoder(n_words, TEXT_DIM, init_range, seed, name="text_encoder")
    model(tf.zeros([1, 2], tf.int32), tf.ones([1], tf.int32))
    for lstm in (model.forward, model.backward):
        bias = lstm.cell.bias  # gates i, f, c, o
        bias.assign_add(tf.repeat(tf.constant([0.0, forget_bias, 0.0, 0.0], bias.dtype), TEXT_DIM // 2))
    return model


def discriminator_condition(kind: str, sentence: tf.Tensor, condition: tf.Tensor, mu: tf.Tensor) -> tf.Tensor:
    """The condition of D (`--condition`), with the gradient stopped: `ca` I_s, `mu` its mean, `sentence` s."""
    return tf.stop_gradient({"ca": condition, "mu": mu, "sentence": sentence}[kind])


def same_weights(source: tf.keras.Model, twin: tf.keras.Model) -> tf.keras.Model:
    """Makes `twin`, the same network in another precision, share `source`'s variables; returns it."""
    for own, other in zip(all_layers(twin), all_layers(source)):
        for name in ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"):
            if getattr(other, name, None) is not None:
                setattr(own, name, getattr(other, name))
    return twin
