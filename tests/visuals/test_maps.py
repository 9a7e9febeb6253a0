"""Overlays, energy and colours against formulas written down here."""

import numpy as np
import pytest

from ffgan_tf.visuals import maps


def bilinear(values, size):
    """Half-pixel bilinear upsampling, one output pixel at a time; what lies outside is the nearest inside."""
    side = values.shape[0]
    result = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            y, x = (np.clip((k + 0.5) * side / size - 0.5, 0, side - 1) for k in (i, j))
            top, left = int(y), int(x)
            bottom, right = min(top + 1, side - 1), min(left + 1, side - 1)
            a, b = y - top, x - left
            result[i, j] = (1 - a) * ((1 - b) * values[top, left] + b * values[top, right]) + a * (
                (1 - b) * values[bottom, left] + b * values[bottom, right]
            )
    return result


@pytest.mark.parametrize("side", [4, 8, 16])
def test_upsampling_is_bilinear(side):
    values = np.random.default_rng(side).random((side, side))
    np.testing.assert_allclose(maps.upsample(values, 32, 32), bilinear(values, 32), atol=1e-6)


def test_overlay_is_light_on_the_image():
    rng = np.random.default_rng(0)
    image, attention = rng.integers(0, 256, (16, 16, 3), np.uint8), rng.random((4, 4))
    light = maps.DARK + (1 - maps.DARK) * bilinear(attention / attention.max(), 16)
    assert np.abs(maps.overlay(image, attention) - image * light[..., None]).max() <= 0.5 + 1e-3


def test_what_is_attended_everywhere_alike_is_left_as_it_is():
    image = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
    np.testing.assert_array_equal(maps.overlay(image, np.full((2, 2), 0.1)), image)
    np.testing.assert_array_equal(maps.overlay(image, np.zeros((2, 2))), np.rint(image * maps.DARK))
    np.testing.assert_array_equal(maps.overlay(image, np.full((2, 2), 2.0), peak=1.0), image)  # never lighter


def test_energy_is_the_mean_of_squares():
    features = np.array([[[3.0, -4.0], [0.0, 1.0]]])
    np.testing.assert_array_equal(maps.energy(features), [[12.5, 0.5]])
    wide = np.full((1, 1, 4), 300, np.float16)  # its square is beyond float16
    np.testing.assert_array_equal(maps.energy(wide), [[90_000.0]])


def test_the_liveliest_channels():
    column = np.array([-1.0, 1.0])
    features = np.stack([np.outer(column, [1, 1]) * s for s in (1, 3, 0, -3, 2)], -1) + 100
    np.testing.assert_array_equal(maps.liveliest(features, 4), [1, 3, 4, 0])


def test_colours():
    actual = maps.coloured(np.array([[0.0, 0.5, 1.0, 2.0]]), 0.0, 1.0)
    assert actual.dtype == np.uint8 and actual.shape == (1, 4, 3)
    np.testing.assert_array_equal(actual[0], [(68, 1, 84), (33, 144, 141), (253, 231, 37), (253, 231, 37)])
    brightness = maps.coloured(np.linspace(0, 1, 50)[None]).astype(float)[0] @ [0.299, 0.587, 0.114]
    assert (np.diff(brightness) > 0).all()  # reads right in grey
    assert (maps.coloured(np.ones((2, 2))) == (68, 1, 84)).all()  # no range, no division
