"""`tools/score_run.py`: images of several S at one, reduced as Pillow reduces them, enlarged by sinc's main lobes."""

import numpy as np
import pytest
from PIL import Image
from runs import tool

from ffgan_tf.utils.errors import UserError


def test_images_are_reduced_by_averaging():
    score_run = tool("score_run")
    images = np.random.default_rng(1).integers(0, 256, (3, 24, 24, 3), np.uint8)
    wanted = np.stack([np.asarray(Image.fromarray(image).reduce(4)) for image in images])
    found = score_run.reduced(images, 6)
    assert found.dtype == np.uint8 and found.shape == (3, 6, 6, 3)
    # Pillow rounds a half up, NumPy to the even number: half of the sixteenth that are halves.
    assert np.abs(found.astype(int) - wanted).max() <= 1 and (found == wanted).mean() > 0.9
    assert np.ptp(found) > 50
    for side in (0, 24):
        np.testing.assert_array_equal(score_run.reduced(images, side), images)
    with pytest.raises(UserError, match="--reduce_to=7: 24 pixels are no multiple"):
        score_run.reduced(images, 7)


def test_images_are_enlarged_by_lanczos():
    """A row of pixels ×2: sinc(x) sinc(x/3) at distances of ¼, ¾, … from the new pixels' centres, of sum 1."""
    score_run = tool("score_run")
    row = np.random.default_rng(1).integers(60, 190, 12).astype(np.uint8)
    images = np.broadcast_to(row[None, None, :, None], (2, 12, 12, 3))
    found = score_run.enlarged(images, 24)
    distance = (np.arange(24) + 0.5)[:, None] / 2 - (np.arange(12) + 0.5)
    weights = np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0)
    wanted = (weights / weights.sum(1, keepdims=True)) @ row
    assert found.shape == (2, 24, 24, 3) and found.dtype == np.uint8
    assert np.abs(found - wanted[None, None, :, None]).max() < 1.01 and np.ptp(found) > 60
    for side in (0, 12):
        np.testing.assert_array_equal(score_run.enlarged(images, side), images)
    with pytest.raises(UserError, match="--enlarge_to=6: the run's images have 12. Fix: --reduce_to=6"):
        score_run.enlarged(images, 6)
