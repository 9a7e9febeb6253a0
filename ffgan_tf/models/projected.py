"""Heads of D on the maps of a trained, frozen network: a projected discriminator (Sauer et al. 2021, Projected GANs
converge faster; docs/model.md section 4)."""

from collections.abc import Sequence

import tensorflow as tf

from ffgan_tf.models import blocks

CHANNELS = (64, 192, 288, 768)  # of Inception-v3's maps after its two max pools, Mixed_5d and Mixed_6e
LEAST_SIDE = 128  # pixels; smaller images are enlarged to it, or the last map would be of a few numbers
WIDTH = 64  # channels after the mixing, and of the heads
RATE = 10  # how many times as far a step moves the heads' weights as it moves D's others
LOGIT_SIDE = 8  # the largest side of a map that is convolved to logits


def map_sides(side: int) -> tuple[int, int, int, int]:
    """Sides of the four maps of images of `side` pixels: Inception-v3's stem and Mixed_6a pad nothing where they
    halve."""

    def halved(n: int) -> int:
        return (n - 3) // 2 + 1

    first = halved(halved(max(side, LEAST_SIDE)) - 2)
    second = halved(first - 2)
    return first, second, second, halved(second)


class SpectralConv(tf.keras.layers.Layer):
    """k×k convolution, its kernel divided by its largest singular value (as a matrix (k·k·C, filters)): Miyato et al.
    2018, by one step of power iteration at each call in training.

    Its scale is free, so starting at 1/`RATE` of an orthogonal kernel lets Adam turn it `RATE` times as fast.
    """

    def __init__(self, filters: int, kernel: int, stride: int = 1, padding: str = "SAME", **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.filters, self.size, self.stride, self.padding = filters, kernel, stride, padding

    def build(self, input_shape):
        shape = (self.size, self.size, input_shape[-1], self.filters)
        self.kernel = self.add_weight("kernel", shape, initializer=blocks.Orthogonal(1 / RATE))
        # Every replica computes the same one.
        self.u = self.add_weight(
            "u",
            (self.filters,),
            initializer=blocks.Blank(tf.keras.initializers.RandomNormal(0.0, 1.0)),
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        super().build(input_shape)

    def call(self, x, training=False):
        matrix = tf.reshape(self.kernel, [-1, self.filters])
        fixed = tf.stop_gradient(matrix)
        v = tf.math.l2_normalize(tf.linalg.matvec(fixed, self.u))
        u = tf.math.l2_normalize(tf.linalg.matvec(fixed, v, transpose_a=True))
        if training:
            self.u.assign(u)
        largest = tf.tensordot(v, tf.linalg.matvec(matrix, u), 1)
        return tf.nn.conv2d(x, self.kernel / largest, self.stride, self.padding)


class Head(tf.keras.layers.Layer):
    """A map to logits of its places: 4×4 stride-2 convolutions down to at most 8×8 (a 3×3 one where it is so small
    already), each with BN and LeakyReLU, then a 4×4 one without padding: (B, s, s, C) → (B, s', s')."""

    def __init__(self, side: int, sync: bool, dtype: str, **kwargs):
        super().__init__(autocast=False, dtype=dtype, **kwargs)
        self.convs = [] if side > LOGIT_SIDE else [SpectralConv(WIDTH, 3, dtype=dtype, name="conv")]
        while side > LOGIT_SIDE:
            side = -(-side // 2)
            self.convs.append(SpectralConv(WIDTH, 4, 2, dtype=dtype, name=f"down{len(self.convs) + 1}"))
        self.norms = [blocks.batch_norm(sync, dtype=dtype, name=f"norm{i + 1}") for i in range(len(self.convs))]
        self.logit = SpectralConv(1, 4, padding="VALID", dtype=dtype, name="logit")

    def build(self, input_shape):
        self.bias = self.add_weight("bias", (), initializer="zeros")
        super().build(input_shape)

    def call(self, x, training=False):
        for conv, norm in zip(self.convs, self.norms):
            x = blocks.leaky_relu(norm(conv(x, training=training), training=training))
        return self.logit(x, training=training)[..., 0] + self.bias


class Projection(tf.keras.layers.Layer):
    """Mixes the maps' channels, and coarser maps into finer ones, by random convolutions that do not learn, so that no
    head can do with a few of the features: (B, s_i, s_i, C_i) each → (B, s_i, s_i, WIDTH) each.

    Each map's 1×1 convolution; then, from the last to the first, that plus the mixed map after it, enlarged
    (bilinear), through a 3×3 convolution.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def build(self, input_shape):
        def drawn(name: str, size: int, channels: int, gain: float):
            deviation = (gain / (size * size * channels)) ** 0.5
            initial = blocks.Blank(tf.keras.initializers.RandomNormal(0.0, deviation))
            return self.add_weight(name, (size, size, channels, WIDTH), initializer=initial, trainable=False)

        # 2: the maps are what a ReLU leaves.
        self.channels = [drawn(f"channels{i + 1}", 1, shape[-1], 2.0) for i, shape in enumerate(input_shape)]
        self.scales = [drawn(f"scales{i + 1}", 3, WIDTH, 1.0) for i in range(len(input_shape) - 1)]
        super().build(input_shape)

    def call(self, maps):
        mixed = [tf.nn.conv2d(x, kernel, 1, "SAME") for x, kernel in zip(maps, self.channels)]
        for i in reversed(range(len(mixed) - 1)):
            after = tf.cast(tf.image.resize(mixed[i + 1], mixed[i].shape[1:3]), mixed[i].dtype)
            mixed[i] = tf.nn.conv2d(mixed[i] + after, self.scales[i], 1, "SAME")
        return mixed


class ProjectedHeads(tf.keras.Model):
    """Maps of `CHANNELS` and `map_sides(side)` → a map of logits of each: are the images real?

    They have no condition. In float32 or wider whatever the precision: they are small. `weight`: of their losses.
    """

    def __init__(self, side: int, weight: float, sync: bool = False, **kwargs):
        super().__init__(autocast=False, **kwargs)
        sides, self.weight = map_sides(side), weight
        self.shapes = [(n, n, channels) for n, channels in zip(sides, CHANNELS)]
        self.wide = "float64" if self.compute_dtype == "float64" else "float32"
        self.projection = Projection(name="projection", dtype=self.wide)
        self.heads = [Head(n, sync, self.wide, name=f"head{i + 1}") for i, n in enumerate(sides)]

    def call(self, maps: Sequence[tf.Tensor], training=False):
        mixed = self.projection([tf.cast(x, self.wide) for x in maps])
        return [head(x, training=training) for head, x in zip(self.heads, mixed)]

    def make(self) -> None:
        """Creates the variables."""
        self([tf.zeros([1, *shape]) for shape in self.shapes])
