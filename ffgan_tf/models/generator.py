"""FF-GAN's generator: three stages, fused into one image (Eq. 2, 3, 6–10; docs/model.md sections 2 and 3)."""

from typing import NamedTuple

import tensorflow as tf

from ffgan_tf.config import ModelConfig
from ffgan_tf.models import blocks
from ffgan_tf.models.attention import WordAttention
from ffgan_tf.models.conditioning import ConditioningAugmentation
from ffgan_tf.models.fpam import TextPyramid
from ffgan_tf.models.residual_stack import ResidualStack

REFINE_GAIN = 0.1  # what a new block before the image adds at first, of its normalised values


class Generated(NamedTuple):
    """Output of a generator. S is the image size, T the number of words.

    `condition`, `mu` and `log_var` are None in families without conditioning augmentation; `attention` and `features`
    are empty where there are none.
    """

    images: tuple[tf.Tensor, ...]  # (B, s, s, 3) in [−1, 1], float32 or wider; small to large, the last with s = S
    condition: tf.Tensor | None  # I_s (B, c)
    mu: tf.Tensor | None  # (B, c)
    log_var: tf.Tensor | None  # log σ² (B, c)
    # FF-GAN's A_1 (B, S/4, S/4, T), A_2 (B, S/2, S/2, T); of two stages A_1 at S/2. With --enlarge half as large.
    attention: tuple[tf.Tensor, ...]
    features: dict[str, tf.Tensor]  # FF-GAN's F1, F2f, F3f: the maps of the paper's Fig. 5; of two stages F1, F2f

    @property
    def image(self) -> tf.Tensor:
        """The largest image, (B, S, S, 3)."""
        return self.images[-1]


def painted(x: tf.Tensor) -> tf.Tensor:
    """A head's three channels → an image: tanh, in float32 or wider."""
    return tf.tanh(blocks.at_least_float32(x))


class Stage1(tf.keras.layers.Layer):
    """H1: [I_s, z] → dense, no bias, to 4²×32ngf → BN → GLU → two ups to 16²×4ngf → text pyramid → ups to F1.

    F1 is (S/4)² × ngf, of two stages (S/2)². The last up narrows it to ngf; at 16² no up is left, and a 1×1 convolution
    does it (ours).
    Without `pyramid` it is AttnGAN's and StackGAN++'s first stage (at S = 256).
    """

    def __init__(self, config: ModelConfig, sync: bool = False, pyramid: bool = True, **kwargs):
        super().__init__(**kwargs)
        ngf = config.ngf
        self.width = 16 * ngf
        self.fc = blocks.dense(4 * 4 * 2 * self.width, use_bias=False, name="fc")
        self.fc_norm = blocks.batch_norm(sync, name="fc_norm")
        smooth = config.smooth_ups.stage1
        self.ups = [blocks.Up(8 * ngf, sync, smooth, name="up1"), blocks.Up(4 * ngf, sync, smooth, name="up2")]
        self.text = TextPyramid(4 * ngf, config, sync, name="text") if pyramid else None
        smooth, edges = config.smooth_ups.tail, config.edges == "repeat"
        self.tail = [blocks.Up(width, sync, smooth, edges, name=f"up{i + 3}") for i, width in enumerate(config.tail)]
        self.narrow = None if config.tail else blocks.conv(ngf, 1, name="narrow")

    def call(self, condition, noise, training=False):
        x = self.coarse(condition, noise, training)
        for up in self.tail:
            x = up(x, training=training)
        return x if self.narrow is None else self.narrow(x)

    def coarse(self, condition, noise, training=False):
        """The map of 16² × 4ngf after the text pyramid."""
        x = self.fc(tf.concat([condition, tf.cast(noise, condition.dtype)], axis=-1))
        x = blocks.glu(self.fc_norm(x, training=training))
        x = tf.reshape(x, [-1, 4, 4, self.width])
        for up in self.ups:
            x = up(x, training=training)
        if self.text is not None:
            x = self.text(x, tf.cast(condition, x.dtype), training=training)
        return x


