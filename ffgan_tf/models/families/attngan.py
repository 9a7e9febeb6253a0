"""AttnGAN (Xu et al. 2018), which FF-GAN builds on, and AttnDCGAN, its variant with one image and one discriminator,
after taoxugit/AttnGAN (docs/families.md)."""

import tensorflow as tf

from ffgan_tf.config import ModelConfig
from ffgan_tf.models import blocks
from ffgan_tf.models.attention import WordAttention
from ffgan_tf.models.conditioning import ConditioningAugmentation
from ffgan_tf.models.generator import Generated, Stage1, painted


class NextStage(tf.keras.layers.Layer):
    """[h, A(e, h)] → `residuals` times `res(2ngf)` → `up(ngf)`; also returns the attention maps. I_s is not used."""

    def __init__(self, ngf: int, residuals: int, smooth: bool, sync: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.attend = WordAttention(name="attend")
        self.residuals = [blocks.Residual(2 * ngf, sync, name=f"residual{i + 1}") for i in range(residuals)]
        self.up = blocks.Up(ngf, sync, smooth, name="up")

    def call(self, h, words, mask, training=False):
        context, attention = self.attend(h, words, mask)
        x = tf.concat([h, context], axis=-1)
        for residual in self.residuals:
            x = residual(x, training=training)
        return self.up(x, training=training), attention


class AttnGanGenerator(tf.keras.Model):
    """I_s by conditioning augmentation. h1 (S/4)²×ngf from [I_s, z]; h2 (S/2)²×ngf and h3 S²×ngf, each from the one
    before and the words that its pixels attend to; a conv3×3 and tanh on each gives its image.

    `residuals`: blocks of a stage, 2 in AttnGAN, 0 in AttnDCGAN, which has the last image's head only.
    """

    def __init__(self, config: ModelConfig, sync: bool = False, residuals: int = 2, **kwargs):
        super().__init__(**kwargs)
        ngf = config.ngf
        self.augment = ConditioningAugmentation(config.c_dim, config.normalise_sentence, name="augment")
        self.stage1 = Stage1(config, sync, pyramid=False, name="stage1")
        self.stage2 = NextStage(ngf, residuals, config.smooth_ups.stage2, sync, name="stage2")
        self.stage3 = NextStage(ngf, residuals, config.smooth_ups.stage3, sync, name="stage3")
        # With fewer heads than stages, the last stages have them.
        self.heads = [blocks.conv(3, 3, name=f"to_image{side}") for side in config.sizes]

    def call(self, sentence, words, mask, noise, epsilon, training=False):
        condition, mu, log_var = self.augment(sentence, epsilon)
        h1 = self.stage1(condition, noise, training=training)
        h2, attention1 = self.stage2(h1, words, mask, training=training)
        h3, attention2 = self.stage3(h2, words, mask, training=training)
        images = tuple(painted(head(h)) for head, h in zip(self.heads, (h1, h2, h3)[-len(self.heads) :]))
        attention = (attention1, attention2)
        return Generated(images, condition, mu, log_var, attention, {"h1": h1, "h2": h2, "h3": h3})


def generator(config: ModelConfig, sync: bool) -> tf.keras.Model:
    """AttnGAN's generator."""
    return AttnGanGenerator(config, sync, name="generator")


def dcgan_generator(config: ModelConfig, sync: bool) -> tf.keras.Model:
    """AttnDCGAN's generator."""
    return AttnGanGenerator(config, sync, residuals=0, name="generator")
