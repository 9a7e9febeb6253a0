"""Images against independent computations: the crop, the size, the pixels, every kind of odd file."""

import io

import numpy as np
import pytest
from PIL import Image

from ffgan_tf.data.images import crop_region, default_quality, encode_image, shorter_side
from ffgan_tf.data.problems import Unusable

WHITE = np.array([255, 255, 255])


def file_bytes(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(encoded):
    """(H, W, 3) int of JPEG bytes."""
    return np.asarray(Image.open(io.BytesIO(encoded)), np.int64)


def quadrants(width=60, height=40):
    """An image whose four corners differ: red, green / blue, white."""
    array = np.zeros((height, width, 3), np.uint8)
    array[: height // 2, : width // 2] = (255, 0, 0)
    array[: height // 2, width // 2 :] = (0, 255, 0)
    array[height // 2 :, : width // 2] = (0, 0, 255)
    array[height // 2 :, width // 2 :] = 255
    return Image.fromarray(array)


def corners(array):
    height, width, _ = array.shape
    return [array[y, x].tolist() for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]


def assert_corners(encoded, expected):
    assert np.abs(np.array(corners(pixels(encoded))) - np.array(expected)).max() <= 6


RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def attngan_crop(width, height, bbox):
    """AttnGAN's get_imgs, as published (datasets.py)."""
    r = int(np.maximum(bbox[2], bbox[3]) * 0.75)
    center_x = int((2 * bbox[0] + bbox[2]) / 2)
    center_y = int((2 * bbox[1] + bbox[3]) / 2)
    y1 = np.maximum(0, center_y - r)
    y2 = np.minimum(height, center_y + r)
    x1 = np.maximum(0, center_x - r)
    x2 = np.minimum(width, center_x + r)
    return x1, y1, x2, y2


def test_crop_is_attngans():
    random = np.random.default_rng(0)
    for _ in range(300):
        width, height = random.integers(50, 500, 2)
        x, y = random.integers(0, width - 10), random.integers(0, height - 10)
        box = (x, y, random.integers(10, width - x + 1), random.integers(10, height - y + 1))
        assert crop_region(width, height, box) == attngan_crop(width, height, box)


def test_crop_cuts_the_region_out():
    array = np.zeros((200, 300, 3), np.uint8)
    # box centre (120, 90), r = floor(0.75 * 80) = 60: columns 60-179, rows 30-149
    array[30:150, 60:180] = 255
    result = encode_image(file_bytes(Image.fromarray(array)), 64, 95, box=(80, 65, 80, 50))
    assert (result.width, result.height) == (76, 76)
    assert pixels(result.encoded).min() >= 245
    wider = encode_image(file_bytes(Image.fromarray(array)), 64, 95, box=(80, 65, 84, 50))
    assert pixels(wider.encoded)[:, -1].max() <= 60, "a larger box must show the black beyond"


@pytest.mark.parametrize(
    "box",
    [
        (300, 10, 20, 20),
        (10, 200, 20, 20),
        (-30, 10, 30, 20),
        (10, 10, 0, 20),
        (10, 10, 20, -5),
        (10, 10, float("nan"), 5),
        (10, 10, 1, 1),
    ],
)
def test_unusable_boxes(box):
    with pytest.raises(Unusable, match="bounding box") as raised:
        crop_region(300, 200, box)
    assert "bounding_boxes.txt" in raised.value.fix


def test_box_over_the_edge_is_clipped():
    assert crop_region(300, 200, (-20, -10, 100, 60)) == (0, 0, 30 + 75, 20 + 75)


@pytest.mark.parametrize("image_size, shorter", [(64, 76), (128, 152), (256, 304)])
@pytest.mark.parametrize("size", [(500, 333), (333, 500), (90, 40), (304, 305)])
def test_shorter_side(image_size, shorter, size):
    assert shorter_side(image_size) == shorter
    result = encode_image(file_bytes(Image.new("RGB", size)), image_size, 95)
    assert min(result.width, result.height) == shorter
    assert abs(result.width - size[0] * shorter / min(size)) <= 0.5
    assert abs(result.height - size[1] * shorter / min(size)) <= 0.5
    assert Image.open(io.BytesIO(result.encoded)).size == (result.width, result.height)


def test_pixels_are_the_antialiased_reduction():
    """Reduced 4-fold, a checkerboard of single pixels is even grey; plain sampling would keep black and white."""
    board = (np.indices((304, 304)).sum(0) % 2 * 255).astype(np.uint8)
    result = encode_image(file_bytes(Image.fromarray(np.repeat(board[..., None], 3, 2))), 64, 95)
    assert np.abs(pixels(result.encoded)[4:-4, 4:-4] - 127.5).max() <= 8


def test_quality_changes_the_bytes_only():
    image = file_bytes(quadrants(200, 150))
    high, low = encode_image(image, 64, 95), encode_image(image, 64, 30)
    assert len(low.encoded) < len(high.encoded) and (low.width, low.height) == (high.width, high.height)


def test_colours_are_stored_at_full_resolution():
    """Stripes of one pixel in two colours of equal luma, which halved chroma would mix."""
    stripes = np.zeros((76, 76, 3), np.uint8)
    stripes[:, ::2], stripes[:, 1::2] = (200, 60, 60), (20, 137, 137)
    actual = pixels(encode_image(file_bytes(Image.fromarray(stripes)), 64, 95).encoded)
    assert np.abs(actual.astype(int) - stripes).mean() < 4
    halved = io.BytesIO()
    Image.fromarray(stripes).save(halved, "JPEG", quality=95, subsampling="4:2:0")
    assert np.abs(pixels(halved.getvalue()).astype(int) - stripes).mean() > 30


def test_small_images_are_stored_at_the_highest_quality():
    noise = np.random.default_rng(0).integers(0, 256, (76, 76, 3), np.uint8)
    actual = pixels(encode_image(file_bytes(Image.fromarray(noise)), 64, default_quality(64)).encoded)
    assert np.abs(actual.astype(int) - noise).mean() < 1  # the worst that an image can be
    assert default_quality(128) == 100 and default_quality(256) == 98


@pytest.mark.parametrize(
    "image, kind, expected, note",
    [
        (quadrants().convert("L"), "PNG", [(76,) * 3, (150,) * 3, (29,) * 3, WHITE], "grey to RGB"),
        (quadrants().convert("CMYK"), "JPEG", [RED, GREEN, BLUE, WHITE], "CMYK to RGB"),
        (quadrants().quantize(8), "PNG", [RED, GREEN, BLUE, WHITE], "palette to RGB"),
        (Image.fromarray(np.full((40, 60), 40000, np.uint16)), "PNG", [(155,) * 3] * 4, "16-bit grey to RGB"),
        (quadrants().convert("1"), "PNG", None, "1 to RGB"),
    ],
    ids=["grey", "cmyk", "palette", "16-bit", "bits"],
)
def test_other_colour_modes(image, kind, expected, note):
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    result = encode_image(file_bytes(image, kind, **options), 64, 95)
    assert note in result.notes
    assert Image.open(io.BytesIO(result.encoded)).mode == "RGB"
    if expected is not None:
        assert_corners(result.encoded, expected)


def test_alpha_is_laid_over_white():
    image = quadrants().convert("RGBA")
    alpha = np.full((40, 60), 255, np.uint8)
    alpha[:20, :30], alpha[:20, 30:] = 0, 128
    image.putalpha(Image.fromarray(alpha))
    result = encode_image(file_bytes(image), 64, 95)
    assert result.notes == ("alpha laid over white", "enlarged less than 2-fold")
    assert_corners(result.encoded, [WHITE, (127, 255, 127), BLUE, WHITE])


def test_transparent_palette_colour_is_white():
    image = quadrants().quantize(8)
    result = encode_image(file_bytes(image, transparency=image.getpixel((0, 0))), 64, 95)
    assert_corners(result.encoded, [WHITE, GREEN, BLUE, WHITE])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation):
    """Each of the eight ways to store the upright image comes out upright; what they are is EXIF 2.3's table."""
    upright = np.asarray(quadrants())
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    result = encode_image(file_bytes(Image.fromarray(np.ascontiguousarray(stored)), exif=exif), 64, 95)
    assert result.width > result.height
    assert_corners(result.encoded, [RED, GREEN, BLUE, WHITE])
    assert not Image.open(io.BytesIO(result.encoded)).getexif(), "a reader must not rotate it again"


def test_box_counts_in_stored_pixels():
    """As CUB's do: its readers ignore EXIF. The box is around the stored image's lower left corner, blue."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = file_bytes(quadrants(60, 40), exif=exif)
    assert_corners(encode_image(stored, 64, 95, box=(0, 26, 12, 12)).encoded, [BLUE] * 4)


def test_a_jpeg_that_is_right_keeps_its_bytes():
    image = quadrants(90, 76)
    right = file_bytes(image, "JPEG", quality=60)
    assert encode_image(right, 64, 95).encoded == right
    for other in (file_bytes(image, "PNG"), file_bytes(image, "JPEG", progressive=True), right + b"\0" * 50):
        result = encode_image(other, 64, 95)
        assert result.encoded != other and result.encoded[:2] == b"\xff\xd8"
    assert encode_image(right, 64, 95, box=(0, 0, 60, 60)).encoded != right


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_files(kind, share):
    noise = np.random.default_rng(0).integers(0, 256, (100, 120, 3), np.uint8)
    content = file_bytes(Image.fromarray(noise), kind)
    with pytest.raises(Unusable, match="not a readable image"):
        encode_image(content[: int(share * len(content))], 64, 95)


def test_no_image_at_all(tmp_path):
    with pytest.raises(Unusable, match="not a readable image"):
        encode_image(b"<html>404</html>", 64, 95)
    with pytest.raises(Unusable, match="missing"):
        encode_image(tmp_path / "none.jpg", 64, 95)
    with pytest.raises(Unusable, match="strip"):
        encode_image(file_bytes(Image.new("RGB", (2, 900))), 64, 95)
