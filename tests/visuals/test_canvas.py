"""Where tiles and text stand on a sheet."""

import numpy as np
import pytest

from ffgan_tf.visuals import canvas


def tiles(rows, columns, side=32):
    return np.random.default_rng(0).integers(0, 200, (rows, columns, side, side, 3), np.uint8)


def places(sheet, tile):
    """Left upper corners at which `tile` stands in `sheet`."""
    height, width = tile.shape[:2]
    room = sheet[: sheet.shape[0] - height + 1, : sheet.shape[1] - width + 1]
    corners = (room == tile[0, 0]).all(-1)
    for y, x in ((0, width - 1), (height - 1, 0), (height // 2, width // 2), (height // 3, width // 5)):
        corners &= (sheet[y : y + room.shape[0], x : x + room.shape[1]] == tile[y, x]).all(-1)
    actual = (tuple(corner) for corner in np.argwhere(corners))
    return [(y, x) for y, x in actual if (sheet[y : y + height, x : x + width] == tile).all()]


def test_every_tile_is_there_once_and_in_line():
    shown_tiles = tiles(2, 3, 96)
    sheet = canvas.table(
        shown_tiles,
        side=96,
        heading="a heading",
        note="a note",
        rows=["one", "two"],
        columns="abc",
        labels=[["x"] * 3] * 2,
    )
    actual = [[places(sheet, tile) for tile in row] for row in shown_tiles]
    assert all(len(corners) == 1 for row in actual for corners in row)
    tops, lefts = np.array(actual)[:, :, 0, 0], np.array(actual)[:, :, 0, 1]
    assert (tops == tops[:, :1]).all() and (lefts == lefts[:1]).all()
    assert (np.diff(lefts[0]) == 96 + canvas.GAP).all() and (np.diff(tops[:, 0]) > 96 + 12).all()
    assert sheet.shape[1] == lefts[0, -1] + 96 + canvas.MARGIN


def test_text_stands_beside_its_tile():
    blank_tiles = np.full((1, 2, 64, 64, 3), 200, np.uint8)

    def ink(**text):
        with_text, without = (canvas.table(blank_tiles, side=64, **{**blank, **own}) for own in (text, {}))
        assert with_text.shape == without.shape
        return np.argwhere((with_text != without).any(-1))

    blank = {"rows": [" "], "columns": [" ", " "], "labels": [["-", "-"]], "heading": "-"}
    left = canvas.table(blank_tiles, side=64, **blank)
    first = places(left, blank_tiles[0, 0])
    (top, one), (_, two) = first
    below = ink(labels=[["-", "ab"]])
    assert (below[:, 0] >= top + 64).all() and (below[:, 1] >= two).all() and (below[:, 1] < two + 64).all()


def test_empty_places_stay_white():
    some_tiles = [[np.zeros((8, 8, 3), np.uint8), None], [None, np.zeros((8, 8, 3), np.uint8)]]
    sheet = canvas.table(some_tiles, side=8)
    assert (sheet == 0).all(-1).sum() == 2 * 64 and (sheet[canvas.MARGIN :, -canvas.MARGIN - 8 :][:8] == 255).all()


def test_small_images_keep_hard_pixels():
    image = np.random.default_rng(1).integers(0, 256, (4, 4, 3), np.uint8)
    np.testing.assert_array_equal(canvas.fitted(image, 8), image.repeat(2, 0).repeat(2, 1))
    assert canvas.fitted(image, 7).size == (7, 7)
    assert (canvas.tile_side(64), canvas.tile_side(100), canvas.tile_side(256)) == (128, 200, 256)


@pytest.mark.parametrize("text", ["", "one", "a sentence of several words that will not fit", "a" * 90, "b_" * 40])
@pytest.mark.parametrize("width", [20, 90, 300])
def test_lines_fit_and_lose_nothing(text, width):
    lines = canvas.wrap(text, width, 12)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(canvas._font(12).getlength(line) <= width for line in lines)


def test_words_break_at_underscores():
    lines = canvas.wrap("Grey_winged_Brown_Wader_0004", 100, 12)
    assert len(lines) > 1 and all(line.endswith("_") for line in lines[:-1])


def test_text_that_the_font_has_not():
    assert canvas.legible("größer – 16×16 → naïve 鳥") == "grosser - 16x16 » naive ?"
    image = np.zeros((1, 1, 16, 16, 3), np.uint8)
    assert canvas.table(image, heading="鳥 ö é Ж").shape[1] >= 320


def test_stacked():
    one, two = np.zeros((2, 5, 3), np.uint8), np.zeros((3, 4, 3), np.uint8)
    sheet = canvas.stacked([one, two])
    assert sheet.shape == (5, 5, 3) and (sheet[2:, 4] == 255).all() and not sheet[:2].any()


def test_a_book_of_a_label_is_cut():
    """One word of 50,000 letters, or 50,000 words: a few lines, at once, the last with the mark of what is missing."""
    for text in ("x" * 50_000, "bird " * 50_000):
        lines = canvas.wrap(text, 200, canvas.LABEL)
        assert 5 < len(lines) < 60 and lines[-1].endswith("...")
    assert canvas.wrap("a bird", 200, canvas.LABEL) == ["a bird"]
