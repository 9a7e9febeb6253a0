"""`tools/score_run.py --reduce_to`: images of several S at one, against Pillow's own reduction."""

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
