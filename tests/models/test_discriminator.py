"""The discriminator: shapes, sizes, the whole of it against NumPy, and gradients to every weight."""

import numpy as np
import numpy_reference as ref
import pytest
import scipy.ndimage
import tensorflow as tf
from networks import D, discriminator, tiny, trainable_count, without_gradient

from ffgan_tf.config import ModelConfig
from ffgan_tf.config.shared import AdamConfig
from ffgan_tf.models import build
from ffgan_tf.models.discriminator import DETAIL_RATE
from ffgan_tf.training.adam import adam


def inputs_of(config: ModelConfig, batch: int = 3):
    rng = np.random.default_rng(6)
    size, width = config.image_size, D if config.condition == "sentence" else config.c_dim
    return rng.uniform(-1, 1, (batch, size, size, 3)), rng.normal(size=(batch, width))


def expected_count(config: ModelConfig) -> int:
    """Trainable numbers of the discriminator, from docs/model.md section 4 alone."""
    n, width = config.ndf, D if config.condition == "sentence" else config.c_dim
    downs = {64: [1, 2, 4, 8], 128: [1, 2, 4, 8, 16], 256: [1, 2, 4, 8, 16, 32]}[config.image_size]
    count, channels = 0, 3
    for i, factor in enumerate(downs):
        count += 16 * channels * factor * n + (2 * factor * n if i else 0)
        channels = factor * n
    for out in (16 * n, 8 * n):
        count, channels = count + 9 * channels * out + 2 * out, out
    head = 16 * 8 * n + 1
    return count + 9 * (8 * n + width) * 8 * n + 2 * 8 * n + 2 * head


@pytest.mark.parametrize("size", [64, 128, 256])
def test_shapes_and_parameter_count(size):
    config = tiny(image_size=size)
    model = build.build_discriminator(config)
    images, condition = (np.float32(x) for x in inputs_of(config, 2))
    features = model.features(images)
    assert features.shape == (2, 4, 4, 8 * 4)
    assert model.unconditional(features).shape == model.conditional(features, condition).shape == (2,)
    assert trainable_count(model) == expected_count(config)


@pytest.mark.parametrize("condition", ["ca", "sentence"])
def test_parameter_count_of_the_papers_size(condition):
    config = ModelConfig(condition=condition)
    assert (config.image_size, config.ndf) == (256, 64)
    with tf.Graph().as_default():  # shapes only: the initial values are not computed
        assert trainable_count(build.build_discriminator(config)) == expected_count(config)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("size,condition", [(64, "sentence"), (64, "ca"), (128, "mu")])
def test_whole_forward_equals_numpy(size, condition, training):
    config = tiny(image_size=size, condition=condition)
    model, inputs = discriminator(config), inputs_of(config)
    found, expected = model(*inputs, training=training), ref.discriminator(model, *inputs, training=training)
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)
        assert np.std(b) > 1e-2


def test_heads_on_shared_features_are_the_whole():
    config = tiny()
    model, (images, condition) = discriminator(config), inputs_of(config)
    features = model.features(images)
    whole = model(images, condition)
    np.testing.assert_array_equal(model.unconditional(features), whole[0])
    np.testing.assert_array_equal(model.conditional(features, condition), whole[1])


def test_first_layer_alone_has_no_batch_norm():
    model = build.build_discriminator(tiny())
    assert [layer.norm is None for layer in model.trunk] == [True] + [False] * 5
    assert model.joint.norm is not None


@pytest.mark.parametrize("detail", [0.0, 7.0])
def test_gradients_reach_every_weight(detail):
    config = tiny(d_detail=detail)
    model, inputs = discriminator(config), inputs_of(config)
    with tf.GradientTape() as tape:
        unconditional, conditional = model(*inputs, training=True)
        loss = tf.reduce_sum(unconditional * [1, -2, 3] + conditional * [2, 1, -1])
    assert without_gradient(tape, loss, model) == []


