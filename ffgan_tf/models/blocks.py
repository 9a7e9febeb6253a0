"""Building blocks of both networks (docs/model.md section 3, after AttnGAN). All maps are NHWC.

Layers that convolve a map beside a vector tiled over space, or after nearest ×2, use `fast_ops`. `sync`: batch norm's
statistics come from the samples of all replicas instead of each replica's own.
"""

import contextlib
import math
from collections.abc import Iterator
from contextvars import ContextVar

import numpy as np
import tensorflow as tf

from ffgan_tf.compat import BatchNormalization, require_keras_2
from ffgan_tf.models import cpu_convolutions, fast_ops

require_keras_2(tf.keras)  # here, because every network imports this module
BN_EPSILON = 1e-5
BN_MOMENTUM = 0.9  # Keras's sense: the share of the old moving value that is kept
LEAKY_SLOPE = 0.2
_blank = ContextVar("blank", default=False)  # see blank_weights
_left: ContextVar[list[int] | None] = ContextVar("left", default=None)  # weights that may still be made


class TooManyWeights(Exception):
    """Networks larger than `blank_weights(most=…)` allows."""


@contextlib.contextmanager
def blank_weights(on: bool = True, most: int | None = None) -> Iterator[None]:
    """Networks built inside start with zero kernels: drawing weights that a checkpoint replaces would be wasted.

    `most`: raises TooManyWeights before kernels of more numbers in all are made, for settings that are not trusted.
    """
    tokens = _blank.set(on), _left.set(None if most is None else [most])
    try:
        yield
    finally:
        _blank.reset(tokens[0])
        _left.reset(tokens[1])


def _zeros(shape, dtype) -> tf.Tensor:
    """A blank kernel."""
    if (left := _left.get()) is not None:
        left[0] -= math.prod(shape)
        if left[0] < 0:
            raise TooManyWeights("its settings describe larger networks than it holds")
    return tf.zeros(shape, dtype or tf.float32)


class Orthogonal(tf.keras.initializers.Initializer):
    """Orthogonal matrix times `gain`, computed in float32 and cast: LAPACK has no bfloat16.

    The Q of a Gaussian A = QR, R's diagonal positive. For a long A, which is well conditioned, Q = A·L⁻ᵀ with L·Lᵀ =
    AᵀA has full accuracy: matrix products, ten times faster than Householder's QR, which dominated the start-up time.
    Zeros inside `blank_weights`.
    """

    def __init__(self, gain: float = 1.0):
        self.gain = gain

    def __call__(self, shape, dtype=None, **kwargs):
        if _blank.get():
            return _zeros(shape, dtype)
        rows, columns = int(np.prod(shape[:-1])), shape[-1]
        if max(rows, columns) < 4 * min(rows, columns):
            matrix = tf.keras.initializers.Orthogonal(gain=1.0)(shape, dtype=tf.float32)
        else:
            a = tf.keras.initializers.RandomNormal(0.0, 1.0)(sorted((rows, columns), reverse=True), dtype=tf.float32)
            factor = tf.linalg.cholesky(tf.matmul(a, a, transpose_a=True))
            inverse = tf.linalg.triangular_solve(factor, tf.eye(a.shape[1]))
            q = tf.matmul(a, inverse, transpose_b=True)
            matrix = tf.reshape(q if rows >= columns else tf.transpose(q), shape)
        return tf.cast(self.gain * matrix, dtype or tf.float32)


class Blank(tf.keras.initializers.Initializer):
    """Another initialiser; zeros inside `blank_weights`."""

    def __init__(self, inner: tf.keras.initializers.Initializer):
        self.inner = inner

    def __call__(self, shape, dtype=None, **kwargs):
        return _zeros(shape, dtype) if _blank.get() else self.inner(shape, dtype, **kwargs)


