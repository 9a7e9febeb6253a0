"""DAMSM's image encoder: heads against NumPy, Inception against the evaluation's own network, missing weights."""

import numpy as np
import pytest
import tensorflow as tf

from ffgan_tf.models import image_encoder
from ffgan_tf.utils.errors import UserError


def test_heads_are_linear_and_regions_go_row_by_row():
    random = np.random.default_rng(0)
    local, pooled = (random.normal(size=shape).astype(np.float32) for shape in ((2, 3, 4, 5), (2, 7)))
    heads = image_encoder.Heads(d=6, seed=1)
    heads(local, pooled)
    region, code, bias = (np.asarray(weight, np.float64) for weight in heads.get_weights())
    assert np.abs(region).max() <= 0.1 and np.abs(code).max() <= 0.1 and not np.any(bias)
    heads.code.bias.assign(bias := random.normal(size=6))
    regions, codes = heads(local, pooled)
    assert regions.shape == (2, 12, 6)
    np.testing.assert_allclose(regions[1, 4 * 2 + 3], local[1, 2, 3] @ region, rtol=0, atol=1e-6)
    np.testing.assert_allclose(codes, pooled @ code + bias, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [64, 128])
def test_the_small_trunk_has_eight_by_eight_regions(size):
    trunk = image_encoder.SmallTrunk(size, seed=1)
    images = np.random.default_rng(0).uniform(-1, 1, (2, size, size, 3)).astype(np.float32)
    local, pooled = trunk(images, training=True)
    assert local.shape == (2, 8, 8, 256) and pooled.shape == (2, 512)
    # A region sees its own part of the image: change the bottom right corner, and the top left region stays.
    images[:, size // 2 :, size // 2 :] *= -1
    changed = (trunk(images)[0] - trunk(np.where(np.indices(images.shape)[1] < size // 2, images, 0))[0]).numpy()
    assert not np.any(changed[:, 0, 0]) and np.any(changed[:, 7, 7])


def test_missing_weights_say_what_to_fetch_and_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    with pytest.raises(UserError) as error:
        image_encoder.inception_weights_path("imagenet")
    for part in (
        "https://",
        "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "--trunk_weights=PATH",
        str(tmp_path / "keras" / "models"),
    ):
        assert part in str(error.value)
    with pytest.raises(UserError, match="other.h5 is missing"):
        image_encoder.inception_weights_path(str(tmp_path / "other.h5"))
    found = tmp_path / "keras" / "models" / image_encoder.NOTOP
    found.parent.mkdir(parents=True)
    found.write_bytes(b"h5")
    assert image_encoder.inception_weights_path("imagenet") == found


@pytest.mark.slow
def test_inception_is_the_evaluation_s_own_network(tmp_path):
    from ffgan_tf.evaluation.inception.networks import load_network

    network = tf.keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(299, 299, 3))
    random, path = np.random.default_rng(0), tmp_path / "weights_notop.h5"
    for variable in network.variables:  # statistics and shifts away from 0 and 1
        if "moving" in variable.name or "beta" in variable.name:
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
    network.save_weights(str(path))
    images = random.integers(0, 256, (2, 299, 299, 3), np.uint8)
    trunk = image_encoder.InceptionTrunk(path)
    local, pooled = trunk(tf.constant(images / 127.5 - 1, tf.float32))
    assert local.shape == (2, *image_encoder.LOCAL_SHAPE) and pooled.shape == (2, image_encoder.POOLED_SIZE)
    taps = load_network("keras", str(path), batch_size=2).features(images)
    for ours, theirs in ((np.mean(local, (1, 2)), taps["768"]), (pooled.numpy(), taps["2048"])):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * np.abs(theirs).max())
    # Any size is resized to 299.
    assert trunk(tf.zeros([1, 64, 64, 3]))[0].shape == (1, 17, 17, 768)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="weights_notop.h5: not a weights file of Keras's InceptionV3"):
        image_encoder.InceptionTrunk(path)