class Stage(tf.keras.layers.Layer):
    """Stages 2 and 3: F_d = [F, I_s, A(e, F)]; returns H(H_dense(F_d) + F_d), twice as large, ngf wide (Eq. 6–8).

    `context` None leaves out the word attention A. `--stage_block=residual`: residual blocks in place of the dense one.
    """

    def __init__(self, config: ModelConfig, smooth: bool, sync: bool = False, **kwargs):
        super().__init__(**kwargs)
        edges = config.edges == "repeat"
        self.dense: blocks.DenseBlock | None = None
        if config.stage_block == "dense":
            self.dense = blocks.DenseBlock(config.dense_depth, config.dense_growth, sync, edges, name="dense")
        else:
            self.residual = ResidualStack(config.dense_depth, config.dense_growth, sync, edges, name="residual")
        self.up = blocks.Up(config.ngf, sync, smooth, edges, name="up")

    def call(self, features, condition, context=None, training=False):
        condition = tf.cast(condition, features.dtype)
        # The order of F_d's channels is free; I_s comes last because the blocks treat it separately.
        maps = features if context is None else tf.concat([features, context], axis=-1)
        if self.dense is None:
            return self.up(self.residual((maps, condition), training=training), training=training)
        # H_dense's last 1×1 convolution, the addition of F_d and H's first convolution form one linear map.
        grown = self.dense((maps, condition), training=training, join=False)
        return self.up((grown, condition, self.dense.residual_matrix()), training=training)


class Lateral(tf.keras.layers.Layer):
    """H_L: nearest or bilinear ×2 and a 1×1 convolution, no bias. The two commute: convolve at the low resolution."""

    def __init__(self, filters: int, upsampling: str = "nearest", **kwargs):
        super().__init__(**kwargs)
        self.conv = blocks.conv(filters, 1, name="conv")
        self.bilinear = upsampling == "bilinear"

    def call(self, x):
        x = blocks.nearest_up(self.conv(x))
        return blocks.blur(x) if self.bilinear else x


