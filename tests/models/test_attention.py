"""Word attention against a loop over pixels, and the effect of its mask."""

import numpy as np
import numpy_reference as ref
import pytest
import tensorflow as tf
from networks import D, generator, generator_inputs, made, tiny, trainable_count

from ffgan_tf.models import build
from ffgan_tf.models.attention import WordAttention


@pytest.fixture
def inputs():
    rng = np.random.default_rng(2)
    mask = np.arange(5) < np.array([[5], [2], [1]])
    return rng.normal(size=(3, 3, 4, 6)), rng.normal(size=(3, 5, 10)), mask


@pytest.fixture
def layer(inputs):
    return made(WordAttention, *inputs)


def test_equals_numpy(layer, inputs):
    context, maps = layer(*inputs)
    expected_context, expected_maps = ref.attention(*inputs, ref.array(layer.project.kernel))
    np.testing.assert_allclose(context, expected_context, rtol=0, atol=1e-12)
    np.testing.assert_allclose(maps, expected_maps, rtol=0, atol=1e-12)
    assert trainable_count(layer) == 10 * 6  # e' has no bias


def test_maps_sum_to_one_over_words_and_are_zero_at_padding(layer, inputs):
    maps = layer(*inputs)[1].numpy()
    np.testing.assert_allclose(maps.sum(-1), 1, rtol=1e-12)
    for b, count in enumerate([5, 2, 1]):
        assert np.all(maps[b, ..., :count] > 0)
        assert not np.any(maps[b, ..., count:])


def test_a_mask_reaches_its_own_sample_only(layer, inputs):
    features, words, mask = inputs
    other = mask.copy()
    other[0] = [True, False, True, False, False]
    before, after = layer(features, words, mask), layer(features, words, other)
    for a, b in zip(before, after):
        assert np.abs(a[0] - b[0]).max() > 1e-3
        np.testing.assert_array_equal(a[1:], b[1:])


def test_words_at_padding_change_nothing_however_large(layer, inputs):
    features, words, mask = inputs
    loud = np.where(mask[:, :, None], words, 1e6)
    for a, b in zip(layer(features, words, mask), layer(features, loud, mask)):
        np.testing.assert_array_equal(a, b)


def test_gradients_are_finite_with_padding(layer, inputs):
    features, words, mask = (tf.constant(x) for x in inputs)
    with tf.GradientTape() as tape:
        tape.watch((features, words))
        loss = tf.reduce_sum(layer(features, words, mask)[0] ** 2)
    of_features, of_words = tape.gradient(loss, (features, words))
    assert np.all(np.isfinite(of_features)) and np.any(of_features)
    assert np.all(np.isfinite(of_words))
    assert not np.any(of_words[1, 2:]) and np.all(np.any(of_words[1, :2], axis=-1))


@pytest.mark.parametrize("query", ["f2", "f2f"])
def test_more_padding_gives_the_same_image(query):
    config = tiny(attention_query=query)
    model = generator(config)
    once = model(**generator_inputs(config))
    padded = generator_inputs(config, padding=7)
    assert padded["words"].shape == (3, 13, D)
    twice = model(**padded)
    np.testing.assert_allclose(twice.image, once.image, rtol=0, atol=1e-12)
    for a, b in zip(once.attention, twice.attention):
        np.testing.assert_allclose(b[..., :6], a, rtol=0, atol=1e-12)
        assert not np.any(b[..., 6:])


def test_softmax_is_float32_under_mixed_precision(inputs):
    features, words, mask = inputs
    with build.precision_scope("mixed_bfloat16"):
        layer = WordAttention()
    context, maps = layer(tf.cast(features, tf.bfloat16), tf.cast(words, tf.float32), mask)
    assert context.dtype == tf.bfloat16 and maps.dtype == tf.float32
    np.testing.assert_allclose(maps.numpy().sum(-1), 1, rtol=1e-6)  # a bfloat16 softmax would miss by 1e-3


def test_a_word_counted_twice_is_a_word_said_twice(layer, inputs):
    features, words, mask = inputs
    weights = np.where(mask, [1.0, 2.0, 1.0, 3.0, 1.0], 0.0)
    said = [0, 1, 1, 2, 3, 3, 3, 4]
    context, maps = layer(features, words, weights)
    expected, single = layer(features, words[:, said], mask[:, said])
    np.testing.assert_allclose(context, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(maps[..., 3], single.numpy()[..., 4:7].sum(-1), rtol=0, atol=1e-12)


def test_weights_of_one_are_the_mask(layer, inputs):
    features, words, mask = inputs
    for a, b in zip(layer(features, words, mask), layer(features, words, mask.astype(float))):
        np.testing.assert_array_equal(a, b)