def test_only_the_conditional_head_sees_the_condition():
    config = tiny()
    model, (images, condition) = discriminator(config), inputs_of(config)
    a, b = model(images, condition), model(images, np.roll(condition, 1, axis=0))
    np.testing.assert_array_equal(a[0], b[0])
    assert np.all(np.abs(a[1] - b[1]) > 1e-4)


def test_logits_are_float32_under_mixed_precision_and_unbounded():
    config = tiny()
    model = discriminator(config, "mixed_bfloat16")
    images, condition = (np.float32(x) for x in inputs_of(config))
    assert model.features(images).dtype == tf.bfloat16
    logits = model(images, condition)
    assert [logit.dtype for logit in logits] == [tf.float32] * 2
    assert all(variable.dtype == tf.float32 for variable in model.variables)
    for head in (model.unconditional_logit, model.conditional_logit):
        head.dense.bias.assign([-50.0])
    assert all(np.all(logit < -20) for logit in model(images, condition))  # no sigmoid


@pytest.mark.parametrize("kind", ["ca", "mu", "sentence"])
def test_condition_of_each_kind_stops_the_gradient(kind):
    values = {"ca": tf.constant([1.0]), "mu": tf.constant([2.0]), "sentence": tf.constant([3.0])}
    with tf.GradientTape() as tape:
        tape.watch(list(values.values()))
        condition = build.discriminator_condition(kind, values["sentence"], values["ca"], values["mu"])
    assert float(condition[0]) == float(values[kind][0])
    assert tape.gradient(condition, list(values.values())) == [None] * 3


@pytest.mark.parametrize("factor", [2, 4])
def test_a_d_of_a_smaller_side_sees_means_of_squares_and_all_of_the_detail(factor):
    config = tiny(image_size=64 * factor, d_side=64, d_detail=7.0)
    large, small = discriminator(config), discriminator(tiny(image_size=64))
    own = {variable.name: variable for variable in large.variables}
    for variable in small.variables:
        variable.assign(own[variable.name])
    images, condition = inputs_of(config)
    means = images.reshape(3, 64, factor, 64, factor, 3).mean(axis=(2, 4))
    for training in (False, True):
        wanted, found = small(means, condition, training=training), large(images, condition, training=training)
        np.testing.assert_allclose(found[0], wanted[0] + large.detail(images), rtol=0, atol=1e-9)
        np.testing.assert_allclose(found[1], wanted[1], rtol=0, atol=1e-9)
    of_both = large.features_of_both(images, images[::-1], training=True)
    for found, given in zip(of_both, (means, means[::-1])):
        np.testing.assert_allclose(found, small.features(given, training=True), rtol=0, atol=1e-9)


