"""Resizes against TensorFlow's and each other's; `make parity` holds two of them to PyTorch."""

import numpy as np
import pytest

import ffgan_tf  # noqa: F401, settles which Keras before TensorFlow is imported

# isort: split
import tensorflow as tf

from ffgan_tf.evaluation.inception.preprocessing import PREPROCESSING, bilinear_float64

SIZES = [(64, 80), (256, 256), (299, 299), (500, 310)]


def images(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", SIZES)
def test_tf1_is_the_old_resize(size):
    expected = tf.compat.v1.image.resize_bilinear(images(*size), (299, 299), align_corners=False)
    ours = PREPROCESSING["tf1"](images(*size), "float32")
    np.testing.assert_array_equal(ours, (expected.numpy() - np.float32(128)) / np.float32(128))


@pytest.mark.parametrize("half_pixel", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_float64_form(size, half_pixel):
    expected = tf.raw_ops.ResizeBilinear(images=images(*size), size=(299, 299), half_pixel_centers=half_pixel)
    np.testing.assert_allclose(bilinear_float64(images(*size), half_pixel), expected, atol=0.01)


@pytest.mark.parametrize("size", [(64, 80), (500, 310)])
@pytest.mark.parametrize("name, method, tolerance", [("stackgan", "bilinear", 1.01), ("clean", "bicubic", 0.01)])
def test_pillow_resizes_are_antialiased(name, method, tolerance, size):
    recipe = PREPROCESSING[name]
    ours = recipe(images(*size), "float32").numpy() * recipe.scale + recipe.centre
    expected = tf.image.resize(images(*size), (299, 299), method, antialias=True).numpy()
    np.testing.assert_allclose(ours, np.clip(expected, 0, 255), atol=tolerance)  # PIL's uint8 rounds twice


@pytest.mark.parametrize("name", PREPROCESSING)
def test_full_range_and_dtype(name):
    black_and_white = np.stack([np.zeros((32, 32, 3), np.uint8), np.full((32, 32, 3), 255, np.uint8)])
    for dtype in ("float32", "float64"):
        ready = PREPROCESSING[name](black_and_white, dtype)
        assert ready.shape == (2, 299, 299, 3) and ready.dtype == dtype
        low, high = (-1, 127 / 128) if name in ("tf1", "clean") else (-1, 1)
        np.testing.assert_allclose(ready[0], low, atol=1e-5)
        np.testing.assert_allclose(ready[1], high, atol=1e-5)
