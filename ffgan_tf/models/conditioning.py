"""Conditioning augmentation F_ca (Eq. 3, line 2; docs/model.md section 2)."""

import tensorflow as tf

from ffgan_tf.models import blocks


class ConditioningAugmentation(tf.keras.layers.Layer):
    """s (B, d) and ε ~ N(0, 1) (B, c) → I_s = μ + σ⊙ε, μ, log σ², each (B, c): one linear layer to 4c, GLU, split.

    `normalise`: scale s to a root mean square of 1 first (ours).
    """

    def __init__(self, c_dim: int, normalise: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.normalise = normalise
        self.linear = blocks.dense(4 * c_dim, name="linear")

    def call(self, sentence, epsilon):
        # At least float32: exp of a bfloat16 log-variance keeps two digits.
        if self.normalise:
            sentence = tf.math.l2_normalize(sentence, axis=-1) * sentence.shape[-1] ** 0.5
        h = self.linear(sentence)
        h = blocks.glu(blocks.at_least_float32(h))
        mu, log_var = tf.split(h, 2, axis=-1)
        return mu + tf.exp(0.5 * log_var) * tf.cast(epsilon, mu.dtype), mu, log_var
