"""Building blocks against plain forms: NumPy for values, TensorFlow's own operators for gradients."""

import numpy as np
import numpy_reference as ref
import pytest
import tensorflow as tf
from networks import made

from ffgan_tf.models import blocks, cpu_convolutions

CLOSE = dict(rtol=0, atol=1e-10)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def value_and_gradients(function, *arguments, weight):
    """A function's value and the gradients of a random weighted sum of it, as arrays."""
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        y = function(*arguments)
        loss = tf.reduce_sum(y * weight)
    return [y.numpy(), *(gradient.numpy() for gradient in tape.gradient(loss, arguments))]


@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (1, 1, 1, 2), (3, 2, 4, 6)])
@pytest.mark.parametrize("cpu", [True, False])
def test_up_conv_is_nearest_up_then_convolution(rng, shape, cpu, monkeypatch):
    monkeypatch.setattr(cpu_convolutions, "on_cpu", lambda cpu=cpu: cpu)
    layer = blocks.UpConv(4, dtype="float64")
    layer.build(tf.TensorShape(shape))
    x, kernel = tf.constant(rng.normal(size=shape)), tf.constant(rng.normal(size=layer.kernel.shape))
    weight = rng.normal(size=(shape[0], 2 * shape[1], 2 * shape[2], 4))

    def ours(x, kernel):
        layer.kernel = kernel
        return layer.call(x)

    def plain(x, kernel):
        return tf.nn.conv2d(tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2), kernel, 1, "SAME")

    found = value_and_gradients(ours, x, kernel, weight=weight)
    np.testing.assert_allclose(found[0], ref.conv2d(ref.nearest_up(x.numpy()), kernel.numpy()), **CLOSE)
    for ours_, plain_ in zip(found, value_and_gradients(plain, x, kernel, weight=weight)):
        np.testing.assert_allclose(ours_, plain_, **CLOSE)


@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (1, 1, 2, 4)])
def test_up_conv_of_a_linear_map_is_the_two_one_after_the_other(rng, shape):
    layer = blocks.UpConv(4, dtype="float64")
    x, vector = tf.constant(rng.normal(size=shape)), tf.constant(rng.normal(size=(shape[0], 6)))
    matrix = tf.constant(rng.normal(size=(shape[-1] + 6, 5)))
    layer.build((x.shape, vector.shape, matrix.shape))
    kernel = tf.constant(rng.normal(size=layer.kernel.shape))
    weight = rng.normal(size=(shape[0], 2 * shape[1], 2 * shape[2], 4))

    def ours(x, vector, matrix, kernel):
        layer.kernel = kernel
        return layer.call((x, vector, matrix))

    def plain(x, vector, matrix, kernel):
        tiled = tf.tile(vector[:, None, None, :], [1, *shape[1:3], 1])
        joined = tf.tensordot(tf.concat([x, tiled], -1), matrix, 1)
        return tf.nn.conv2d(tf.repeat(tf.repeat(joined, 2, axis=1), 2, axis=2), kernel, 1, "SAME")

    for ours_, plain_ in zip(
        value_and_gradients(ours, x, vector, matrix, kernel, weight=weight),
        value_and_gradients(plain, x, vector, matrix, kernel, weight=weight),
    ):
        np.testing.assert_allclose(ours_, plain_, **CLOSE)


def test_dense_block_and_up_as_one_linear_map(rng):
    """H(H_dense(F_d) + F_d) as the generator's stages compute it, against the layers one by one, gradients included."""
    x, vector = tf.constant(rng.normal(size=(2, 4, 5, 6))), tf.constant(rng.normal(size=(2, 7)))
    dense, up = made(lambda: blocks.DenseBlock(2, 3), (x, vector)), made(lambda: blocks.Up(4), np.zeros((2, 4, 5, 13)))
    weights = [*dense.trainable_weights, *up.trainable_weights]
    weight, results = rng.normal(size=(2, 8, 10, 4)), []
    for folded in (True, False):
        with tf.GradientTape() as tape:
            tape.watch([x, vector])
            if folded:
                y = up((dense((x, vector), training=True, join=False), vector, dense.residual_matrix()), training=True)
            else:
                joined = tf.concat([x, blocks.tile_vector(vector, x)], -1)
                y = up(dense((x, vector), training=True) + joined, training=True)
            loss = tf.reduce_sum(y * weight)
        results.append([y, *tape.gradient(loss, [x, vector, *weights])])
    for ours, plain in zip(*results):
        np.testing.assert_allclose(ours, plain, **CLOSE)


