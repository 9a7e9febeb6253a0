"""A generator of twice the S that begins with the smaller one's images: by NumPy's least squares and TensorFlow's own
resizing."""

import contextlib
import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from networks import error, uneven
from two_sizes import CONFIG, SENTENCES, pair, texts

from ffgan_tf.models import blocks
from ffgan_tf.training.doubling import GAIN, add_stage, double, fit, hindrance

NGF = CONFIG.ngf


def enlarged(x: tf.Tensor) -> tf.Tensor:
    return tf.image.resize(x, (2 * x.shape[1], 2 * x.shape[2]))


@pytest.mark.parametrize("smooth, edges", [(False, False), (False, True), (True, True)])
def test_a_linear_map_is_fitted_but_for_the_gates(smooth, edges):
    """Nearest ×2, then the kernel and a bias, of more maps than are held at a time; NumPy's padding tells the edges."""
    up = blocks.Up(3, smooth=smooth, edges=edges)
    x = tf.random.stateless_normal((12, 8, 8, 5), (1, 2))
    up(x)
    uneven(up, 3)
    kernel, bias = tf.random.stateless_normal((3, 3, 5, 3), (3, 4)), [3.0, -2.0, 0.5]
    padded = np.pad(
        np.repeat(np.repeat(x, 2, 1), 2, 2), ((0, 0), (1, 1), (1, 1), (0, 0)), "edge" if edges else "constant"
    )
    wanted = tf.nn.conv2d(padded, kernel, 1, "VALID")
    wanted = (blocks.blur(wanted) if smooth else wanted) + bias
    before = error(up(x), wanted)
    fit(up, x, wanted)
    assert before > 0.5 and 0.005 < error(up(x), wanted) < 0.08
    # Batch norm's statistics are the maps' own: over these x, training mode gives the same.
    np.testing.assert_allclose(up(x, training=True), up(x), atol=1e-3)


@pytest.mark.parametrize("size", [64, 128])
def test_f1_is_the_nearest_to_f2f(size):
    small, large = pair(size, {})
    given = texts(CONFIG)
    wanted = small(*given).features["F2f"]
    double(large, small, given)
    condition = large.augment(given.sentence, given.epsilon)[0]
    x = large.stage1.coarse(condition, given.noise)
    for up in large.stage1.tail[:-1]:
        x = up(x)
    padded = np.pad(np.repeat(np.repeat(x, 2, 1), 2, 2), ((0, 0), (1, 1), (1, 1), (0, 0)), "edge")
    side = wanted.shape[1]
    shifted = [padded[:, i : i + side, j : j + side] for i in range(3) for j in range(3)]
    rows = np.concatenate([*shifted, np.ones_like(padded[:, :side, :side, :1])], -1).reshape(SENTENCES * side**2, -1)
    best = np.float64(rows) @ np.linalg.lstsq(np.float64(rows), np.reshape(wanted, (len(rows), -1)), rcond=None)[0]
    left = error(best, np.reshape(wanted, best.shape))
    found = error(large(*given).features["F1"], wanted)
    assert left < 0.9 and found == pytest.approx(left, abs=0.06)