class Conv(tf.keras.layers.Conv2D):
    """Keras's convolution, as a matrix product where that is faster: on a CPU, for maps of few pixels.

    Its kernel is `rate` times the variable, which Adam therefore moves `rate` times as far.
    """

    def __init__(self, *args, rate: float = 1.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.rate = rate

    def convolution_op(self, inputs, kernel):
        kernel = tf.convert_to_tensor(kernel)
        if self.rate != 1:
            kernel = self.rate * kernel
        if self.padding == "same" and cpu_convolutions.better_as_product(inputs, kernel, self.strides[0]):
            return cpu_convolutions.product_conv(inputs, kernel, self.strides[0])
        return super().convolution_op(inputs, kernel)


def conv(filters: int, kernel: int, stride: int = 1, use_bias: bool = False, padding: str = "same", **kwargs) -> Conv:
    """kernel×kernel convolution, by default without a bias, zero-padded so that stride s divides the map by s (`valid`:
    not padded)."""
    kwargs.setdefault("kernel_initializer", Orthogonal())
    return Conv(filters, kernel, strides=stride, padding=padding, use_bias=use_bias, **kwargs)


def dense(units: int, use_bias: bool = True, **kwargs) -> tf.keras.layers.Dense:
    """Fully connected layer; its kernel starts orthogonal, unless `kernel_initializer` is given."""
    kwargs.setdefault("kernel_initializer", Orthogonal())
    return tf.keras.layers.Dense(units, use_bias=use_bias, **kwargs)


def batch_norm(sync: bool = False, gamma: float = 1.0, **kwargs) -> BatchNormalization:
    """Batch normalisation: eps 1e-5, momentum 0.9, γ ~ N(`gamma`, 0.02), β = 0; unbiased moving variance."""
    return BatchNormalization(
        momentum=BN_MOMENTUM,
        epsilon=BN_EPSILON,
        synchronized=sync,
        gamma_initializer=tf.keras.initializers.RandomNormal(gamma, 0.02),
        **kwargs,
    )


def glu(x: tf.Tensor) -> tf.Tensor:
    """Gated linear unit: (…, 2C) → (…, C), the first half times the sigmoid of the second."""
    value, gate = tf.split(x, 2, axis=-1)
    return value * tf.sigmoid(gate)


def at_least_float32(x: tf.Tensor) -> tf.Tensor:
    """x in float32, or unchanged if float64: for computations that need more than bfloat16's three digits."""
    return x if x.dtype == tf.float64 else tf.cast(x, tf.float32)


def leaky_relu(x: tf.Tensor) -> tf.Tensor:
    """max(x, 0.2 x)."""
    return tf.nn.leaky_relu(x, LEAKY_SLOPE)


def padded(x: tf.Tensor, edges: bool) -> tf.Tensor:
    """What a 3×3 convolution reads: with `edges` the map with its edge pixels repeated, for a `valid` one."""
    return fast_ops.repeat_edges(x) if edges else x


def nearest_up(x: tf.Tensor) -> tf.Tensor:
    """(B, H, W, C) → (B, 2H, 2W, C), each pixel four times."""
    batch, height, width, channels = tf.unstack(tf.shape(x))
    static = x.shape
    x = tf.broadcast_to(x[:, :, None, :, None, :], [batch, height, 2, width, 2, channels])
    x = tf.reshape(x, [batch, 2 * height, 2 * width, channels])
    x.set_shape([static[0], static[1] and 2 * static[1], static[2] and 2 * static[2], static[3]])
    return x


def blur(x: tf.Tensor) -> tf.Tensor:
    """1-2-1 filter (weights 1/4, 1/2, 1/4) along both axes, edge pixels repeated: (B, H, W, C) → the same shape.

    After nearest ×2 it gives bilinear ×2; it takes out all of period two.
    """
    for axis in (1, 2):
        size = x.shape[axis]
        first, rest = tf.split(x, [1, size - 1], axis)
        most, last = tf.split(x, [size - 1, 1], axis)
        x = 0.5 * x + 0.25 * (tf.concat([first, most], axis) + tf.concat([rest, last], axis))
    return x


def reduced(images: tf.Tensor, side: int) -> tf.Tensor:
    """Images (B, S, S, C) as (B, side, side, C), which divides S: means of squares of S/side pixels a side."""
    factor = images.shape[1] // side
    return images if factor == 1 else tf.nn.avg_pool2d(images, factor, factor, "VALID")


def tile_vector(vector: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """(B, C) → (B, H, W, C) with the height and width of the map `like`."""
    shape = tf.shape(like)
    return tf.broadcast_to(vector[:, None, None, :], [shape[0], shape[1], shape[2], vector.shape[-1]])


class UpConv(tf.keras.layers.Layer):
    """Nearest ×2 → conv3×3 without bias: (B, H, W, C) → (B, 2H, 2W, filters).

    With three inputs x (B, H, W, N), v (B, V) and a matrix (N + V, C): applied to the 1×1 convolution
    [x, tile(v)]·matrix. Zero-padded; with `edges`, the edge pixels are repeated instead.
    """

    def __init__(
        self,
        filters: int,
        kernel_initializer: tf.keras.initializers.Initializer | None = None,
        edges: bool = False,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)  # the kernels are multiplied before they are rounded
        self.filters, self.edges, self.initializer = filters, edges, kernel_initializer or Orthogonal()

    def build(self, input_shape):
        last = input_shape[-1]  # one shape: its channels; three shapes: the matrix's shape
        channels = last if isinstance(last, int) else last[-1]
        self.kernel = self.add_weight(
            "kernel", (3, 3, channels, self.filters), initializer=self.initializer, experimental_autocast=False
        )
        super().build(input_shape)

    def call(self, inputs):
        if isinstance(inputs, (tuple, list)):
            x, vector, matrix = inputs
            return fast_ops.up_conv_of_joined(x, vector, matrix, self.kernel, self.edges)
        return (fast_ops.up_conv_with_edges if self.edges else fast_ops.up_conv)(inputs, self.kernel)


class Up(tf.keras.layers.Layer):
    """`up(C)`: nearest ×2 → conv3×3 to 2C → BN → GLU. (B, H, W, ·) → (B, 2H, 2W, C). Inputs as for `UpConv`.

    With `smooth`, a `blur` follows the convolution. Nearest ×2 → conv3×3 is two filters, one for even and one for odd
    pixels, and the difference is a grid; with the blur they are one, that of bilinear ×2 → conv3×3 (but at the border).
    """

    def __init__(self, filters: int, sync: bool = False, smooth: bool = False, edges: bool = False, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.conv = UpConv(2 * filters, edges=edges, name="conv")
        self.norm = batch_norm(sync, name="norm")
        self.smooth = smooth

    def call(self, inputs, training=False):
        x = self.conv(inputs)
        return glu(self.norm(blur(x) if self.smooth else x, training=training))


class Residual(tf.keras.layers.Layer):
    """`res(C)`: conv3×3 to 2C → BN → GLU → conv3×3 to C → BN → add the input, nothing after the add.

    Zero-padded; with `edges`, the edge pixels are repeated instead. `gain`: where γ of the last BN starts.
    """

    def __init__(self, filters: int, sync: bool = False, edges: bool = False, gain: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.edges, padding = edges, "valid" if edges else "same"
        self.conv1, self.norm1 = conv(2 * filters, 3, padding=padding, name="conv1"), batch_norm(sync, name="norm1")
        self.conv2, self.norm2 = conv(filters, 3, padding=padding, name="conv2"), batch_norm(sync, gain, name="norm2")

    def call(self, x, training=False):
        y = glu(self.norm1(self.conv1(padded(x, self.edges)), training=training))
        return x + self.norm2(self.conv2(padded(y, self.edges)), training=training)


class VectorConv(tf.keras.layers.Layer):
    """k×k convolution, no bias, of a map beside a vector tiled over space, without tiling it.

    x (B, H, W, C) and v (B, V) → (B, H, W, filters), equal to conv([x, tile(v)]).
    """

    def __init__(self, filters: int, kernel_size: int, edges: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.edges = filters, kernel_size, edges

    def build(self, input_shape):
        map_shape, vector_shape = input_shape
        shape = (self.kernel_size, self.kernel_size, map_shape[-1] + vector_shape[-1], self.filters)
        self.kernel = self.add_weight("kernel", shape, initializer=Orthogonal(), experimental_autocast=False)
        super().build(input_shape)

    def call(self, inputs):
        x, vector = inputs
        return fast_ops.conv_beside_vector(x, vector, tf.cast(self.kernel, x.dtype), self.edges)


class DenseBlock(tf.keras.layers.Layer):
    """H_dense: `depth` layers conv3×3 → BN → GLU of `growth` channels, each on the concatenation of all before it.

    A 1×1 convolution, no bias, brings the whole concatenation back to the input's width, so that it can be added (Eq.
    7, 8). The input is a map (B, H, W, C) beside a vector (B, V) tiled over space; returns (B, H, W, C + V), or, with
    `join` false, the concatenation (B, H, W, C + depth·growth), the input of `residual_matrix`.
    """

    def __init__(self, depth: int, growth: int, sync: bool = False, edges: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.convs = [VectorConv(2 * growth, 3, edges, name=f"conv{i + 1}") for i in range(depth)]
        self.norms = [batch_norm(sync, name=f"norm{i + 1}") for i in range(depth)]
        self.added = depth * growth

    def build(self, input_shape):
        map_shape, vector_shape = input_shape
        self.channels, self.vector_size = map_shape[-1], vector_shape[-1]
        self.join = VectorConv(self.channels + self.vector_size, 1, name="join")
        with tf.name_scope("join"):
            self.join.build((tf.TensorShape([*map_shape[:3], self.channels + self.added]), vector_shape))
        super().build(input_shape)

    def call(self, inputs, training=False, join=True):
        features, vector = inputs
        for layer, norm in zip(self.convs, self.norms):
            new = glu(norm(layer((features, vector)), training=training))
            features = tf.concat([features, new], axis=-1)
        return self.join((features, vector)) if join else features

    def residual_matrix(self) -> tf.Tensor:
        """The matrix (C + depth·growth + V, C + V) of H_dense(x) + x on [concatenation, v], float32 or wider."""
        return fast_ops.residual_matrix(self.join.kernel[0, 0], self.channels, self.added, self.vector_size)