class Generator(tf.keras.Model):
    """s, e, z, ε → one image, or three (`--discriminators=3`).

    `sentence` s (B, d), `words` e (B, T, d), `mask` (B, T) bool, `noise` z (B, z_dim), `epsilon` ε (B, c).
    F_2f = F2 + F1′ (Eq. 7), F_3f = F3 + F2′ + F1″ (Eq. 9). H_L2 is one layer, hence F2′ + F1″ = H_L2(F2 + F1′)
    = H_L2(F_2f): computed once (Eq. 10). With learned coefficients a, b, c: F_2f = F2 + a·F1′ and
    F_3f = F3 + b·F2′ + c·F1″ = F3 + H_L2(b·F2 + c·F1′). `sync`: see `blocks`.
    Ablations (docs/model.md section 3): `--fusion=concat`: F_2f = [F2, F1′], F_3f = [F3, F2′, F1″]; `none`: F_2f = F2,
    F_3f = F3; `--noword_attention`; `--stage_block=residual`. `--generator_stages=2` ends with F_2f.
    `--refine` (ours): residual blocks between the last map and the largest image. `--enlarge` (ours): the stages end at
    S/2; behind those blocks their last map is doubled, and residual blocks at S follow.
    """

    def __init__(self, config: ModelConfig, sync: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.query_fused = config.attention_query == "f2f"
        self.fusion = config.fusion
        self.augment = ConditioningAugmentation(config.c_dim, config.normalise_sentence, name="augment")
        self.stage1 = Stage1(config, sync, name="stage1")
        self.three = config.generator_stages == 3  # or two: no stage 3, H_L2 and A_2
        self.attend1 = self.attend2 = None
        if config.word_attention:
            self.attend1 = WordAttention(name="attend1")
            self.attend2 = WordAttention(name="attend2") if self.three else None
        self.stage2 = Stage(config, config.smooth_ups.stage2, sync, name="stage2")
        if self.three:
            self.stage3 = Stage(config, config.smooth_ups.stage3, sync, name="stage3")
        if self.fusion != "none":
            self.lateral1 = Lateral(config.ngf, config.lateral, name="lateral1")
            if self.three:
                self.lateral2 = Lateral(config.ngf, config.lateral, name="lateral2")
        self.repeats_edges = config.edges == "repeat"
        width = config.ngf * (config.generator_stages if config.fusion == "concat" else 1)
        self.refine = [
            blocks.Residual(width, sync, self.repeats_edges, REFINE_GAIN, name=f"refine{i + 1}")
            for i in range(config.refine)
        ]
        self.enlarged = [
            blocks.Residual(width, sync, self.repeats_edges, REFINE_GAIN, name=f"enlarge{i + 1}")
            for i in range(config.enlarge)
        ]
        padding = "valid" if self.repeats_edges else "same"
        self.to_image = blocks.conv(3, 3, padding=padding, name="to_image")
        self.small_heads = [
            blocks.conv(3, 3, padding=padding, name=f"to_image{i + 1}") for i in range(config.discriminators - 1)
        ]
        self.fuse: list[tf.Variable] | None = None  # a, b, c, where they are learned
        if start := {"learned": "ones", "grown": "zeros"}.get(self.fusion):
            names = ("fuse_a", "fuse_b", "fuse_c") if self.three else ("fuse_a",)
            self.fuse = [self.add_weight(name, (), initializer=start) for name in names]

    def call(self, sentence, words, mask, noise, epsilon, training=False):
        condition, mu, log_var = self.augment(sentence, epsilon)
        attention: list[tf.Tensor] = []

        def attended(layer, query):
            if layer is None:
                return None
            context, maps = layer(query, words, mask)
            attention.append(maps)
            return context

        f1 = self.stage1(condition, noise, training=training)
        f2 = self.stage2(f1, condition, attended(self.attend1, f1), training=training)
        f2f, rest = self.fused(f1, f2)
        features = {"F1": f1, "F2f": f2f}
        if self.three:
            context2 = attended(self.attend2, f2f if self.query_fused else f2)
            features["F3f"] = rest(self.stage3(f2f, condition, context2, training=training))
        heads = [*self.small_heads, self.to_image]
        maps = list(features.values())[-len(heads) :]
        maps[-1] = self.refined(maps[-1], training)
        images = tuple(self.drawn(head, x) for head, x in zip(heads, maps))
        return Generated(images, condition, mu, log_var, tuple(attention), features)

    def refined(self, x, training=False):
        """The last map after the blocks of `--refine` and `--enlarge`."""
        for block in self.refine:
            x = block(x, training=training)
        if self.enlarged:
            x = blocks.blur(blocks.nearest_up(x))
        for block in self.enlarged:
            x = block(x, training=training)
        return x

    def drawn(self, head, x):
        """A map → its image in [−1, 1], by `to_image` or another head."""
        return painted(head(blocks.padded(x, self.repeats_edges)))

    def fused(self, f1, f2):
        """F_2f (Eq. 7), and the function of F3 that gives F_3f (Eq. 9)."""
        if self.fusion == "none":
            return f2, lambda f3: f3
        f1_up = self.lateral1(f1)
        if self.fusion == "concat":
            maps = tf.concat([f2, f1_up], axis=-1)
            return maps, lambda f3: tf.concat([f3, self.lateral2(f2), self.lateral2(f1_up)], axis=-1)
        if self.fuse is not None:
            weights = [tf.cast(weight, f2.dtype) for weight in self.fuse]

            def rest(f3):
                _, b, c = weights
                return f3 + self.lateral2(b * f2 + c * f1_up)

            return f2 + weights[0] * f1_up, rest
        f2f = f2 + f1_up
        return f2f, lambda f3: f3 + self.lateral2(f2f)
