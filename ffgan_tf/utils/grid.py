"""Images side by side, with their sentences beneath."""

import io
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP = 4
LINE = 12  # pixels a line of the default font takes


class _Layout(NamedTuple):
    """Where the images of a grid stand."""

    scale: int  # times their own size
    columns: int
    rows: int
    side: int  # of an image as shown, pixels
    footer: int  # pixels beneath each for its sentence
    lines: list[list[str]]  # each image's sentence, wrapped

    @property
    def width(self) -> int:
        return self.columns * (self.side + GAP) + GAP

    @property
    def height(self) -> int:
        return self.rows * (self.side + self.footer + GAP) + GAP

    def corner(self, number: int) -> tuple[int, int]:
        """(x, y) of an image's upper left corner."""
        row, column = divmod(number, self.columns)
        return GAP + column * (self.side + GAP), GAP + row * (self.side + self.footer + GAP)


def _layout(count: int, size: int, sentences: Sequence[str] | None, columns: int | None) -> _Layout:
    columns = columns or int(np.ceil(np.sqrt(count)))
    scale = max(1, -(-128 // size)) if sentences else 1
    side = size * scale
    wrapped = (
        [textwrap.wrap(text, max(side // 6, 8)) for text in sentences] if sentences else [[] for _ in range(count)]
    )
    footer = LINE * max((len(lines) for lines in wrapped), default=0) + (GAP if sentences else 0)
    return _Layout(scale, columns, -(-count // columns), side, footer, wrapped)


def grid(images: np.ndarray, sentences: Sequence[str] | None = None, columns: int | None = None) -> np.ndarray:
    """(N, S, S, 3) uint8 → one image (H, W, 3) uint8 on white, about as wide as high, row by row.

    With `sentences`, small images are shown at a whole multiple of at least 128 pixels, so that the words fit under
    them.
    """
    images = np.asarray(images)
    layout = _layout(len(images), images.shape[1], sentences, columns)
    canvas = Image.new("RGB", (layout.width, layout.height), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default()
    for i, (image, lines) in enumerate(zip(images, layout.lines)):
        x, y = layout.corner(i)
        canvas.paste(Image.fromarray(image).resize((layout.side, layout.side), Image.Resampling.NEAREST), (x, y))
        for j, line in enumerate(lines):
            # The default font knows Latin-1 only; anything else would raise.
            text = line.encode("latin-1", "replace").decode("latin-1")
            draw.text((x, y + layout.side + 2 + j * LINE), text, "black", font)
    return np.asarray(canvas)


def tiles(sheet: np.ndarray, count: int, size: int, sentences: Sequence[str], columns: int | None = None) -> np.ndarray:
    """The images (count, size, size, 3) that `grid` laid out with these sentences: its inverse.

    Raises ValueError where the sheet is not of the size that such a grid has.
    """
    layout = _layout(count, size, sentences, columns)
    if sheet.shape != (layout.height, layout.width, 3):
        raise ValueError(f"a sheet of {sheet.shape}, not a grid of {count} images of {size} pixels")
    corners = [layout.corner(number) for number in range(count)]
    return np.stack([sheet[y : y + layout.side : layout.scale, x : x + layout.side : layout.scale] for x, y in corners])


def png(image: np.ndarray) -> bytes:
    """An image (H, W, 3) uint8 as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
