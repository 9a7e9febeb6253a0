"""Nearest training images: against SciPy, and with training images planted among the generated ones."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from ffgan_tf.utils.errors import UserError
from ffgan_tf.visuals import neighbours
from ffgan_tf.visuals.neighbours import TrainingImages, nearest, neighbours_sheet, pixel_features


def test_nearest_against_scipy():
    rng = np.random.default_rng(0)
    queries, references = rng.normal(size=(70, 5)), rng.normal(size=(90, 5))
    distances = cdist(queries, references)
    order = np.argsort(distances, axis=1)[:, :4]
    indices, actual = nearest(queries, references, 4)
    np.testing.assert_array_equal(indices, order)
    np.testing.assert_allclose(actual, np.take_along_axis(distances, order, 1), rtol=1e-12)


def test_nearest_keeps_small_distances_far_from_the_origin():
    references = 1e4 + np.arange(6.0)[:, None] * np.array([[1e-3, 0]])
    indices, distances = nearest(references[2:3] + [[4e-4, 0]], references, 2)
    assert indices.tolist() == [[2, 3]]
    np.testing.assert_allclose(distances, [[4e-4, 6e-4]], rtol=1e-6)


def test_equal_ones_in_order():
    assert nearest(np.zeros((1, 2)), np.ones((5, 2)), 3)[0].tolist() == [[0, 1, 2]]


def test_pixel_features_are_block_means():
    image = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3), np.uint8)
    actual = pixel_features(image).reshape(32, 32, 3)
    assert actual[5, 9] == pytest.approx(image[0, 10:12, 18:20].reshape(4, 3).mean(0) / 255, abs=1e-6)
    black, grey = np.zeros((1, 64, 64, 3), np.uint8), np.full((1, 64, 64, 3), 51, np.uint8)
    root_mean_square = np.linalg.norm(pixel_features(black) - pixel_features(grey)) / np.sqrt(3072)
    assert root_mean_square == pytest.approx(0.2, rel=1e-6)


@pytest.fixture(scope="module")
def training(tiny_records):
    return TrainingImages(str(tiny_records), 64)


def test_planted_images_are_found(training):
    planted = np.stack([training.image(7), training.image(20)[:, ::-1], training.image(3)])
    actual = training.nearest(planted, 3)
    assert actual.indices[:, 0].tolist() == [7, 20, 3] and actual.mirrored[:, 0].tolist() == [False, True, False]
    assert not actual.distances[:, 0].any() and (actual.distances[:, 1] > 0).all()
    assert all(len(set(row)) == 3 for row in actual.indices.tolist())  # an image and its mirror image are one


def test_the_usual_distance_is_that_of_test_images(training, tiny_records):
    from ffgan_tf.evaluation.images import RecordImages

    features = {
        split: pixel_features(np.stack(list(RecordImages(str(tiny_records), split, 64).read(0, count))))
        for split, count in (("train", 24), ("test", 8))
    }
    both = np.concatenate([features["train"], features["train"].reshape(24, 32, 32, 3)[:, :, ::-1].reshape(24, -1)])
    assert training.usual == pytest.approx(np.median(cdist(features["test"], both).min(1)), rel=1e-5)


class Network:
    """An Inception stand-in: the feature is the mean colour."""

    def features(self, images):
        assert len(images) <= 4
        return {"2048": np.stack([np.asarray(image).mean((0, 1)) for image in images])}

    def protocol(self):
        return {"network": "mean colour"}


def test_by_a_networks_features(tiny_records, tmp_path):
    training = TrainingImages(str(tiny_records), 64, Network(), batch=4, cache_dir=str(tmp_path))
    planted = np.stack([training.image(index)[::-1] for index in (2, 9, 11, 17, 23)])  # upside down: the same mean
    actual = training.nearest(planted, 2)
    assert actual.indices[:, 0].tolist() == [2, 9, 11, 17, 23] and not actual.mirrored.any()
    np.testing.assert_allclose(actual.distances[:, 0], 0, atol=1e-4)


def test_sheet(model, training, tiny_records, monkeypatch):
    from test_canvas import places

    image = training.image(11)
    monkeypatch.setattr(model, "generate", lambda sentences, seeds, truncation: np.stack([image, image[:, ::-1]]))
    sheet = neighbours_sheet(model, training, ["a red bird"], [1, 2], k=2)
    big = image.repeat(2, 0).repeat(2, 1)
    assert len(places(sheet, big)) == 2 and len(places(sheet, big[:, ::-1])) == 2  # generated, and beside it its origin
    for k in (0, 25):
        with pytest.raises(UserError, match=f"--neighbours={k}: the data set has 24"):
            neighbours_sheet(model, training, ["a red bird"], [1], k=k)
    assert neighbours.HELD_OUT >= 8
