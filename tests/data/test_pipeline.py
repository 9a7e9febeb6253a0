"""The input pipeline: order, augmentation and captions as functions of (seed, position)."""

import io
import itertools
from collections import Counter

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from PIL import Image

from ffgan_tf.data import pipeline, records
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.utils.errors import UserError

# A crop's outermost columns are decoded without the colour of their neighbours outside: not those of the whole image.
EDGE = slice(2, -2)
SETTINGS = dict(max_size=64, image_size=64, batch=6, max_words=18, noise_dim=20, seed=3)


@pytest.fixture(scope="module")
def split(tiny_records) -> pipeline.Split:
    return pipeline.load_split(str(tiny_records), "train")


def take(split: pipeline.Split, count: int, **changes) -> list[dict[str, np.ndarray]]:
    batches = pipeline.training_batches(split, **{**SETTINGS, **changes})
    return list(batches.take(count).as_numpy_iterator())


def joined(batches: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for key in one:
        np.testing.assert_array_equal(one[key], other[key], err_msg=key)


def jpeg(height: int, width: int, seed: int = 1, coarse: int = 8) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height // coarse, width // coarse, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def test_a_split_in_memory_is_what_was_converted(tiny_records, split):
    vocabulary = Vocabulary.load(tiny_records / records.VOCABULARY)
    assert len(split.names) == len(set(split.names)) == 24
    for i, name in enumerate(split.names):
        assert name.startswith(f"class_{split.classes[i]}/")
        image = Image.open(io.BytesIO(split.jpegs[i].numpy()))
        assert image.size == (split.width[i], split.height[i])
        assert split.caption_counts[i] == len(split.texts[i]) == 10
        for j, text in enumerate(split.texts[i]):
            assert text == (tiny_records.parent / f"{name}.txt").read_text().splitlines()[j]
            assert vocabulary.decode(split.tokens[i, j]) == text
            assert split.lengths[i, j] == len(text.split())
            assert not split.tokens[i, j, split.lengths[i, j] :].any()


def test_every_image_once_an_epoch_in_another_order(split):
    index = joined(take(split, 20))["index"].reshape(5, 24)  # four batches of 6 an epoch
    np.testing.assert_array_equal(np.sort(index, axis=1), np.tile(np.arange(24), (5, 1)))
    assert len({tuple(epoch) for epoch in index}) == 5
    # Epochs hold at batch sizes that do not divide them too: the order is one of positions.
    np.testing.assert_array_equal(joined(take(split, 12, batch=10))["index"], index.reshape(-1))
    assert list(joined(take(split, 4, seed=4))["index"]) != list(index[0])


def test_a_stream_begun_at_a_step_is_the_rest_of_the_whole_one(split):
    whole = take(split, 7)
    for step in (1, 5):
        assert_same(joined(take(split, 2, start_step=step)), joined(whole[step : step + 2]))


@pytest.mark.parametrize("replicas", [2, 3])
def test_replicas_together_see_what_one_would(split, replicas):
    parts = [take(split, 3, start_step=2, replica=replica, replicas=replicas) for replica in range(replicas)]
    for step, batch in enumerate(take(split, 3, start_step=2)):
        assert_same(joined([part[step] for part in parts]), batch)


def test_a_batch_that_replicas_cannot_share_is_refused(split):
    with pytest.raises(UserError, match="--batch=6 cannot be shared evenly by 4 replicas"):
        pipeline.training_batches(split, **SETTINGS, replicas=4)


def test_a_batch_is_of_its_images(split):
    batch = take(split, 1)[0]
    assert batch["image"].shape == (6, 64, 64, 3) and batch["image"].dtype == np.uint8
    for i, index in enumerate(batch["index"]):
        assert batch["classes"][i] == split.classes[index]
        image = tf.io.decode_jpeg(split.jpegs[index], dct_method="INTEGER_ACCURATE").numpy()
        windows = np.lib.stride_tricks.sliding_window_view(image, (64, 60, 3))[:, 2:-2, 0]  # see EDGE
        crops = batch["image"][i][:, EDGE], batch["image"][i][:, ::-1][:, EDGE]
        assert sum(np.all(windows == crop, axis=(2, 3, 4)).sum() for crop in crops) == 1
        words = list(batch["tokens"][i][: batch["lengths"][i]])
        captions = [list(row[:n]) for row, n in zip(split.tokens[index], split.lengths[index])]
        assert words in captions or len(words) == 18
        assert not batch["tokens"][i][batch["lengths"][i] :].any()


@pytest.mark.parametrize("ratio", [1, 2, 4])
def test_crops_against_whole_decodings(ratio):
    height, width, size = 307, 357, 256 // ratio  # odd: a scaled JPEG's size is rounded up
    encoded = jpeg(height, width)
    whole = tf.io.decode_jpeg(encoded, ratio=ratio, dct_method="INTEGER_ACCURATE").numpy()
    assert whole.shape == (-(-height // ratio), -(-width // ratio), 3)
    pillow = Image.open(io.BytesIO(encoded))
    pillow.draft("RGB", (width // ratio, height // ratio))
    pillow = np.asarray(pillow, float)
    rooms = whole.shape[0] - size, whole.shape[1] - size
    for down, right in itertools.product((0.0, 0.4, 1.0), repeat=2):
        top, left = (min(int(u * (room + 1)), room) for u, room in zip((down, right), rooms))
        where = slice(top, top + size), slice(left, left + size)
        for flip in (False, True):
            crop = pipeline.crop_at(
                tf.constant(encoded),
                tf.constant(height),
                tf.constant(width),
                size,
                256,
                tf.constant([down, right]),
                tf.constant(flip),
            ).numpy()
            crop = crop[:, ::-1] if flip else crop
            np.testing.assert_array_equal(crop[:, EDGE], whole[where][:, EDGE])
            assert np.abs(crop - pillow[where]).mean() < (0.1 if ratio == 1 else 1.5)


def test_crops_mirrors_and_captions_are_uniform(split):
    # One image of 76 x 76, over and over: 13 x 13 places, mirrored or not, each crop known by its bytes.
    encoded = jpeg(76, 76, coarse=2)
    one = split._replace(
        jpegs=tf.constant([encoded]),
        height=np.array([76], np.int32),
        width=np.array([76], np.int32),
        classes=split.classes[:1],
        names=split.names[:1],
        texts=split.texts[:1],
        tokens=np.arange(1, 11, dtype=np.int32)[None, :, None],
        lengths=np.ones([1, 10], np.int32),
        caption_counts=np.array([10], np.int32),
    )
    whole = tf.io.decode_jpeg(encoded, dct_method="INTEGER_ACCURATE").numpy()
    offsets = {}
    for top, left in itertools.product(range(13), repeat=2):
        crop = whole[top : top + 64, left + 2 : left + 62]
        offsets[crop.tobytes()] = (top, left, False)
        offsets[crop[:, ::-1].tobytes()] = (top, left, True)
    assert len(offsets) == 338
    drawn = joined(take(one, 67, batch=100))
    actual = Counter(offsets[image[:, EDGE].tobytes()] for image in drawn["image"])
    counts = [actual[offset] for offset in offsets.values()]
    assert scipy.stats.chisquare(counts).pvalue > 0.01
    captions = Counter(drawn["tokens"][:, 0].tolist())
    assert scipy.stats.chisquare([captions[i] for i in range(1, 11)]).pvalue > 0.01
    # Place and caption are drawn apart.
    table = np.zeros([13, 10])
    np.add.at(table, ([offsets[image[:, EDGE].tobytes()][0] for image in drawn["image"]], drawn["tokens"][:, 0] - 1), 1)
    assert scipy.stats.chi2_contingency(table).pvalue > 0.01
    # The noise is N(0, 1), another at every position.
    assert scipy.stats.kstest(drawn["noise"].ravel(), "norm").pvalue > 0.01
    assert np.abs(np.corrcoef(drawn["noise"][:-1].ravel(), drawn["noise"][1:].ravel())[0, 1]) < 0.01


def test_a_long_caption_keeps_any_subset_in_order():
    tokens = tf.constant([11, 12, 13, 14, 15, 16, 0, 0, 0])
    pick = tf.function(lambda seed: pipeline.pick_words(tokens, tf.constant(6), 4, tf.stack([5, seed])))
    drawn = [pick(tf.constant(seed)) for seed in range(900)]
    assert {int(length) for _, length in drawn} == {4}
    counts = Counter(tuple(words.numpy()) for words, _ in drawn)
    assert set(counts) == set(itertools.combinations(range(11, 17), 4))
    assert scipy.stats.chisquare(list(counts.values())).pvalue > 0.01
    np.testing.assert_array_equal(pick(tf.constant(8))[0], drawn[8][0])


@pytest.mark.parametrize("width, length", [(9, 4), (9, 1), (3, 3), (4, 2)])
def test_a_short_caption_is_left_alone(width, length):
    tokens = np.zeros(width, np.int32)
    tokens[:length] = np.arange(1, length + 1)
    words, kept = pipeline.pick_words(tf.constant(tokens), tf.constant(length), 4, tf.constant([1, 2]))
    assert int(kept) == length
    np.testing.assert_array_equal(words, [*range(1, length + 1), *[0] * (4 - length)])


def test_evaluation_sees_the_middle_of_every_image(split):
    images = np.concatenate(
        list(pipeline.centre_images(split, max_size=64, image_size=64, batch=5).as_numpy_iterator())
    )
    assert len(images) == 24
    for image, encoded in zip(images, split.jpegs):
        whole = tf.io.decode_jpeg(encoded, dct_method="INTEGER_ACCURATE").numpy()
        # The middle; where the room is odd, either side of it.
        tops, lefts = ({(side - 64) // 2, (side - 63) // 2} for side in whole.shape[:2])
        assert any(
            np.array_equal(image[:, EDGE], whole[top : top + 64, left + 2 : left + 62])
            for top in tops
            for left in lefts
        )
    np.testing.assert_array_equal(pipeline.centre_crops(split, max_size=64, image_size=64), images)
    some = pipeline.centre_crops(split, max_size=64, image_size=64, only=[7, 2])
    np.testing.assert_array_equal(some, images[[7, 2]])


@pytest.mark.parametrize("max_size, size, ratio", [(256, 256, 1), (256, 128, 2), (256, 64, 4), (128, 64, 2)])
def test_sizes_that_records_serve(max_size, size, ratio):
    assert pipeline.size_ratio(max_size, size, "data") == ratio


@pytest.mark.parametrize("max_size, size", [(64, 128), (64, 256), (128, 256), (256, 96)])
def test_a_size_that_records_do_not_serve_is_refused(max_size, size):
    with pytest.raises(UserError, match=f"--image_size={size}: data was converted for at most {max_size}"):
        pipeline.size_ratio(max_size, size, "data")


def captions_of(split, batch) -> list[list[int]]:
    """Which captions of its image each sample of a batch of several has: by their tokens, all that fit."""
    found = []
    for place, rows, lengths in zip(batch["index"], batch["tokens"], batch["lengths"]):
        found.append([int(np.argmax((split.tokens[place] == row).all(1))) for row in rows])
        assert all(split.lengths[place, caption] == length for caption, length in zip(found[-1], lengths))
    return found


def test_several_captions_of_an_image_are_different_unless_repeats_are_wanted(split):
    """Four of ten, all words kept, at 120 positions. With repeats 1 − 10·9·8·7/10⁴ = 0.496 have one."""
    longest = split.tokens.shape[2]
    wanted = dict(max_words=longest, captions=4)
    chosen, repeated = (
        [row for batch in take(split, 20, captions_repeat=repeat, **wanted) for row in captions_of(split, batch)]
        for repeat in (False, True)
    )
    assert all(len(set(row)) == 4 for row in chosen)
    share = np.mean([len(set(row)) < 4 for row in repeated])
    assert abs(share - 0.496) < 4 * np.sqrt(0.25 / len(repeated))
    for rows in (chosen, repeated):
        counts = Counter(itertools.chain.from_iterable(rows))
        assert scipy.stats.chisquare([counts[i] for i in range(10)]).pvalue > 1e-4
    # The rest of the sample is as with one caption.
    one, four = take(split, 1)[0], take(split, 1, **wanted)[0]
    for key in ("image", "classes", "index", "noise"):
        np.testing.assert_array_equal(one[key], four[key])
    assert four["tokens"].shape == (6, 4, longest) and four["lengths"].shape == (6, 4)


def test_an_image_with_fewer_captions_gives_some_twice():
    for count in (1, 3):
        chosen = pipeline.choose_captions(tf.constant(count), 4, False, 1, tf.constant(5, tf.int64))
        numbers = [int(number) for number in chosen]
        assert set(numbers) == set(range(count)) and numbers[count:] == numbers[: 4 - count]


def test_a_long_caption_that_is_drawn_twice_keeps_other_words_each_time(split):
    """Of ten captions three are longer than 8 words: 6 · 3/100 pairs a sample are one of those twice."""
    batch = joined(take(split, 40, max_words=8, captions=4, captions_repeat=True))
    same = []
    for position, (rows, lengths) in enumerate(zip(batch["tokens"], batch["lengths"])):
        drawn = pipeline.choose_captions(tf.constant(10), 4, True, SETTINGS["seed"], tf.constant(position, tf.int64))
        whole = split.lengths[batch["index"][position]][np.array(drawn)]
        assert lengths.tolist() == np.minimum(whole, 8).tolist()
        for i, j in itertools.combinations(range(4), 2):
            if int(drawn[i]) == int(drawn[j]) and whole[i] > 8:
                same.append(np.array_equal(rows[i], rows[j]))
    assert len(same) > 20 and np.mean(same) < 0.2
