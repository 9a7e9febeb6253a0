"""StackGAN (Zhang et al. 2017): Stage I draws 64×64, Stage II 256×256 from it, after hanzhanggit/StackGAN
(docs/families.md).

Two runs: the first trains Stage I; the second holds it, frozen, and trains Stage II.
"""

import dataclasses

import tensorflow as tf

from ffgan_tf.compat import BatchNormalization, all_layers
from ffgan_tf.config import ModelConfig
from ffgan_tf.models import blocks
from ffgan_tf.models.conditioning import StackGanAugmentation
from ffgan_tf.models.families.initial import normal, truncated_normal
from ffgan_tf.models.families.layers import Bottleneck, ConvNorm, TextDiscriminator, trunk64
from ffgan_tf.models.generator import Generated, painted


class UpNorm(tf.keras.layers.Layer):
    """Nearest ×2 → conv3×3 → BN → ReLU, or no activation."""

    def __init__(self, filters: int, activate: bool = True, sync: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.conv = blocks.UpConv(filters, truncated_normal(), name="conv")
        self.norm = blocks.batch_norm(sync, name="norm")
        self.activate = activate

    def call(self, x, training=False):
        x = self.norm(self.conv(x), training=training)
        return tf.nn.relu(x) if self.activate else x


class PlainResidual(tf.keras.layers.Layer):
    """ReLU(x + [conv3×3 → BN → ReLU → conv3×3 → BN])."""

    def __init__(self, filters: int, sync: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.first = ConvNorm(filters, 3, 1, tf.nn.relu, truncated_normal, sync, name="first")
        self.second = ConvNorm(filters, 3, 1, None, truncated_normal, sync, name="second")

    def call(self, x, training=False):
        return tf.nn.relu(x + self.second(self.first(x, training=training), training=training))


class Stage1Generator(tf.keras.Model):
    """[ĉ, z] → dense to 4²×8ngf, BN per unit → bottleneck → 8²×4ngf, BN → bottleneck → 16²×2ngf → 32²×ngf → 64², tanh.

    ĉ by StackGAN's conditioning augmentation of s (at RMS 1 with `--normalise_sentence`). No words.
    """

    def __init__(self, config: ModelConfig, sync: bool = False, **kwargs):
        super().__init__(**kwargs)
        ngf, self.normalise = config.ngf, config.normalise_sentence
        self.width = 8 * ngf
        self.augment = StackGanAugmentation(config.c_dim, self.normalise, normal(), name="augment")
        self.fc = blocks.dense(4 * 4 * self.width, name="fc", kernel_initializer=normal())
        self.fc_norm = blocks.batch_norm(sync, name="fc_norm")
        self.block1 = Bottleneck(8 * ngf, 2 * ngf, tf.nn.relu, truncated_normal, sync, name="block1")
        self.up1 = UpNorm(4 * ngf, False, sync, name="up1")
        self.block2 = Bottleneck(4 * ngf, ngf, tf.nn.relu, truncated_normal, sync, name="block2")
        self.up2, self.up3 = UpNorm(2 * ngf, sync=sync, name="up2"), UpNorm(ngf, sync=sync, name="up3")
        self.to_image = blocks.UpConv(3, truncated_normal(), name="to_image")

    def call(self, sentence, words, mask, noise, epsilon, training=False):
        condition, mu, log_var = self.augment(sentence, epsilon)
        x = self.fc_norm(self.fc(tf.concat([condition, tf.cast(noise, condition.dtype)], axis=-1)), training=training)
        x = self.block1(tf.reshape(x, [-1, 4, 4, self.width]), training=training)
        x8 = self.block2(self.up1(x, training=training), training=training)
        x16 = self.up2(x8, training=training)
        x32 = self.up3(x16, training=training)
        image = painted(self.to_image(x32))
        return Generated((image,), condition, mu, log_var, (), {"8": x8, "16": x16, "32": x32})


class FrozenStage1(Stage1Generator):
    """A Stage I that training does not change. Its batch norms use the batch's statistics in training, as the authors'
    do, but their moving averages stay (ours: they belong to the weights, which do not move either)."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for layer in all_layers(self):
            if isinstance(layer, BatchNormalization):
                layer.momentum = 1.0  # not trainable=False: Keras would then use the moving averages in training, too

    @property
    def trainable_weights(self):
        """None."""
        return []

    @property
    def non_trainable_weights(self):
        """All."""
        return super().trainable_weights + super().non_trainable_weights


class Stage2Generator(tf.keras.Model):
    """Stage I's image → conv3×3 to ngf, ReLU → two 4×4 of stride 2 to 16²×4ngf; beside ĉ₂, tiled → conv3×3 → four
    residual blocks → ups 2ngf, ngf, ngf/2, ngf/4 → conv3×3 → 256²×3, tanh.

    `first` is Stage I, frozen. ε (B, 2c): the first c numbers are this stage's, and μ and log σ² are those of
    its augmentation; the rest are Stage I's. z is Stage I's.
    """

    def __init__(self, config: ModelConfig, sync: bool = False, **kwargs):
        super().__init__(**kwargs)
        ngf, self.c_dim = config.ngf, config.c_dim
        self.first = FrozenStage1(dataclasses.replace(config, stage=1, image_size=64), sync, name="first")
        self.augment = StackGanAugmentation(config.c_dim, config.normalise_sentence, normal(), name="augment")
        relu, initial = tf.nn.relu, truncated_normal
        self.encode = [
            ConvNorm(ngf, 3, 1, relu, initial, sync, norm=False, name="encode1"),
            ConvNorm(2 * ngf, 4, 2, relu, initial, sync, name="encode2"),
            ConvNorm(4 * ngf, 4, 2, relu, initial, sync, name="encode3"),
        ]
        self.joint = ConvNorm(4 * ngf, 3, 1, relu, initial, sync, name="joint")
        self.blocks = [PlainResidual(4 * ngf, sync, name=f"block{i + 1}") for i in range(4)]
        widths = (2 * ngf, ngf, ngf // 2, ngf // 4)
        self.ups = [UpNorm(width, sync=sync, name=f"up{i + 1}") for i, width in enumerate(widths)]
        self.to_image = blocks.conv(3, 3, name="to_image", kernel_initializer=initial())

    def call(self, sentence, words, mask, noise, epsilon, training=False):
        first = self.first(sentence, words, mask, noise, epsilon[:, self.c_dim :], training=training)
        condition, mu, log_var = self.augment(sentence, epsilon)
        x = tf.cast(tf.stop_gradient(first.image), self.compute_dtype)
        for layer in self.encode:
            x = layer(x, training=training)
        x = tf.concat([x, blocks.tile_vector(tf.cast(condition, x.dtype), x)], axis=-1)
        x = self.joint(x, training=training)
        for block in self.blocks:
            x = block(x, training=training)
        features = {"16": x}
        for up in self.ups:
            x = up(x, training=training)
            features[str(x.shape[1])] = x
        return Generated((painted(self.to_image(x)),), condition, mu, log_var, (), features)


def generator(config: ModelConfig, sync: bool) -> tf.keras.Model:
    """The generator of the run's stage."""
    return (Stage1Generator if config.stage == 1 else Stage2Generator)(config, sync, name="generator")


def discriminator(config: ModelConfig, sync: bool) -> tf.keras.Model:
    """The discriminator of the run's stage."""
    trunk = (trunk64 if config.stage == 1 else trunk256)(config.ndf, truncated_normal, sync)
    return TextDiscriminator(config, sync, trunk, truncated_normal, normal, name="discriminator")


def trunk256(ndf: int, initial, sync: bool) -> list[tf.keras.layers.Layer]:
    """Images of 256 → 4²×8ndf: Stage II's. 1×1 convolutions lead back from 32ndf."""
    leaky = blocks.leaky_relu
    return [
        *(ConvNorm(ndf * 2**i, 4, 2, leaky, initial, sync, norm=i > 0, name=f"down{i + 1}") for i in range(6)),
        ConvNorm(16 * ndf, 1, 1, leaky, initial, sync, name="narrow1"),
        ConvNorm(8 * ndf, 1, 1, None, initial, sync, name="narrow2"),
        Bottleneck(8 * ndf, 2 * ndf, leaky, initial, sync, name="bottleneck"),
    ]
