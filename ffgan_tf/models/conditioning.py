"""Conditioning augmentation F_ca (Eq. 3, line 2; docs/model.md section 2)."""

import numpy as np
import tensorflow as tf

from ffgan_tf.models import blocks

STACKGAN_BOUND = 2.0  # of StackGAN's ε


def truncated(noise: tf.Tensor, bound: tf.Tensor | float) -> tf.Tensor:
    """N(0, 1) draws → draws from the normal distribution truncated at ±`bound`, by its quantiles, without rejection."""
    bound = tf.cast(bound, noise.dtype)
    inside = tf.math.erf(bound / np.sqrt(2.0))  # the share of N(0, 1) within the bound
    folded = tf.math.ndtri(0.5 + 0.5 * tf.math.erf(noise / np.sqrt(2.0)) * inside)
    return tf.clip_by_value(folded, -bound, bound)  # rounding, and quantiles of 0 and 1


def unit_rms(sentence: tf.Tensor) -> tf.Tensor:
    """s (B, d) at a root mean square of 1."""
    return tf.math.l2_normalize(sentence, axis=-1) * sentence.shape[-1] ** 0.5


class ConditioningAugmentation(tf.keras.layers.Layer):
    """s (B, d) and ε ~ N(0, 1) (B, c or more, of which the first c are taken) → I_s = μ + σ⊙ε, μ, log σ², each (B, c):
    one linear layer to 4c, GLU, split.

    `normalise`: scale s to a root mean square of 1 first (ours).
    """

    def __init__(self, c_dim: int, normalise: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.c_dim, self.normalise = c_dim, normalise
        self.linear = blocks.dense(4 * c_dim, name="linear")

    def call(self, sentence, epsilon):
        # At least float32: exp of a bfloat16 log-variance keeps two digits.
        h = self.linear(unit_rms(sentence) if self.normalise else sentence)
        mu, log_var = tf.split(blocks.glu(blocks.at_least_float32(h)), 2, axis=-1)
        return mu + tf.exp(0.5 * log_var) * tf.cast(epsilon[:, : self.c_dim], mu.dtype), mu, log_var


class StackGanAugmentation(tf.keras.layers.Layer):
    """StackGAN's F_ca: one linear layer to 2c, LeakyReLU over all of it, split into μ and log σ; ε is truncated at ±2.

    Arguments and results as `ConditioningAugmentation`'s, log σ² = 2 log σ among them.
    """

    def __init__(self, c_dim: int, normalise: bool, kernel_initializer: tf.keras.initializers.Initializer, **kwargs):
        super().__init__(**kwargs)
        self.c_dim, self.normalise = c_dim, normalise
        self.linear = blocks.dense(2 * c_dim, name="linear", kernel_initializer=kernel_initializer)

    def call(self, sentence, epsilon):
        h = self.linear(unit_rms(sentence) if self.normalise else sentence)
        h = blocks.leaky_relu(blocks.at_least_float32(h))
        mu, log_sigma = tf.split(h, 2, axis=-1)
        # float32 at least: ndtri has no narrower kernel.
        drawn = truncated(blocks.at_least_float32(epsilon[:, : self.c_dim]), STACKGAN_BOUND)
        return mu + tf.exp(log_sigma) * tf.cast(drawn, mu.dtype), mu, 2 * log_sigma
