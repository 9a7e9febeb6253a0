"""The image encoder's folder: the same encoder and gradient after loading, at any image size; refused folders."""

import json

import numpy as np
import pytest
import tensorflow as tf
from networks import shake

from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.models import build
from ffgan_tf.models.image_encoder import Heads, InceptionTrunk, SmallTrunk, resized
from ffgan_tf.run.encoder_files import load_image_encoder, save_image_encoder, save_text_encoder, trained_together
from ffgan_tf.utils.errors import UserError

PICTURES = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)


@pytest.fixture
def text_folder(tmp_path):
    vocabulary = Vocabulary.from_captions(["a red bird"])
    save_text_encoder(tmp_path / "text_encoder", build.build_text_encoder(len(vocabulary), seed=1), vocabulary, {})
    return tmp_path / "text_encoder"


@pytest.fixture
def small(tmp_path, text_folder):
    """The folder of a small image encoder, and its two shaken networks."""
    heads, trunk = Heads(seed=1, name="heads"), SmallTrunk(64, seed=1, name="trunk")
    heads(*trunk(PICTURES))
    shake(heads), shake(trunk)
    save_image_encoder(tmp_path / "image_encoder", heads, trunk, text_folder, {"step": 5})
    return tmp_path / "image_encoder", heads, trunk


def test_the_small_image_encoder_comes_back(small):
    folder, heads, trunk = small
    encoder = load_image_encoder(folder)
    for loaded, own in zip(encoder(PICTURES), heads(*trunk(PICTURES))):
        np.testing.assert_array_equal(loaded, own)
    assert encoder.about["made_by"] == {"step": 5} and encoder.about["trunk"] == "small"
    # Twice as large: means over 2×2 pixels, in NumPy; as bfloat16 noise or in a compiled function, the same.
    large = np.repeat(np.repeat(PICTURES, 2, 1), 2, 2) + np.tile([[0.1, -0.1], [-0.1, 0.1]], (64, 64))[None, :, :, None]
    for loaded, own in zip(tf.function(encoder)(tf.constant(large, tf.float32)), heads(*trunk(PICTURES))):
        np.testing.assert_allclose(loaded, own, rtol=1e-3, atol=1e-4)
    regions, codes = encoder(PICTURES[:, :40, :40])
    assert regions.shape == (2, 64, 256) and codes.shape == (2, 256)


def test_large_images_are_averaged_small_ones_interpolated():
    images = np.arange(2 * 6 * 6 * 3, dtype=np.float32).reshape(2, 6, 6, 3)
    np.testing.assert_allclose(resized(tf.constant(images), 3), images.reshape(2, 3, 2, 3, 2, 3).mean((2, 4)))
    np.testing.assert_array_equal(resized(tf.constant(images), 6), images)
    assert resized(tf.constant(images), 5).shape == (2, 5, 5, 3)


def test_the_gradient_reaches_the_images(small):
    encoder = load_image_encoder(small[0])
    images, step = tf.constant(PICTURES), 1e-2
    direction = np.random.default_rng(1).normal(size=PICTURES.shape).astype(np.float32)
    direction /= np.linalg.norm(direction)

    def loss(images):
        regions, codes = encoder(images)
        return tf.reduce_mean(regions**2) + tf.reduce_mean(codes**2)

    with tf.GradientTape() as tape:
        tape.watch(images)
        value = loss(images)
    gradient = tape.gradient(value, images).numpy()
    slope = (loss(PICTURES + step * direction) - loss(PICTURES - step * direction)).numpy() / (2 * step)
    assert np.sum(gradient * direction) == pytest.approx(slope, rel=2e-2, abs=1e-6)
    assert np.all(np.abs(gradient).max((1, 2, 3)) > 1e-7)


def test_twins_are_known_and_damage_is_named(small, text_folder, tmp_path):
    folder = small[0]
    assert trained_together(text_folder, folder) and not trained_together(text_folder, tmp_path / "none")
    vocabulary = Vocabulary.from_captions(["a red bird"])
    save_text_encoder(text_folder, build.build_text_encoder(len(vocabulary), seed=2), vocabulary, {})
    assert not trained_together(text_folder, folder)  # another step's
    with pytest.raises(UserError, match="none: not the folder of an image encoder"):
        load_image_encoder(tmp_path / "none")
    with pytest.raises(UserError, match="encoder.json is not that of an image encoder"):
        load_image_encoder(text_folder)
    weights = folder / "weights.npz"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    with pytest.raises(UserError, match=r"weights.npz is not as it was written \(sha256\)"):
        load_image_encoder(folder)


def test_the_vocabulary_lies_beside_the_text_encoder(text_folder):
    assert Vocabulary.load(text_folder / "vocabulary.json").words == Vocabulary.from_captions(["a red bird"]).words


@pytest.mark.parametrize(
    "field, value", [("image_size", 64.0), ("image_size", True), ("image_size", 4), ("trunk", 1), ("made_by", [])]
)
def test_a_field_of_another_type_or_out_of_bounds_is_named(small, field, value):
    about = small[0] / "encoder.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), field: value}))
    with pytest.raises(
        UserError, match=rf"encoder\.json: {field} is .*, which is not that of an image encoder\. Fix: "
    ):
        load_image_encoder(small[0])


@pytest.mark.slow
def test_inception_is_known_by_its_hash_and_differentiable(text_folder, tmp_path, monkeypatch):
    network = tf.keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(299, 299, 3))
    paths = [tmp_path / "one_notop.h5", tmp_path / "other_notop.h5"]
    for path in paths:
        network.save_weights(str(path))
        network.layers[1].set_weights([network.layers[1].get_weights()[0] + 1])
    trunk, heads = InceptionTrunk(paths[0]), Heads(seed=1, name="heads")
    heads(*trunk(PICTURES))
    save_image_encoder(tmp_path / "image_encoder", heads, trunk, text_folder, {})
    with np.load(tmp_path / "image_encoder" / "weights.npz") as kept:
        assert sorted(kept) == ["heads/code/bias", "heads/code/kernel", "heads/region/kernel"]
    about = json.loads((tmp_path / "image_encoder" / "encoder.json").read_text())
    assert about["inception_file"] == "one_notop.h5"
    encoder, images = load_image_encoder(tmp_path / "image_encoder", str(paths[0])), tf.constant(PICTURES)
    with tf.GradientTape() as tape:
        tape.watch(images)
        regions, codes = encoder(images)
        loss = tf.reduce_sum(regions**2) + tf.reduce_sum(codes**2)
    assert regions.shape == (2, 289, 256) and codes.shape == (2, 256)
    assert np.all(np.abs(tape.gradient(loss, images).numpy()).max((1, 2, 3)) > 0)
    for loaded, own in zip((regions, codes), heads(*trunk(PICTURES))):
        np.testing.assert_allclose(loaded, own, rtol=0, atol=1e-6)
    with pytest.raises(UserError, match="other_notop.h5: not the Inception weights .* one_notop.h5"):
        load_image_encoder(tmp_path / "image_encoder", str(paths[1]))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    with pytest.raises(UserError, match="--damsm_trunk_weights=imagenet: .* is missing"):
        load_image_encoder(tmp_path / "image_encoder")
