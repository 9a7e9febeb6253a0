"""GAN-INT-CLS (Reed et al. 2016), 64×64, after `main_cls_int.lua` of reedscot/icml2016 (docs/families.md).

One 64×64 image from a sentence and noise; D has one output, for the pair of image and sentence.
"""

import tensorflow as tf

from ffgan_tf.config import ModelConfig
from ffgan_tf.models import blocks
from ffgan_tf.models.conditioning import unit_rms
from ffgan_tf.models.families.initial import FanIn, normal
from ffgan_tf.models.families.layers import Bottleneck, TextDiscriminator, trunk64
from ffgan_tf.models.generator import Generated, painted
from ffgan_tf.models.text_encoder import TEXT_DIM


class UpNorm(tf.keras.layers.Layer):
    """4×4 transposed convolution of stride 2, no bias → BN → ReLU, or no activation: a map twice as large."""

    def __init__(self, filters: int, activate: bool, sync: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.conv, self.norm = transposed(filters, name="conv"), blocks.batch_norm(sync, name="norm")
        self.activate = activate

    def call(self, x, training=False):
        x = self.norm(self.conv(x), training=training)
        return tf.nn.relu(x) if self.activate else x


def transposed(filters: int, **kwargs) -> tf.keras.layers.Conv2DTranspose:
    """4×4 transposed convolution of stride 2 without bias."""
    return tf.keras.layers.Conv2DTranspose(filters, 4, 2, "same", use_bias=False, kernel_initializer=normal(), **kwargs)


class GanIntClsGenerator(tf.keras.Model):
    """s (at RMS 1 with `--normalise_sentence`) → dense to c, LeakyReLU; [z, that] → 4²×8ngf, BN → bottleneck →
    8²×4ngf, BN → bottleneck → 16²×2ngf → 32²×ngf → 64²×3, tanh. No conditioning augmentation, no words."""

    augment = None

    def __init__(self, config: ModelConfig, sync: bool = False, **kwargs):
        super().__init__(**kwargs)
        ngf, self.normalise = config.ngf, config.normalise_sentence
        self.width = 8 * ngf
        self.text = blocks.dense(
            config.c_dim, name="text", kernel_initializer=FanIn(), bias_initializer=FanIn(TEXT_DIM)
        )
        # It stands for the authors' transposed convolution of a 1×1 map, so its batch norm is per channel of the map.
        self.fc = blocks.dense(4 * 4 * self.width, use_bias=False, name="fc", kernel_initializer=normal())
        self.fc_norm = blocks.batch_norm(sync, name="fc_norm")
        self.block1 = Bottleneck(8 * ngf, 2 * ngf, tf.nn.relu, normal, sync, name="block1")
        self.up1 = UpNorm(4 * ngf, False, sync, name="up1")
        self.block2 = Bottleneck(4 * ngf, ngf, tf.nn.relu, normal, sync, name="block2")
        self.up2, self.up3 = UpNorm(2 * ngf, True, sync, name="up2"), UpNorm(ngf, True, sync, name="up3")
        self.to_image = transposed(3, name="to_image")

    def call(self, sentence, words, mask, noise, epsilon, training=False):
        text = blocks.leaky_relu(self.text(unit_rms(sentence) if self.normalise else sentence))
        x = self.fc(tf.concat([tf.cast(noise, text.dtype), text], axis=-1))
        x = self.fc_norm(tf.reshape(x, [-1, 4, 4, self.width]), training=training)
        x = self.block1(x, training=training)
        x8 = self.block2(self.up1(x, training=training), training=training)
        x16 = self.up2(x8, training=training)
        x32 = self.up3(x16, training=training)
        image = painted(self.to_image(x32))
        return Generated((image,), None, None, None, (), {"8": x8, "16": x16, "32": x32})


def generator(config: ModelConfig, sync: bool) -> tf.keras.Model:
    """The generator."""
    return GanIntClsGenerator(config, sync, name="generator")


def discriminator(config: ModelConfig, sync: bool) -> tf.keras.Model:
    """The discriminator, with batch norm in the text's path."""
    return TextDiscriminator(
        config,
        sync,
        trunk64(config.ndf, normal, sync),
        normal,
        FanIn,
        FanIn(TEXT_DIM),
        text_norm=True,
        name="discriminator",
    )
