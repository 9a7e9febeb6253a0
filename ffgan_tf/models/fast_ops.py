"""Fast forms of the generator's linear maps: equal to the plain ones, with fewer multiplications and smaller maps.

Each docstring states the plain form; tests compare values and gradients with it.
"""

import numpy as np
import tensorflow as tf

from ffgan_tf.models import cpu_convolutions


def up_kernel(kernel: tf.Tensor) -> tf.Tensor:
    """The 4×4 kernel of the stride-2 transposed convolution that equals nearest ×2 followed by `kernel`.

    `kernel` (3, 3, C_in, C_out); returns (4, 4, C_out, C_in), the layout of `tf.nn.conv2d_transpose`. Along one axis
    the upsampled map has x[i] at 2i and 2i+1, so output 2i = w0·x[i−1] + (w1+w2)·x[i] and output
    2i+1 = (w0+w1)·x[i] + w2·x[i+1]: x[i] reaches 2i−1 … 2i+2 with w2, w1+w2, w0+w1, w0.
    """
    spread = tf.constant([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], kernel.dtype)
    # Two small matrix products; sums of at most two weights an axis, so exact up to rounding.
    kernel = tf.tensordot(spread, kernel, [[1], [0]])  # (4, 3, in, out)
    kernel = tf.tensordot(spread, kernel, [[1], [1]])  # (4 second axis, 4 first axis, in, out)
    return tf.transpose(kernel, [1, 0, 3, 2])


