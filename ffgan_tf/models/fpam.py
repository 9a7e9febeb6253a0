"""Feature pyramid attention at 16×16 (paper 4.1) and its alternatives (docs/model.md section 3)."""

import tensorflow as tf

from ffgan_tf.compat import require_addons
from ffgan_tf.config import ModelConfig
from ffgan_tf.models import blocks

SPP_BINS = (1, 2, 4, 8)


class ConvNormRelu(tf.keras.layers.Layer):
    """k×k convolution → BN → ReLU; stride 2 halves the map."""

    def __init__(self, filters: int, kernel: int, stride: int = 1, sync: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.conv = blocks.conv(filters, kernel, stride, name="conv")
        self.norm = blocks.batch_norm(sync, name="norm")

    def call(self, x, training=False):
        return tf.nn.relu(self.norm(self.conv(x), training=training))


class Pyramid(tf.keras.layers.Layer):
    """P(x), U-shaped: one stride-2 level for each kernel, each refined at stride 1, then summed upwards by ×2, nearest
    or `bilinear`.

    (B, 16, 16, C) → the same shape; the levels are `width` wide, at 8², 4², 2², 1². The last step, back at 16², is a
    1×1 convolution to C, with batch norm (`norm`; ours) so that the attention enters at a known scale.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        kernels: tuple[int, ...],
        norm: bool = True,
        sync: bool = False,
        bilinear: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.down = [ConvNormRelu(width, k, 2, sync, name=f"down{i + 1}") for i, k in enumerate(kernels)]
        self.refine = [ConvNormRelu(width, k, 1, sync, name=f"refine{i + 1}") for i, k in enumerate(kernels)]
        self.join = blocks.conv(channels, 1, name="join")
        self.norm = blocks.batch_norm(sync, name="norm") if norm else None
        self.bilinear = bilinear

    def up(self, x):
        """(B, H, W, C) → (B, 2H, 2W, C)."""
        x = blocks.nearest_up(x)
        return blocks.blur(x) if self.bilinear else x

    def call(self, x, training=False):
        levels = []
        for down, refine in zip(self.down, self.refine):
            x = down(x, training=training)
            levels.append(refine(x, training=training))
        y = levels.pop()
        while levels:
            y = self.up(y) + levels.pop()
        y = self.up(self.join(y))  # 1×1 and ×2 commute: convolve at the low resolution
        return y if self.norm is None else self.norm(y, training=training)


class FPAM(tf.keras.layers.Layer):
    """x + conv1×1(x) ⊙ P(x) + broadcast(conv1×1(global mean of x)). Keeps the shape.

    The outer `x +` (`config.fpam_residual`) is ours.
    """

    def __init__(self, channels: int, config: ModelConfig, sync: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.residual = config.fpam_residual
        self.own = blocks.conv(channels, 1, name="own")
        self.pyramid = Pyramid(
            channels,
            channels // config.pyramid_reduction,
            config.kernels,
            config.pyramid_norm,
            sync,
            config.pyramid_upsampling == "bilinear",
            name="pyramid",
        )
        self.pooled = blocks.conv(channels, 1, name="pooled")

    def call(self, x, training=False):
        # In bfloat16 the mean of 256 pixels was measured 1.7 % off.
        mean = tf.reduce_mean(blocks.at_least_float32(x), axis=[1, 2], keepdims=True)
        y = self.own(x) * self.pyramid(x, training=training) + self.pooled(tf.cast(mean, x.dtype))
        return x + y if self.residual else y


class SPP(tf.keras.layers.Layer):
    """The paper's Fig. 1: average pools to 1, 2, 4 and 8 bins a side, 1×1 each to `width`, resized back
    (bilinear; ours), concatenated with x, 1×1 back to C. Keeps the shape."""

    def __init__(self, channels: int, width: int, **kwargs):
        super().__init__(**kwargs)
        pooling = require_addons("--pyramid=spp").layers.AdaptiveAveragePooling2D
        self.pools = [pooling(bins, name=f"pool{bins}") for bins in SPP_BINS]
        self.convs = [blocks.conv(width, 1, name=f"bins{bins}") for bins in SPP_BINS]
        self.join = blocks.conv(channels, 1, name="join")

    def call(self, x, training=False):
        size, branches = tf.shape(x)[1:3], [x]
        for pool, conv in zip(self.pools, self.convs):
            branches.append(tf.cast(tf.image.resize(conv(pool(x)), size), x.dtype))
        return self.join(tf.concat(branches, axis=-1))


class TextPyramid(tf.keras.layers.Layer):
    """Where the text enters at 16×16: [map, I_s tiled] → 1×1 to C → `res(C)` → `fpam`, `spp` or nothing more.

    `features` (B, 16, 16, C), `condition` I_s (B, c) → (B, 16, 16, C).
    """

    def __init__(self, channels: int, config: ModelConfig, sync: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.join = blocks.conv(channels, 1, name="join")
        self.residual = blocks.Residual(channels, sync, name="residual")
        self.pyramid = None
        if config.pyramid == "fpam":
            self.pyramid = FPAM(channels, config, sync, name="fpam")
        elif config.pyramid == "spp":
            self.pyramid = SPP(channels, channels // config.pyramid_reduction, name="spp")

    def call(self, features, condition, training=False):
        x = self.join(tf.concat([features, blocks.tile_vector(condition, features)], axis=-1))
        x = self.residual(x, training=training)
        return x if self.pyramid is None else self.pyramid(x, training=training)
