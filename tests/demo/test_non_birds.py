"""Non-birds keep the pixels that they are made of, and not their places."""

import numpy as np
import pytest

from ffgan_tf.demo import non_birds


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (10, 16, 16, 3), np.uint8)


@pytest.mark.parametrize("tiles", [2, 4])
def test_tiles_are_whole_and_none_is_lost(images, tiles):
    actual = non_birds.shuffled_tiles(images, np.random.default_rng(1), tiles)
    side = 16 // tiles

    def cut(image):
        return sorted(
            image[r : r + side, c : c + side].tobytes() for r in range(0, 16, side) for c in range(0, 16, side)
        )

    assert [cut(image) for image in actual] == [cut(image) for image in images]
    assert (actual != images).any(axis=(1, 2, 3)).sum() >= 8


def test_warp_moves_by_its_amplitude_and_keeps_a_constant():
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 3, (4, 64, 1))[..., None].repeat(3, -1)
    actual = non_birds.warped(ramp, np.random.default_rng(2)).astype(float)
    moved = (actual - ramp)[:, :, 20:44, 0] / 3  # where nothing is reflected at the edges
    assert 0.07 * 64 < moved.std() < 0.15 * 64
    flat = np.full((1, 64, 64, 3), 9, np.uint8)
    np.testing.assert_array_equal(non_birds.warped(flat, np.random.default_rng(3)), flat)


def test_halves_and_corners(images):
    actual = non_birds.halves(images, np.random.default_rng(4))
    np.testing.assert_array_equal(actual[:, :8], images[:, :8])
    lower = {np.roll(image, 16 // 3, axis=1)[8:].tobytes() for image in images}
    assert {image[8:].tobytes() for image in actual} == lower
    np.testing.assert_array_equal(non_birds.corners(images)[:, ::2, 1::2], images[:, :8, :8])


def test_all_kinds_by_the_seed():
    images = np.random.default_rng(5).integers(0, 256, (20, 16, 16, 3), np.uint8)
    one, same, other = (non_birds.non_birds(images, seed) for seed in (1, 1, 2))
    assert sum(map(len, one.values())) == 22 and len(one["warped"]) == 8
    for kind, batch in one.items():
        np.testing.assert_array_equal(batch, same[kind])
    assert not np.array_equal(one["warped"], other["warped"])
