"""Photographs in any file format → the JPEG bytes of the records (docs/model.md sections 6 and 8)."""

import dataclasses
import io
import math
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, features

from ffgan_tf.data.problems import Unusable
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.reading import LIMITS, read_bytes, user_path

# Extensions of image files, and the decoders that Pillow may use for any of them. Its other decoders include some that
# start programs, such as Ghostscript for any file that begins like PostScript.
EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"),
    *((".avif",) if features.check("avif") else ()),
)
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", *(("AVIF",) if features.check("avif") else ()))

# Pillow's bilinear, whose support grows with the reduction (it does not alias): torchvision's `Scale` in AttnGAN's
# loader. Where the paper is silent, docs/model.md follows AttnGAN. Other filters shift FID.
FILTER = Image.Resampling.BILINEAR
CHROMA = "4:4:4"  # colour at full resolution; JPEG's default halves it, which costs small images detail
SMALL = 128  # the largest S with quality 100: see `default_quality`
MAX_ASPECT = 20  # beyond it a "photograph" is a strip, whose resized long side could fill the memory
_ORIENTATION = {  # EXIF tag 0x0112 → the operation that turns the image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Box = tuple[float, float, float, float]  # x, y, width, height in pixels of the stored (unrotated) image


@dataclasses.dataclass(frozen=True)
class EncodedImage:
    """An upright RGB image as JPEG bytes, its size in pixels, and notes on each change made to it."""

    encoded: bytes
    width: int
    height: int
    notes: tuple[str, ...]


def shorter_side(image_size: int) -> int:
    """S·76/64, rounded: the shorter side that leaves room for random S × S crops (AttnGAN)."""
    return round(image_size * 76 / 64)


def default_quality(image_size: int) -> int:
    """JPEG quality without visible loss: 100 up to S = 128, 98 above.

    With CHROMA, on Oxford-102: a mean error of 0.4 grey levels at S = 64 (14 kB an image), of 0.4 at S = 256 (63 kB).
    Quality 95 with halved colour: 3.1 at S = 64.
    """
    return 100 if image_size <= SMALL else 98


def crop_region(width: int, height: int, box: Box) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of CUB's crop: r = ⌊0.75·max(w,h)⌋ around the box centre, clipped to the image.

    Raises Unusable where the box is not finite, has no area, or lies outside the image. A box that only reaches over
    the edge is usable.
    """
    x, y, box_width, box_height = box
    fix = "correct the image's line in bounding_boxes.txt (x y width height, in pixels of the stored image)"
    if not all(math.isfinite(value) for value in box) or box_width <= 0 or box_height <= 0:
        raise Unusable(f"bounding box {box} has no area", fix)
    if x >= width or y >= height or x + box_width <= 0 or y + box_height <= 0:
        raise Unusable(f"bounding box {box} lies outside the {width}x{height} image", fix)
    radius = math.floor(0.75 * max(box_width, box_height))
    centre_x, centre_y = int((2 * x + box_width) / 2), int((2 * y + box_height) / 2)
    left, top = max(0, centre_x - radius), max(0, centre_y - radius)
    right, bottom = min(width, centre_x + radius), min(height, centre_y + radius)
    if right <= left or bottom <= top:
        raise Unusable(f"bounding box {box} leaves nothing of the {width}x{height} image", fix)
    return left, top, right, bottom


def to_rgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Converts a loaded image of any mode to RGB, alpha over white; returns it with notes on the conversion."""
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow's own conversion would clip at 255
        grey = np.asarray(image, np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise Unusable(f"32-bit values from {grey.min():,} to {grey.max():,}", "save it with 8 or 16 bits")
        return Image.fromarray((grey // 257).astype(np.uint8)).convert("RGB"), ["16-bit grey to RGB"]
    if image.mode == "F":
        return _from_floats(np.asarray(image, np.float64))
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB"), ["alpha laid over white"]
    if image.mode == "RGB":
        return image, []
    return image.convert("RGB"), [f"{ {'L': 'grey', 'P': 'palette'}.get(image.mode, image.mode) } to RGB"]


def _from_floats(values: np.ndarray) -> tuple[Image.Image, list[str]]:
    """Grey floats as RGB: values of 0 to 1, or of 0 to 255 if any exceeds 1. Raises Unusable for others."""
    low, high = values.min(), values.max()
    if not (np.isfinite(values).all() and low >= 0 and high <= 255):
        raise Unusable(f"floats from {low:g} to {high:g}", "save it with 8 bits, or with floats of 0 to 1")
    scale, note = (255, "floats of 0 to 1 to RGB") if high <= 1 else (1, "floats of 0 to 255 to RGB")
    return Image.fromarray(np.rint(values * scale).astype(np.uint8)).convert("RGB"), [note]


def _enlarged(before: tuple[int, int], after: tuple[int, int]) -> list[str]:
    """A note on the factor of enlargement; none if the image was not enlarged."""
    factor = min(after) / min(before)
    for least, note in ((8, "8-fold or more"), (4, "4- to 8-fold"), (2, "2- to 4-fold")):
        if factor >= least:
            return [f"enlarged {note}: blurred"]
    return ["enlarged less than 2-fold"] if factor > 1 else []


def encode_image(source: str | Path | bytes, image_size: int, quality: int, box: Box | None = None) -> EncodedImage:
    """Reads a photograph (a path, or a file's bytes) and encodes it as the records store it.

    Crops to `box` (CUB), applies the EXIF rotation, converts to RGB, resizes the shorter side to `shorter_side(S)`
    (enlarging if necessary) and encodes as JPEG. The box is in stored pixels, as in CUB's published boxes and all
    loaders of them, so cropping comes before rotation. A baseline RGB JPEG that needs no change keeps its bytes:
    encoding it again would only lose detail. Raises Unusable.
    """
    fix = "replace the image by a sound copy, or leave it out"
    content = source if isinstance(source, bytes) else _content(Path(source), fix)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd metadata; real damage raises
            with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
                several = bool(getattr(opened, "is_animated", False))
                opened.load()
                orientation = _orientation(opened)
                width, height = opened.size
                image = opened if box is None else opened.crop(crop_region(width, height, box))
                image, notes = to_rgb(image)
                if several and opened.format != "MPO":  # a camera's JPEG with its preview
                    notes.append("the first of several frames or pages taken")
                if all(low == high for low, high in image.getextrema()):
                    notes.append("of one single colour")
                if orientation in _ORIENTATION:
                    image = image.transpose(_ORIENTATION[orientation])
                    notes.append("rotated upright by its EXIF tag")
                size = _resized(image.size, shorter_side(image_size))
                notes += _enlarged(image.size, size)
                if (
                    box is None
                    and not notes
                    and opened.format == "JPEG"
                    and size == opened.size
                    and not opened.info.get("progressive")
                    and content.endswith(b"\xff\xd9")
                ):
                    return EncodedImage(content, *size, ("JPEG kept as it is",))
                image = image if image.size == size else image.resize(size, FILTER)
    except Unusable:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise Unusable(f"not a readable image: {_words(error)}", fix) from None
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=CHROMA)
    return EncodedImage(buffer.getvalue(), *size, tuple(notes))


def _content(path: Path, fix: str) -> bytes:
    if not os.path.lexists(path):
        raise Unusable("the image is missing", "add the image, or leave it out of the lists")
    try:
        return read_bytes(path, LIMITS["image"])
    except UserError as error:
        reason = str(error).removeprefix(f"{user_path(path)}: ").partition(" Fix:")[0].rstrip(".")
        raise Unusable(f"the image cannot be used: {reason}", fix) from None


def _words(error: Exception) -> str:
    """Pillow's message, without the memory address of the buffer that it names."""
    text = str(error) or type(error).__name__
    return "not a supported image format" if "cannot identify image file" in text else text


def _resized(size: tuple[int, int], shorter: int) -> tuple[int, int]:
    if max(size) > MAX_ASPECT * min(size):
        raise Unusable(f"a strip of {size[0]}x{size[1]} pixels", "crop the image, or leave it out")
    width, height = (max(shorter, round(side * shorter / min(size))) for side in size)
    return width, height


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(0x0112, 1)
    except Exception:  # damaged EXIF data leaves a sound image
        return 1
