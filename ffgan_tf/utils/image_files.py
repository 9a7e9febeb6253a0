"""Image files that say how they were made: PNG with text chunks, animated WebP with the same as EXIF."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ffgan_tf.utils.files import utf8

_DESCRIPTION = 0x010E  # EXIF's ImageDescription


def png_bytes(image: np.ndarray, settings: Mapping[str, Any] | None = None) -> bytes:
    """An image (H, W, 3) uint8 as PNG with a text chunk for each of `settings`: strings as they are, others as JSON.

    Text that Latin-1 has is tEXt, other text iTXt.
    """
    info = PngInfo()
    for name, value in (settings or {}).items():
        info.add_text(name, utf8(value).decode() if isinstance(value, str) else json.dumps(value))
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def webp_animation(
    frames: np.ndarray, milliseconds: Sequence[int], settings: Mapping[str, Any] | None = None, quality: int = 90
) -> bytes:
    """Frames (N, H, W, 3) uint8 as an endless animation; `milliseconds` [N] is how long each stays.

    `settings` go as one JSON object into EXIF's ImageDescription. Equal frames in a row are joined by the format.
    """
    if len(frames) != len(milliseconds):
        raise ValueError(f"{len(frames)} frames, {len(milliseconds)} durations")
    exif = Image.Exif()
    exif[_DESCRIPTION] = json.dumps(dict(settings or {}))
    first, *others = (Image.fromarray(frame) for frame in frames)
    buffer = io.BytesIO()
    first.save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=list(milliseconds),
        loop=0,
        quality=quality,
        method=4,
        exif=exif,
    )
    return buffer.getvalue()


def read_settings(path: str | Path) -> dict[str, Any]:
    """The settings that `png_bytes` or `webp_animation` wrote into a file; {} if there are none."""
    with Image.open(path) as image:
        if image.format == "PNG":
            image.load()  # text may stand after the pixels
            return {name: _value(text) for name, text in image.text.items()}
        text = image.getexif().get(_DESCRIPTION)
        return json.loads(text) if text else {}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