@pytest.mark.parametrize("ndf, training", [(4, True), (4, False), (6, True)])
def test_the_finest_detail_adds_a_logit_of_its_own(ndf, training):
    """Of the image, its half and its quarter, by SciPy's 1-2-1 filter and NumPy's convolutions; no batch norm, so that
    an image is judged by itself."""
    config = tiny(d_detail=7.0, ndf=ndf)
    model, (images, condition) = discriminator(config), inputs_of(config)
    whole, conditional = ref.discriminator(model, images, condition, training=training)
    found = model(images, condition, training=training)
    own = []
    for octave, scale in zip(model.detail.octaves, (7, 3.5, 1.75), strict=True):
        x, side = images, images.shape[1] // 2
        for axis in (1, 2):
            x = scipy.ndimage.convolve1d(x, [0.25, 0.5, 0.25], axis, mode="nearest")
        x = scale * (images - x)
        assert [layer.conv.filters for layer in octave.downs] == [ndf // 2, ndf, 2 * ndf]
        for layer in octave.downs:
            x = ref.leaky_relu(DETAIL_RATE * ref.conv(x, layer.conv, 2))
        dense = octave.logit.dense
        own.append(DETAIL_RATE * (x.mean((1, 2)) @ ref.array(dense.kernel) + ref.array(dense.bias))[:, 0])
        images = images.reshape(len(images), side, 2, side, 2, 3).mean((2, 4))
    assert np.std(own, axis=1).min() > 1e-3
    np.testing.assert_allclose(found[0], whole + sum(own), rtol=0, atol=1e-9)
    np.testing.assert_allclose(found[1], conditional, rtol=0, atol=1e-9)


def test_the_weights_of_the_finest_detail_start_orthogonal_and_move_as_many_times_as_far():
    """Adam's first step moves each variable by its rate, up or down, and the weights are DETAIL_RATE times those."""
    model = build.build_discriminator(tiny(d_detail=7.0))
    images, condition = (np.float32(value) for value in inputs_of(tiny()))
    layers = [layer.conv for octave in model.detail.octaves for layer in octave.downs]
    layers += [octave.logit.dense for octave in model.detail.octaves]
    before = [DETAIL_RATE * layer.kernel.numpy() for layer in layers]
    for kernel in before:
        matrix = kernel.reshape(-1, kernel.shape[-1])
        np.testing.assert_allclose(matrix.T @ matrix, np.eye(matrix.shape[1]), atol=1e-5)
    with tf.GradientTape() as tape:
        loss = 100 * tf.reduce_sum(model(images, condition, training=True)[0] * [1, -2, 3])
    weights = model.detail.trainable_variables
    adam(AdamConfig(), 1e-4).apply_gradients(zip(tape.gradient(loss, weights), weights))
    for layer, kernel in zip(layers, before):
        moved = np.abs(DETAIL_RATE * layer.kernel.numpy() - kernel)
        np.testing.assert_allclose(np.median(moved), DETAIL_RATE * 1e-4, rtol=1e-2)


def test_the_finest_detail_is_not_rounded_away_under_mixed_precision():
    """Detail of a thousandth on bright images, where bfloat16's steps are 0.004: the logits follow it."""
    rng = np.random.default_rng(8)
    detail = rng.choice([-1.0, 1.0], (6, 64, 64, 3)) * np.linspace(0, 0.002, 6)[:, None, None, None]
    images, condition = 0.8 + detail, np.float32(rng.normal(size=(6, 6)))
    model = discriminator(tiny(d_detail=100.0))
    half = discriminator(tiny(d_detail=100.0), "mixed_bfloat16")
    for value, twin in zip(half.variables, model.variables, strict=True):
        value.assign(tf.cast(twin, value.dtype))
    expected = model.detail(tf.constant(images)).numpy()
    images = np.float32(images)
    trunks = half.unconditional_logit(half.features(images))
    found = (half(images, condition)[0] - trunks).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.02 * np.ptp(expected))
    assert np.ptp(expected) > 0.01


@pytest.mark.parametrize("training", [True, False])
def test_features_of_both_are_two_calls(training):
    """Values, the gradients of every trunk weight and of the images, and the moving statistics afterwards."""
    config, rng = tiny(), np.random.default_rng(4)
    images = [tf.constant(rng.uniform(-1, 1, (3, 64, 64, 3))) for _ in range(2)]
    weight, results = rng.normal(size=(2, 3, 4, 4, 8 * config.ndf)), []
    for at_once in (True, False):
        model = discriminator(config)
        weights = [value for layer in model.trunk for value in layer.trainable_weights]
        with tf.GradientTape() as tape:
            tape.watch(images)
            maps = (
                model.features_of_both(*images, training=training)
                if at_once
                else [model.features(image, training=training) for image in images]
            )
            loss = tf.reduce_sum(tf.stack(maps) * weight)
        results.append([*maps, *tape.gradient(loss, [*images, *weights]), *model.non_trainable_variables])
    assert len(results[0]) > 20
    for ours, plain in zip(*results):
        np.testing.assert_allclose(ours, plain, rtol=1e-10, atol=1e-10)
