"""Convolutions as matrix products, where a CPU's convolution kernels are far from its peak.

oneDNN's convolutions copy the weights into a layout of their own at every call. The discriminator's last layers have
up to 33 million weights for maps of 4×4 pixels, so most of their time goes into that copy. And the gradient of a
stride-2 transposed convolution with respect to its kernel runs at a third of the peak. Matrix products avoid both. On
a GPU the library's own convolutions are used.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import tensorflow as tf

FEW_PIXELS = 64  # of the output map; at 16×16 the convolution is as fast (measured)
_own_gradients = ContextVar("own_gradients", default=True)  # see without_gradients


@contextlib.contextmanager
def without_gradients() -> Iterator[None]:
    """Convolutions built inside have no custom gradients: for graphs that only run forwards.

    TensorFlow keeps each custom gradient of a graph in a global table, and with it the whole graph, for the rest of the
    process: 30 MB and more for each sampler.
    """
    token = _own_gradients.set(False)
    try:
        yield
    finally:
        _own_gradients.reset(token)


def custom_gradient(run: Callable) -> Callable:
    """`tf.custom_gradient`; inside `without_gradients`, only the value."""
    if _own_gradients.get():
        return tf.custom_gradient(run)
    return lambda *inputs: run(*inputs)[0]


def on_cpu() -> bool:
    """Whether TensorFlow sees no GPU."""
    return not tf.config.list_logical_devices("GPU")


def better_as_product(x: tf.Tensor, kernel: tf.Tensor, stride: int) -> bool:
    """Whether `product_conv` applies to this map and kernel and is faster."""
    height, width = x.shape[1:3]
    return bool(
        height
        and width
        and height * width <= FEW_PIXELS * stride**2
        and height % stride == 0
        and width % stride == 0
        and kernel.shape[0] % stride == 0
        and kernel.shape[0] > 1
        and on_cpu()
    )


def product_conv(x: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """Zero-padded ("SAME") convolution as one product of all patches, side by side, with the kernel as a matrix.

    x (B, H, W, C), `kernel` (k, k, C, O) of the same type, k a multiple of the stride and the map's sides too; returns
    (B, H/stride, W/stride, O).
    """
    size, _, channels, filters = kernel.shape
    height, width = (side // stride for side in x.shape[1:3])
    blocks = size // stride  # a kernel is blocks × blocks tiles of stride × stride pixels, and so is the padded map
    before = (size - stride) // 2
    around = [[0, 0], [before, size - stride - before], [before, size - stride - before], [0, 0]]

    @custom_gradient
    def run(x, kernel):
        tiles = tf.reshape(tf.pad(x, around), [-1, height + blocks - 1, stride, width + blocks - 1, stride, channels])
        patches = tf.concat(
            [
                tiles[:, i // stride : i // stride + height, i % stride, j // stride : j // stride + width, j % stride]
                for i in range(size)
                for j in range(size)
            ],
            axis=-1,
        )
        patches, matrix = tf.reshape(patches, [-1, size * size * channels]), tf.reshape(kernel, [-1, filters])

        def gradients(dy):
            dy = tf.reshape(dy, [-1, filters])
            # Transposed, so that the product reads the large matrix in memory order: 3 times faster for few pixels.
            d_patches = tf.transpose(tf.matmul(matrix, dy, transpose_b=True))
            d_patches = tf.reshape(d_patches, [-1, height, width, blocks, stride, blocks, stride, channels])
            d_tiles = tf.add_n(
                [
                    tf.pad(
                        d_patches[:, :, :, i, :, j], [[0, 0], [i, blocks - 1 - i], [j, blocks - 1 - j]] + 3 * [[0, 0]]
                    )
                    for i in range(blocks)
                    for j in range(blocks)
                ]
            )
            d_map = tf.reshape(
                tf.transpose(d_tiles, [0, 1, 3, 2, 4, 5]),
                [-1, stride * (height + blocks - 1), stride * (width + blocks - 1), channels],
            )
            d_x = d_map[:, before : before + stride * height, before : before + stride * width]
            return d_x, tf.reshape(tf.matmul(patches, dy, transpose_a=True), [size, size, channels, filters])

        return tf.reshape(tf.matmul(patches, matrix), [-1, height, width, filters]), gradients

    return run(x, kernel)


def neighbour_sums(y: tf.Tensor, count: int, width: int) -> list[tf.Tensor]:
    """y as rows (·, 2·count, width) → [y[2p+1] + y[2p+2], y[2p] + y[2p+1], y[2p−1] + y[2p]] for p < count, zeros beyond
    the ends, each (·, count, width)."""
    even, odd = tf.unstack(tf.reshape(y, [-1, count, 2, width]), axis=2)  # slices of stride 2 are ten times slower
    return [
        odd + tf.pad(even[:, 1:], [[0, 0], [0, 1], [0, 0]]),
        even + odd,
        even + tf.pad(odd[:, :-1], [[0, 0], [1, 0], [0, 0]]),
    ]


def with_up_gradients(forward: Callable) -> Callable:
    """`forward`, which computes nearest ×2 → 3×3 convolution of x with `kernel`, with faster gradients.

    With u[r] = x[⌊r/2⌋] and y[r] = Σ_i k[i]·u[r+i−1] along an axis, both gradients need dy only as z_i[p] =
    dy[2p+1−i] + dy[2p+2−i]: dk[i] = Σ_p x[p]·z_i[p] and dx[p] = Σ_i k[i]·z_i[p]. In two dimensions nine such maps and
    two matrix products, with 9 multiplications where the transposed convolution's gradients need 16.
    """

    @custom_gradient
    def run(x, kernel):
        def gradients(dy):
            height, width, channels = x.shape[1:]
            filters = kernel.shape[-1]
            z = tf.concat(
                [
                    both
                    for rows in neighbour_sums(dy, height, 2 * width * filters)
                    for both in neighbour_sums(rows, width, filters)
                ],
                axis=-1,
            )
            z = tf.reshape(z, [-1, 9 * filters])
            matrix = tf.reshape(tf.transpose(tf.cast(kernel, x.dtype), [2, 0, 1, 3]), [channels, 9 * filters])
            d_kernel = tf.matmul(tf.reshape(x, [-1, channels]), z, transpose_a=True)
            d_kernel = tf.transpose(tf.reshape(d_kernel, [channels, 3, 3, filters]), [1, 2, 0, 3])
            return tf.reshape(tf.matmul(z, matrix, transpose_b=True), tf.shape(x)), tf.cast(d_kernel, kernel.dtype)

        return forward(x, kernel), gradients

    return run
