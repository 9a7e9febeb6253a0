"""DF-GAN (Tao et al. 2022): one stage, one image, one discriminator with one output, after tobran/DF-GAN
(docs/families.md)."""

import math

import tensorflow as tf

from ffgan_tf.config import ModelConfig
from ffgan_tf.models import blocks
from ffgan_tf.models.conditioning import unit_rms
from ffgan_tf.models.discriminator import Logit
from ffgan_tf.models.families.initial import FanIn
from ffgan_tf.models.generator import Generated, painted
from ffgan_tf.models.text_encoder import TEXT_DIM


def conv(filters: int, kernel: int, stride: int = 1, bias_inputs: int = 0, **kwargs) -> blocks.Conv:
    """k×k convolution with PyTorch's initial weights. It has a bias if `bias_inputs`, the number of inputs of an output
    pixel, is given."""
    if bias_inputs:
        kwargs["bias_initializer"] = FanIn(bias_inputs)
    return blocks.conv(filters, kernel, stride, bool(bias_inputs), kernel_initializer=FanIn(), **kwargs)


def dense(units: int, inputs: int, **kwargs) -> tf.keras.layers.Dense:
    """Fully connected layer with PyTorch's initial weights."""
    return blocks.dense(units, kernel_initializer=FanIn(), bias_initializer=FanIn(inputs), **kwargs)


def channels(width: int, image_size: int) -> list[int]:
    """Channels at S, S/2, … 4: width times 1, 2, 4, 8, 8, …"""
    return [width * min(2**i, 8) for i in range(int(math.log2(image_size)) - 1)]


class Affine(tf.keras.layers.Layer):
    """γ(v)·x + β(v), channel by channel: x (B, H, W, C), v (B, ·). γ and β are each two dense layers with a ReLU
    between; they start as 1 and 0."""

    def __init__(self, width: int, inputs: int, **kwargs):
        super().__init__(**kwargs)
        self.hidden = [dense(width, inputs, name=f"{name}_hidden") for name in ("gamma", "beta")]
        self.outputs = [
            blocks.dense(width, kernel_initializer="zeros", bias_initializer=start, name=f"{name}_output")
            for name, start in (("gamma", "ones"), ("beta", "zeros"))
        ]

    def call(self, x, vector):
        scale, shift = (
            output(tf.nn.relu(hidden(vector)))[:, None, None, :] for hidden, output in zip(self.hidden, self.outputs)
        )
        return scale * x + shift


class Fusion(tf.keras.layers.Layer):
    """Two affine maps by the condition, each followed by LeakyReLU: deep text-image fusion."""

    def __init__(self, width: int, inputs: int, **kwargs):
        super().__init__(**kwargs)
        self.affines = [Affine(width, inputs, name=f"affine{i + 1}") for i in range(2)]

    def call(self, x, vector):
        for affine in self.affines:
            x = blocks.leaky_relu(affine(x, vector))
        return x


class UpBlock(tf.keras.layers.Layer):
    """Nearest ×2 → shortcut (1×1 where the width changes) + [fusion → conv3×3 → fusion → conv3×3].

    The fusion and the shortcut act on each pixel alone, so they commute with nearest ×2 and run at the low resolution.
    """

    def __init__(self, width_in: int, width: int, inputs: int, **kwargs):
        super().__init__(**kwargs)
        self.fuse1, self.fuse2 = Fusion(width_in, inputs, name="fuse1"), Fusion(width, inputs, name="fuse2")
        self.conv1 = blocks.UpConv(width, FanIn(), name="conv1")
        self.conv2 = conv(width, 3, bias_inputs=9 * width, name="conv2")
        self.shortcut = conv(width, 1, bias_inputs=width_in, name="shortcut") if width_in != width else None
        self.width, self.width_in = width, width_in

    def build(self, input_shape):
        self.bias = self.add_weight("bias", (self.width,), initializer=FanIn(9 * self.width_in))  # of conv1
        super().build(input_shape)

    def call(self, x, vector):
        y = self.conv1(self.fuse1(x, vector))
        y = self.conv2(self.fuse2(y + tf.cast(self.bias, y.dtype), vector))
        return blocks.nearest_up(x if self.shortcut is None else self.shortcut(x)) + y


