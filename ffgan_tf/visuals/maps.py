"""Attention and feature maps as images. NumPy in, uint8 out."""

import numpy as np
from PIL import Image

DARK = 0.12  # an image's brightness at zero attention, as a share
# Nine anchors of Matplotlib's viridis (CC0), interpolated linearly: dark blue is low, yellow is high.
_VIRIDIS = np.array(
    [
        (68, 1, 84),
        (71, 44, 122),
        (59, 81, 139),
        (44, 113, 142),
        (33, 144, 141),
        (39, 173, 129),
        (92, 200, 99),
        (170, 220, 50),
        (253, 231, 37),
    ],
    np.float64,
)


def upsample(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """A map (h, w) at another size, float32: bilinear between its cells' centres, constant beyond the outermost."""
    image = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def light(attention: np.ndarray, peak: float | None = None) -> np.ndarray:
    """What to multiply an image by, so that it is lit where a word's attention (h, w) is high: (h, w), DARK to 1.

    Brightness is attention / `peak` (default: the map's own maximum). A word with the same attention everywhere leaves
    the image unchanged; zero attention leaves DARK of its brightness.
    """
    peak = float(np.max(attention)) if peak is None else peak
    return DARK + (1 - DARK) * np.clip(np.asarray(attention, np.float32) / max(peak, 1e-12), 0, 1)


def overlay(image: np.ndarray, attention: np.ndarray, peak: float | None = None) -> np.ndarray:
    """An image (S, S, 3) uint8 lit where one word's attention (h, w) is high, dark elsewhere (`light`); its shape."""
    peak = float(np.max(attention)) if peak is None else peak
    lit = light(upsample(attention, *image.shape[:2]), peak)
    return np.rint(image * lit[:, :, None]).astype(np.uint8)


def energy(features: np.ndarray) -> np.ndarray:
    """The energy of a feature map (h, w, C) at every pixel: the mean over channels of the squares, (h, w) float64."""
    return np.square(np.asarray(features, np.float64)).mean(axis=-1)


def liveliest(features: np.ndarray, count: int) -> np.ndarray:
    """The `count` channels of (h, w, C) with the largest variance over the map, in descending order; the lower index
    first among equals."""
    spread = np.asarray(features, np.float64).var(axis=(0, 1))
    return np.argsort(-spread, kind="stable")[:count]


def coloured(values: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """A map (h, w) in colours (h, w, 3) uint8, from dark blue at `low` to yellow at `high` (default: its extremes)."""
    values = np.asarray(values, np.float64)
    low, high = (values.min() if low is None else low), (values.max() if high is None else high)
    position = np.clip((values - low) / max(high - low, 1e-12), 0, 1) * (len(_VIRIDIS) - 1)
    anchors = np.arange(len(_VIRIDIS))
    return np.rint(np.stack([np.interp(position, anchors, channel) for channel in _VIRIDIS.T], -1)).astype(np.uint8)
