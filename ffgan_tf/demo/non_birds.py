"""Images with the renderings' colours and textures but no bird's shape: negative examples for a judge of shapes."""

import numpy as np
from scipy import ndimage


def shuffled_tiles(images: np.ndarray, rng: np.random.Generator, tiles: int) -> np.ndarray:
    """Images (N, S, S, 3), S a multiple of `tiles`, each cut into tiles × tiles squares in random order."""
    n, size = images.shape[:2]
    side, count = size // tiles, tiles**2
    cut = images.reshape(n, tiles, side, tiles, side, 3).transpose(0, 1, 3, 2, 4, 5).reshape(n, count, side, side, 3)
    order = rng.permuted(np.tile(np.arange(count), (n, 1)), axis=1)
    cut = np.take_along_axis(cut, order[..., None, None, None], axis=1).reshape(n, tiles, tiles, side, side, 3)
    return cut.transpose(0, 1, 3, 2, 4, 5).reshape(images.shape)


def warped(images: np.ndarray, rng: np.random.Generator, amplitude: float = 0.11, scale: float = 0.06) -> np.ndarray:
    """Images under a smooth random displacement: `amplitude` its root mean square an axis, `scale` the standard
    deviation of the Gaussian that smooths it, both in shares of the side."""
    out, size = np.empty_like(images), images.shape[1]
    grid = np.mgrid[:size, :size].astype(np.float32)
    for i, image in enumerate(images):
        shift = np.stack([ndimage.gaussian_filter(rng.normal(size=(size, size)), scale * size) for _ in range(2)])
        shift *= amplitude * size / shift.std()
        for channel in range(3):
            out[i, ..., channel] = ndimage.map_coordinates(image[..., channel], grid + shift, order=1, mode="reflect")
    return out


def halves(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The upper half of each image over the lower half of another, rolled sideways by a third."""
    half = images.shape[1] // 2
    other = np.roll(images[rng.permutation(len(images))], images.shape[1] // 3, axis=2)
    return np.concatenate([images[:, :half], other[:, half:]], axis=1)


def corners(images: np.ndarray) -> np.ndarray:
    """The upper left quarter of each image at twice its size: mostly background."""
    half = images.shape[1] // 2
    return images[:, :half, :half].repeat(2, 1).repeat(2, 2)


def non_birds(images: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Non-birds by kind, made from renderings (N, S, S, 3) uint8; about N in total."""
    rng = np.random.default_rng(seed)
    parts = np.array_split(rng.permutation(len(images)), 5)
    return {
        "tiles 4x4": shuffled_tiles(images[parts[0]], rng, 4),
        "tiles 2x2": shuffled_tiles(images[parts[1]], rng, 2),
        "warped": warped(images[np.concatenate(parts[2:4])], rng),
        "halves": halves(images[parts[4]], rng),
        "backgrounds": corners(images[parts[0][: len(parts[0]) // 2]]),
    }
