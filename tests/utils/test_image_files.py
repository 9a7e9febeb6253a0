"""Images that carry their settings: every pixel and every setting comes back."""

import io

import numpy as np
import pytest
from PIL import Image

from ffgan_tf.utils.image_files import png_bytes, read_settings, webp_animation

SETTINGS = {
    "kind": "edits",
    "run": "runs/größe 鳥",
    "step": 600,
    "ema": True,
    "sentences": ["ä bird", "b"],
    "seeds": [1, 2],
}


def test_png(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    (tmp_path / "a.png").write_bytes(png_bytes(image, SETTINGS))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), image)
    assert read_settings(tmp_path / "a.png") == SETTINGS
    (tmp_path / "b.png").write_bytes(png_bytes(image))
    assert read_settings(tmp_path / "b.png") == {}


def test_plain_text_is_a_text_chunk():
    content = png_bytes(np.zeros((1, 1, 3), np.uint8), {"kind": "edits", "seeds": [1, 2]})
    assert b"tEXtkind\0edits" in content and b"tEXtseeds\0[1, 2]" in content


def test_webp_animation(tmp_path):
    levels = np.array([0, 120, 240], np.uint8)
    frames = np.broadcast_to(levels[:, None, None, None], (3, 16, 24, 3))
    (tmp_path / "a.webp").write_bytes(webp_animation(frames, [700, 80, 90], SETTINGS))
    with Image.open(tmp_path / "a.webp") as film:
        assert film.n_frames == 3 and film.info["loop"] == 0 and film.size == (24, 16)
        durations = []
        for number, level in enumerate(levels):
            film.seek(number)
            film.load()
            durations.append(film.info["duration"])
            assert np.abs(np.asarray(film.convert("RGB")).astype(int) - level).max() <= 6
        assert durations == [700, 80, 90]
    assert read_settings(tmp_path / "a.webp") == SETTINGS
    with pytest.raises(ValueError, match="3 frames, 1 durations"):
        webp_animation(frames, [1])
    assert Image.open(io.BytesIO(webp_animation(frames[:1], [1]))).size == (24, 16)
