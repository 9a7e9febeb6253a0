"""Power of images by frequency along rows and columns: a woven grid in generated images stands out against real ones.

Upsampling leaves traces at fixed periods: two pixels (Nyquist), and three to four and a half for layers two doublings
back. The eye sees them as a weave, and a Fréchet distance hardly does.
"""

from typing import NamedTuple

import numpy as np

# Bands of periods in pixels, shortest and longest, both included. The ratio of a band is that of its summed power.
BANDS = {"nyquist": (2.0, 2.2), "fine": (2.2, 3.5), "middle": (3.5, 4.5), "coarse": (4.5, 64.0)}
_WEIGHTS = np.array([0.299, 0.587, 0.114])  # luma of RGB (ITU-R BT.601)
_CHUNK = 256  # images at once


class SpectrumRatio(NamedTuple):
    """Power of generated over real images. `rows` and `columns` (S/2,): ratios at 1, 2, … S/2 cycles an image, along
    rows and along columns; `bands`: the larger of both directions' ratios in each of BANDS; `worst`: the largest ratio
    at periods up to `BANDS["middle"]`'s longest; `worst_period` in pixels."""

    rows: np.ndarray
    columns: np.ndarray
    bands: dict[str, float]
    worst: float
    worst_period: float


def power_spectrum(images: np.ndarray) -> np.ndarray:
    """Mean power of luma along rows and along columns: images (N, S, S, 3), grey levels → float64 (2, S/2).

    Entry k − 1 belongs to k cycles an image. Each line loses its mean and is weighted by a Hann window w, because an
    image's two ends do not meet; |DFT(w·x)|² / Σw² is averaged over all lines of all images. White noise of variance v
    has power v at every frequency; A·cos(2πkx/S), 1 < k < S/2 − 1, has A²·S/6 at k.
    Raises ValueError where images are not square and of an even side.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[3] != 3 or images.shape[1] != images.shape[2] or images.shape[1] % 2:
        raise ValueError(f"images must be (N, S, S, 3), S even: {images.shape}")
    size = images.shape[1]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    total = np.zeros((2, size // 2))
    for start in range(0, len(images), _CHUNK):
        grey = images[start : start + _CHUNK] @ _WEIGHTS
        for direction, lines in enumerate((grey, grey.transpose(0, 2, 1))):
            lines = (lines - lines.mean(axis=-1, keepdims=True)) * window
            total[direction] += (np.abs(np.fft.rfft(lines)[..., 1:]) ** 2).sum(axis=(0, 1))
    return total / (len(images) * size * np.square(window).sum())


def spectrum_ratio(generated: np.ndarray, real: np.ndarray) -> SpectrumRatio:
    """Power of `generated` over that of `real` images, both (·, S, S, 3) in grey levels of one range."""
    ours, theirs = power_spectrum(generated), power_spectrum(real)
    if ours.shape != theirs.shape:
        raise ValueError(f"generated and real images differ in size: {2 * ours.shape[1]} and {2 * theirs.shape[1]}")
    periods = 2 * ours.shape[1] / np.arange(1, ours.shape[1] + 1)
    ratio = ours / theirs
    bands = {}
    for name, (low, high) in BANDS.items():
        inside = (periods >= low) & (periods <= high)
        bands[name] = float((ours[:, inside].sum(axis=1) / theirs[:, inside].sum(axis=1)).max())
    short = np.where(periods <= BANDS["middle"][1], ratio, 0.0)
    peak = np.unravel_index(short.argmax(), short.shape)
    return SpectrumRatio(ratio[0], ratio[1], bands, float(short[peak]), float(periods[peak[1]]))
