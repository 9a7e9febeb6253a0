"""Differentiable augmentation against NumPy's own shifting, cutting and colouring."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from ffgan_tf.training.augment import augmented, blurred, numbers_for

SIZE = 16


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(-1, 1, (3, SIZE, SIZE, 3))


def run(images, uniform, *kinds):
    return augmented(tf.constant(images), tf.constant(uniform, tf.float32), kinds).numpy()


def test_translation_moves_whole_pixels_and_fills_with_grey(images):
    # 5 places each way at S = 16: −2 … 2. The quantiles below are the middles of the places −2, 0, 1 and 2.
    found = run(images, [[0.1, 0.5], [0.7, 0.9], [0.5, 0.5]], "translation")
    padded = np.pad(images, [(0, 0), (2, 2), (2, 2), (0, 0)])
    for i, (down, right) in enumerate([(-2, 0), (1, 2), (0, 0)]):
        # Moved by −2, row 0 shows the image's row 2.
        wanted = padded[i, 2 + down : 2 + down + SIZE, 2 + right : 2 + right + SIZE] if i == 2 else None
        if wanted is None:
            wanted = np.zeros_like(images[i])
            for r in range(SIZE):
                for c in range(SIZE):
                    if 0 <= r + down < SIZE and 0 <= c + right < SIZE:
                        wanted[r, c] = images[i, r + down, c + right]
        np.testing.assert_allclose(found[i], wanted, atol=1e-12)


def test_every_shift_is_equally_likely():
    image = np.zeros((1, SIZE, SIZE, 3))
    image[0, 8, 8] = 1
    quantiles = np.linspace(0, 1, 101, endpoint=False)
    rows = [run(image, [[u, 0.5]], "translation")[0, :, 8, 0].argmax() for u in quantiles]
    assert set(rows) == {6, 7, 8, 9, 10}
    assert np.bincount(rows)[6:].min() >= 20


def test_cutout_blanks_a_square_of_half_the_side_clipped_at_the_edges(images):
    found = run(images, [[0.5, 0.5], [0.0, 0.0], [0.999, 0.5]], "cutout")
    for i, (row, column) in enumerate([(8, 8), (0, 0), (16, 8)]):
        wanted = images[i].copy()
        wanted[max(0, row - 4) : row + 4, max(0, column - 4) : column + 4] = 0
        np.testing.assert_array_equal(found[i], wanted)


def test_colour_changes_brightness_saturation_and_contrast_in_that_order(images):
    uniform = np.array([[0.9, 0.5, 0.5], [0.5, 0.0, 0.5], [0.2, 0.8, 0.1]])
    found = run(images, uniform, "colour")
    np.testing.assert_allclose(found[0], images[0] + 0.4, atol=1e-6)
    np.testing.assert_allclose(found[1], np.repeat(images[1].mean(-1, keepdims=True), 3, -1), atol=1e-6)
    wanted = images[2] - 0.3
    grey = wanted.mean(-1, keepdims=True)
    wanted = grey + 1.6 * (wanted - grey)
    wanted = wanted.mean() + 0.6 * (wanted - wanted.mean())
    np.testing.assert_allclose(found[2], wanted, atol=1e-6)


def test_all_together_in_a_fixed_order_and_differentiable(images):
    kinds = ("cutout", "colour", "translation")
    assert numbers_for(kinds) == 7
    uniform = np.random.default_rng(1).uniform(size=(3, 7))
    x = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = augmented(x, tf.constant(uniform, tf.float32), kinds)
    cutout, colour, translation = np.split(uniform, [2, 5], axis=1)
    one_by_one = run(run(run(images, colour, "colour"), translation, "translation"), cutout, "cutout")
    np.testing.assert_allclose(y.numpy(), one_by_one, rtol=1e-9, atol=1e-9)
    assert np.abs(tape.gradient(y, x).numpy()).reshape(3, -1).max(1).min() > 0.1
    assert augmented(tf.cast(x, tf.bfloat16), tf.constant(uniform, tf.float32), kinds).dtype == tf.bfloat16


def test_blur_is_gaussian_keeps_constants_and_vanishes_at_zero(images):
    found = blurred(tf.constant(images), tf.constant(1.5)).numpy()
    # SciPy's own filter, away from the edges, where the two treat what lies beyond differently.
    wanted = ndimage.gaussian_filter(images, (0, 1.5, 1.5, 0), truncate=10)
    np.testing.assert_allclose(found[:, 8, 8], wanted[:, 8, 8], atol=2e-4)
    np.testing.assert_allclose(blurred(tf.ones((1, SIZE, SIZE, 3)), tf.constant(3.0)).numpy(), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(blurred(tf.constant(images), tf.constant(0.0)).numpy(), images)