def test_up_conv_keeps_static_shape_with_unknown_batch():
    layer = blocks.UpConv(4)
    traced = tf.function(lambda x: layer(x)).get_concrete_function(tf.TensorSpec([None, 8, 6, 2]))
    assert traced.structured_outputs.shape.as_list() == [None, 16, 12, 4]


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (2, 2, 2, 4), (1, 1, 3, 1)])
def test_vector_conv_is_convolution_of_the_tiled_vector(rng, kernel_size, shape):
    layer = blocks.VectorConv(4, kernel_size, dtype="float64")
    x, vector = tf.constant(rng.normal(size=shape)), tf.constant(rng.normal(size=(shape[0], 6)))
    layer.build((x.shape, vector.shape))
    kernel = tf.constant(rng.normal(size=layer.kernel.shape))
    weight = rng.normal(size=(*shape[:3], 4))

    def ours(x, vector, kernel):
        layer.kernel = kernel
        return layer.call((x, vector))

    def plain(x, vector, kernel):
        tiled = tf.tile(vector[:, None, None, :], [1, *shape[1:3], 1])
        return tf.nn.conv2d(tf.concat([x, tiled], -1), kernel, 1, "SAME")

    found = value_and_gradients(ours, x, vector, kernel, weight=weight)
    tiled = np.concatenate([x.numpy(), ref.tile(vector.numpy(), x.numpy())], -1)
    np.testing.assert_allclose(found[0], ref.conv2d(tiled, kernel.numpy()), **CLOSE)
    for ours_, plain_ in zip(found, value_and_gradients(plain, x, vector, kernel, weight=weight)):
        np.testing.assert_allclose(ours_, plain_, **CLOSE)