class DfGanGenerator(tf.keras.Model):
    """z → dense to 4²×8ngf → blocks, each twice as large, all fed with [z, s] → LeakyReLU → conv3×3 → tanh.

    No batch norm (`sync` is ignored), no conditioning augmentation, no words.
    """

    augment = None

    def __init__(self, config: ModelConfig, sync: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.normalise, ngf = config.normalise_sentence, config.ngf
        widths = channels(ngf, config.image_size)[::-1]
        self.width = widths[0]
        self.fc = dense(4 * 4 * self.width, config.z_dim, name="fc")
        self.blocks = [
            UpBlock(*pair, config.z_dim + TEXT_DIM, name=f"block{i + 1}")
            for i, pair in enumerate(zip(widths, widths[1:]))
        ]
        self.to_image = conv(3, 3, bias_inputs=9 * ngf, name="to_image")

    def call(self, sentence, words, mask, noise, epsilon, training=False):
        sentence = unit_rms(sentence) if self.normalise else sentence
        noise = tf.cast(noise, self.compute_dtype)
        vector = tf.concat([noise, tf.cast(sentence, noise.dtype)], axis=-1)
        x = tf.reshape(self.fc(noise), [-1, 4, 4, self.width])
        features = {}
        for block in self.blocks:
            x = block(x, vector)
            features[str(x.shape[1])] = x
        image = painted(self.to_image(blocks.leaky_relu(x)))
        return Generated((image,), None, None, None, (), features)


class DownBlock(tf.keras.layers.Layer):
    """shortcut (1×1 where the width changes) of the 2×2 means + γ·[conv4×4 of stride 2, conv3×3, each with LeakyReLU].

    γ starts as 0. The 1×1 convolution and the mean commute; the mean comes first, on which it is cheaper.
    """

    def __init__(self, width_in: int, width: int, **kwargs):
        super().__init__(**kwargs)
        self.conv1, self.conv2 = conv(width, 4, 2, name="conv1"), conv(width, 3, name="conv2")
        self.shortcut = conv(width, 1, bias_inputs=width_in, name="shortcut") if width_in != width else None

    def build(self, input_shape):
        self.gamma = self.add_weight("gamma", (1,), initializer="zeros")
        super().build(input_shape)

    def call(self, x):
        y = blocks.leaky_relu(self.conv2(blocks.leaky_relu(self.conv1(x))))
        x = tf.nn.avg_pool2d(x, 2, 2, "VALID")
        return (x if self.shortcut is None else self.shortcut(x)) + tf.cast(self.gamma, y.dtype) * y


class DfGanDiscriminator(tf.keras.Model):
    """conv3×3 to ndf → blocks, each half as large, down to 4²×8ndf; beside s, tiled → conv3×3 to 2ndf → LeakyReLU →
    4×4 convolution to one logit. No biases after the trunk, no batch norm."""

    has_unconditional = False

    def __init__(self, config: ModelConfig, sync: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.size, self.normalise = config.image_size, config.normalise_sentence
        widths = channels(config.ndf, config.image_size)
        self.from_image = conv(config.ndf, 3, bias_inputs=27, name="from_image")
        self.blocks = [DownBlock(*pair, name=f"block{i + 1}") for i, pair in enumerate(zip(widths, widths[1:]))]
        self.joint = conv(2 * config.ndf, 3, name="joint")
        self.conditional_logit = Logit(False, FanIn(), name="conditional_logit")

    def features(self, images, training=False):
        """Images (B, S, S, 3) in [−1, 1] → map (B, 4, 4, 8ndf)."""
        x = self.from_image(tf.cast(images, self.compute_dtype))
        for block in self.blocks:
            x = block(x)
        return x

    def features_of_both(self, real, fake, training=False):
        """`features` of each: without batch norm one call on both."""
        return tf.split(self.features(tf.concat([real, fake], axis=0)), 2)

    def unconditional(self, features, images=None):
        """None: there is no unconditional head."""
        del features, images

    def conditional(self, features, condition, training=False):
        """Map and sentence vector (B, d) → logits (B,): is the image real and does it match the sentence?"""
        condition = unit_rms(condition) if self.normalise else condition
        tiled = blocks.tile_vector(tf.cast(condition, features.dtype), features)
        x = blocks.leaky_relu(self.joint(tf.concat([features, tiled], axis=-1)))
        return self.conditional_logit(x)

    def call(self, images, condition, training=False):
        return None, self.conditional(self.features(images), condition)


def generator(config: ModelConfig, sync: bool) -> tf.keras.Model:
    """The generator."""
    return DfGanGenerator(config, sync, name="generator")


def discriminator(config: ModelConfig, sync: bool) -> tf.keras.Model:
    """The discriminator."""
    return DfGanDiscriminator(config, sync, name="discriminator")
