"""Heads of D on a frozen network's maps: their maps' sides, the spectral norm, the whole of them against NumPy."""

import numpy as np
import numpy_reference as ref
import pytest
import tensorflow as tf
from networks import shake, tiny

from ffgan_tf.models import build
from ffgan_tf.models.projected import CHANNELS, RATE, ProjectedHeads, SpectralConv, map_sides


@pytest.mark.parametrize("side", [64, 128, 256])
def test_the_maps_are_kerass(side):
    """At 64 pixels, of images enlarged to 128."""
    shape = (max(side, 128),) * 2 + (3,)
    network = tf.keras.applications.InceptionV3(include_top=False, weights=None, input_shape=shape)
    pools = [layer.name for layer in network.layers if type(layer).__name__ == "MaxPooling2D"][:2]
    shapes = [network.get_layer(name).output.shape[1:] for name in (*pools, "mixed2", "mixed7")]
    assert [tuple(one) for one in shapes] == [(n, n, channels) for n, channels in zip(map_sides(side), CHANNELS)]


def largest(kernel) -> float:
    return np.linalg.svd(np.reshape(kernel, [-1, kernel.shape[-1]]), compute_uv=False)[0]


def spectral(stride: int = 1, padding: str = "SAME") -> SpectralConv:
    tf.keras.utils.set_random_seed(3)
    layer = SpectralConv(5, 3, stride, padding, dtype="float64")
    layer.build([None, None, None, 4])
    layer.kernel.assign(np.random.default_rng(1).normal(size=(3, 3, 4, 5)))
    return layer


def test_power_iteration_finds_the_largest_singular_value_in_training_alone():
    layer, x = spectral(), np.random.default_rng(0).normal(size=(2, 6, 6, 4))
    before = layer.u.numpy()
    first = layer(x, training=False)
    np.testing.assert_array_equal(layer.u, before)
    for _ in range(200):
        layer(x, training=True)
    kernel = layer.kernel.numpy()
    np.testing.assert_allclose(layer(x), ref.conv2d(x, kernel / largest(kernel)), rtol=1e-8, atol=1e-10)
    assert np.abs(first - layer(x)).max() > 0.01  # one iteration from a random u is not the end


def test_the_gradient_goes_through_the_singular_value():
    """By differences of the kernel along a direction; along itself, whose scale is free, it is 0."""
    layer, x = spectral(2, "VALID"), np.random.default_rng(0).normal(size=(2, 7, 7, 4))
    for _ in range(200):
        layer(x, training=True)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) ** 3)
    gradient, kernel = tape.gradient(loss, layer.kernel).numpy(), layer.kernel.numpy()
    direction = np.random.default_rng(2).normal(size=kernel.shape)

    def at(step: float) -> float:
        moved = kernel + step * direction
        values = tf.nn.conv2d(x, moved / largest(moved), 2, "VALID").numpy()
        return float((values**3).sum())

    slope = (at(1e-5) - at(-1e-5)) / 2e-5
    assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-5) and abs(slope) > 0.1
    assert (gradient * kernel).sum() == pytest.approx(0, abs=1e-6 * abs(slope))


def test_a_kernel_begins_small_so_that_a_step_turns_it_far():
    layer = SpectralConv(16, 4)
    layer.build([None, None, None, 8])
    assert largest(layer.kernel.numpy()) == pytest.approx(1 / RATE, rel=1e-5)


def maps_of(side: int, seed: int = 0, batch: int = 3) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [np.maximum(random.normal(size=(batch, n, n, c)), 0) for n, c in zip(map_sides(side), CHANNELS)]


def heads(precision: str = "float64", side: int = 64) -> ProjectedHeads:
    tf.keras.utils.set_random_seed(5)
    with build.precision_scope(precision):
        model = ProjectedHeads(side, 1.0)
        model.make()
    shake(model)
    return model


def enlarged(x, side: int):
    """Bilinear, pixel centres at halves."""
    matrix = ref.bilinear_matrix(x.shape[1], side)
    return np.einsum("rs,bsct,wc->brwt", matrix, x, matrix)


def by_hand(model: ProjectedHeads, maps, training: bool) -> list[np.ndarray]:
    mixed = [ref.conv2d(x, kernel.numpy()) for x, kernel in zip(maps, model.projection.channels)]
    for i in (2, 1, 0):
        both = mixed[i] + enlarged(mixed[i + 1], mixed[i].shape[1])
        mixed[i] = ref.conv2d(both, model.projection.scales[i].numpy())
    result = []
    for head, x in zip(model.heads, mixed):
        for conv, norm in zip(head.convs, head.norms):
            kernel = conv.kernel.numpy()
            x = ref.leaky_relu(ref.batch_norm(ref.conv2d(x, kernel / largest(kernel), conv.stride), norm, training))
        kernel = head.logit.kernel.numpy()
        windows = np.lib.stride_tricks.sliding_window_view(x, (4, 4), axis=(1, 2))
        result.append(np.einsum("brschw,hwc->brs", windows, kernel[..., 0] / largest(kernel)) + head.bias.numpy())
    return result


@pytest.mark.parametrize("training", [False, True])
def test_the_whole_of_the_heads_equals_numpy(training):
    model, maps = heads(), maps_of(64)
    assert [len(head.convs) for head in model.heads] == [2, 1, 1, 1]
    for layer in model.submodules:
        if isinstance(layer, SpectralConv):
            vectors = np.linalg.svd(np.reshape(layer.kernel, [-1, layer.filters]), full_matrices=False)[2]
            layer.u.assign(vectors[0])
    wanted = by_hand(model, maps, training)
    found = model([tf.constant(x) for x in maps], training=training)
    assert [x.shape for x in found] == [(3, 5, 5), (3, 4, 4), (3, 4, 4), (3, 3, 3)]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)  # TensorFlow's resize is of float32


def test_every_weight_of_the_heads_learns_and_the_mixing_does_not():
    model = heads("mixed_bfloat16")
    with tf.GradientTape() as tape:
        logits = model([tf.constant(x, tf.bfloat16) for x in maps_of(64)], training=True)
        loss = tf.add_n([tf.reduce_sum(x**2) for x in logits])
    assert all(x.dtype == tf.float32 for x in logits)
    gradients = tape.gradient(loss, model.trainable_variables)
    assert all(gradient is not None and np.any(gradient) for gradient in gradients)
    trained = {variable.ref() for variable in model.trainable_variables}
    assert not trained & {variable.ref() for variable in model.projection.variables}
    assert len(model.projection.variables) == 7


def test_a_discriminator_has_heads_only_if_it_is_told():
    assert build.build_discriminator(tiny()).projected is None
    model = build.build_discriminator(tiny(d_projected=0.5))
    assert model.projected.weight == 0.5
    assert {v.ref() for v in model.projected.trainable_variables} < {v.ref() for v in model.trainable_variables}
