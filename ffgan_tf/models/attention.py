"""Word attention A_j (Eq. 3, line 3; docs/model.md section 3)."""

import tensorflow as tf

from ffgan_tf.models import blocks


class WordAttention(tf.keras.layers.Layer):
    """Word context for every pixel of a map.

    `features` F (B, H, W, C), `words` e (B, T, d), `mask` (B, T) bool, true at words. e' = 1×1(e) to C channels, no
    bias; scores ⟨pixel, e'⟩ unscaled, −∞ at padding; softmax over words. Returns I_w (B, H, W, C), the weighted sums of
    e', and the attention maps (B, H, W, T) in float32 or wider, zero at padding.
    A `mask` of numbers ≥ 0 counts each word that many times in the softmax (0: not at all), for interpolation between
    two sentences.
    """

    def build(self, input_shape):
        self.project = blocks.dense(input_shape[-1], use_bias=False, name="project")
        super().build(input_shape)

    def call(self, features, words, mask):
        projected = self.project(words)
        scores = tf.einsum("bhwc,btc->bhwt", features, tf.cast(projected, features.dtype))
        scores = blocks.at_least_float32(scores)
        mask = tf.convert_to_tensor(mask)[:, None, None, :]
        if mask.dtype != tf.bool:
            scores += tf.math.log(tf.cast(tf.where(mask > 0, mask, 1), scores.dtype))
            mask = mask > 0
        # The lowest finite number stands for −∞: its exponential is exactly 0, and its gradient is no NaN.
        scores = tf.where(mask, scores, scores.dtype.min)
        attention = tf.nn.softmax(scores, axis=-1)
        context = tf.einsum("bhwt,btc->bhwc", tf.cast(attention, features.dtype), tf.cast(projected, features.dtype))
        return context, attention
