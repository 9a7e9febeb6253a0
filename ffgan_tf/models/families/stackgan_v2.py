"""StackGAN++ (Zhang et al. 2018): three images from one noise, each with its discriminator, after
hanzhanggit/StackGAN-v2; and our reading of ResFPA-GAN, which is built on it (docs/families.md)."""

import tensorflow as tf

from ffgan_tf.config import ModelConfig
from ffgan_tf.models import blocks
from ffgan_tf.models.conditioning import ConditioningAugmentation
from ffgan_tf.models.generator import Generated, Stage1, painted


class NextStage(tf.keras.layers.Layer):
    """[h, ĉ tiled] → conv3×3 to 2w → BN → GLU → two `res(w)` → `up(w/2)`: h (B, H, W, ·) → (B, 2H, 2W, w/2)."""

    def __init__(self, width: int, smooth: bool, sync: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.joint = blocks.VectorConv(2 * width, 3, name="joint")
        self.joint_norm = blocks.batch_norm(sync, name="joint_norm")
        self.residuals = [blocks.Residual(width, sync, name=f"residual{i + 1}") for i in range(2)]
        self.up = blocks.Up(width // 2, sync, smooth, name="up")

    def call(self, h, condition, training=False):
        x = self.joint((h, tf.cast(condition, h.dtype)))
        x = blocks.glu(self.joint_norm(x, training=training))
        for residual in self.residuals:
            x = residual(x, training=training)
        return self.up(x, training=training)


class StackGanV2Generator(tf.keras.Model):
    """ĉ by conditioning augmentation, once for all stages. h1 (S/4)²×ngf from [ĉ, z]; h2 (S/2)²×ngf/2 and h3 S²×ngf/4,
    each from the one before and ĉ; a conv3×3 and tanh on each gives its image. No words.

    `pyramid`: at 16² of the first stage the text-fed residual block and the feature pyramid attention of FF-GAN's
    paper (`TextPyramid`), which it describes in the words of ResFPA-GAN's title. The rest is the same.
    """

    def __init__(self, config: ModelConfig, sync: bool = False, pyramid: bool = False, **kwargs):
        super().__init__(**kwargs)
        ngf = config.ngf
        self.augment = ConditioningAugmentation(config.c_dim, config.normalise_sentence, name="augment")
        self.stage1 = Stage1(config, sync, pyramid, name="stage1")
        self.stage2 = NextStage(ngf, config.smooth_ups.stage2, sync, name="stage2")
        self.stage3 = NextStage(ngf // 2, config.smooth_ups.stage3, sync, name="stage3")
        # With fewer heads than stages, the last stages have them.
        self.heads = [blocks.conv(3, 3, name=f"to_image{side}") for side in config.sizes]

    def call(self, sentence, words, mask, noise, epsilon, training=False):
        condition, mu, log_var = self.augment(sentence, epsilon)
        h1 = self.stage1(condition, noise, training=training)
        h2 = self.stage2(h1, condition, training=training)
        h3 = self.stage3(h2, condition, training=training)
        images = tuple(painted(head(h)) for head, h in zip(self.heads, (h1, h2, h3)[-len(self.heads) :]))
        return Generated(images, condition, mu, log_var, (), {"h1": h1, "h2": h2, "h3": h3})


def generator(config: ModelConfig, sync: bool) -> tf.keras.Model:
    """StackGAN++'s generator."""
    return StackGanV2Generator(config, sync, name="generator")


def resfpa_generator(config: ModelConfig, sync: bool) -> tf.keras.Model:
    """The generator of our reading of ResFPA-GAN."""
    return StackGanV2Generator(config, sync, pyramid=True, name="generator")
