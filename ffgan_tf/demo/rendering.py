"""Draws one bird of the demo data set: its polygons, shaded as round bodies, over a blurred background.

The bird's frame is mirrored, scaled and moved into the image. Parts are filled at three times the final size and
averaged down, which smooths their edges. The bird's coverage (`alpha`) gives its bounding box.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from ffgan_tf.demo.geometry import PALETTE, Bird, build, circle, extent, rotate, spline, stroke

BACKGROUNDS = ("sky", "foliage", "water", "meadow", "dusk", "woodland")
_SUPERSAMPLING = 3
# Muted, so that no background has the colour of a body.
_BACKGROUND_COLOURS = {  # top, bottom, strength of the blotches
    "sky": ((150, 180, 205), (196, 211, 220), 6),
    "foliage": ((96, 108, 84), (74, 86, 66), 26),
    "water": ((138, 156, 162), (104, 126, 136), 8),
    "meadow": ((164, 170, 146), (128, 134, 98), 16),
    "dusk": ((158, 152, 172), (202, 178, 166), 8),
    "woodland": ((136, 132, 124), (104, 104, 96), 22),
}


def _noise(rng: np.random.Generator, size: tuple[int, int], cells: tuple[int, int]) -> np.ndarray:
    """Smooth noise in about −1..1, `size` (width, height), with `cells` (columns, rows) blotches."""
    grid = rng.uniform(-1, 1, (cells[1] + 1, cells[0] + 1)).astype(np.float32)
    return np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC))


def background(rng: np.random.Generator, kind: str, size: tuple[int, int]) -> np.ndarray:
    """→ float32 [H,W,3] in 0..255: a gradient with out-of-focus blotches of the `kind`."""
    width, height = size
    top, bottom, strength = _BACKGROUND_COLOURS[kind]
    t = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    image = np.broadcast_to(np.float32(top) * (1 - t) + np.float32(bottom) * t, (height, width, 3)).copy()
    image += rng.normal(0, 5, 3).astype(np.float32) + np.float32(rng.normal(0, 8))
    cells = (3, 24) if kind == "water" else (4, 3) if kind in ("sky", "dusk") else (int(rng.integers(5, 10)),) * 2
    image += strength * _noise(rng, size, cells)[..., None]
    if kind in ("foliage", "woodland", "meadow"):  # a few discs of blurred light
        light = Image.new("L", (width // 2, height // 2))
        draw = ImageDraw.Draw(light)
        for _ in range(int(rng.integers(6, 16))):
            x, y, r = rng.uniform(0, width / 2), rng.uniform(0, height / 2), rng.uniform(3, 14)
            draw.ellipse((x - r, y - r, x + r, y + r), fill=int(rng.integers(60, 200)))
        light = light.filter(ImageFilter.GaussianBlur(float(rng.uniform(2, 5))))
        light = light.resize(size, Image.Resampling.BILINEAR)
        image += (np.asarray(light, np.float32) / 255 * rng.choice([-26.0, 24.0]))[..., None]
    elif kind == "sky":
        cloud = np.clip(_noise(rng, size, (5, 4)) + 0.1, 0, 1)[..., None]
        image += cloud * (np.float32((218, 222, 226)) - image) * 0.6
    return np.clip(image, 0, 255)


class _Canvas:
    """A float image to draw shaded polygons on. Points are in the bird's frame; `place` converts them to pixels."""

    def __init__(self, image: np.ndarray, scale: float, shift: np.ndarray, mirrored: bool, grain: np.ndarray):
        self.image, self.scale, self.shift, self.mirrored, self.grain = image, scale, shift, mirrored, grain
        self.alpha = np.zeros(image.shape[:2], np.float32)

    def place(self, points) -> np.ndarray:
        p = np.asarray(points, float) * self.scale * (-1 if self.mirrored else 1, -1)
        return p + self.shift

    def fill(self, polygons, rgb, roundness: float, bottom: float | None = None, of_bird: bool = True) -> None:
        """Fills the union of `polygons`; light falls from above. Nothing is drawn below row `bottom`."""
        placed = [self.place(polygon) for polygon in polygons]
        height, width = self.alpha.shape
        blur = max(0.06 * self.scale, 1.0)
        margin = int(2 * blur) + 2
        points = np.vstack(placed)
        x0, y0 = np.maximum(np.floor(points.min(0)).astype(int) - margin, 0)
        x1, y1 = np.minimum(np.ceil(points.max(0)).astype(int) + margin, (width, height))
        if min(x1 - x0, y1 - y0) < 2:  # out of the image; a slope takes two pixels
            return
        mask = Image.new("L", (int(x1 - x0) * _SUPERSAMPLING, int(y1 - y0) * _SUPERSAMPLING))
        draw = ImageDraw.Draw(mask)
        for polygon in placed:
            draw.polygon([tuple(v) for v in (polygon - (x0, y0)) * _SUPERSAMPLING], fill=255)
        mask = mask.reduce(_SUPERSAMPLING)
        cover = np.asarray(mask, np.float32) / 255
        shade = np.ones_like(cover)
        if roundness:  # the slope of the blurred outline stands for the surface's normal
            soft = np.asarray(mask.filter(ImageFilter.GaussianBlur(blur)), np.float32) / 255
            lit = np.gradient(soft, axis=0) * blur
            shade += roundness * (0.75 * lit - 0.16 * (1 - soft))
        if bottom is not None:
            cover = cover * np.clip(bottom - np.arange(y0, y1, dtype=np.float32), 0, 1)[:, None]
        shade = shade * (1 + self.grain[y0:y1, x0:x1] * min(1.0, 0.4 + roundness))
        target = self.image[y0:y1, x0:x1]
        ink = np.clip(np.float32(rgb) * shade[..., None] + 26 * (shade[..., None] - 1), 0, 255)
        target += cover[..., None] * (ink - target)
        if of_bird:
            seen = self.alpha[y0:y1, x0:x1]
            np.maximum(seen, cover, out=seen)


