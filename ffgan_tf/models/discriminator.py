"""The discriminator: one image trunk, two heads (docs/model.md section 4; AttnGAN's `D_NET64` to `D_NET256`)."""

import math

import tensorflow as tf

from ffgan_tf.config import ModelConfig
from ffgan_tf.models import blocks
from ffgan_tf.models.projected import ProjectedHeads

OCTAVES = 3  # sizes at which `Detail` sees an image: whole, half and quarter
DETAIL_RATE = 10  # how many times as far a step moves the weights of `Detail` as it moves D's others
SMALL_SIDE = 16  # pixels of a layer's input; at this side and below, reading the weights costs more than the maps


class ConvNormLeaky(tf.keras.layers.Layer):
    """1-2-1 blur (with `smooth`) → convolution without bias → BN (with `norm`) → LeakyReLU 0.2. `rate`: see
    `blocks.Conv`."""

    def __init__(
        self,
        filters: int,
        kernel: int,
        stride: int = 1,
        norm: bool = True,
        sync: bool = False,
        smooth: bool = False,
        rate: float = 1.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.smooth = smooth
        initial = blocks.Orthogonal(1 / rate)
        self.conv = blocks.conv(filters, kernel, stride, rate=rate, kernel_initializer=initial, name="conv")
        self.norm = blocks.batch_norm(sync, name="norm") if norm else None

    def call(self, x, training=False):
        return self.activate(self.convolved(x), training)

    def convolved(self, x):
        """The blur and the convolution."""
        return self.conv(blocks.blur(x) if self.smooth else x)

    def activate(self, x, training=False):
        """The layer after its convolution: BN and LeakyReLU."""
        return blocks.leaky_relu(x if self.norm is None else self.norm(x, training=training))

    def of_both(self, x, y, training=False):
        """The layer on two batches of equal size, each with its own batch-norm statistics, in one convolution."""
        x, y = tf.split(self.convolved(tf.concat([x, y], axis=0)), 2)
        return self.activate(x, training), self.activate(y, training)


class Logit(tf.keras.layers.Layer):
    """A whole map to one logit per image, of 4×4 a 4×4 convolution: (B, H, W, C) → (B,), float32 or wider."""

    def __init__(self, use_bias: bool = True, kernel_initializer=None, **kwargs):
        super().__init__(**kwargs)
        dtype = "float64" if self.compute_dtype == "float64" else "float32"
        initial = kernel_initializer or blocks.Orthogonal()
        self.dense = blocks.dense(1, use_bias, name="dense", dtype=dtype, kernel_initializer=initial)

    def call(self, x):
        return self.dense(tf.reshape(tf.cast(x, self.dense.compute_dtype), [-1, math.prod(x.shape[1:])]))[:, 0]


class Octave(tf.keras.layers.Layer):
    """What an image's finest detail says of it: the image minus its 1-2-1 blur, times `scale` → three 4×4 stride-2
    convolutions, `width`, 2, 4 of it wide, without BN → the mean over all places → one logit: (B, s, s, 3) → (B,),
    float32 or wider.

    Without BN, which hides how strong the detail is; apart from the trunk, which learns next to nothing from it: it is
    a hundredth of a photograph's energy. So little that the blur is subtracted in float32 or wider: in bfloat16 both
    would be rounded by as much. Without BN it also learns slowly at D's rate, hence its weights are `DETAIL_RATE` times
    their variables, which start as much smaller (the equalised rate of Karras et al. 2018).
    """

    def __init__(self, width: int, scale: float, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.scale = scale
        self.downs = [
            ConvNormLeaky(width * 2**i, 4, 2, norm=False, rate=DETAIL_RATE, name=f"down{i + 1}") for i in range(3)
        ]
        self.logit = Logit(kernel_initializer=blocks.Orthogonal(1 / DETAIL_RATE), name="logit")

    def call(self, images):
        x = tf.cast(self.scale * (images - blocks.blur(images)), self.compute_dtype)
        for layer in self.downs:
            x = layer(x)
        return DETAIL_RATE * self.logit(tf.reduce_mean(blocks.at_least_float32(x), axis=[1, 2], keepdims=True))


class Detail(tf.keras.layers.Layer):
    """The sum of an `Octave`'s logits of the image, of its half and its quarter, each of means of 2×2 pixels: (B, s,
    s, 3) → (B,), float32 or wider. A photograph's detail is stronger from octave to octave (0.05, 0.08,
    0.11 at S = 128), so `scale` is halved."""

    def __init__(self, width: int, scale: float, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.octaves = [Octave(width, scale / 2**i, name=f"octave{i + 1}") for i in range(OCTAVES)]

    def call(self, images):
        logits, x = [], blocks.at_least_float32(images)
        for i, octave in enumerate(self.octaves):
            x = tf.nn.avg_pool2d(x, 2, 2, "VALID") if i else x
            logits.append(octave(x))
        return tf.add_n(logits)


class TrunkDiscriminator(tf.keras.Model):
    """What discriminators of one image trunk share: `trunk`, its layers, which a subclass sets."""

    trunk: list[tf.keras.layers.Layer]

    def features(self, images, training=False):
        """Images (B, s, s, 3) in [−1, 1] → map (B, 4, 4, 8ndf)."""
        x = tf.cast(images, self.compute_dtype)
        for layer in self.trunk:
            x = layer(x, training=training)
        return x


class Discriminator(TrunkDiscriminator):
    """`features` of images once, then either head on them: real images serve three of Eq. 4's five terms.

    Trunk: 4×4 stride-2 convolutions ndf (no BN), 2ndf, 4ndf, … down to 4² (log2(s/4) of them: 32ndf at s = 256), then
    conv3×3 to 16ndf and to 8ndf. Heads return logits, never probabilities. `sync`: see `blocks`.
    `size`: the side s of what the trunk looks at, images or larger ones reduced to it; 0 means that of the settings
    (`--d_side`, or S). `tail`: how many of the two conv3×3 there are (1: the second alone);
    AttnGAN has 2, 1, 0 at 256, 128, 64. Below 64 the trunk begins wider, so that it ends at 8ndf. `unconditional`:
    whether there is an unconditional head. With `--d_projected`, `projected` has heads of a loss of their own, on maps
    of a frozen network that this one does not hold.
    """

    def __init__(
        self,
        config: ModelConfig,
        sync: bool = False,
        size: int = 0,
        tail: int = 2,
        unconditional: bool = True,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)  # `detail` takes images as they are
        self.size = size or config.judged_sides[-1]
        downs = int(math.log2(self.size // 4))
        first = config.ndf * 2 ** max(0, 4 - downs)
        norm, smooth = config.d_norm == "batch", config.d_filter == "blur"
        # No blur before the first: then nothing would see the images' own period two.
        self.trunk = [
            ConvNormLeaky(first * 2**i, 4, 2, norm and i > 0, sync, smooth and i > 0, name=f"down{i + 1}")
            for i in range(downs)
        ]
        widths = (16 * config.ndf, 8 * config.ndf)[2 - tail :]
        self.trunk += [ConvNormLeaky(n, 3, norm=norm, sync=sync, name=f"conv{i + 1}") for i, n in enumerate(widths)]
        self.has_unconditional = unconditional
        if unconditional:
            self.unconditional_logit = Logit(name="unconditional_logit")
        self.detail = Detail(config.ndf // 2, config.d_detail, name="detail") if config.d_detail else None
        weight = config.d_projected
        self.projected = ProjectedHeads(self.size, weight, sync, name="projected") if weight else None
        self.joint = ConvNormLeaky(8 * config.ndf, 3, norm=norm, sync=sync, name="joint")
        self.conditional_logit = Logit(name="conditional_logit")

    def reduced(self, images):
        """Images (B, S, S, 3) → what the trunk and the projected heads look at, (B, s, s, 3)."""
        return blocks.reduced(images, self.size)

    def features(self, images, training=False):
        return super().features(self.reduced(images), training)

    def features_of_both(self, real, fake, training=False):
        """`features` of two batches of one size, equal to two calls.

        From 16×16 down, where reading the weights costs more than the maps, one convolution serves both: the weights
        are read once, and their gradients need no adding up.
        """
        x, y = (tf.cast(self.reduced(images), self.compute_dtype) for images in (real, fake))
        for layer in self.trunk:
            if x.shape[1] <= SMALL_SIDE:
                x, y = layer.of_both(x, y, training)
            else:
                x, y = layer(x, training=training), layer(y, training=training)
        return x, y

    def unconditional(self, features, images=None):
        """Map → logits (B,): is the image real? None without that head. With `--d_detail`, the map's images, too."""
        if not self.has_unconditional:
            return None
        logits = self.unconditional_logit(features)
        return logits if self.detail is None else logits + self.detail(images)

    def conditional(self, features, condition, training=False):
        """Map and condition (B, ·) → logits (B,): is the image real and does it match the sentence?"""
        tiled = blocks.tile_vector(tf.cast(condition, features.dtype), features)
        return self.conditional_logit(self.joint(tf.concat([features, tiled], axis=-1), training=training))

    def call(self, images, condition, training=False):
        features = self.features(images, training=training)
        return self.unconditional(features, images), self.conditional(features, condition, training=training)
