"""Variety within one sentence, against distances that can be written down."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from ffgan_tf.metrics.variety import mean_pairwise_distance, variety
from ffgan_tf.utils.errors import UserError


def simplex(count, edge):
    """`count` points, every two of them `edge` apart."""
    return np.eye(count) * edge / np.sqrt(2)


def test_a_simplex_and_a_line():
    assert mean_pairwise_distance(simplex(5, 3.0)) == pytest.approx(3.0, rel=1e-12)
    # On a line at 0, 1, …, n − 1 the mean distance of two is (n + 1) / 3.
    assert mean_pairwise_distance(np.arange(10.0)[:, None]) == pytest.approx(11 / 3, rel=1e-12)


def test_normal_features_are_as_far_apart_as_theory_says():
    """Two draws of N(0, I) in D dimensions: a chi distribution with D degrees, times √2."""
    from scipy.stats import chi

    draws = np.random.default_rng(0).normal(size=(400, 64))
    assert mean_pairwise_distance(draws) == pytest.approx(np.sqrt(2) * chi(64).mean(), rel=0.01)


def test_close_rows_far_from_the_origin():
    """‖a‖² + ‖b‖² − 2ab has nothing left of these distances in float64."""
    rows = 1e9 + np.arange(4.0)[:, None] / 16
    assert mean_pairwise_distance(rows) == pytest.approx(pdist(np.arange(4.0)[:, None]).mean() / 16, rel=1e-12)


def test_variety_beside_that_of_classes():
    generated = np.stack([simplex(4, 1.0), 7 + simplex(4, 3.0)])
    real = np.concatenate([simplex(4, 8.0)[:3], 100 + simplex(4, 12.0), np.full((1, 4), 50.0)])
    actual = variety(generated, real, np.array([1, 1, 1, 2, 2, 2, 2, 3]))  # class 3 has one image: no pair
    assert actual["variety"] == pytest.approx(2) and actual["variety_std"] == pytest.approx(np.sqrt(2))
    assert actual["variety_real"] == pytest.approx(10) and actual["variety_ratio"] == pytest.approx(0.2)
    assert (actual["variety_sentences"], actual["variety_images"], actual["variety_classes"]) == (2, 4, 2)


def test_one_caption_has_no_spread():
    actual = variety(simplex(4, 2.0)[None], simplex(3, 8.0), np.zeros(3))
    assert (actual["variety"], actual["variety_std"], actual["variety_sentences"]) == (pytest.approx(2), 0, 1)


def test_a_generator_that_ignores_its_noise():
    generated = np.repeat(np.random.default_rng(1).normal(size=(3, 1, 6)), 5, axis=1)
    assert variety(generated, simplex(3, 2.0), np.zeros(3))["variety_ratio"] == 0


@pytest.mark.parametrize(
    "generated, real, classes, message",
    [
        (np.zeros((2, 1, 3)), simplex(3, 1), [0, 0, 0], "two images per caption"),
        (np.zeros((2, 3, 3)), simplex(3, 1), [0, 1, 2], "no class has two real images"),
        (np.full((2, 3, 3), np.nan), simplex(3, 1), [0, 0, 0], "variety, generated images"),
        (np.zeros((2, 3, 3)), np.full((3, 3), np.inf), [0, 0, 0], "variety, real images"),
    ],
)
def test_what_cannot_be_measured(generated, real, classes, message):
    with pytest.raises(UserError, match=message):
        variety(generated, real, np.array(classes))


def test_fewer_than_two_rows():
    with pytest.raises(ValueError, match="at least 2"):
        mean_pairwise_distance(np.zeros((1, 3)))
