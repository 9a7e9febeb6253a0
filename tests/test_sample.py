"""Sentences to images: the inputs of an image, the noise's bound, the words, the grid."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from PIL import Image

from ffgan_tf import sample
from ffgan_tf.config import ModelConfig
from ffgan_tf.data.captions import MAX_WORDS, Vocabulary
from ffgan_tf.models import build
from ffgan_tf.run.sampler import Sampler, load_run, truncated
from ffgan_tf.run.sentence_flags import Line
from ffgan_tf.utils import grid, pixels
from ffgan_tf.utils.errors import UserError

CONFIG = ModelConfig(image_size=64, ngf=4, z_dim=10, c_dim=12, pyramid="none", dense_depth=1, dense_growth=8)
SENTENCES = [[3, 1, 4], [1, 5, 9, 2, 6], [5], [3, 5, 8, 9, 7, 9, 3]]


@pytest.fixture(scope="module")
def models():
    tf.keras.utils.set_random_seed(1)
    generator = build.build_generator(CONFIG)
    for variable in generator.variables:  # so that images are far from grey, and words show
        if "to_image" in variable.name or "project" in variable.name:
            variable.assign(8 * variable)
    return generator, build.build_text_encoder(12, 1.0, 1)


@pytest.fixture(scope="module")
def sampler(models) -> Sampler:
    return Sampler(*models, CONFIG.z_dim, CONFIG.c_dim, batch=3)


@pytest.fixture(scope="module")
def images(sampler) -> np.ndarray:
    return sampler(SENTENCES, seed=5, ids=[7, 0, 7, 2])


def test_a_image_is_the_generators_for_its_noise(models, images):
    generator, encoder = models
    noise = tf.random.stateless_normal([22], [5, 2])[None]  # the last: seed 5, id 2
    sentence, words = encoder(tf.constant(SENTENCES[3:]), tf.constant([7]))
    image = generator(sentence, words, tf.ones([1, 7], tf.bool), noise[:, :10], noise[:, 10:]).image
    want = np.clip((image[0].numpy() + 1) * 127.5, 0, 255)
    assert images.shape == (4, 64, 64, 3) and images.dtype == np.uint8
    assert np.abs(images[3] - want).max() < 0.6
    assert images[3].std() > 20


def test_neighbours_do_not_matter(sampler, images):
    np.testing.assert_array_equal(sampler([SENTENCES[1], SENTENCES[0]], seed=5, ids=[0, 7]), images[[1, 0]])
    np.testing.assert_array_equal(sampler(SENTENCES[3:], seed=5, ids=[2]), images[3:])


def test_places_said_to_be_alike_are(sampler):
    """Other samples, by the graph that draws all images: another graph may sum in another order."""
    alike = sampler.alike()
    assert len(alike) == 3 and all(first <= place for place, first in enumerate(alike))
    for sentence in SENTENCES:
        images = sampler([sentence] * 3, seed=5, ids=[7] * 3, truncation=0.9)
        for place in range(3):
            np.testing.assert_array_equal(images[place], images[alike[place]])


def test_places_that_differ_for_one_sample_are_not_alike(models, monkeypatch):
    """A generator whose third place is one level up for short sentences, its fourth for long ones."""
    sampler = Sampler(*models, CONFIG.z_dim, CONFIG.c_dim, batch=5)

    def images(tokens, lengths, *_):
        values = np.zeros((5, 4, 4, 3), np.uint8)
        values[2 if lengths[0] < 5 else 3] += 1
        return tf.constant(values)

    monkeypatch.setattr(sampler, "_images", images)
    assert sampler.alike() == [0, 0, 2, 3, 0]


def test_the_batch_size_does_not_matter(models, images):
    other = Sampler(*models, CONFIG.z_dim, CONFIG.c_dim, batch=4)(SENTENCES, seed=5, ids=[7, 0, 7, 2])
    # Other batch sizes may add up in another order: a level of 256 at most.
    assert np.abs(other.astype(int) - images).max() <= 1


def test_sentence_noise_and_seed_all_matter(sampler, images):
    def apart(one, other):
        return np.abs(one.astype(int) - other).mean() > 1

    assert apart(images[0], images[2])  # same noise, another sentence
    assert apart(sampler(SENTENCES[:1], seed=5, ids=[8])[0], images[0])
    assert apart(sampler(SENTENCES[:1], seed=6, ids=[7])[0], images[0])
    np.testing.assert_array_equal(sampler(SENTENCES[:2], seed=5), sampler(SENTENCES[:2], seed=5, ids=[0, 1]))


def test_words_beyond_the_limit_are_cut(sampler):
    long = [1 + i % 11 for i in range(MAX_WORDS + 6)]
    np.testing.assert_array_equal(sampler([long], seed=1), sampler([long[:MAX_WORDS]], seed=1))


def test_truncation_reaches_the_image(sampler, images):
    assert np.abs(sampler(SENTENCES, seed=5, ids=[7, 0, 7, 2], truncation=0.5).astype(int) - images).mean() > 1
    # A bound that nothing reaches changes next to nothing.
    wide = sampler(SENTENCES, seed=5, ids=[7, 0, 7, 2], truncation=5.0)
    assert np.abs(wide.astype(int) - images).max() <= 1


@pytest.mark.parametrize("bound", [0.3, 1.0, 2.0, 6.0])
def test_truncated_noise_is_the_truncated_normal(bound):
    draws = np.concatenate([tf.random.stateless_normal([100_000], [1, 2]), [-9.0, 9.0, 0.0]]).astype(np.float32)
    cut = truncated(tf.constant(draws), tf.constant(bound)).numpy()
    assert np.abs(cut).max() <= np.float32(bound)
    assert scipy.stats.kstest(cut[:-3], scipy.stats.truncnorm(-bound, bound).cdf).pvalue > 0.01
    assert np.diff(cut[np.argsort(draws)]).min() > -1e-5 and cut[-1] == 0  # order kept, but for rounding


def test_unknown_words_are_named(capsys):
    vocabulary = Vocabulary(["<end>", "a", "bird", "red"])
    sample.check_words([Line("A red zeppelin-bird", "--text"), Line("bird", "--text")], vocabulary)
    assert capsys.readouterr().err == "warning: not in the vocabulary, left out of 'A red zeppelin-bird': zeppelin\n"
    for hopeless in ("zeppelin", "", "…"):
        with pytest.raises(UserError, match="^here, line 7: none of the words of .* is in the run's vocabulary"):
            sample.check_words([Line("bird", "--text"), Line(hopeless, "here, line 7")], vocabulary)


def test_sentences_of_both_flags(tmp_path):
    file = tmp_path / "sentences.txt"
    file.write_text("one bird\n\n  zwei Vögel \n", encoding="utf-8")
    assert sample.read_lines(["first"], str(file)) == [
        Line("first", "--text"),
        Line("one bird", f"--text_file={file}, line 1"),
        Line("zwei Vögel", f"--text_file={file}, line 3"),
    ]
    file.write_bytes("one\ntwo\nVögel".encode("latin-1"))
    with pytest.raises(UserError, match="line 3: not UTF-8"):
        sample.read_lines([], str(file))
    for flags in (([], ""), (["first"], str(tmp_path / "none.txt"))):
        with pytest.raises(UserError, match="--text"):
            sample.read_lines(*flags)


def test_file_names():
    assert sample.file_name(3, "A small, yellow bird!", 1) == "03-a-small-yellow-bird-1.png"
    assert len(sample.file_name(12, "word " * 100, 10)) < 80


def test_to_uint8_is_the_nearest_level():
    levels = np.arange(256)
    np.testing.assert_array_equal(pixels.to_uint8(levels / 127.5 - 1), levels)
    np.testing.assert_array_equal(pixels.to_uint8((levels[:-1] + 0.49) / 127.5 - 1), levels[:-1])
    np.testing.assert_array_equal(pixels.to_uint8((levels[:-1] + 0.51) / 127.5 - 1), levels[1:])
    np.testing.assert_array_equal(pixels.to_uint8(np.array([-1.5, 1.5])), [0, 255])


@pytest.mark.parametrize(
    "count, columns, size", [(1, None, (1, 1)), (5, None, (3, 2)), (16, None, (4, 4)), (6, 2, (2, 3))]
)
def test_grid_of_images(count, columns, size):
    images = np.random.default_rng(count).integers(0, 255, (count, 64, 64, 3), np.uint8)  # no white, but between
    sheet = grid.grid(images, columns=columns).copy()
    wide, high = size
    assert sheet.shape == (high * 68 + 4, wide * 68 + 4, 3)
    for i, image in enumerate(images):
        row, column = divmod(i, wide)
        top, left = 4 + 68 * row, 4 + 68 * column
        np.testing.assert_array_equal(sheet[top : top + 64, left : left + 64], image)
        sheet[top : top + 64, left : left + 64] = 255
    assert (sheet == 255).all()


def test_grid_with_sentences():
    images = np.zeros((4, 64, 64, 3), np.uint8)
    words = ["short", "a sentence that takes more than one line below an image of this width", "größe 鳥", ""]
    image = grid.grid(images, words)
    lines = (image.shape[0] - 4) // 2 - 128 - 4 - grid.GAP
    assert image.shape[1] == 2 * (128 + 4) + 4 and lines % grid.LINE == 0 and lines // grid.LINE >= 3
    for i, words_beneath in enumerate((True, True, True, False)):
        top, left = 4 + (i // 2) * (128 + lines + 8), 4 + (i % 2) * 132
        assert (image[top : top + 128, left : left + 128] == 0).all()  # twice as large
        assert (image[top + 128 : top + 128 + lines, left : left + 128] < 128).any() == words_beneath


def test_png_keeps_every_pixel(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    (tmp_path / "image.png").write_bytes(grid.png(image))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "image.png")), image)


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(UserError, match="config.json is missing"):
        load_run(tmp_path)