def _branch(rng: np.random.Generator, canvas: _Canvas, feet: list, reach: float) -> None:
    """A branch under the feet, with a twig or two and leaves."""
    x, y = np.mean(feet, 0)
    slope, thick = rng.uniform(-0.12, 0.12), rng.uniform(0.07, 0.13)
    xs = np.linspace(-reach, reach, 7)
    ys = y - thick * 0.5 + slope * (xs - x) + np.where(np.abs(xs - x) > 0.4, rng.normal(0, 0.03, 7), 0)
    colour = np.array((104, 94, 82)) + rng.normal(0, 7)
    line = spline(np.stack([xs, ys], 1), False)
    canvas.fill([stroke(line, thick * 1.2, thick * 0.8)], colour, 0.8, of_bird=False)
    for _ in range(int(rng.integers(0, 4))):
        start = line[int(rng.integers(0, len(line)))]
        if abs(start[0] - x) < 0.5:
            continue
        tip = start + (rng.uniform(-0.3, 0.3), rng.choice([-1, 1]) * rng.uniform(0.2, 0.5))
        canvas.fill([stroke([start, tip], 0.05, 0.02)], colour, 0.3, of_bird=False)
        leaf = rotate(spline([(0, 0), (0.12, 0.06), (0.28, 0), (0.12, -0.06)]), rng.uniform(0, 360)) + tip
        canvas.fill([leaf], np.array((98, 112, 80)) + rng.normal(0, 8), 0.3, of_bird=False)


def render(bird: Bird, scene: np.ndarray, scale: float, centre, mirrored: bool, seed) -> tuple[np.ndarray, np.ndarray]:
    """Draws `bird` over `scene` (float [H,W,3], 0..255), the middle of its extent at `centre` (x, y) pixels.

    `scale`: pixels per trunk length; `seed`: of the plumage's grain, the shades and the perch.
    → uint8 image [H,W,3], alpha float32 [H,W]: the share of each pixel that the bird covers.
    """
    rng = np.random.default_rng(seed)
    height, width = scene.shape[:2]
    parts, anchors = build(bird)
    middle = extent(parts, anchors["waterline"]).mean(0) * (-1 if mirrored else 1, -1)
    cells = (max(2, width // 5), max(2, height // 3))
    grain = 0.07 * _noise(rng, (width, height), cells)
    canvas = _Canvas(scene.astype(np.float32).copy(), scale, np.asarray(centre) - middle * scale, mirrored, grain)
    tints = {
        name: np.clip(np.array(rgb) * rng.normal(1, 0.05) + rng.normal(0, 4, 3), 0, 255)
        for name, rgb in PALETTE.items()
    }
    if bird.pose == "perched":
        _branch(rng, canvas, anchors["feet"], 1.5 * max(width, height) / scale)
    elif bird.pose == "standing":
        x, y = np.mean(anchors["feet"], 0)
        wide = 1.5 * max(width, height) / scale
        ground = [(-wide, y + 0.12), (x, y + 0.10), (wide, y + 0.13), (wide, y - wide), (-wide, y - wide)]
        canvas.fill([np.array(ground)], np.array((142, 136, 120)) + rng.normal(0, 8), 0.2, of_bird=False)
        canvas.fill([circle((0, 0), 1.0) * (0.45, 0.05) + (x, y - 0.03)], (98, 94, 86), 0.0, of_bird=False)
    bottom = None
    if anchors["waterline"] is not None:
        bottom = float(canvas.place([(0.0, anchors["waterline"])])[0, 1])
    for part in parts:
        rgb = tints[part.colour] if isinstance(part.colour, str) else np.array(part.colour, float)
        canvas.fill(part.polygons, rgb * part.brightness, part.roundness, bottom)
    if bottom is not None:  # ripples where the trunk meets the water
        for k in range(3):
            ring = circle((0, 0), 1.0) * (0.62 + 0.16 * k, 0.012) + (0.0, anchors["waterline"] - 0.03 - 0.06 * k)
            canvas.fill([ring], (188, 200, 204), 0.0, of_bird=False)
    return np.clip(np.rint(canvas.image), 0, 255).astype(np.uint8), canvas.alpha


def bounding_box(alpha: np.ndarray) -> tuple[int, int, int, int]:
    """(x, y, width, height) of the box around all pixels that the bird covers by half or more."""
    rows, columns = np.where((alpha >= 0.5).any(1))[0], np.where((alpha >= 0.5).any(0))[0]
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1