def up_conv(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Nearest ×2 → 3×3 convolution: x (B, H, W, C), `kernel` (3, 3, C, O) in x's or a wider type → (B, 2H, 2W, O).

    Computed as one transposed convolution at the low resolution (`up_kernel`), 2.25× fewer multiplications and equal to
    the plain form, borders included: zero padding of the small map becomes that of the upsampled one.
    """

    def transposed(x, kernel):
        shape = tf.shape(x)
        return tf.nn.conv2d_transpose(
            x,
            tf.cast(up_kernel(kernel), x.dtype),
            [shape[0], 2 * shape[1], 2 * shape[2], kernel.shape[-1]],
            strides=2,
            padding="SAME",
        )

    kernel = tf.convert_to_tensor(kernel)
    height, width = x.shape[1:3]
    faster = height and width and cpu_convolutions.on_cpu()
    y = cpu_convolutions.with_up_gradients(transposed)(x, kernel) if faster else transposed(x, kernel)
    y.set_shape([x.shape[0], height and 2 * height, width and 2 * width, kernel.shape[-1]])
    return y


def repeat_edges(x: tf.Tensor) -> tf.Tensor:
    """(B, H, W, C) → (B, H + 2, W + 2, C), the map's outermost pixels repeated once around it."""
    for axis in (1, 2):
        first, last = (tf.gather(x, [at], axis=axis) for at in (0, x.shape[axis] - 1))
        x = tf.concat([first, x, last], axis)
    return x


def up_conv_with_edges(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Nearest ×2 → 3×3 convolution, the upsampled map's edge pixels repeated where `up_conv` has zeros.

    One repeated pixel of the small map is two of the upsampled one; the outermost two rows and columns are cut off.
    """
    return up_conv(repeat_edges(x), kernel)[:, 2:-2, 2:-2]


def up_conv_of_joined(
    x: tf.Tensor, vector: tf.Tensor, matrix: tf.Tensor, kernel: tf.Tensor, edges: bool = False
) -> tf.Tensor:
    """`up_conv` (with `edges`, `up_conv_with_edges`) by `kernel` of the 1×1 convolution [x, tile(v)]·matrix.

    x (B, H, W, N), v (B, V), `matrix` (N + V, C), `kernel` (3, 3, C, O) → (B, 2H, 2W, O).

    Two linear maps make one: only the small kernels are multiplied, and neither the tiled vector nor the C-channel map
    is ever built.
    """
    channels, (height, width) = x.shape[-1], x.shape[1:3]
    own = tf.transpose(tf.tensordot(matrix[:channels], kernel, [[1], [2]]), [1, 2, 0, 3])
    tiled = tf.cast(tf.matmul(tf.cast(vector, matrix.dtype), matrix[channels:]), x.dtype)
    if edges:
        return up_conv_with_edges(x, own) + conv_of_constant(tiled, tf.cast(kernel, x.dtype))
    return up_conv(x, own) + conv_of_tiled(tiled, tf.cast(kernel, x.dtype), 2 * height, 2 * width)


def border_zones(size: int, kernel: int) -> tuple[np.ndarray, np.ndarray]:
    """Zones of equal value in a k-tap zero-padded convolution of a constant row of `size` pixels.

    Returns `zones` (size, Z) one-hot, the zone of each pixel, and `taps` (Z, k), 1 where a zone's tap falls inside the
    row: value of a pixel = zones · taps · weights. At most k zones: the pixels near either end, and all between.
    """
    position = np.arange(size)[:, None] + np.arange(kernel)[None, :] - (kernel - 1) // 2
    taps, zone = np.unique((position >= 0) & (position < size), axis=0, return_inverse=True)
    return np.eye(len(taps), dtype=np.float32)[zone.reshape(-1)], taps.astype(np.float32)


def conv_of_tiled(vector: tf.Tensor, kernel: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """k×k convolution, zero-padded, of a vector tiled over height × width: (B, V), (k, k, V, O) → (B, H, W, O).

    A convolution of a constant map is constant except near the border, where part of the kernel sees the zero padding:
    each zone's value (nine zones for 3×3) is computed once and copied to its pixels.
    """
    dtype, filters = vector.dtype, kernel.shape[-1]
    (rows, row_taps), (columns, column_taps) = (border_zones(n, k) for n, k in zip((height, width), kernel.shape[:2]))
    zones = tf.einsum("ri,sj,ijvo->rsvo", tf.constant(row_taps, dtype), tf.constant(column_taps, dtype), kernel)
    values = tf.einsum("bv,rsvo->brso", vector, zones)
    # Columns first, while there are few rows; rows as one matrix product: einsum would transpose, forwards and
    # backwards.
    values = tf.reshape(
        tf.einsum("ws,brso->brwo", tf.constant(columns, dtype), values), [-1, rows.shape[1], width * filters]
    )
    return tf.reshape(tf.matmul(tf.constant(rows, dtype), values), [-1, height, width, filters])


def conv_of_constant(vector: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """k×k convolution of a vector tiled over space with repeated edges, the same everywhere: (B, V), (k, k, V, O) →
    (B, 1, 1, O)."""
    return tf.matmul(vector, tf.reduce_sum(kernel, [0, 1]))[:, None, None, :]


def conv_beside_vector(x: tf.Tensor, vector: tf.Tensor, kernel: tf.Tensor, edges: bool = False) -> tf.Tensor:
    """Convolution of [x, tile(v)] without tiling: x (B, H, W, C), v (B, V), `kernel` (k, k, C + V, O) in x's type → (B,
    H, W, O). Zero-padded; with `edges`, k ≤ 3 and the edge pixels are repeated instead."""
    own, of_vector = kernel[:, :, : x.shape[-1]], kernel[:, :, x.shape[-1] :]
    if edges:
        x = repeat_edges(x) if kernel.shape[0] == 3 else x
        return tf.nn.conv2d(x, own, 1, "VALID") + conv_of_constant(vector, of_vector)
    return tf.nn.conv2d(x, own, 1, "SAME") + conv_of_tiled(vector, of_vector, *x.shape[1:3])


def residual_matrix(join: tf.Tensor, channels: int, added: int, vector_size: int) -> tf.Tensor:
    """The matrix (C + A + V, C + V) that takes [x, A more channels, v] to [·]·join + [x, v], in join's type.

    `join`, of the same shape, is the 1×1 convolution back to the input's width; the input is then added to it.
    """
    unchanged = np.zeros((channels + added + vector_size, channels + vector_size))
    unchanged[:channels, :channels] = np.eye(channels)
    unchanged[channels + added :, channels:] = np.eye(vector_size)
    return join + tf.constant(unchanged, join.dtype)
