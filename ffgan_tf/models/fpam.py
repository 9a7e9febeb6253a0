"""Feature pyramid attention at 16×16 (paper 4.1), and what it is compared with (spec section 3)."""

import tensorflow as tf

from ffgan_tf.compat import require_addons
from ffgan_tf.models import blocks

SPP_BINS = (1, 2, 4, 8)


class ConvNormRelu(tf.keras.layers.Layer):
    """k×k convolution → BN → ReLU; stride 2 halves the map."""

    def __init__(self, filters: int, kernel: int, stride: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.conv = blocks.conv(filters, kernel, stride, name="conv")
        self.norm = blocks.batch_norm(name="norm")

    def call(self, x, training=False):
        return tf.nn.relu(self.norm(self.conv(x), training=training))


class Pyramid(tf.keras.layers.Layer):
    """P(x), U-shaped: one stride-2 level for each kernel, each refined at stride 1, then summed upwards by nearest ×2.

    (B, 16, 16, C) → the same shape; the levels are C/4 wide, at 8², 4², 2², 1². The last step, back at 16², is a 1×1
    convolution to C with batch norm, so that the attention enters at a known scale (ours).
    """

    def __init__(self, channels: int, kernels: tuple[int, ...], **kwargs):
        super().__init__(**kwargs)
        width = channels // 4
        self.down = [ConvNormRelu(width, k, 2, name=f"down{i + 1}") for i, k in enumerate(kernels)]
        self.refine = [ConvNormRelu(width, k, 1, name=f"refine{i + 1}") for i, k in enumerate(kernels)]
        self.join, self.norm = blocks.conv(channels, 1, name="join"), blocks.batch_norm(name="norm")

    def call(self, x, training=False):
        levels = []
        for down, refine in zip(self.down, self.refine):
            x = down(x, training=training)
            levels.append(refine(x, training=training))
        y = levels.pop()
        while levels:
            y = blocks.nearest_up(y) + levels.pop()
        # 1×1 and nearest ×2 commute, and batch statistics do not change when every pixel stands four times.
        return blocks.nearest_up(self.norm(self.join(y), training=training))


class FPAM(tf.keras.layers.Layer):
    """x + conv1×1(x) ⊙ P(x) + broadcast(conv1×1(global mean of x)); the outer `x +` is ours. Keeps the shape."""

    def __init__(self, channels: int, kernels: tuple[int, ...], **kwargs):
        super().__init__(**kwargs)
        self.own = blocks.conv(channels, 1, name="own")
        self.pyramid = Pyramid(channels, kernels, name="pyramid")
        self.pooled = blocks.conv(channels, 1, name="pooled")

    def call(self, x, training=False):
        pooled = self.pooled(tf.reduce_mean(x, axis=[1, 2], keepdims=True))
        return x + self.own(x) * self.pyramid(x, training=training) + pooled


class SPP(tf.keras.layers.Layer):
    """The paper's Fig. 1: average pools to 1, 2, 4 and 8 bins a side, 1×1 each to C/4, resized back (bilinear),
    concatenated with x, 1×1 back to C. Keeps the shape."""

    def __init__(self, channels: int, **kwargs):
        super().__init__(**kwargs)
        pooling = require_addons("--pyramid=spp").layers.AdaptiveAveragePooling2D
        self.pools = [pooling(bins, name=f"pool{bins}") for bins in SPP_BINS]
        self.convs = [blocks.conv(channels // 4, 1, name=f"bins{bins}") for bins in SPP_BINS]
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

    def __init__(self, channels: int, kind: str, kernels: tuple[int, ...], **kwargs):
        super().__init__(**kwargs)
        self.join = blocks.conv(channels, 1, name="join")
        self.residual = blocks.Residual(channels, name="residual")
        self.pyramid = None
        if kind == "fpam":
            self.pyramid = FPAM(channels, kernels, name="fpam")
        elif kind == "spp":
            self.pyramid = SPP(channels, name="spp")

    def call(self, features, condition, training=False):
        x = self.join(tf.concat([features, blocks.tile_vector(condition, features)], axis=-1))
        x = self.residual(x, training=training)
        return x if self.pyramid is None else self.pyramid(x, training=training)
