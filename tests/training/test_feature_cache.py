"""Cached features are the trunk's, of every image and its mirror image; nothing is computed twice or read stale."""

import collections

import numpy as np
import pytest
import tensorflow as tf

from ffgan_tf.data.pipeline import centre_images, load_split
from ffgan_tf.training import feature_cache
from ffgan_tf.utils.errors import UserError

SHAPE, POOLED = (4, 4, 3), 6


@pytest.fixture
def split(tiny_records, monkeypatch):
    monkeypatch.setattr(feature_cache, "PER_FOLDER", 10)
    monkeypatch.setattr(feature_cache, "LOCAL_SHAPE", SHAPE)
    monkeypatch.setattr(feature_cache, "POOLED_SIZE", POOLED)
    monkeypatch.setattr(feature_cache, "BATCH", 4)
    return load_split(str(tiny_records), "train")


def trunk(images):
    """A small image, and the colours of its left and right halves."""
    halves = tf.split(images, 2, axis=2)
    return tf.image.resize(images, [4, 4], "area"), tf.concat([tf.reduce_mean(half, [1, 2]) for half in halves], 1)


def no_trunk(images):
    raise AssertionError("computed again")


def make(split, folder, network=trunk, views=2, stopped=lambda: False, **key):
    key = {"split": "train", "image_size": 64, "views": views, **key}
    return feature_cache.cached_features(network, key, split, 64, folder, stopped)


def test_features_of_every_image_and_its_mirror_image(split, tmp_path):
    features = make(split, tmp_path)
    images = np.concatenate(list(centre_images(split, max_size=64, image_size=64, batch=8).as_numpy_iterator()))
    for view, seen in enumerate((images, images[:, :, ::-1])):
        local, pooled = trunk(tf.constant(seen / 127.5 - 1, tf.float32))
        for i in range(24):
            actual = features.read(i, bool(view))
            assert actual[0].dtype == actual[1].dtype == np.float16
            np.testing.assert_allclose(actual[0], local[i], rtol=0, atol=1e-3)
            np.testing.assert_allclose(actual[1], pooled[i], rtol=0, atol=1e-3)
    data = tf.data.Dataset.from_tensor_slices(([3, 17], [True, False])).map(features.tensors)
    for (local, pooled), (index, mirrored) in zip(data, ((3, True), (17, False))):
        np.testing.assert_array_equal(local, features.read(index, mirrored)[0])
        np.testing.assert_array_equal(pooled, features.read(index, mirrored)[1])


def test_nothing_is_computed_twice_and_a_damaged_part_again(split, tmp_path):
    first = make(split, tmp_path)
    again = make(split, tmp_path, no_trunk)
    np.testing.assert_array_equal(first.read(23, True)[0], again.read(23, True)[0])
    (damaged,) = tmp_path.glob("*/00001/local.npy")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    calls = []
    fixed = make(split, tmp_path, lambda images: calls.append(1) or trunk(images))
    assert calls
    for index in (0, 12, 23):
        np.testing.assert_array_equal(first.read(index, False)[0], fixed.read(index, False)[0])
    assert not list(tmp_path.glob("*/.*"))


def test_other_weights_or_records_have_other_features(split, tmp_path):
    make(split, tmp_path, weights_sha256="a")
    with pytest.raises(AssertionError, match="computed again"):
        make(split, tmp_path, no_trunk, weights_sha256="b")


def test_the_key_holds_weights_records_and_size(tiny_records, tmp_path):
    weights = tmp_path / "w.h5"
    weights.write_bytes(b"one")
    key = feature_cache.key_of(tiny_records, "train", 64, weights, 2)
    assert feature_cache.key_of(tiny_records, "train", 64, weights, 2) == key
    others = [
        feature_cache.key_of(tiny_records, "test", 64, weights, 2),
        feature_cache.key_of(tiny_records, "train", 128, weights, 2),
    ]
    weights.write_bytes(b"two")
    others.append(feature_cache.key_of(tiny_records, "train", 64, weights, 2))
    assert all(other != key for other in others)


def test_stopped_and_continued(split, tmp_path):
    asked = iter([False] * 4 + [True] * 9)
    with pytest.raises(feature_cache.Stopped):
        make(split, tmp_path, stopped=lambda: next(asked))
    kept = sorted(path.name for path in tmp_path.glob("*/*"))
    assert kept == ["00000", "features.json"]
    before = (next(tmp_path.glob("*/00000")) / "local.npy").stat().st_mtime_ns
    assert make(split, tmp_path).read(23, False)[0].shape == SHAPE
    assert (next(tmp_path.glob("*/00000")) / "local.npy").stat().st_mtime_ns == before


def test_what_does_not_fit_is_told(split, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="do not fit float16"):
        make(split, tmp_path, lambda images: [1e6 * value for value in trunk(images)])
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(feature_cache.shutil, "disk_usage", lambda path: usage(10, 9, 1))
    with pytest.raises(UserError, match=r"--cache_dir=.*--nocache_features"):
        make(split, tmp_path)
