"""Precision, recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020) from k-nearest neighbours."""

from collections.abc import Iterator

import numpy as np

from ffgan_tf.metrics.seeds import SEED
from ffgan_tf.metrics.statistics import check_features
from ffgan_tf.utils.errors import UserError

_CHUNK = 1024  # rows of the distance matrix held at once: 1,024 × 30,000 float64 = 246 MB


def _distances(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields (rows, squared distances [rows, len(b)]) of a [N, D] to b [M, D], float64."""
    b_norm = (b * b).sum(axis=1)
    for start in range(0, len(a), _CHUNK):
        rows = slice(start, min(start + _CHUNK, len(a)))
        part = a[rows]
        squared = part @ b.T
        squared *= -2
        squared += (part * part).sum(axis=1)[:, None]
        squared += b_norm
        yield rows, np.maximum(squared, 0, out=squared)


def _radii(features: np.ndarray, k: int) -> np.ndarray:
    """Squared distance of each row to its k-th nearest other row."""
    radii = np.empty(len(features))
    # A copy: NumPy multiplies an array by itself with another routine, whose last digits differ from those of `prdc`'s
    # distances, so that a set's own neighbours lay inside and outside its balls by chance.
    for rows, squared in _distances(features, features.copy()):
        squared[np.arange(len(squared)), np.arange(rows.start, rows.stop)] = np.inf  # a row is not its own neighbour
        radii[rows] = np.partition(squared, k - 1, axis=1)[:, k - 1]
    return radii


def prdc(real: np.ndarray, fake: np.ndarray, k: int = 5, max_samples: int = 10_000, seed: int = SEED) -> dict:
    """Precision, recall, density, coverage of fake against real features [N, D], as in the authors' package `prdc`.

    precision: share of fakes inside the k-NN ball of some real; recall: share of reals inside the k-NN ball of some
    fake; density: mean number of real balls a fake lies in, over k (can exceed 1); coverage: share of reals whose ball
    holds a fake. A set above `max_samples` is thinned by a seeded choice: time grows with the square.
    Returns the four with `k` and the counts used. UserError where a set has no more than k rows.
    """
    random = np.random.RandomState(seed)
    sets = []
    for name, features in (("real", real), ("generated", fake)):
        features = check_features(features, f"precision/recall, {name} images")
        if len(features) <= k:
            raise UserError(
                f"precision/recall with k = {k} needs more than {k} {name} images; there are "
                f"{len(features)}. Fix: use more images."
            )
        if len(features) > max_samples:
            features = features[np.sort(random.choice(len(features), max_samples, replace=False))]
        sets.append(features.astype(np.float64))
    real, fake = sets
    shift = real.mean(axis=0)  # leaves distances unchanged; the expansion of ‖a−b‖² loses fewer digits near the origin
    real, fake = real - shift, fake - shift

    real_radii, fake_radii = _radii(real, k), _radii(fake, k)
    balls_around = np.zeros(len(fake), np.int64)
    recalled, covered = 0, 0
    for rows, squared in _distances(real, fake):
        balls_around += (squared < real_radii[rows, None]).sum(axis=0)
        recalled += int((squared < fake_radii).any(axis=1).sum())
        covered += int((squared.min(axis=1) < real_radii[rows]).sum())
    return {
        "precision": float((balls_around > 0).mean()),
        "recall": recalled / len(real),
        "density": float(balls_around.mean() / k),
        "coverage": covered / len(real),
        "k": k,
        "real_count": len(real),
        "fake_count": len(fake),
    }