@pytest.mark.parametrize(
    "kernel,stride,shape",
    [
        (3, 1, (2, 4, 4, 3)),
        (3, 1, (1, 1, 1, 2)),
        (4, 2, (2, 8, 6, 3)),
        (4, 2, (3, 2, 2, 5)),
        (5, 1, (2, 2, 3, 4)),
        (6, 3, (1, 6, 9, 2)),
    ],
)
def test_product_conv_is_convolution(rng, kernel, stride, shape):
    """Values, gradients, and the gradients of a gradient's norm (gradient penalties take them)."""
    x, weights = tf.constant(rng.normal(size=shape)), tf.constant(rng.normal(size=(kernel, kernel, shape[-1], 4)))
    weight = rng.normal(size=(shape[0], shape[1] // stride, shape[2] // stride, 4))

    def ours(x, weights):
        return cpu_convolutions.product_conv(x, weights, stride)

    def plain(x, weights):
        return tf.nn.conv2d(x, weights, stride, "SAME")

    def penalty(function):
        def run(x, weights):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tf.reduce_sum(function(x, weights) ** 3 * weight)
            return tape.gradient(y, x)

        return run

    found = value_and_gradients(ours, x, weights, weight=weight)
    for ours_, plain_ in zip(found, value_and_gradients(plain, x, weights, weight=weight)):
        np.testing.assert_allclose(ours_, plain_, **CLOSE)
    if stride < 3:  # NumPy's reference has TensorFlow's padding of maps that the stride divides, up to 2
        np.testing.assert_allclose(found[0], ref.conv2d(x.numpy(), weights.numpy(), stride), **CLOSE)
    second = rng.normal(size=shape)
    for ours_, plain_ in zip(
        value_and_gradients(penalty(ours), x, weights, weight=second),
        value_and_gradients(penalty(plain), x, weights, weight=second),
    ):
        np.testing.assert_allclose(ours_, plain_, rtol=1e-10, atol=1e-8)  # cubes: values in the thousands


def test_small_maps_on_a_cpu_and_nothing_else_go_through_products(rng, monkeypatch):
    """On a GPU, for larger maps and for 1×1 kernels the library's convolution stays."""
    used = []
    monkeypatch.setattr(cpu_convolutions, "product_conv", lambda *given: used.append(given) or tf.zeros([1, 4, 4, 2]))
    for cpu in (True, False):
        monkeypatch.setattr(cpu_convolutions, "on_cpu", lambda cpu=cpu: cpu)
        blocks.conv(2, 4, 2)(tf.zeros([1, 8, 8, 3])), blocks.conv(2, 3)(tf.zeros([1, 4, 4, 3]))
        assert len(used) == 2
    monkeypatch.setattr(cpu_convolutions, "on_cpu", lambda: True)
    blocks.conv(2, 4, 2)(tf.zeros([1, 32, 32, 3])), blocks.conv(2, 3)(tf.zeros([1, 16, 16, 3]))
    blocks.conv(2, 1)(tf.zeros([1, 4, 4, 3])), blocks.conv(2, 7, 2)(tf.zeros([1, 4, 4, 3]))
    assert len(used) == 2


@pytest.mark.parametrize("kernel", [1, 3, 4, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_conv_pads_with_zeros_and_divides_by_the_stride(rng, kernel, stride):
    x = rng.normal(size=(2, 8, 6, 3))
    layer = blocks.conv(5, kernel, stride, dtype="float64")
    y = layer(x).numpy()
    assert y.shape == (2, 8 // stride, 6 // stride, 5)
    assert not layer.use_bias
    np.testing.assert_allclose(y, ref.conv2d(x, ref.array(layer.kernel), stride), **CLOSE)


@pytest.mark.parametrize("training", [False, True])
def test_up(rng, training):
    x = rng.normal(size=(2, 3, 5, 6))
    layer = made(lambda: blocks.Up(4), x)
    expected = ref.up(x, layer, training)
    assert expected.shape == (2, 6, 10, 4)
    np.testing.assert_allclose(layer(x, training=training), expected, **CLOSE)


@pytest.mark.parametrize("training", [False, True])
def test_residual(rng, training):
    x = rng.normal(size=(2, 4, 5, 6))
    layer = made(lambda: blocks.Residual(6), x)
    np.testing.assert_allclose(layer(x, training=training), ref.residual(x, layer, training), **CLOSE)


@pytest.mark.parametrize("training", [False, True])
def test_dense_block(rng, training):
    x, vector = rng.normal(size=(2, 4, 5, 6)), rng.normal(size=(2, 7))
    layer = made(lambda: blocks.DenseBlock(4, 3), (x, vector))
    y = layer((x, vector), training=training)
    assert y.shape == (2, 4, 5, 13)  # the input's width: it is added to F_d
    np.testing.assert_allclose(y, ref.dense_block(x, vector, layer, training), **CLOSE)
    # Each layer sees all before it: 6 + 7 of the input and 3 more of every earlier layer.
    assert [conv.kernel.shape[2] for conv in layer.convs] == [13, 16, 19, 22]
    assert layer.join.kernel.shape.as_list() == [1, 1, 25, 13]


def test_glu_nearest_up_and_tile(rng):
    x = rng.normal(size=(2, 3, 4, 6))
    np.testing.assert_allclose(blocks.glu(tf.constant(x)), ref.glu(x), **CLOSE)
    np.testing.assert_array_equal(blocks.nearest_up(tf.constant(x)), ref.nearest_up(x))
    np.testing.assert_array_equal(blocks.tile_vector(tf.constant(x[:, 0, 0]), tf.constant(x)), ref.tile(x[:, 0, 0], x))
    np.testing.assert_allclose(blocks.leaky_relu(tf.constant([-3.0, 0.0, 2.0])), [-0.6, 0, 2], rtol=1e-6)


def orthogonality_error(kernel: np.ndarray) -> float:
    """Largest error of WᵀW = I, or W Wᵀ = I where W (all but the last axis, last axis) is wide."""
    matrix = kernel.reshape(-1, kernel.shape[-1]).astype(np.float64)
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    return np.abs(matrix.T @ matrix - np.eye(matrix.shape[1])).max()


def test_weights_start_orthogonal_with_gain_one():
    layers = {
        "conv": blocks.conv(10, 3),
        "dense": blocks.dense(40),
        "up": blocks.UpConv(8),
        "vector": blocks.VectorConv(9, 3),
    }
    layers["conv"].build((None, 8, 8, 4)), layers["dense"].build((None, 12)), layers["up"].build((None, 4, 4, 3))
    layers["vector"].build(((None, 4, 4, 3), (None, 5)))
    for name, layer in layers.items():
        assert orthogonality_error(layer.kernel.numpy()) < 1e-5, name
    assert not np.any(layers["dense"].bias.numpy())


@pytest.mark.parametrize("shape", [(4, 4, 64, 128), (20, 900)])
def test_long_orthogonal_matrices_are_those_of_householders_qr(shape):
    tf.keras.utils.set_random_seed(3)
    found = blocks.Orthogonal()(shape).numpy()
    tf.keras.utils.set_random_seed(3)
    plain = tf.keras.initializers.Orthogonal(gain=1.0)(shape).numpy()  # the same draws, by QR
    np.testing.assert_allclose(found, plain, rtol=0, atol=2e-6)
    assert orthogonality_error(found) < 3e-6


def test_batch_norm_starts_and_moves_as_specified(rng):
    tf.keras.utils.set_random_seed(5)
    layer = blocks.batch_norm()
    layer.build((None, 40_000))
    gamma = layer.gamma.numpy()
    assert abs(gamma.mean() - 1) < 5 * 0.02 / 200  # five standard errors
    assert abs(gamma.std() - 0.02) < 5 * 0.02 / np.sqrt(80_000)
    assert not np.any(layer.beta.numpy())
    # One constant channel c: (c − mean)/√(var + ε) at the first moving statistics 0 and 1.
    layer = blocks.batch_norm(dtype="float64")
    layer.build((None, 1))
    layer.gamma.assign([1.0])
    assert float(layer(np.ones((1, 1)))[0, 0]) == pytest.approx(1 / np.sqrt(1 + 1e-5), abs=1e-14)
    x = rng.normal(3, 2, (50, 1))
    layer(x, training=True)
    assert float(layer.moving_mean[0]) == pytest.approx(0.9 * 0 + 0.1 * x.mean(), rel=1e-7)
    assert float(layer.moving_variance[0]) == pytest.approx(0.9 * 1 + 0.1 * x.var(ddof=1), rel=1e-7)


@pytest.mark.parametrize("kind", ["vectors", "float64", "sync"])
def test_every_batch_norm_keeps_the_unbiased_variance(rng, kind):
    """That of TensorFlow's fused kernel, for float32 maps, and NumPy's; the normalised values stay the biased one's."""
    x = rng.normal(3, 2, (6, 1, 1, 5)).astype(np.float32)
    fused, layer = (
        blocks.batch_norm(),
        blocks.batch_norm(kind == "sync", dtype="float64" if kind == "float64" else None),
    )
    given = x[:, 0, 0] if kind == "vectors" else x
    y = np.reshape(layer(given, training=True), [6, 5]).astype(float)
    fused(x, training=True)
    want = 0.9 + 0.1 * x.reshape(6, 5).astype(float).var(axis=0, ddof=1)
    np.testing.assert_allclose(fused.moving_variance, want, rtol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, want, rtol=1e-6)
    np.testing.assert_allclose((y / layer.gamma.numpy()).std(axis=0), np.ones(5), rtol=1e-4)


@pytest.mark.parametrize("shape", [(6, 3), (2, 4, 5, 3)], ids=["vectors", "maps"])
def test_second_derivatives_through_batch_norm_in_float64(shape):
    """The gradient of a squared gradient, as R1 and MA-GP take it, against differences of the gradient."""
    random = np.random.default_rng(0)
    x, target, direction = (random.normal(size=shape) for _ in range(3))
    mix = tf.constant(random.normal(size=(3, 3)))
    norm = blocks.batch_norm(dtype="float64")
    norm.build(shape)

    def penalty(at):
        with tf.GradientTape() as tape:
            tape.watch(at)
            hidden = tf.tanh(tf.tensordot(at, mix, 1))  # batch norm on the input itself would not show it
            out = tf.reduce_sum(tf.constant(target) * tf.tanh(norm(hidden, training=True)))
        return tf.reduce_sum(tape.gradient(out, at) ** 2)

    at = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(at)
        value = penalty(at)
    slope = float(tf.reduce_sum(tape.gradient(value, at) * direction))
    step = 1e-5
    differences = float(penalty(at + step * direction) - penalty(at - step * direction)) / (2 * step)
    assert slope == pytest.approx(differences, rel=1e-6)
