"""Layers that GAN-INT-CLS and StackGAN share: ReLU where AttnGAN's family has GLU, and residual bottlenecks."""

from collections.abc import Callable

import tensorflow as tf

from ffgan_tf.config import ModelConfig
from ffgan_tf.models import blocks
from ffgan_tf.models.conditioning import unit_rms
from ffgan_tf.models.discriminator import Logit, TrunkDiscriminator

Initial = Callable[[], tf.keras.initializers.Initializer]  # a new one for each layer
Activation = Callable[[tf.Tensor], tf.Tensor]


class ConvNorm(tf.keras.layers.Layer):
    """k×k convolution without bias → BN (unless `norm` is false) → activation, or none."""

    def __init__(
        self,
        filters: int,
        kernel: int,
        stride: int,
        activation: Activation | None,
        initial: Initial,
        sync: bool = False,
        norm: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.conv = blocks.conv(filters, kernel, stride, name="conv", kernel_initializer=initial())
        self.norm = blocks.batch_norm(sync, name="norm") if norm else None
        self.activation = activation

    def call(self, x, training=False):
        x = self.conv(x)
        x = x if self.norm is None else self.norm(x, training=training)
        return x if self.activation is None else self.activation(x)


class Bottleneck(tf.keras.layers.Layer):
    """x + [1×1 to `inner` → 3×3 to `inner` → 3×3 to x's width], each with BN, activation between and after the sum."""

    def __init__(
        self, filters: int, inner: int, activation: Activation, initial: Initial, sync: bool = False, **kwargs
    ):
        super().__init__(**kwargs)
        self.first = ConvNorm(inner, 1, 1, activation, initial, sync, name="first")
        self.second = ConvNorm(inner, 3, 1, activation, initial, sync, name="second")
        self.third = ConvNorm(filters, 3, 1, None, initial, sync, name="third")
        self.activation = activation

    def call(self, x, training=False):
        y = self.second(self.first(x, training=training), training=training)
        return self.activation(x + self.third(y, training=training))


class TextDiscriminator(TrunkDiscriminator):
    """An image trunk down to 4²×8ndf, and one head that embeds the sentence by a dense layer of its own.

    Head: s (at RMS 1 with `--normalise_sentence`) → dense to c, BN (with `text_norm`), LeakyReLU → tiled beside the map
    → 1×1 to 8ndf, BN, LeakyReLU → 4×4 convolution without bias to one logit. `dense_initial` and `dense_bias`
    initialise the text layer's kernel and bias.
    """

    has_unconditional = False

    def __init__(
        self,
        config: ModelConfig,
        sync: bool,
        trunk: list[tf.keras.layers.Layer],
        initial: Initial,
        dense_initial: Initial,
        dense_bias: tf.keras.initializers.Initializer | str = "zeros",
        text_norm: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.size, self.normalise = config.image_size, config.normalise_sentence
        self.trunk = trunk
        self.text = blocks.dense(
            config.c_dim, name="text", kernel_initializer=dense_initial(), bias_initializer=dense_bias
        )
        self.text_norm = blocks.batch_norm(sync, name="text_norm") if text_norm else None
        self.joint = ConvNorm(8 * config.ndf, 1, 1, blocks.leaky_relu, initial, sync, name="joint")
        self.conditional_logit = Logit(False, initial(), name="conditional_logit")

    def features_of_both(self, real, fake, training=False):
        """`features` of each."""
        return self.features(real, training=training), self.features(fake, training=training)

    def unconditional(self, features, images=None):
        """None: there is no unconditional head."""
        del features, images

    def conditional(self, features, condition, training=False):
        """Map and sentence vector (B, d) → logits (B,): is the image real and does it match the sentence?"""
        text = self.text(unit_rms(condition) if self.normalise else condition)
        if self.text_norm is not None:
            text = self.text_norm(text, training=training)
        text = tf.cast(blocks.leaky_relu(text), features.dtype)
        tiled = blocks.tile_vector(text, features)
        return self.conditional_logit(self.joint(tf.concat([features, tiled], axis=-1), training=training))

    def call(self, images, condition, training=False):
        return None, self.conditional(self.features(images, training=training), condition, training=training)


def trunk64(ndf: int, initial: Initial, sync: bool) -> list[tf.keras.layers.Layer]:
    """Images of 64 → 4²×8ndf, GAN-INT-CLS's and StackGAN's. Neither activates after the third and the fourth BN."""

    def down(filters, activation, norm=True, **kwargs):
        return ConvNorm(filters, 4, 2, activation, initial, sync, norm, **kwargs)

    return [
        down(ndf, blocks.leaky_relu, norm=False, name="down1"),
        down(2 * ndf, blocks.leaky_relu, name="down2"),
        down(4 * ndf, None, name="down3"),
        down(8 * ndf, None, name="down4"),
        Bottleneck(8 * ndf, 2 * ndf, blocks.leaky_relu, initial, sync, name="bottleneck"),
    ]
