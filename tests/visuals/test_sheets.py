"""The sheets of one run: the images on them are `generate`'s, the maps `explain`'s."""

import numpy as np
import pytest
import tensorflow as tf
from test_canvas import places

from ffgan_tf.utils.errors import UserError
from ffgan_tf.visuals import maps, sheets
from ffgan_tf.visuals.between import Between
from ffgan_tf.visuals.sentences import Stop

SENTENCE = "a red bird number 3"


def shown(sheet, image, times=2):
    """How often an image stands on a sheet, magnified."""
    return len(places(sheet, image.repeat(times, 0).repeat(times, 1)))


def test_attention(model):
    sheet = sheets.attention_sheet(model, SENTENCE, seed=4)
    actual = model.explain(SENTENCE, 4)
    assert shown(sheet, actual.image) == 1
    for level in actual.attention:
        for word in range(5):
            assert shown(sheet, maps.overlay(actual.image, level[..., word])) >= 1
    np.testing.assert_array_equal(actual.image, model.generate(SENTENCE, seed=4)[0])


def test_long_sentences_take_more_lines(model):
    short, long = (sheets.attention_sheet(model, "a red bird" + " with a wing" * n) for n in (1, 3))
    assert long.shape[0] > 1.8 * short.shape[0] and long.shape[1] > short.shape[1]


def test_features(model):
    sheet = sheets.features_sheet(model, SENTENCE, seed=4, channels=2)
    actual = model.explain(SENTENCE, 4)
    assert shown(sheet, actual.image) == 1
    for features in actual.features.values():
        times = 128 // len(features)
        assert shown(sheet, maps.coloured(maps.energy(features), 0.0), times) == 1
        for channel in np.argsort(-features.var((0, 1)))[:2]:
            assert shown(sheet, maps.coloured(features[..., channel]), times) == 1


def test_networks_without_attention_or_with_maps_of_their_own(model):
    found = model.explain(SENTENCE, 4)._replace(attention=(), features={"16": np.ones((16, 16, 3), np.float32)})
    with pytest.raises(UserError, match="no word attention"):
        sheets.draw_attention(found, SENTENCE)
    sheet = sheets.draw_features(found, SENTENCE, channels=2)
    assert (
        shown(sheet, found.image) == 1
        and sheet.shape[0] < sheets.draw_features(model.explain(SENTENCE, 4), SENTENCE).shape[0]
    )


def test_edits(model):
    sheet = sheets.edits_sheet(model, SENTENCE, [("red", ["blue", "green"]), ("bird", ["wing"])], seeds=[2, 5])
    for text in (SENTENCE, "a blue bird number 3", "a green bird number 3", "a red wing number 3"):
        for seed in (2, 5):
            assert shown(sheet, model.generate(text, seed=seed)[0]) == 1
    row, column = (places(sheet, model.generate(SENTENCE, seed=s)[0].repeat(2, 0).repeat(2, 1))[0] for s in (2, 5))
    assert row[1] == column[1] and row[0] < column[0]  # a row a seed


def test_edits_that_cannot_be_made(model):
    with pytest.raises(UserError, match="--swap=red=zeppelin: zeppelin is not in the run's vocabulary"):
        sheets.edits_sheet(model, SENTENCE, [("red", ["zeppelin"])])
    with pytest.raises(UserError, match="has no 'yellow'"):
        sheets.edits_sheet(model, SENTENCE, [("yellow", ["red"])])


def test_variety(model):
    sheet = sheets.variety_sheet(model, SENTENCE, range(6))
    images = model.generate(SENTENCE, seeds=range(6))
    corners = [places(sheet, image.repeat(2, 0).repeat(2, 1)) for image in images]
    assert all(len(corner) == 1 for corner in corners)
    assert [corner[0] for corner in corners] == sorted(corner[0] for corner in corners)  # in the order of the seeds


@pytest.mark.parametrize(
    "texts, seeds",
    [([SENTENCE, "a blue bird with a wing"], [3]), ([SENTENCE], [3, 8]), (["a red bird", SENTENCE], [3, 8])],
)
def test_interpolation_ends_are_generates_bytes(model, texts, seeds):
    actual = sheets.interpolation(model, texts, seeds, frames=4, smooth=2)
    first, last = model.generate(texts[0], seed=seeds[0])[0], model.generate(texts[-1], seed=seeds[-1])[0]
    np.testing.assert_array_equal(actual.frames[0], first)
    np.testing.assert_array_equal(actual.frames[6], last)
    assert shown(actual.sheet, first) == shown(actual.sheet, last) == 1
    # There and back, each stop held longer.
    assert len(actual.frames) == len(actual.milliseconds) == 12
    np.testing.assert_array_equal(actual.frames[7:], actual.frames[5:0:-1])
    assert [i for i, time in enumerate(actual.milliseconds) if time > 100] == [0, 6]


def test_the_way_begins_and_ends_where_the_stops_are(model):
    """Not only the images put there: the path itself has no jump at its ends."""
    start, stop = Stop(SENTENCE, 3), Stop("a blue bird with a wing", 8)
    near = Between(model)(start, stop, [0, 1e-4, 0.5, 1 - 1e-4, 1], truncation=1.5).astype(int)
    ends = [model.generate(end.sentence, seed=end.seed, truncation=1.5)[0] for end in (start, stop)]
    assert np.abs(near[0] - ends[0]).max() <= 1 and np.abs(near[4] - ends[1]).max() <= 1
    assert np.abs(near[1] - ends[0]).max() <= 2 and np.abs(near[3] - ends[1]).max() <= 2
    assert np.abs(near[2] - ends[0]).mean() > 2 and np.abs(near[2] - ends[1]).mean() > 2


def test_half_way_by_hand(model):
    """The formulas of `Between` with the generator called eagerly; words that both have count as two words."""
    a, b = (tf.random.stateless_normal([22], tf.constant([seed, 0], tf.int64)) for seed in (3, 8))
    noise = (np.sqrt(0.5) * (a + b))[None]
    codes, words = zip(
        *(model.text_encoder(tf.constant([ids]), tf.constant([len(ids)])) for ids in ([1, 4, 2], [5, 3]))
    )
    texts = [" ".join(model.vocabulary.words[i] for i in ids) for ids in ([1, 4, 2], [5, 3])]
    image = model.generator(
        (codes[0] + codes[1]) / 2, tf.concat(words, 1), tf.ones([1, 5], tf.bool), noise[:, :10], noise[:, 10:]
    ).image
    actual = Between(model)(Stop(texts[0], 3), Stop(texts[1], 8), [0.5])
    assert (
        np.abs(actual[0] - (image[0].numpy() + 1) * 127.5).max() <= 1.6
    )  # half as often, all of them: the same softmax


def test_several_legs(model):
    actual = sheets.interpolation(model, [SENTENCE], [1, 2, 3], frames=3, smooth=1)
    images = model.generate(SENTENCE, seeds=[1, 2, 3])
    np.testing.assert_array_equal(actual.frames[[0, 2, 4]], images)
    assert [shown(actual.sheet, image) for image in images] == [
        1,
        2,
        1,
    ]  # the middle stop ends one row, begins the next
    assert len(actual.frames) == 8


def test_words_left_out_are_told_once_more_by_nobody(model):
    with pytest.warns(UserWarning, match="zeppelin"):
        sheets.variety_sheet(model, "a red zeppelin", [1])
