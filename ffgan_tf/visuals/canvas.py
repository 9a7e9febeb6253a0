"""Tiles in a table, with names, labels and a heading, as one image."""

import bisect
import itertools
import unicodedata
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

MARGIN, GAP = 16, 8
INK, FAINT, PAPER = (24, 24, 28), (96, 96, 104), (255, 255, 255)
HEADING, NAME, LABEL = 17, 13, 12  # sizes of the three kinds of text, pixels
LONGEST = 600  # characters of a text on a sheet
Tile: TypeAlias = "np.ndarray | None"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def legible(text: str) -> str:
    """The text in the characters of Pillow's own font, ASCII and a few marks: accents are dropped, others become `?`.

    The machine's fonts have more characters, but would make the same sheet look different elsewhere.
    """
    text = text.translate({ord("×"): "x", ord("→"): "»", ord("–"): "-", ord("—"): "-", ord("ß"): "ss"})
    spelled = (unicodedata.normalize("NFKD", character) for character in text)
    return "".join(
        character if character.isascii() or character in "»…·±°‘’“”" else "?"
        for part in spelled
        for character in part
        if not unicodedata.combining(character)
    )


def wrap(text: str, width: float, size: int) -> list[str]:
    """Lines of `text` at most `width` pixels wide. A longer word is broken, after `_`, `/` or `-` if possible.

    A text longer than LONGEST ends in `...`: a sheet has no room for a whole book.
    """
    font, lines, line = _font(size), [], ""
    shown = legible(text[:LONGEST]) + ("..." if len(text) > LONGEST else "")
    for word in shown.split():
        longer = f"{line} {word}".strip()
        if font.getlength(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        while len(word) > 1 and font.getlength(word) > width:
            lengths = [*itertools.accumulate(map(font.getlength, word))]
            cut = max(1, bisect.bisect_right(lengths, width))  # one letter stands, however narrow the room
            cut = max((word.rfind(mark, 0, cut) + 1 for mark in "_/-"), default=0) or cut
            lines.append(word[:cut])
            word = word[cut:]
        line = word
    return [*lines, line] if line else lines


def _line_height(size: int) -> int:
    return round(size * 1.3)


def _text_height(lines: Sequence[str], size: int) -> int:
    return len(lines) * _line_height(size)


def _write(draw: ImageDraw.ImageDraw, x: int, y: int, lines: Sequence[str], size: int, colour: tuple) -> None:
    for number, line in enumerate(lines):
        draw.text((x, y + number * _line_height(size)), line, colour, _font(size))


def fitted(image: np.ndarray, side: int) -> Image.Image:
    """An image (H, W, 3) uint8 at height `side` and its own aspect: whole multiples repeat pixels, other sizes are
    resampled."""
    height, width = image.shape[:2]
    size = (max(1, round(width * side / height)), side)
    whole = side % height == 0
    return Image.fromarray(image).resize(size, Image.Resampling.NEAREST if whole else Image.Resampling.LANCZOS)


def table(
    tiles: Sequence[Sequence[Tile]],
    *,
    side: int = 128,
    heading: str = "",
    note: str = "",
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    labels: Sequence[Sequence[str]] = (),
) -> np.ndarray:
    """Tiles (any (H, W, 3) uint8, or None for an empty place) in rows and columns on white; (H, W, 3) uint8.

    Each is drawn `side` pixels high; all should be square. `heading` and the fainter `note` are above, a name of
    `rows` to the left of each row, of `columns` above each column, a label of `labels` below each tile. All text wraps.
    """
    across = max(len(row) for row in tiles)
    left = MARGIN + (_names_width(rows) + GAP if rows else 0)
    width = max(left + across * (side + GAP) - GAP + MARGIN, 320 if heading else 0)
    heads = wrap(heading, width - 2 * MARGIN, HEADING)
    notes = wrap(note, width - 2 * MARGIN, LABEL)
    above = [wrap(name, side, NAME) for name in columns]
    beneath = [[wrap(label, side, LABEL) for label in row] for row in labels] or [[] for _ in tiles]
    feet = [max((_text_height(lines, LABEL) for lines in row), default=0) for row in beneath]
    feet = [foot + (GAP // 2 if foot else 0) for foot in feet]

    top = MARGIN + _text_height(heads, HEADING) + _text_height(notes, LABEL) + (GAP if heads or notes else 0)
    names = max((_text_height(lines, NAME) for lines in above), default=0)
    first = top + names + (GAP // 2 if names else 0)
    height = first + sum(side + foot + GAP for foot in feet) - GAP + MARGIN
    canvas = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(canvas)
    _write(draw, MARGIN, MARGIN, heads, HEADING, INK)
    _write(draw, MARGIN, MARGIN + _text_height(heads, HEADING), notes, LABEL, FAINT)
    for column, lines in enumerate(above):  # the names stand on their tiles
        _write(draw, left + column * (side + GAP), top + names - _text_height(lines, NAME), lines, NAME, INK)
    y = first
    for number, row in enumerate(tiles):
        if rows:
            lines = wrap(rows[number], left - MARGIN - GAP, NAME)
            _write(draw, MARGIN, y + max(0, (side - _text_height(lines, NAME)) // 2), lines, NAME, INK)
        for column, tile in enumerate(row):
            if tile is not None:
                canvas.paste(fitted(tile, side), (left + column * (side + GAP), y))
        for column, lines in enumerate(beneath[number]):
            _write(draw, left + column * (side + GAP), y + side + GAP // 2, lines, LABEL, FAINT)
        y += side + feet[number] + GAP
    return np.asarray(canvas)


def _names_width(rows: Sequence[str]) -> int:
    """Width for the rows' names: that of the longest, at most 128 pixels."""
    font = _font(NAME)
    return min(128, max(int(font.getlength(name[:LONGEST])) + 2 for name in rows))


def stacked(sheets: Sequence[np.ndarray]) -> np.ndarray:
    """Stacks sheets (H_i, W_i, 3) on white; (ΣH, max W, 3) uint8."""
    width = max(sheet.shape[1] for sheet in sheets)
    return np.concatenate(
        [np.pad(sheet, [(0, 0), (0, width - sheet.shape[1]), (0, 0)], constant_values=255) for sheet in sheets]
    )


def tile_side(size: int, least: int = 128) -> int:
    """The height at which images of `size` pixels are shown: the whole multiple that is at least `least`."""
    return size * max(1, -(-least // size))
