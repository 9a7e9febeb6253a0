"""Images side by side, with their sentences beneath."""

import io
import textwrap
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP = 4
LINE = 12  # pixels a line of the default font takes


def grid(images: np.ndarray, sentences: Sequence[str] | None = None, columns: int | None = None) -> np.ndarray:
    """(N, S, S, 3) uint8 → one image (H, W, 3) uint8 on white, about as wide as high, row by row.

    With `sentences`, small images are shown at a whole multiple of at least 128 pixels, so that the words fit under
    them.
    """
    images = np.asarray(images)
    count, size = images.shape[:2]
    columns = columns or int(np.ceil(np.sqrt(count)))
    scale = max(1, -(-128 // size)) if sentences else 1
    side = size * scale
    wrapped = [textwrap.wrap(text, max(side // 6, 8)) for text in sentences] if sentences else [[] for _ in images]
    footer = LINE * max((len(lines) for lines in wrapped), default=0) + (GAP if sentences else 0)
    rows = -(-count // columns)
    canvas = Image.new("RGB", (columns * (side + GAP) + GAP, rows * (side + footer + GAP) + GAP), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default()
    for i, (image, lines) in enumerate(zip(images, wrapped)):
        x, y = GAP + (i % columns) * (side + GAP), GAP + (i // columns) * (side + footer + GAP)
        canvas.paste(Image.fromarray(image).resize((side, side), Image.Resampling.NEAREST), (x, y))
        for j, line in enumerate(lines):
            # The default font knows Latin-1 only; anything else would raise.
            draw.text((x, y + side + 2 + j * LINE), line.encode("latin-1", "replace").decode("latin-1"), "black", font)
    return np.asarray(canvas)


def png(image: np.ndarray) -> bytes:
    """An image (H, W, 3) uint8 as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
