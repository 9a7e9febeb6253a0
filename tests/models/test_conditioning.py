"""Conditioning augmentation against NumPy."""

import numpy as np
import numpy_reference as ref
import pytest
import tensorflow as tf
from networks import made, trainable_count

from ffgan_tf.models import build
from ffgan_tf.models.conditioning import ConditioningAugmentation


@pytest.fixture
def inputs():
    rng = np.random.default_rng(1)
    return rng.normal(size=(5, 16)), rng.normal(size=(5, 6))


def test_equals_numpy(inputs):
    layer = made(lambda: ConditioningAugmentation(6), *inputs)
    for found, expected in zip(layer(*inputs), ref.augment(*inputs, layer)):
        assert found.shape == (5, 6)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert trainable_count(layer) == 16 * 24 + 24


def test_mean_at_no_noise_and_deviation_by_unit_noise(inputs):
    sentence, _ = inputs
    layer = made(lambda: ConditioningAugmentation(6), *inputs)
    at_zero, mu, log_var = layer(sentence, np.zeros((5, 6)))
    np.testing.assert_array_equal(at_zero, mu)
    np.testing.assert_allclose(layer(sentence, np.ones((5, 6)))[0] - mu, np.exp(log_var) ** 0.5, rtol=1e-12)


def test_float32_under_mixed_precision(inputs):
    with build.precision_scope("mixed_bfloat16"):
        layer = ConditioningAugmentation(6)
    outputs = layer(*(tf.constant(x, tf.float32) for x in inputs))
    assert [output.dtype for output in outputs] == [tf.float32] * 3