@pytest.mark.parametrize(
    "fusion, others", [("fixed", "fixed"), ("learned", "grown"), ("grown", "fixed"), ("fixed", "learned")]
)
def test_from_f1_on_it_draws_the_smaller_ones_images(fusion, others):
    """With the smaller one's F_2f as F1: the same F_3f as F_2f, and all that follows enlarged."""
    small, large = pair(64, {"fusion": fusion, "refine": 1}, fusion=others, discriminators=3)
    if small.fuse is not None:  # c = a·b: H_L2 reads nothing but F_2f
        small.fuse[2].assign(small.fuse[0] * small.fuse[1])
    given = texts(CONFIG)
    wanted = small(*given)
    double(large, small, given, gain=0.0)
    large.stage1 = lambda condition, noise, training: wanted.features["F2f"]
    found = large(*given)
    np.testing.assert_allclose(found.features["F2f"], wanted.features["F3f"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.features["F3f"], enlarged(wanted.features["F3f"]), rtol=1e-4, atol=1e-4)
    for image, theirs in zip(found.images[:2], wanted.images[1:], strict=True):
        np.testing.assert_allclose(image, theirs, atol=1e-4)
    edges = tf.pad(enlarged(wanted.features["F3f"]), [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    last = tf.tanh(tf.nn.conv2d(edges, small.to_image.kernel, 1, "VALID"))
    np.testing.assert_allclose(found.image, last, atol=1e-4)
    # Nothing of the new stage is seen yet, but it can learn.
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(large(*given).image ** 2)
    assert np.abs(tape.gradient(loss, large.stage3.up.norm.gamma)[:NGF]).max() > 0


@pytest.mark.parametrize("fusion", ["fixed", "grown"])
def test_two_stages_draw_the_smaller_ones_images_as_they_are(fusion):
    small, large = pair(64, {"image_size": 64, "generator_stages": 2}, fusion=fusion, refine=1)
    large.refine[0].set_weights(small.refine[0].get_weights())  # of the same S, so `--init_from` has taken it
    if small.fuse is not None:
        small.fuse[2].assign(small.fuse[0] * small.fuse[1])
    given = texts(CONFIG)
    wanted = small(*given)
    double(large, small, given)
    assert error(large(*given).features["F1"], wanted.features["F2f"]) < 0.9
    large.stage1 = lambda condition, noise, training: wanted.features["F2f"]
    np.testing.assert_allclose(large(*given).image, wanted.image, atol=1e-4)


@pytest.mark.parametrize("fusion", ["fixed", "learned"])
@pytest.mark.parametrize("word_attention", [True, False])
def test_a_third_stage_enlarges_what_two_draw(fusion, word_attention):
    """Three stages at twice the S with the weights of two, whatever stage 3 was before."""
    settings = {"fusion": fusion, "word_attention": word_attention}
    small, large = pair(64, {"generator_stages": 3}, generator_stages=2, **settings)
    for name in ("attend1", "stage2", "lateral1", "to_image"):
        if (layer := getattr(large, name)) is not None:
            for own, value in zip(layer.variables, getattr(small, name).variables, strict=True):
                own.assign(value)
    if large.fuse is not None:
        large.fuse[0].assign(small.fuse[0])
    given, wanted = texts(CONFIG), small(*texts(CONFIG))
    plain = enlarged(wanted.features["F2f"])
    add_stage(large, gain=0.0)
    silent = large(*given)
    np.testing.assert_allclose(silent.features["F2f"], wanted.features["F2f"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(silent.features["F3f"], plain, rtol=1e-4, atol=1e-4)
    add_stage(large, gain=1.0)
    loud = large(*given).features["F3f"] - plain
    add_stage(large)
    np.testing.assert_allclose(large(*given).features["F3f"] - plain, GAIN * loud, atol=1e-4)
    assert tf.math.reduce_std(loud) > 0.1
    for own, value in zip(large.stage3.dense.variables, small.stage2.dense.variables, strict=True):
        np.testing.assert_array_equal(own, value)
    if word_attention:
        np.testing.assert_array_equal(large.attend2.project.kernel, small.attend1.project.kernel)


def test_in_a_strategys_scope_it_is_the_same():
    given, found = texts(CONFIG), []
    for scope in (contextlib.nullcontext(), tf.distribute.MirroredStrategy(["CPU:0"]).scope()):
        with scope:
            tf.keras.utils.set_random_seed(1)
            small, large = pair(64, {}, fusion="learned")
            double(large, small, given)
            found.append(large(*given).image.numpy())
    assert len(large.fuse[0].values) == 1  # mirrored, on one device
    np.testing.assert_allclose(*found, atol=1e-5)


@pytest.mark.parametrize(
    "settings, told",
    [
        ({}, None),
        ({"fusion": "grown", "pyramid": "fpam"}, None),
        ({"fusion": "concat"}, "--fusion=concat"),
        ({"fusion": "none"}, "--fusion=none"),
        ({"dense_growth": 8}, "--dense_growth=4, there 8"),
        ({"word_attention": False}, "--word_attention=True, there False"),
    ],
)
def test_what_hinders(settings, told):
    larger = dataclasses.replace(CONFIG, image_size=128)
    assert hindrance(larger, dataclasses.replace(CONFIG, **settings)) == told
